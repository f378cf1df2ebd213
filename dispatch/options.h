/* options.h - what caller and environment ask for, merged and checked. The only getenv of the library is in options.c. */
#ifndef ATTN_OPTIONS_H
#define ATTN_OPTIONS_H

#include "kernels/kernel.h"

/* Options with every name resolved. */
typedef struct AttnSettings {
    const AttnKernel *kernel; /* forced kernel, or NULL                                       */
    const char *kernel_from;  /* "options.kernel" or "ATTNZOO_KERNEL": who forced it          */
    uint64_t allowed;         /* features left after max_isa and disable                      */
    size_t threads;           /* 0: the runner's default                                      */
    AttnParallelFor parallel_for;
    void *parallel_context;
    bool verbose_dispatch;    /* ATTNZOO_VERBOSE contains "dispatch"                          */
} AttnSettings;

/* Merge options (may be NULL) with the environment. Unknown names are ATTN_ERROR_NAME with the list of known ones in attn_last_error();
 * an unknown number of threads is ATTN_ERROR_VALUE. `getenv_fn` is getenv in the library; tests pass their own. */
AttnStatus attn_settings_read(const AttnOptions *options, const char *(*getenv_fn)(const char *), AttnSettings *settings);
AttnStatus attn_settings_read_environment(const AttnOptions *options, AttnSettings *settings); /* the same with the real getenv */

#endif
