/* threads.h - runs the items of a phase on the library's threads, the caller's parallel-for, or the calling thread. */
#ifndef ATTN_THREADS_H
#define ATTN_THREADS_H

#include <stddef.h>
#include <stdint.h>

#include "dispatch/options.h"

/* The number of workers to plan for: settings->threads, else 1 with a caller's loop and one a CPU without. >= 1. */
size_t attn_threads_workers(const AttnSettings *settings);

/* Independent items of work: any thread may do any of them, in any order. */
typedef struct AttnPhase {
    size_t items;
    size_t together; /* so many items that follow each other, those of one head say, stay in one thread's range; 0, 1: no such groups */
    void (*item)(void *context, size_t worker, size_t item);
    uint64_t (*enter)(void);         /* called by each thread before its first item; NULL: nothing                  */
    void (*leave)(uint64_t entered); /* called by it after its last item, with what `enter` returned; NULL: nothing */
} AttnPhase;

/* Call phase->item(context, worker, item) once for each item < phase->items, and return when all have returned; worker < workers is unique
 * among items running at the same time. Each thread begins with a range of consecutive items of its own, the same in every run of the same
 * size, and then helps where items are left, so uneven items balance.
 * Without a loop, as many of the library's threads take part as are free and as the system grants (helpers.h). */
void attn_threads_run(AttnParallelFor loop, void *loop_context, size_t workers, const AttnPhase *phase, void *context);

#endif
