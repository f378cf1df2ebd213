/* loops.h - loops of a caller (AttnOptions.parallel_for), for judges: results must not depend on them. */
#ifndef HARNESS_OPS_LOOPS_H
#define HARNESS_OPS_LOOPS_H

#include <stddef.h>

/* Threads of our own, fresh each time, hence safe in a forked child whatever the parent did. */
void loop_threads(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument);

/* One worker after another, the last one first. */
void loop_reversed(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument);

#endif
