/* counters.h - cycles, instructions and cache misses of a stretch of code on the calling thread, from perf_event_open where the system has
 * counters and lets this user read them. User space only. Where counters are shared among too many events the values are scaled by the time
 * that each was counting, as perf does. */
#ifndef HARNESS_MEASURE_COUNTERS_H
#define HARNESS_MEASURE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum Counter { COUNTER_CYCLES, COUNTER_INSTRUCTIONS, COUNTER_LLC_MISSES, COUNTER_L1D_MISSES, COUNTER_DTLB_MISSES, COUNTERS } Counter;

typedef struct Counters {
    int fd[COUNTERS]; /* -1: this processor has none of it */
} Counters;

const char *counter_name(Counter counter); /* "cycles", "insn", "llc_miss" … as in records */

/* false: why[] says why nothing can be counted, and there is nothing to close. At least cycles and instructions are there otherwise. */
bool counters_open(Counters *counters, char *why, size_t why_size);
void counters_close(Counters *counters);

/* Count what lies between the two calls. values: NaN where a counter is missing or did not run. */
void counters_start(const Counters *counters);
void counters_stop(const Counters *counters, double values[COUNTERS]);

#endif
