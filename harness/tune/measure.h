/* measure.h - which kernel is fastest for the problems of one bucket: candidates, verification, paired rounds, the pick.
 *
 * Each shape of the bucket is a case of bench (bench/case.h): every candidate is verified on it, then all are measured in interleaved
 * rounds. The rigor determines how much is measured:
 *
 *     quick       the 3 cheapest by estimate, 0.2 s, stops at intervals of +-3 %
 *     measure     all within 8 times the cheapest estimate, 1 s, stops at +-1 %
 *     patient     every kernel that runs, 4 s, stops at +-0.5 %
 *     exhaustive  the same three times, each with fresh operands at other addresses; the choice must hold in all three
 *
 * Times are per case, without verification. If the pick may still be more than 20, 10, 5 or 5 % (by rigor) slower than another kernel, the
 * measurement is repeated with three times the budget, at most twice. `estimate` measures nothing. */
#ifndef HARNESS_TUNE_MEASURE_H
#define HARNESS_TUNE_MEASURE_H

#include "dispatch/options.h"
#include "harness/bench/case.h"
#include "harness/machine/topology.h"
#include "harness/tune/file.h"

typedef struct TuneBucket {
    AttnTuneKey key;
    char name[ATTN_TUNE_LINE];
    const Shape **shapes;
    size_t count;
} TuneBucket;

typedef enum TuneOutcome {
    TUNE_FOUND,     /* row is filled                                             */
    TUNE_ESTIMATED, /* rigor estimate: nothing was measured                      */
    TUNE_ALONE,     /* only one kernel takes part: nothing to choose             */
    TUNE_NOISY,     /* no kernel was measured often enough for an interval       */
    TUNE_NOBODY,    /* no kernel takes these problems, or none passed            */
    TUNE_STOPPED    /* Ctrl-C                                                    */
} TuneOutcome;

typedef struct TuneResult {
    TuneOutcome outcome;
    const AttnKernel *estimate; /* dispatch's choice without a tune file; NULL: none, or different ones for the shapes */
    TuneRow row;
    bool tied;                  /* others were as fast                                                                */
    double loss, loss_lo;       /* the pick's, or `held`'s, time over the fastest's in its worst case, and its bound    */
    const AttnKernel *fastest;  /* the fastest kernel there                                                           */
    bool disagreed, crashed;    /* some candidate did, and was left out                                               */
} TuneResult;

/* How a case is measured at this rigor at first, on one thread. */
BenchOptions tune_options(AttnRigor rigor);

/* Measure one bucket. held: NULL, or the kernel to which `loss` refers instead of the pick (tune --check); it is always a candidate. false:
 * error[] says what stopped it (memory). */
bool tune_measure(const TuneBucket *bucket, AttnRigor rigor, const AttnKernel *held, uint64_t seed, const AttnSettings *settings,
                  const Topology *topology, TuneResult *result, char *error, size_t error_size);

/* Buckets of shapes for a number of workers, in the order of their first shape. Shapes without rows or keys are skipped. free with
 * tune_buckets_free. false: no memory. */
typedef struct TuneBuckets {
    TuneBucket *at;
    size_t count;
} TuneBuckets;
bool tune_buckets_add(TuneBuckets *buckets, const Shapes *shapes, size_t threads);
void tune_buckets_free(TuneBuckets *buckets);

#endif
