/* error.h - sets the last error message of this thread. */
#ifndef ATTN_ERROR_H
#define ATTN_ERROR_H

#include "attnzoo.h"

/* Store a formatted sentence (cut at 1023 bytes) for attn_last_error() and return status, so that callers can
 * `return attn_fail(ATTN_ERROR_VALUE, "problem.d is %zu; allowed: 1 to %zu", d, max);` */
AttnStatus attn_fail(AttnStatus status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Between the two, this thread formats numbers as the C locale does, whatever locale the host has set: "0.5", never "0,5". */
typedef struct AttnLocale {
    void *before; /* what to go back to */
} AttnLocale;
AttnLocale attn_locale_enter(void);
void attn_locale_leave(AttnLocale locale);

#endif
