/* isolate.h - run items in child processes: a crash or an endless loop counts as one result, and the other items go on. */
#ifndef HARNESS_BASE_ISOLATE_H
#define HARNESS_BASE_ISOLATE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct IsolateJob {
    size_t items;        /* numbered from 0                                                                    */
    size_t group;        /* this many consecutive items go to the same child, so it may cache                   */
    size_t workers;      /* children at the same time, >= 1                                                     */
    size_t result_size;  /* bytes that `work` fills                                                             */
    unsigned timeout;    /* seconds that an item may take                                                       */
    void *context;       /* handed to both functions; the child sees a copy of the parent's memory              */
    void (*work)(void *context, size_t item, void *result);                     /* in a child                   */
    bool (*done)(void *context, size_t item, const void *result, const char *crash); /* in the parent: result, or crash = a
                                                    sentence and result NULL; false: stop early                 */
    const volatile sig_atomic_t *stop; /* stop early once this is non-zero; may be NULL                         */
} IsolateJob;

/* Items finish in any order across workers. false: stopped early, or no child could be started (then *error says why, else it is NULL). */
bool isolate_run(const IsolateJob *job, const char **error);

#endif
