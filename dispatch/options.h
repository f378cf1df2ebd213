/* options.h - the settings of caller and environment, merged and checked. The only getenv of the library is in options.c. */
#ifndef ATTN_OPTIONS_H
#define ATTN_OPTIONS_H

#include "dispatch/tune.h"

/* Options with every name resolved. */
typedef struct AttnSettings {
    const AttnKernel *kernel; /* forced kernel, or NULL                                       */
    const char *kernel_from;  /* "options.kernel" or "ATTNZOO_KERNEL": who forced it          */
    uint64_t allowed;         /* features left after max_isa and disable                      */
    size_t threads;           /* 0: one for each CPU; with parallel_for one                   */
    AttnParallelFor parallel_for;
    void *parallel_context;
    bool verbose_dispatch;    /* ATTNZOO_VERBOSE contains "dispatch"                          */
    const AttnTune *tune;     /* what was measured here (tune.h); NULL: nothing is asked      */
} AttnSettings;

/* Merge options (may be NULL) with the environment. Unknown names are ATTN_ERROR_NAME with the list of known ones in attn_last_error();
 * an unknown number of threads is ATTN_ERROR_VALUE. `getenv_fn` is getenv in the library; tests pass their own. */
AttnStatus attn_settings_read(const AttnOptions *options, const char *(*getenv_fn)(const char *), AttnSettings *settings);
AttnStatus attn_settings_read_environment(const AttnOptions *options, AttnSettings *settings); /* the same with the real getenv, and where
                                                                     the options name no tune file with that of the environment, read once in a process */

/* Where the tune file of a machine may be, best place first: $ATTNZOO_TUNE_FILE alone if set, which may be "off"; else
 * $XDG_CACHE_HOME/attnzoo/<machine>.tune (or below $HOME/.cache), then /etc/attnzoo/<machine>.tune. The first is where it is written. */
typedef struct AttnTunePaths {
    size_t count;
    bool system_only; /* the environment names no place of the user's: at[0] is the one in /etc */
    char at[2][1024];
} AttnTunePaths;
void attn_settings_tune_paths(const char *machine, const char *(*getenv_fn)(const char *), AttnTunePaths *paths);
void attn_settings_tune_paths_environment(const char *machine, AttnTunePaths *paths); /* the same with the real getenv */

#endif
