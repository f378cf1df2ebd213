/* error.c - the last error message of each thread, and a short text for each status. */
#include "dispatch/error.h"
#include "dispatch/fork.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

static _Thread_local char sentence[1024];

static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* Without memory for a locale the host's stays: uselocale(0) changes nothing. */
AttnLocale attn_locale_enter(void)
{
    static AttnOnce once;
    attn_once(&once, make_c_locale);
    return (AttnLocale){uselocale(c_locale)};
}

void attn_locale_leave(AttnLocale locale)
{
    uselocale((locale_t)locale.before);
}

AttnStatus attn_fail(AttnStatus status, const char *format, ...)
{
    /* Written aside first, because an argument may be the old sentence itself. */
    char fresh[sizeof sentence];
    va_list arguments;
    const AttnLocale locale = attn_locale_enter();
    va_start(arguments, format);
    if (vsnprintf(fresh, sizeof fresh, format, arguments) < 0)
        fresh[0] = '\0';
    va_end(arguments);
    attn_locale_leave(locale);
    memcpy(sentence, fresh, sizeof sentence);
    return status;
}

const char *attn_last_error(void)
{
    return sentence;
}

const char *attn_status_string(AttnStatus status)
{
    switch (status) {
    case ATTN_OK: return "ok";
    case ATTN_ERROR_NULL: return "required pointer is NULL";
    case ATTN_ERROR_STRUCT: return "struct not made, or its size not known";
    case ATTN_ERROR_VALUE: return "value not allowed";
    case ATTN_ERROR_OVERFLOW: return "size does not fit the address space";
    case ATTN_ERROR_OVERLAP: return "output overlaps another tensor or itself";
    case ATTN_ERROR_NAME: return "name not known";
    case ATTN_ERROR_UNSUPPORTED: return "no kernel here takes the problem";
    case ATTN_ERROR_WORKSPACE: return "workspace too small or not aligned";
    case ATTN_ERROR_MEMORY: return "out of memory";
    case ATTN_STATUS_MAX_ENUM: break;
    }
    return "unknown status";
}
