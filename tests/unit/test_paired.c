/* test_paired.c - the timing engine on a synthetic clock: order, calibration, recovery of known ratios, the A/A control. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "harness/base/random.h"
#include "harness/machine/chain.h"
#include "harness/measure/paired.h"
#include "harness/ops/sdpa/data.h"

/* A machine whose clock only moves when an arm runs, and whose speed drifts. */
typedef struct Machine {
    double time, tick; /* seconds; what the clock shows is a multiple of tick */
    uint64_t draws, seed;
    double drift;      /* spread of ln(speed) from trial to trial */
    size_t calls;
} Machine;

typedef struct Work {
    Machine *machine;
    double seconds; /* of one call at nominal speed */
    double noise;   /* its own spread of ln(time)   */
    size_t calls;
} Work;

static double show(void *context)
{
    Machine *m = context;
    m->time += 20e-9;
    return floor(m->time / m->tick) * m->tick;
}

static void work(void *context, size_t iterations)
{
    Work *w = context;
    Machine *m = w->machine;
    /* Speed is shared by what runs within the same few milliseconds: a slow wave, a step now and then. */
    const double wave = m->drift * sin(m->time * 40.0) + (random_uniform(m->seed, m->draws / 16) > 0.8 ? m->drift : 0.0);
    const double own = w->noise * random_normal(m->seed ^ 77, m->draws++);
    m->time += w->seconds * (double)iterations * exp(wave + own);
    w->calls += iterations;
}

static PairedConfig config_of(Machine *m)
{
    PairedConfig config = paired_config();
    config.clock = (PairedClock){.now = show, .context = m, .resolution = m->tick};
    config.budget = 1e3;
    return config;
}

/* Each arm once at each place of a block; each ordered pair of neighbours equally often: per block, or over two for an odd
 * count. */
static void check_square(size_t count, size_t blocks)
{
    enum { MOST = 18 };
    size_t order[MOST], first = 0;
    for (size_t block = 0; block < blocks; block += 2) {
        size_t follows[MOST][MOST] = {{0}};
        for (size_t half = 0; half < 2; half++) {
            size_t seen[MOST][MOST] = {{0}};
            for (size_t turn = 0; turn < count; turn++) {
                paired_order(5, (block + half) * count + turn, count, order);
                for (size_t place = 0; place < count; place++) {
                    seen[order[place]][place]++;
                    if (place > 0)
                        follows[order[place - 1]][order[place]]++;
                }
                first += turn == 0 && order[0] == 0;
            }
            for (size_t arm = 0; arm < count; arm++)
                for (size_t place = 0; place < count; place++)
                    cr_assert_eq(seen[arm][place], 1, "%zu arms: arm %zu stands %zu times at place %zu", count, arm, seen[arm][place],
                                 place);
        }
        for (size_t a = 0; a < count; a++)
            for (size_t b = 0; b < count; b++)
                cr_assert_eq(follows[a][b], a == b ? 0 : 2, "%zu arms: %zu follows %zu %zu times", count, b, a, follows[a][b]);
    }
    cr_assert(count == 1 || first < blocks, "the labels are fresh in each block, not the identity");
}

Test(paired, blocks_are_williams_squares)
{
    for (size_t count = 1; count <= 18; count++)
        check_square(count, 20);
}

/* Every arm is as likely as any other to come first in a block: chi-squared with 5 degrees of freedom, 99.9 % point 20.5. */
Test(paired, labels_are_uniform)
{
    enum { K = 6, BLOCKS = 6000 };
    size_t first[K] = {0}, order[K];
    for (size_t block = 0; block < BLOCKS; block++) {
        paired_order(9, block * K, K, order);
        first[order[0]]++;
    }
    double chi = 0;
    for (size_t arm = 0; arm < K; arm++)
        chi += pow((double)first[arm] - (double)BLOCKS / K, 2) / ((double)BLOCKS / K);
    cr_assert(chi < 20.5, "chi-squared %.1f", chi);
}

Test(paired, calibration_reaches_the_trial_time_and_no_more_than_needed)
{
    const double calls[] = {30e-9, 2e-6, 290e-6, 310e-6, 5e-3, 2.0};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        Machine m = {.tick = 1e-9, .seed = i};
        Work w = {&m, calls[i], 0.01, 0};
        PairedArm arm = {.run = work, .context = &w};
        const PairedConfig config = config_of(&m);
        paired_calibrate(&config, &arm);
        const double took = (double)arm.iterations * calls[i];
        cr_assert(took >= 0.95 * config.min_trial, "call %g: trial of %g s", calls[i], took);
        cr_assert(arm.iterations == 1 || took <= 2 * config.min_trial, "call %g: %zu iterations", calls[i], arm.iterations);
        cr_assert(calls[i] < 1.0 || w.calls == 1, "a call of %g s was made %zu times", calls[i], w.calls);
    }
}

Test(paired, a_coarse_clock_makes_trials_longer)
{
    Machine m = {.tick = 1e-6, .seed = 1};
    Work w = {&m, 1e-6, 0, 0};
    PairedArm arm = {.run = work, .context = &w};
    const PairedConfig config = config_of(&m);
    paired_calibrate(&config, &arm);
    cr_assert(arm.iterations >= 990, "%zu iterations of 1 us with ticks of 1 us", arm.iterations);
}

/* The speed of the machine varies by 30 %; ratios of 2 %, 5 % and 3 times come out within their intervals, and the copy is a copy. */
Test(paired, known_ratios_come_back_and_the_control_holds_one)
{
    Machine m = {.tick = 1e-9, .seed = 3, .drift = 0.3};
    Work w[] = {{&m, 400e-6, 0.01, 0}, {&m, 400e-6 * 1.02, 0.01, 0}, {&m, 400e-6 * 1.05, 0.01, 0}, {&m, 400e-6 * 3, 0.01, 0},
                {&m, 400e-6, 0.01, 0}};
    PairedArm arms[5];
    memset(arms, 0, sizeof arms);
    for (size_t k = 0; k < 5; k++) {
        arms[k].run = work;
        arms[k].context = &w[k];
    }
    PairedConfig config = config_of(&m);
    config.max_rounds = 200;
    config.comparisons = 4;
    PairedRun run;
    cr_assert(paired_measure(&config, arms, 5, &run));
    cr_assert_eq(run.rounds, 200);
    cr_assert_float_eq(run.alpha, 0.0025, 1e-12);
    const double truth[] = {1, 1.02, 1.05, 3, 1};
    for (size_t k = 1; k < 5; k++) {
        const StatsInterval r = paired_ratio(&run, &arms[0], &arms[k]);
        cr_assert_eq(r.n, 200);
        cr_assert(r.lo <= truth[k] && truth[k] <= r.hi, "ratio %g: [%g, %g]", truth[k], r.lo, r.hi);
        cr_assert((r.hi - r.lo) / r.median < 0.04, "ratio %g: [%g, %g]", truth[k], r.lo, r.hi);
    }
    const StatsInterval five = paired_ratio(&run, &arms[0], &arms[2]);
    cr_assert(five.lo > 1.02, "5 %% slower is seen: [%g, %g]", five.lo, five.hi);
    /* The drift is real: an unpaired look at one arm sees it. */
    const StatsSummary s = paired_summary(&run, &arms[0]);
    cr_assert(s.p90 / s.min > 1.3, "spread %g", s.p90 / s.min);
    paired_free(arms, 5);
}

Test(paired, slow_arms_are_measured_in_fewer_rounds)
{
    Machine m = {.tick = 1e-9, .seed = 4};
    Work fast = {&m, 1e-3, 0.01, 0}, slow = {&m, 0.1, 0.01, 0};
    PairedArm arms[2] = {{.run = work, .context = &slow}, {.run = work, .context = &fast}};
    PairedConfig config = config_of(&m);
    config.reference = 1;
    config.max_rounds = 65;
    PairedRun run;
    cr_assert(paired_measure(&config, arms, 2, &run));
    cr_assert(arms[0].every >= 12 && arms[0].every <= 14, "every %zu", arms[0].every);
    cr_assert_eq(arms[1].every, 1);
    size_t measured = 0;
    for (size_t r = 0; r < run.rounds; r++) {
        measured += !isnan(arms[0].seconds[r]);
        cr_assert_not(isnan(arms[1].seconds[r]));
        cr_assert_eq(isnan(arms[0].seconds[r]), r % arms[0].every != 0);
    }
    const StatsInterval ratio = paired_ratio(&run, &arms[1], &arms[0]);
    cr_assert_eq(ratio.n, measured);
    cr_assert_float_eq(ratio.median, 100, 3);
    cr_assert(isinf(ratio.hi), "five pairs have no 99 %% interval");
    paired_free(arms, 2);
}

Test(paired, the_budget_bounds_the_rounds)
{
    Machine m = {.tick = 1e-9, .seed = 6};
    Work w[2] = {{&m, 10e-3, 0.01, 0}, {&m, 10e-3, 0.01, 0}};
    PairedArm arms[2] = {{.run = work, .context = &w[0]}, {.run = work, .context = &w[1]}};
    PairedConfig config = config_of(&m);
    config.budget = 0.5;
    PairedRun run;
    cr_assert(paired_measure(&config, arms, 2, &run));
    cr_assert(run.rounds >= 20 && run.rounds <= 25, "%zu rounds of 20 ms in 0.5 s", run.rounds);
    cr_assert(run.elapsed < 0.55);
    paired_free(arms, 2);
    config.budget = 0.1; /* five rounds would fit: eight are made, the fewest that have an interval */
    cr_assert(paired_measure(&config, arms, 2, &run));
    cr_assert_eq(run.rounds, 8);
    paired_free(arms, 2);
    config.budget = 0.02; /* one would fit: three times the budget, no more */
    cr_assert(paired_measure(&config, arms, 2, &run));
    cr_assert(run.rounds <= 3, "%zu rounds", run.rounds);
    paired_free(arms, 2);
}

Test(paired, a_narrow_interval_ends_it_early)
{
    Machine m = {.tick = 1e-9, .seed = 7};
    Work w[2] = {{&m, 1e-3, 0.001, 0}, {&m, 1.1e-3, 0.001, 0}};
    PairedArm arms[2] = {{.run = work, .context = &w[0]}, {.run = work, .context = &w[1]}};
    PairedConfig config = config_of(&m);
    config.target_ci = 0.01;
    config.compared = 2;
    PairedRun run;
    cr_assert(paired_measure(&config, arms, 2, &run));
    cr_assert_eq(run.rounds, 40);
    cr_assert_float_eq(run.alpha, 0.01 / 3, 1e-12, "three looks share the level");
    paired_free(arms, 2);
    w[1].noise = 0.3;
    cr_assert(paired_measure(&config, arms, 2, &run));
    cr_assert_eq(run.rounds, 100);
    paired_free(arms, 2);
}

static volatile sig_atomic_t pressed;
static void press(void *context, size_t done, size_t total)
{
    (void)context;
    (void)total;
    pressed = done == 5;
}

Test(paired, an_interrupt_ends_after_the_round_at_hand)
{
    Machine m = {.tick = 1e-9, .seed = 8};
    Work w = {&m, 1e-3, 0.001, 0};
    PairedArm arm = {.run = work, .context = &w};
    PairedConfig config = config_of(&m);
    config.stop = &pressed;
    config.progress = press;
    PairedRun run;
    cr_assert(paired_measure(&config, &arm, 1, &run));
    cr_assert(run.interrupted);
    cr_assert_eq(run.rounds, 5);
    cr_assert_not(isnan(arm.seconds[4]));
    paired_free(&arm, 1);
}

/* What `before` does takes time that no trial sees, and every timed stretch has one ahead of it. */
typedef struct Guarded {
    Work work;
    size_t readied;
    bool ready;
    size_t unready; /* calls of many iterations, which are trials, without one ahead */
} Guarded;

static void make_ready(void *context)
{
    Guarded *g = context;
    g->work.machine->time += 1.0;
    g->readied++;
    g->ready = true;
}

static void guarded_work(void *context, size_t iterations)
{
    Guarded *g = context;
    if (iterations > 1) {
        g->unready += !g->ready;
        g->ready = false;
    }
    work(&g->work, iterations);
}

Test(paired, before_comes_ahead_of_each_trial_and_is_not_timed)
{
    Machine m = {.tick = 1e-9, .seed = 3};
    Guarded g = {.work = {&m, 2e-6, 0.0, 0}};
    Work plain = {&m, 2e-6, 0.0, 0};
    PairedArm arms[2] = {{.run = guarded_work, .context = &g, .before = make_ready}, {.run = work, .context = &plain}};
    PairedConfig config = config_of(&m);
    PairedRun run;
    config.max_rounds = 20;
    cr_assert(paired_measure(&config, arms, 2, &run));
    cr_expect_geq(g.readied, run.rounds);
    cr_expect_eq(g.unready, 0, "%zu trials without it", g.unready);
    cr_expect_float_eq(paired_ratio(&run, &arms[1], &arms[0]).median, 1.0, 1e-3);
    paired_free(arms, 2);
}

Test(paired, the_real_clock_moves_and_the_chain_takes_time)
{
    const PairedClock clock = paired_clock();
    cr_assert(clock.resolution > 0 && clock.resolution < 1e-3);
    double best = 1;
    for (int i = 0; i < 50; i++) {
        const double start = clock.now(clock.context);
        chain_run();
        best = fmin(best, clock.now(clock.context) - start);
    }
    /* 49152 cycles: between 0.1 and 50 GHz. A compiler that removed the chain would be far outside. */
    cr_assert(best > 1e-6 && best < 5e-4, "%g s", best);
}

/* ---- Clocks that cannot be believed ------------------------------------------------------------------------------------------------ */

Test(paired, whether_a_clock_serves)
{
    static const struct {
        double step, budget;
        bool back;
        PairedTrust trust;
        const char *word;
    } cases[] = {
        {25e-9, 8, false, PAIRED_FINE, ""},
        {1e-6, 8, false, PAIRED_FINE, ""},
        {1e-3, 8, false, PAIRED_COARSE, "steps of 1.00 ms: trials take 40.0 ms instead of 300 us, each known to 2.5 %"},
        {1e-3, 0.2, false, PAIRED_UNFIT, "--budget of 1.33 s or more"},
        {10e-3, 8, false, PAIRED_UNFIT, "--budget of 13.3 s or more"},
        {10e-3, 14, false, PAIRED_COARSE, "each known to 5.0 %"},
        {INFINITY, 8, false, PAIRED_UNFIT, "stands still"},
        {25e-9, 8, true, PAIRED_UNFIT, "steps back"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400] = "";
        const PairedClock clock = {.resolution = cases[i].step, .steps_back = cases[i].back};
        cr_assert_eq(paired_trust(&clock, 300e-6, cases[i].budget, text, sizeof text), cases[i].trust, "%g: %s", cases[i].step, text);
        cr_assert(strstr(text, cases[i].word), "%s", text);
    }
}

/* A clock that goes back every so often: those trials are left out and counted, and the run is in doubt. */
static double show_back(void *context)
{
    Machine *m = context;
    m->time += 20e-9;
    return m->time - floor(m->time / 50e-3) * 20e-3;
}

Test(paired, a_clock_that_goes_back_is_seen)
{
    Machine m = {.tick = 1e-9, .seed = 1};
    Work w[2] = {{&m, 1e-4, 0, 0}, {&m, 2e-4, 0, 0}};
    PairedArm arms[2] = {{.run = work, .context = &w[0]}, {.run = work, .context = &w[1]}};
    PairedConfig config = config_of(&m);
    PairedRun run;
    char why[200];
    cr_assert(paired_measure(&config, arms, 2, &run));
    cr_assert(!paired_doubt(&run, why, sizeof why), "%s", why);
    cr_assert_eq(run.left_out, 0);
    paired_free(arms, 2);
    arms[0] = (PairedArm){.run = work, .context = &w[0]};
    arms[1] = (PairedArm){.run = work, .context = &w[1]};
    config.clock.now = show_back;
    cr_assert(paired_measure(&config, arms, 2, &run));
    cr_assert_gt(run.back, 0);
    cr_assert(paired_doubt(&run, why, sizeof why));
    cr_assert(strstr(why, "stepped back"), "%s", why);
    cr_assert_eq(run.trials + run.left_out, 2 * run.rounds, "every trial is counted");
    paired_free(arms, 2);
}

/* A clock that stops in the middle of it all ends the run, and nothing is endless. */
static double stand(void *context)
{
    (void)context;
    return 1.0;
}

static void burn(void *context, size_t iterations)
{
    (void)context;
    for (size_t i = 0; i < iterations; i++)
        chain_run();
}

Test(paired, a_clock_that_stands_ends_the_run)
{
    PairedArm arm = {.run = burn};
    PairedConfig config = paired_config();
    config.clock = (PairedClock){.now = stand, .resolution = 1e-9};
    PairedRun run;
    char why[200];
    cr_assert(paired_measure(&config, &arm, 1, &run));
    cr_assert_leq(run.rounds, 3);
    cr_assert_eq(run.trials, 0);
    cr_assert(paired_doubt(&run, why, sizeof why));
    paired_free(&arm, 1);
}
