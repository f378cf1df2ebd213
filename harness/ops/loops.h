/* loops.h - loops of a caller (AttnOptions.parallel_for): results must not depend on them. */
#ifndef HARNESS_OPS_LOOPS_H
#define HARNESS_OPS_LOOPS_H

#include <stddef.h>

/* Our own threads, at most 64 besides the caller, started anew each time: this is safe in a forked child whatever the parent did, and shows
 * what such a loop costs. Each thread takes the next index, so up to n = 65 tasks may wait for each other. */
void loop_threads(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument);

/* One worker after the other, the last one first. */
void loop_reversed(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument);

#endif
