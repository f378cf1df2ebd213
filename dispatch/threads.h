/* threads.h - runs n independent units on the library's threads, the caller's parallel-for, or the calling thread. */
#ifndef ATTN_THREADS_H
#define ATTN_THREADS_H

#include <stddef.h>

#include "dispatch/options.h"

/* The number of workers to plan for: settings->threads, else 1 with a caller's loop and one a CPU without. >= 1. */
size_t attn_threads_workers(const AttnSettings *settings);

/* Call body(context, worker, unit) once for each unit < units; worker < workers is unique among bodies running at the same time.
 * Each thread begins with a range of consecutive units of its own, the same in every run of the same size, and then helps where units are
 * left, so uneven units balance. Ranges do not part `together` units that follow each other, such as those of one head; 1: any two.
 * Without a loop, as many of the library's threads take part as are free and as the system grants (helpers.h). */
void attn_threads_run(AttnParallelFor loop, void *loop_context, size_t workers, size_t units, size_t together,
                      void (*body)(void *context, size_t worker, size_t unit), void *context);

#endif
