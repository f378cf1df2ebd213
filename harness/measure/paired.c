/* paired.c - rounds, blocks, calibration and flags of the timing engine; paired.h gives the reasons. */
#include "harness/base/random.h"
#include "harness/machine/chain.h"
#include "harness/measure/paired.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/render.h"

#define WARMUP_SECONDS 0.2
#define WARMUP_AGREE 1.02
#define SETTLE_SECONDS 1e-3 /* shorter calls run once untimed before their trial           */
#define CALIBRATE_SECONDS 0.25 /* a single call of this length is accepted as a reading */
#define CLOCK_STEPS 1000.0  /* a trial lasts at least this many steps of the clock         */
#define LONG_TRIAL 0.1      /* … but is not made longer than this for that reason          */
#define HOPELESS 2.0        /* CPU seconds of calls after which a clock that shows less than one trial is given up */
#define WARMUPS 2000        /* most warm-up rounds, whatever the clock says                */
enum {
    STANDING = 3,           /* rounds without a time after which the clock counts as standing still */
    TRIALS = 200            /* in a case with a dozen arms, including calibration          */
};

#ifdef CLOCK_MONOTONIC_RAW
#define CLOCK_USED CLOCK_MONOTONIC_RAW
#else
#define CLOCK_USED CLOCK_MONOTONIC
#endif

static double real_now(void *context)
{
    (void)context;
    struct timespec t;
    clock_gettime(CLOCK_USED, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Readings are counted, because a clock that stands still cannot tell for how long: MOST_READINGS take a fraction of a second. A coarse
 * clock has to show a few steps; a fine one shows many at once. */
static PairedClock look_at_clock(void)
{
    enum { FINE_STEPS = 100, COARSE_STEPS = 3, FEW_READINGS = 100000, MOST_READINGS = 8000000 };
    PairedClock clock = {.now = real_now, .resolution = INFINITY};
    struct timespec claimed = {0};
    double last = real_now(NULL);
    for (int seen = 0, readings = 0; readings < MOST_READINGS && seen < (readings < FEW_READINGS ? FINE_STEPS : COARSE_STEPS); readings++) {
        const double now = real_now(NULL);
        if (now > last) {
            clock.resolution = fmin(clock.resolution, now - last);
            seen++;
        }
        clock.steps_back |= now < last;
        last = now;
    }
    /* The resolution that the system claims counts if it is worse than the observed one, never if it is better. */
    if (isfinite(clock.resolution) && clock_getres(CLOCK_USED, &claimed) == 0)
        clock.resolution = fmax(clock.resolution, (double)claimed.tv_sec + 1e-9 * (double)claimed.tv_nsec);
    return clock;
}

PairedClock paired_clock(void)
{
    static PairedClock clock;
    if (!clock.now)
        clock = look_at_clock();
    return clock;
}

/* The required length of a trial. */
static double trial_goal(const PairedClock *clock, double min_trial, double budget)
{
    const double least = PAIRED_LEAST_STEPS * clock->resolution, most = fmin(LONG_TRIAL, budget / TRIALS);
    return fmax(min_trial, fmin(CLOCK_STEPS * clock->resolution, fmax(least, most)));
}

PairedTrust paired_trust(const PairedClock *clock, double min_trial, double budget, char *text, size_t size)
{
    const double goal = trial_goal(clock, min_trial, budget);
    char step[32], asked[32], takes[32], has[32], needs[32];
    if (!isfinite(clock->resolution)) {
        snprintf(text, size, "the clock of this system stands still: it was read millions of times and did not move");
        return PAIRED_UNFIT;
    }
    if (clock->steps_back) {
        snprintf(text, size, "the clock of this system steps back: no time that it shows means anything");
        return PAIRED_UNFIT;
    }
    render_time(clock->resolution, step, sizeof step);
    render_time(goal, takes, sizeof takes);
    if (goal * TRIALS > 3 * budget && PAIRED_LEAST_STEPS * clock->resolution > min_trial) {
        snprintf(text, size, "the clock of this system moves in steps of %s, so a trial of %d steps takes %s, and the %s for a case have "
                 "no room for the %d trials of a comparison; allowed: --budget of %s or more", step, PAIRED_LEAST_STEPS, takes,
                 render_time(budget, has, sizeof has), TRIALS, render_time(goal * TRIALS / 3, needs, sizeof needs));
        return PAIRED_UNFIT;
    }
    if (goal <= min_trial || goal >= CLOCK_STEPS * clock->resolution)
        return PAIRED_FINE;
    snprintf(text, size, "the clock of this system moves in steps of %s: trials take %s instead of %s, each known to %.1f %%", step, takes,
             render_time(min_trial, asked, sizeof asked), 100 * clock->resolution / goal);
    return PAIRED_COARSE;
}

bool paired_doubt(const PairedRun *run, char *text, size_t size)
{
    const bool many = 20 * run->left_out > run->trials + run->left_out;
    if (run->back > 0)
        snprintf(text, size, "the clock stepped back %zu times, %zu of %zu trials are left out: these times say nothing", run->back,
                 run->left_out, run->trials + run->left_out);
    else if (many)
        snprintf(text, size, "the clock did not move in %zu of %zu trials, which are left out: these times say nothing", run->left_out,
                 run->trials + run->left_out);
    return run->back > 0 || many;
}

PairedConfig paired_config(void)
{
    PairedConfig config = {.clock = paired_clock(), .min_trial = 300e-6, .budget = 2.0, .max_rounds = 100, .confidence = 0.99,
                           .comparisons = 1, .seed = 1};
    return config;
}

void paired_order(uint64_t seed, size_t round, size_t count, size_t *order)
{
    size_t label[PAIRED_MAX_ARMS];
    const size_t block = round / count, turn = round % count;
    const bool odd = count % 2 == 1;
    const uint64_t key = random_bits(seed, odd ? block / 2 : block);
    for (size_t i = 0; i < count; i++)
        label[i] = i;
    for (size_t i = count; i > 1; i--) { /* Fisher and Yates */
        const size_t j = (size_t)(random_uniform(key, i) * (double)i), swap = label[i - 1];
        label[i - 1] = label[j];
        label[j] = swap;
    }
    /* The zigzag 0, 1, n-1, 2, n-2, … has each difference once; shifted by the turn it is a Williams square (odd n: with its mirror). */
    for (size_t place = 0; place < count; place++) {
        const size_t at = odd && block % 2 == 1 ? count - 1 - place : place;
        const size_t zigzag = at % 2 == 1 ? (at + 1) / 2 : (count - at / 2) % count;
        order[place] = label[(zigzag + turn) % count];
    }
}

static double now(const PairedConfig *config)
{
    return config->clock.now(config->clock.context);
}

static bool stopped(const PairedConfig *config)
{
    return config->stop && *config->stop;
}

static void make_ready(const PairedArm *arm)
{
    if (arm->before)
        arm->before(arm->context);
}

/* CPU time of this thread, independent of the clock. */
static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_THREAD, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + 1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static double time_calls(const PairedConfig *config, const PairedArm *arm, size_t iterations)
{
    const double start = now(config);
    arm->run(arm->context, iterations);
    return now(config) - start;
}

void paired_calibrate(const PairedConfig *config, PairedArm *arm)
{
    const double goal = trial_goal(&config->clock, config->min_trial, config->budget), begun = cpu_seconds();
    size_t n = 1;
    for (;;) {
        make_ready(arm);
        double t = time_calls(config, arm, n);
        if (t >= goal) {
            /* The very first call starts threads and touches pages: a single call is made three times before it counts as long. */
            for (int more = n == 1 ? 2 : 1; more > 0 && t >= goal && t < CALIBRATE_SECONDS; more--) {
                make_ready(arm);
                t = fmin(t, time_calls(config, arm, n));
            }
        }
        /* A clock that stands still cannot be noticed by itself, only by the CPU time. */
        const double spent = cpu_seconds() - begun, next = t > 0 ? spent : 10 * spent; /* of the next try; 10: no time was seen */
        const bool hopeless = t < goal && next > HOPELESS + 10 * goal;
        if (t >= goal || stopped(config) || n >= (size_t)1 << 40 || hopeless) {
            arm->iterations = n;
            arm->trial = t > 0 ? t : goal;
            return;
        }
        const double grow = t > 0 ? fmin(10.0, fmax(1.1, 1.1 * goal / t)) : 10.0;
        n = (size_t)ceil((double)n * grow);
    }
}

/* Ticks that the hypervisor stole from all CPUs, and all ticks; false if the system does not say. */
static bool read_steal(int fd, double *stolen, double *total)
{
    char text[512];
    const ssize_t got = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : -1;
    if (got <= 0)
        return false;
    text[got] = '\0';
    double tick[8];
    if (sscanf(text, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &tick[0], &tick[1], &tick[2], &tick[3], &tick[4], &tick[5], &tick[6],
               &tick[7]) != 8)
        return false;
    *stolen = tick[7];
    *total = 0;
    for (int i = 0; i < 8; i++)
        *total += tick[i];
    return true;
}

/* One trial of the round; fills seconds[round] and flags[round]. */
static void trial(const PairedConfig *config, PairedArm *arm, size_t round, PairedRun *run)
{
    make_ready(arm);
    if (arm->trial < SETTLE_SECONDS * (double)arm->iterations)
        arm->run(arm->context, 1);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    const double start = now(config);
    arm->run(arm->context, arm->iterations);
    const double end = now(config), t = end - start;
    getrusage(RUSAGE_SELF, &after);
    arm->seconds[round] = t > 0 ? t / (double)arm->iterations : NAN;
    run->left_out += !(t > 0);
    run->back += (size_t)(start < run->last) + (size_t)(end < start);
    run->last = end;
    if (after.ru_nivcsw != before.ru_nivcsw)
        arm->flags[round] |= PAIRED_PREEMPTED;
    if (after.ru_minflt != before.ru_minflt)
        arm->flags[round] |= PAIRED_FAULTED;
}

/* Let clock frequency, vector licences and page tables settle: run the reference arm until its time and the sentinel's are steady. */
static void warm_up(const PairedConfig *config, const PairedArm *arm, PairedRun *run)
{
    double ratio[3] = {0, 0, 0};
    const double start = now(config);
    for (size_t i = 0; !stopped(config) && i < WARMUPS; i++) {
        make_ready(arm);
        const double a = now(config);
        chain_run();
        const double b = now(config), t = time_calls(config, arm, arm->iterations);
        ratio[i % 3] = b > a ? t / (b - a) : t;
        run->warmup = now(config) - start;
        const double high = fmax(ratio[0], fmax(ratio[1], ratio[2])), low = fmin(ratio[0], fmin(ratio[1], ratio[2]));
        run->settled = i >= 2 && high <= WARMUP_AGREE * low;
        if (run->settled || run->warmup > WARMUP_SECONDS)
            return;
    }
}

static double round_cost(const PairedArm *arms, size_t count)
{
    double cost = 0;
    for (size_t k = 0; k < count; k++) {
        const double call = arms[k].trial / (double)arms[k].iterations;
        cost += (arms[k].trial + (call < SETTLE_SECONDS ? call : 0)) / (double)arms[k].every;
    }
    return cost;
}

/* The fewest rounds for which an interval exists at this level. */
static size_t fewest_rounds(double alpha)
{
    size_t n = 1;
    while (n < PAIRED_MAX_ROUNDS && stats_sign_rank(n, alpha) == 0)
        n++;
    return n;
}

/* How many rounds fit into the budget, and how often slow arms take part: at least three times. */
static size_t plan_rounds(const PairedConfig *config, PairedArm *arms, size_t count, size_t fewest)
{
    for (size_t k = 0; k < count; k++)
        arms[k].every = (size_t)fmax(1.0, ceil(arms[k].trial / (PAIRED_SLOW * arms[config->reference].trial)));
    const size_t most = config->max_rounds < PAIRED_MAX_ROUNDS ? config->max_rounds : PAIRED_MAX_ROUNDS;
    size_t rounds = most;
    for (int pass = 0; pass < 2; pass++) {
        const double cost = round_cost(arms, count), affordable = config->budget / cost;
        rounds = affordable < (double)most ? (size_t)affordable : most;
        if (rounds < fewest)
            rounds = (size_t)fmax(1.0, fmin((double)fewest, 3.0 * affordable));
        rounds = rounds < most ? rounds : most;
        for (size_t k = 0; k < count; k++)
            if (arms[k].every > 1 && arms[k].every > rounds / 3)
                arms[k].every = rounds >= 3 ? rounds / 3 : 1;
    }
    return rounds;
}

/* Is every interval against the reference narrow enough to stop? */
static bool narrow(const PairedConfig *config, const PairedArm *arms, const PairedRun *run)
{
    for (size_t k = 0; k < config->compared; k++) {
        const StatsInterval r = paired_ratio(run, &arms[config->reference], &arms[k]);
        if (k != config->reference && !((r.hi - r.lo) / 2 <= config->target_ci * r.median))
            return false;
    }
    return true;
}

static bool allocate(PairedArm *arms, size_t count, size_t rounds)
{
    for (size_t k = 0; k < count; k++)
        arms[k].seconds = NULL, arms[k].flags = NULL;
    for (size_t k = 0; k < count; k++) {
        arms[k].seconds = malloc(rounds * sizeof *arms[k].seconds);
        arms[k].flags = calloc(rounds, sizeof *arms[k].flags);
        if (!arms[k].seconds || !arms[k].flags) {
            paired_free(arms, count);
            return false;
        }
        for (size_t r = 0; r < rounds; r++)
            arms[k].seconds[r] = NAN;
    }
    return true;
}

bool paired_measure(const PairedConfig *config, PairedArm *arms, size_t count, PairedRun *run)
{
    memset(run, 0, sizeof *run);
    run->steal = NAN;
    const size_t looks = config->target_ci > 0 ? 3 : 1;
    run->alpha = (1.0 - config->confidence) / (double)(config->comparisons * looks);
    for (size_t k = 0; k < count; k++)
        if (arms[k].iterations == 0)
            paired_calibrate(config, &arms[k]);
    const size_t fewest = fewest_rounds(run->alpha), rounds = plan_rounds(config, arms, count, fewest);
    size_t order[PAIRED_MAX_ARMS];
    double *chain = malloc(2 * rounds * sizeof *chain);
    if (!chain || !allocate(arms, count, rounds)) {
        free(chain);
        return false;
    }
    warm_up(config, &arms[config->reference], run);

    const int stat = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    double stolen0 = 0, total0 = 0, stolen = 0, total = 0;
    const bool knows_steal = read_steal(stat, &stolen0, &total0);
    double stolen_before = stolen0;
    size_t blocks = 0;
    const double start = now(config);
    run->last = start;
    while (run->rounds < rounds && !stopped(config)) {
        const size_t round = run->rounds;
        paired_order(config->seed, round, count, order);
        if (round % count == 0) {
            const double before = now(config);
            chain_run();
            chain[blocks++] = now(config) - before;
        }
        for (size_t place = 0; place < count; place++) {
            PairedArm *arm = &arms[order[place]];
            if (round % arm->every == 0)
                trial(config, arm, round, run);
        }
        const bool was_stolen = knows_steal && read_steal(stat, &stolen, &total) && stolen > stolen_before;
        stolen_before = stolen;
        for (size_t k = 0; k < count; k++) {
            if (isnan(arms[k].seconds[round]))
                continue;
            arms[k].flags[round] |= was_stolen ? PAIRED_STOLEN : 0;
            run->trials++;
            run->flagged += arms[k].flags[round] != 0;
        }
        run->rounds++;
        run->elapsed = now(config) - start;
        if (config->progress)
            config->progress(config->progress_context, run->rounds, rounds);
        if (looks > 1 && (run->rounds == rounds * 40 / 100 || run->rounds == rounds * 70 / 100) && narrow(config, arms, run))
            break;
        if (run->trials == 0 && run->rounds >= STANDING)
            break;
        /* The machine has slowed since calibration: stop at the time budget, not the planned rounds. */
        if (run->elapsed > config->budget && run->rounds >= fewest)
            break;
    }
    run->interrupted = stopped(config);
    run->sentinel = stats_summary(chain, blocks, chain + rounds);
    if (knows_steal && read_steal(stat, &stolen, &total) && total > total0)
        run->steal = (stolen - stolen0) / (total - total0);
    if (stat >= 0)
        close(stat);
    free(chain);
    return true;
}

void paired_free(PairedArm *arms, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        free(arms[k].seconds);
        free(arms[k].flags);
        arms[k].seconds = NULL;
        arms[k].flags = NULL;
    }
}

StatsInterval paired_ratio(const PairedRun *run, const PairedArm *a, const PairedArm *b)
{
    double work[2 * PAIRED_MAX_ROUNDS];
    return stats_paired_ratio(a->seconds, b->seconds, run->rounds, run->alpha, work);
}

StatsSummary paired_summary(const PairedRun *run, const PairedArm *arm)
{
    double work[PAIRED_MAX_ROUNDS];
    return stats_summary(arm->seconds, run->rounds, work);
}
