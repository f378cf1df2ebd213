/* counters.h - cycles, instructions and cache misses of a stretch of code on the calling thread, from perf_event_open, if the system has
 * counters and lets this user read them. User space only. If there are more events than counters, values are scaled by the share of time in
 * which each was counted, as perf does. */
#ifndef HARNESS_MEASURE_COUNTERS_H
#define HARNESS_MEASURE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum Counter { COUNTER_CYCLES, COUNTER_INSTRUCTIONS, COUNTER_LLC_MISSES, COUNTER_L1D_MISSES, COUNTER_DTLB_MISSES, COUNTERS } Counter;

typedef struct Counters {
    int fd[COUNTERS]; /* -1: this processor lacks the event */
} Counters;

const char *counter_name(Counter counter); /* "cycles", "insn", "llc_miss" … as in records */

/* At least cycles and instructions are counted. false: why[] says why nothing can be counted; there is nothing to close. */
bool counters_open(Counters *counters, char *why, size_t why_size);
void counters_close(Counters *counters);

/* Count between the two calls. values: NaN if a counter is missing or did not run. */
void counters_start(const Counters *counters);
void counters_stop(const Counters *counters, double values[COUNTERS]);

#endif
