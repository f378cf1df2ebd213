/* pool.h - a parallel loop as an application would have one: threads that wait, each on a core of its own. What AttnOptions.parallel_for
 * is measured with. */
#ifndef HARNESS_MACHINE_POOL_H
#define HARNESS_MACHINE_POOL_H

#include <stddef.h>

typedef struct Pool Pool;

/* `threads` >= 1, the caller counted. NULL: no memory or no threads. */
Pool *pool_open(size_t threads);
void pool_close(Pool *pool); /* NULL is fine */

/* An AttnParallelFor; context is the Pool. Calls task(argument, i) for i < n, at once where n is at most the pool's threads. */
void pool_loop(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument);

#endif
