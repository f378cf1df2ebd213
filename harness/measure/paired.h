/* paired.h - the timing engine: arms are measured side by side in one process, and only ratios of neighbours are trusted.
 *
 * A shared machine drifts by tens of per cent within a second, so two medians taken one after the other say little about each other. Here
 * every round measures each arm once, and the rounds of a block of K form a Latin square in Williams' order (1949): each arm comes once at
 * each position, and follows each other arm equally often, because the previous arm leaves its traces in caches and clock frequency. A
 * plain rotation keeps the same neighbours for a whole block; when tried, a kernel's copy came out faster than the kernel in five cases of
 * six, by 0.4 % to 2 %. Compared are the differences ln t_B - ln t_A of the same round; their median with its sign-test interval needs no
 * assumption about the noise.
 *
 * Trial: an arm runs `iterations` times between two clock readings, chosen so that a trial takes min_trial (and 1000 ticks of the clock;
 * with a coarse clock as many as fit into the budget, at least 20). Each arm has its own count: with a common one, a kernel 50 times slower
 * than the fastest would use up the whole budget. An arm whose trial takes more than PAIRED_SLOW times that of the reference arm is
 * measured only in every n-th round (`every`), so it has fewer samples and wider intervals; that is recorded. A short call is run once
 * untimed before its trial, because the previous arm left its own data in the caches. */
#ifndef HARNESS_MEASURE_PAIRED_H
#define HARNESS_MEASURE_PAIRED_H

#include "harness/base/stats.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    PAIRED_MAX_ROUNDS = 256, /* raw samples kept per arm                                             */
    PAIRED_MAX_ARMS = 256,
    PAIRED_SLOW = 8,         /* trials longer than this many reference trials are taken more rarely  */
    PAIRED_LEAST_STEPS = 20  /* fewest clock steps in a trial, else a comparison is refused: 5 %     */
};

/* The source of time; tests inject their own. */
typedef struct PairedClock {
    double (*now)(void *context); /* seconds                        */
    void *context;
    double resolution;            /* smallest step seen, in seconds; infinite: it never moved            */
    bool steps_back;              /* it was seen to step back                                            */
} PairedClock;

/* Can a clock be trusted with trials of min_trial and `budget` seconds for the rounds of a case? COARSE: its steps are long, so trials are
 * longer than requested. UNFIT: it stands still, steps back, or its steps do not fit the budget. text[] explains. */
typedef enum PairedTrust { PAIRED_FINE, PAIRED_COARSE, PAIRED_UNFIT } PairedTrust;
PairedTrust paired_trust(const PairedClock *clock, double min_trial, double budget, char *text, size_t size);

/* Something disturbed a trial that is not the arm's own doing. The sample stays in the data: medians tolerate it, and discarding trials by
 * judgement would bias the sample. */
enum {
    PAIRED_PREEMPTED = 1, /* an involuntary context switch                         */
    PAIRED_FAULTED = 2,   /* a minor page fault                                    */
    PAIRED_STOLEN = 4     /* the hypervisor took time in this round (/proc/stat)   */
};

typedef struct PairedArm {
    void (*run)(void *context, size_t iterations); /* do the work `iterations` times                        */
    void *context;
    void (*before)(void *context); /* called before each trial, untimed: undoes what other arms left behind; may be NULL */
    size_t iterations;    /* per trial; 0: paired_measure calibrates                                        */
    double trial;         /* seconds of a trial at calibration                                              */
    size_t every;         /* measured in each round r with r % every == 0                                   */
    double *seconds;      /* per iteration, one per round; NaN: not measured in that round                  */
    unsigned char *flags; /* PAIRED_*, one per round                                                        */
} PairedArm;

typedef struct PairedConfig {
    PairedClock clock;
    double min_trial;          /* seconds, default 300e-6                                                    */
    double budget;             /* seconds for all rounds; up to three times that, to reach the fewest that give an interval */
    size_t max_rounds;         /* <= PAIRED_MAX_ROUNDS, default 100                                          */
    double confidence;         /* of all intervals of a table together, default 0.99                         */
    size_t comparisons;        /* intervals that share it (Bonferroni), >= 1                                 */
    double target_ci;          /* > 0: stop at 40 or 70 % of the rounds if every interval's half-width is at most this share */
    size_t compared;           /* … considering arms [0, compared) only                                      */
    size_t reference;          /* the arm that slowness and target_ci refer to                               */
    uint64_t seed;             /* of the permutations                                                        */
    const volatile sig_atomic_t *stop; /* once non-zero: finish the current round and return; may be NULL    */
    void (*progress)(void *context, size_t done, size_t total); /* may be NULL                               */
    void *progress_context;
} PairedConfig;

typedef struct PairedRun {
    size_t rounds;          /* complete rounds                                              */
    size_t trials, flagged; /* all trials; those with any flag                              */
    size_t left_out;        /* trials in which the clock stood still or went back           */
    size_t back;            /* readings earlier than the previous one: such a clock is useless */
    double last;            /* reading                                                      */
    double alpha;           /* level of one interval, after Bonferroni and interim looks    */
    double warmup;          /* seconds until three pairs agreed within 2 %                  */
    bool settled;           /* false: they did not within 200 ms                            */
    double elapsed;         /* seconds of all rounds                                        */
    StatsSummary sentinel;  /* seconds of the multiply chain at the start of each block     */
    double steal;           /* fraction of CPU time stolen meanwhile; NaN if unknown        */
    bool interrupted;
} PairedRun;

PairedClock paired_clock(void);   /* CLOCK_MONOTONIC_RAW if available; examined once per process, for at most a second */
PairedConfig paired_config(void); /* the defaults above, budget 2 s           */

/* The arms of round `round` in their order, counted from 0 over the whole run; a block is `count` rounds. With an even count, each arm
 * follows each other one equally often in each block; with an odd count, over two blocks that share their labels. */
void paired_order(uint64_t seed, size_t round, size_t count, size_t *order);

/* Find arm->iterations and arm->trial. A count is accepted once two readings reach min_trial, a count of one after three; for a call of a
 * quarter of a second one reading is enough. */
void paired_calibrate(const PairedConfig *config, PairedArm *arm);

/* Measure; allocates seconds and flags of each arm. count <= PAIRED_MAX_ARMS. false: out of memory. */
bool paired_measure(const PairedConfig *config, PairedArm *arms, size_t count, PairedRun *run);
void paired_free(PairedArm *arms, size_t count);

/* Is there reason to distrust the times of a run? The clock stepped back, or more than 5 % of the trials are left out; text[] says
 * which. */
bool paired_doubt(const PairedRun *run, char *text, size_t size);

/* How arm b compares with arm a: t_b / t_a with its interval at level run->alpha. */
StatsInterval paired_ratio(const PairedRun *run, const PairedArm *a, const PairedArm *b);
StatsSummary paired_summary(const PairedRun *run, const PairedArm *arm);

#endif
