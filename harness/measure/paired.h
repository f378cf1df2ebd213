/* paired.h - the timing engine: arms are measured side by side in one process, and only ratios of neighbours are trusted.
 *
 * A shared machine drifts by tens of per cent within a second, so two medians taken one after the other say little about each other. Here
 * every round measures each arm once, and the rounds of a block of K form a Latin square in Williams' order (1949): each arm stands once at
 * each place, and follows each other arm equally often, since what ran before leaves its caches and its clock behind. A plain rotation
 * keeps the neighbours for a whole block; tried, a kernel's copy came out faster than the kernel in five cases of six, by 0.4 % to 2 %.
 * What is compared is ln t_B - ln t_A of the same round; the median of those with its sign-test interval needs no assumption about noise.
 *
 * Trial: an arm runs `iterations` times between two clock readings, so many that a trial takes min_trial (and 1000 ticks of the clock, or
 * of a coarse one as many as the budget has room for, 20 at the least).
 * Each arm has its own count: a common one would make the slowest kernel, 50 times slower than the fastest, eat the whole budget. An arm
 * whose trial takes more than PAIRED_SLOW times that of the reference arm is measured in every n-th round only (`every`), so it has fewer
 * samples and its intervals are wider; that is recorded. A short call is run once untimed before its trial, since the arm before it left
 * its own data in the caches. */
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
    PAIRED_LEAST_STEPS = 20  /* of the clock in a trial, or a comparison is refused: 5 %             */
};

/* Where time comes from; tests inject their own. */
typedef struct PairedClock {
    double (*now)(void *context); /* seconds                        */
    void *context;
    double resolution;            /* smallest step seen, in seconds; infinite: it was never seen to move */
    bool steps_back;              /* it was seen to                                                      */
} PairedClock;

/* May a clock be believed with trials of min_trial and `budget` seconds for the rounds of a case? COARSE: its steps are long, so trials are
 * longer than asked for; UNFIT: it stands still, steps back, or its steps do not fit the budget. text[] says so in a sentence. */
typedef enum PairedTrust { PAIRED_FINE, PAIRED_COARSE, PAIRED_UNFIT } PairedTrust;
PairedTrust paired_trust(const PairedClock *clock, double min_trial, double budget, char *text, size_t size);

/* Something happened during a trial that is not the arm's own doing. The sample stays in the data: medians bear it, and what is left out
 * by judgement is no longer a sample. */
enum {
    PAIRED_PREEMPTED = 1, /* an involuntary context switch                         */
    PAIRED_FAULTED = 2,   /* a minor page fault                                    */
    PAIRED_STOLEN = 4     /* the hypervisor took time in this round (/proc/stat)   */
};

typedef struct PairedArm {
    void (*run)(void *context, size_t iterations); /* do the work `iterations` times                        */
    void *context;
    void (*before)(void *context); /* ahead of each trial, untimed: puts right what other arms left behind; may be NULL */
    size_t iterations;    /* per trial; 0: paired_measure calibrates                                        */
    double trial;         /* seconds of a trial at calibration                                              */
    size_t every;         /* measured in each round r with r % every == 0                                   */
    double *seconds;      /* per iteration, one per round; NaN: not measured in that round                  */
    unsigned char *flags; /* PAIRED_*, one per round                                                        */
} PairedArm;

typedef struct PairedConfig {
    PairedClock clock;
    double min_trial;          /* seconds, default 300e-6                                                    */
    double budget;             /* seconds for all rounds; to reach the fewest that have an interval, up to three times that */
    size_t max_rounds;         /* <= PAIRED_MAX_ROUNDS, default 100                                          */
    double confidence;         /* of an interval over the whole table, default 0.99                          */
    size_t comparisons;        /* intervals that share it (Bonferroni), >= 1                                 */
    double target_ci;          /* > 0: stop at 40 or 70 % of the rounds if every interval's half-width is at most this share */
    size_t compared;           /* … looking at arms [0, compared) only                                       */
    size_t reference;          /* the arm that slowness and target_ci refer to                               */
    uint64_t seed;             /* of the permutations                                                        */
    const volatile sig_atomic_t *stop; /* becomes non-zero: finish the round at hand and return; may be NULL */
    void (*progress)(void *context, size_t done, size_t total); /* may be NULL                               */
    void *progress_context;
} PairedConfig;

typedef struct PairedRun {
    size_t rounds;          /* complete rounds                                              */
    size_t trials, flagged; /* all trials; those with any flag                              */
    size_t left_out;        /* trials in which the clock stood still or went back           */
    size_t back;            /* readings earlier than the one before: such a clock tells nothing */
    double last;            /* reading                                                      */
    double alpha;           /* level of one interval, after Bonferroni and looks            */
    double warmup;          /* seconds until three pairs agreed within 2 %                  */
    bool settled;           /* false: they did not within 200 ms                            */
    double elapsed;         /* seconds of all rounds                                        */
    StatsSummary sentinel;  /* seconds of the multiply chain that opens each block          */
    double steal;           /* fraction of CPU time stolen meanwhile; NaN where unknown     */
    bool interrupted;
} PairedRun;

PairedClock paired_clock(void);   /* CLOCK_MONOTONIC_RAW where there is one; looked at once in a process, in a second at most */
PairedConfig paired_config(void); /* the defaults above, budget 2 s           */

/* The arms of round `round` in their order, 0-based from the first round of all; a block is `count` rounds. For an odd count each arm
 * follows each other one equally often over two blocks that share their labels, for an even count in each block. */
void paired_order(uint64_t seed, size_t round, size_t count, size_t *order);

/* Find arm->iterations and arm->trial. A count is accepted after two readings reach min_trial, a count of one after three; a single
 * reading will do for a call of a quarter of a second. */
void paired_calibrate(const PairedConfig *config, PairedArm *arm);

/* Measure; allocates seconds and flags of each arm. count <= PAIRED_MAX_ARMS. false: out of memory. */
bool paired_measure(const PairedConfig *config, PairedArm *arms, size_t count, PairedRun *run);
void paired_free(PairedArm *arms, size_t count);

/* Is there reason not to believe the times of a run? The clock went back, or over 5 % of the trials are left out; text[] says which. */
bool paired_doubt(const PairedRun *run, char *text, size_t size);

/* How arm b compares with arm a: t_b / t_a with its interval at level run->alpha. */
StatsInterval paired_ratio(const PairedRun *run, const PairedArm *a, const PairedArm *b);
StatsSummary paired_summary(const PairedRun *run, const PairedArm *arm);

#endif
