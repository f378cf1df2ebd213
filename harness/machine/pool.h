/* pool.h - a parallel loop such as an application might have: waiting threads, each on its own core. AttnOptions.parallel_for is measured
 * with it. */
#ifndef HARNESS_MACHINE_POOL_H
#define HARNESS_MACHINE_POOL_H

#include <stddef.h>

typedef struct Pool Pool;

/* `threads` >= 1, including the caller. NULL: no memory or no threads. */
Pool *pool_open(size_t threads);
void pool_close(Pool *pool); /* NULL is allowed */

/* An AttnParallelFor; context is the Pool. Calls task(argument, i) for i < n, concurrently if n is at most the number of the pool's
 * threads. */
void pool_loop(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument);

#endif
