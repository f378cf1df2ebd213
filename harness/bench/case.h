/* case.h - one problem, all kernels: verified, then measured side by side with the machine's own peaks.
 *
 * What is measured is attention (bench_case_run) or a matrix product (bench_linear.h): both open a case, ready its kernels and hand over to
 * bench_case_measure. */
#ifndef HARNESS_BENCH_CASE_H
#define HARNESS_BENCH_CASE_H

#include "dispatch/choose.h"
#include "harness/measure/counters.h"
#include "harness/measure/energy.h"
#include "harness/measure/roof.h"
#include "harness/ops/sdpa/case.h"
#include "harness/ops/sdpa/verify.h"

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
    bool energy;                /* joules too, a second of each kernel                              */
    bool hyperfine;             /* whole processes under hyperfine (driver/processes.h), not calls in this one */
    bool bare;                  /* the machine's own peaks are not measured along                   */
} BenchOptions;

enum { BENCH_CONTROL_ARMS = 1, BENCH_PEAK_ARMS = 8 };

typedef struct BenchKernel {
    const AttnKernel *kernel;
    const PeakIsa *isa;       /* whose multiply-add peak it is held to                      */
    VerifyResult verify;
    bool timed;
    char why[240];            /* why not                                                    */
    AttnStatus (*call)(struct BenchKernel *k); /* one run, on                               */
    const void *operands;     /* AttnTensors; of a product bench_linear.c's                 */
    AttnPlan *plan;           /* attention                                                  */
    void *workspace;          /* of the plan; or packed weights                             */
    size_t workspace_size;
    AttnStatus status;        /* of the last run                                            */
    size_t arm;               /* index into arms, if timed                                  */
    StatsSummary time;
    StatsInterval vs;         /* t / t_baseline                                             */
    StatsInterval best;       /* t / t_fastest                                              */
    StatsInterval peak;       /* share of the multiply-add peak                             */
    Roof roof;
    StatsInterval roof_share; /* t_roof / t                                                 */
    double counted[COUNTERS]; /* events of a call; NaN: not counted                         */
    double joules;            /* of a call, above idling; NaN: not measured                 */
} BenchKernel;

typedef struct BenchCase {
    const char *op;           /* "sdpa", "linear"                                           */
    VerifyCase what;          /* of a product only dist, seed, fence and threads            */
    char shape[SHAPE_NAME];   /* canonical name                                             */
    const BenchOptions *options;
    RoofWork work;
    PeakLevel level;          /* the smallest cache that holds the operands                 */
    BenchKernel *kernels;
    size_t count, timed;
    size_t baseline, fastest; /* indices of kernels; count where there is none              */
    const AttnKernel *chosen; /* by dispatch for this problem and so many threads; NULL: none, or no choice of dispatch's */
    const char *chosen_by;    /* "tune", "estimate", "option": the tune file, the cost, by name */
    size_t controlled;        /* the kernel that the control is a copy of                   */
    StatsInterval control;    /* t_copy / t of it                                           */
    PairedArm *arms;          /* timed kernels, control, peaks                              */
    size_t arm_count;
    Peak peaks[BENCH_PEAK_ARMS];
    size_t peak_count;
    PairedRun run;
    char no_counters[120], no_energy[120]; /* why there are none; "" if there are           */
} BenchCase;

/* Verify and measure. Features: what the peaks may use. false: error[] says what stopped it (memory); kernels that disagree, crash or do
 * not take the problem are results, not errors. */
bool bench_case_run(BenchCase *bench, const Shape *shape, const AttnKernel *const *kernels, size_t count, const BenchOptions *options,
                    const AttnSettings *settings, const Topology *topology, char *error, size_t error_size);
void bench_case_free(BenchCase *bench);

/* The parts of bench_case_run: room for `count` kernels, none ready yet, their work known; then the rounds, if a kernel is ready. */
bool bench_case_open(BenchCase *bench, const char *op, const AttnKernel *const *kernels, size_t count, const BenchOptions *options,
                     const AttnSettings *settings, const Topology *topology, RoofWork work, char *error, size_t error_size);
bool bench_case_measure(BenchCase *bench, const AttnSettings *settings, const Topology *topology, char *error, size_t error_size);

/* Events and joules of each timed kernel (bench_costs.c); operands must still be there. */
void bench_costs(BenchCase *bench);

/* A kernel that passed cannot be measured: why[] gets "not run: " and the sentence. */
void bench_case_unable(BenchKernel *k, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "<shape>: verifying <kernel>" as progress. */
void bench_case_verifying(const BenchCase *bench, size_t kernel);

#endif
