/* loops.h - loops of a caller (AttnOptions.parallel_for): results must not depend on them. */
#ifndef HARNESS_OPS_LOOPS_H
#define HARNESS_OPS_LOOPS_H

#include <stddef.h>

/* Threads of our own, 64 beside the caller at most, fresh each time: safe in a forked child whatever the parent did, and what a loop costs
 * that does so. Each draws the next index, so n tasks may wait for each other up to n = 65. */
void loop_threads(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument);

/* One worker after another, the last one first. */
void loop_reversed(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument);

#endif
