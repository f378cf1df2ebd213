/* threads.h - runs n independent units on OpenMP, on the caller's own parallel loop, or here. */
#ifndef ATTN_THREADS_H
#define ATTN_THREADS_H

#include <stdbool.h>

#include "dispatch/options.h"

/* Whether the library brings threads (OpenMP). Where it does not, a job without a caller's loop runs on the calling thread. */
bool attn_threads_own(void);

/* The number of workers to plan for: settings->threads, else the runner's default. >= 1. */
size_t attn_threads_workers(const AttnSettings *settings);

/* Call body(context, worker, unit) once for each unit < units; worker < workers is unique among bodies running at the same time.
 * Each thread begins with a range of consecutive units of its own, the same in every run of the same size, and then helps where units are
 * left, so uneven units balance. Ranges do not part `together` units that follow each other, such as those of one head; 1: any two.
 * Inside a caller's OpenMP region it runs on the calling thread. */
void attn_threads_run(AttnParallelFor loop, void *loop_context, size_t workers, size_t units, size_t together,
                      void (*body)(void *context, size_t worker, size_t unit), void *context);

#endif
