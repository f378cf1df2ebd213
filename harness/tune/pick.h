/* pick.h - the rule that picks a tuned kernel from measurements. A pure function, so that tests can simulate noise.
 *
 * A bucket may stand for several cases (shapes, or the same shape with fresh operands). In each, a kernel ties if known.h says so about the
 * ratio of its time to the fastest's: such small differences could be reversed on another day, and the file would change back and forth.
 * Among the kernels that tie in every case, the one that dispatch would take anyway is kept, otherwise the earliest in the registry wins.
 * If none ties in every case, the one with the best worst case wins. */
#ifndef HARNESS_TUNE_PICK_H
#define HARNESS_TUNE_PICK_H

#include <stdbool.h>
#include <stddef.h>

/* One kernel in one case: the ratio of its time to the fastest kernel's. */
typedef struct TuneTime {
    bool known;       /* verified, and measured often enough for an interval */
    double ratio, lo, hi;
} TuneTime;

/* times[case * kernels + kernel], kernels in registry order. preferred: the estimate's choice, or `kernels` if it has none or several.
 * Returns `kernels` if no kernel is known in every case. */
size_t tune_pick(const TuneTime *times, size_t cases, size_t kernels, size_t preferred);

/* How much slower than another kernel the picked one may be in its worst case, according to the intervals: the upper end of its own
 * interval over the lowest lower end. Both refer to the fastest, so the result errs on the side of caution. */
double tune_risk(const TuneTime *times, size_t cases, size_t kernels, size_t picked);

/* The best of the others by its worst case; `kernels` if there is none. */
size_t tune_runner_up(const TuneTime *times, size_t cases, size_t kernels, size_t picked);

/* The case in which this kernel is worst; the earlier one of equals. */
size_t tune_worst_case(const TuneTime *times, size_t cases, size_t kernels, size_t kernel);

#endif
