/* case.h - one shape of any kind of work, all kernels: verified, then measured side by side with the machine's own peaks. */
#ifndef HARNESS_BENCH_CASE_H
#define HARNESS_BENCH_CASE_H

#include "dispatch/choose.h"
#include "harness/measure/counters.h"
#include "harness/measure/energy.h"
#include "harness/measure/roof.h"
#include "harness/ops/op.h"
#include "harness/ops/sdpa/data.h"

typedef struct BenchOptions {
    const AttnKernel *baseline; /* NULL: naive_f32 if it takes part, else the first kernel that does */
    double budget;              /* seconds of measuring per case                                    */
    double min_trial;           /* seconds                                                          */
    size_t max_rounds;
    double target_ci;           /* 0: all rounds                                                    */
    double confidence;
    DataDist dist;
    uint64_t seed;
    size_t threads;
    bool energy;                /* also joules: one second per kernel                               */
    bool hyperfine;             /* whole processes under hyperfine (process/processes.h), not calls in this one */
    bool bare;                  /* without measuring the machine's peaks                            */
} BenchOptions;

enum { BENCH_CONTROL_ARMS = 1, BENCH_PEAK_ARMS = 8 };

typedef struct BenchKernel {
    OpKernel who;
    const PeakIsa *isa;       /* its multiply-add peak is the kernel's                      */
    VerifyResult verify;
    bool timed;
    char why[240];            /* why not                                                    */
    OpReady ready;            /* while it is measured                                       */
    AttnStatus status;        /* of the last run                                            */
    size_t arm;               /* index into arms, if timed                                  */
    StatsSummary time;
    StatsInterval vs;         /* t / t_baseline                                             */
    StatsInterval best;       /* t / t_fastest                                              */
    StatsInterval peak;       /* share of the multiply-add peak                             */
    Roof roof;
    StatsInterval roof_share; /* t_roof / t                                                 */
    double counted[COUNTERS]; /* events per call; NaN: not counted                          */
    double joules;            /* per call, above idle; NaN: not measured                    */
} BenchKernel;

typedef struct BenchCase {
    OpShape shape;
    const char *dist;         /* what the operands hold                                     */
    const BenchOptions *options;
    RoofWork work;
    PeakLevel level;          /* the smallest cache that holds the operands                 */
    BenchKernel *kernels;
    size_t count, timed;
    size_t baseline, fastest; /* indices of kernels; `count`: none                          */
    const AttnKernel *chosen; /* by dispatch for this problem and number of threads; NULL: none, or nothing is chosen */
    const char *chosen_by;    /* "tune", "estimate", "option": the tune file, the cost, by name */
    size_t controlled;        /* the kernel that the control is a copy of                   */
    StatsInterval control;    /* t_copy / t of it                                           */
    PairedArm *arms;          /* timed kernels, control, peaks                              */
    size_t arm_count;
    Peak peaks[BENCH_PEAK_ARMS];
    size_t peak_count;
    PairedRun run;
    char no_counters[120], no_energy[120]; /* why they are missing; "" if they are not */
} BenchCase;

/* The configuration of paired rounds for `options`, with a progress bar labelled `what` (kept, not copied). */
PairedConfig bench_config(const BenchOptions *options, char *what);

/* Verify and measure. false: error[] says what stopped it (memory); kernels that disagree, crash or do not take the shape are results, not
 * errors. The kernels are of the shape's kind. */
bool bench_case_run(BenchCase *bench, const OpShape *shape, const OpKernel *kernels, size_t count, const BenchOptions *options,
                    const AttnSettings *settings, const Topology *topology, char *error, size_t error_size);
void bench_case_free(BenchCase *bench);

/* Events and joules of each timed kernel (costs.c); kernels must still be ready. */
void bench_costs(BenchCase *bench);

#endif
