/* case.c - see case.h. Order: who takes part, operands and plans, calibration, control and peaks, rounds, ratios. */
#include "harness/base/random.h"
#include "harness/base/stop.h"
#include "harness/bench/case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/cpu.h"
#include "dispatch/registry.h"
#include "harness/base/render.h"
#include "harness/ops/zoo.h"

/* On a busy machine a trial longer than the scheduler's time slice (about 4 ms) always loses time to other processes, a short one mostly
 * does not. So trials of the multiply-add peaks are as long as the fastest kernel's, up to this many seconds: both are disturbed alike. */
#define PEAK_TRIAL 10e-3

static void run_kernel(void *context, size_t iterations)
{
    BenchKernel *k = context;
    for (size_t i = 0; i < iterations && k->status == ATTN_OK; i++)
        k->status = k->ready.call(&k->ready);
}

static void show_progress(void *context, size_t done, size_t total)
{
    render_progress(done, total, context);
}

PairedConfig bench_config(const BenchOptions *options, char *what)
{
    PairedConfig config = paired_config();
    config.min_trial = options->min_trial;
    config.budget = options->budget;
    config.max_rounds = options->max_rounds;
    config.target_ci = options->target_ci;
    config.confidence = options->confidence;
    config.seed = options->seed;
    config.stop = &stop_signal;
    config.progress = show_progress;
    config.progress_context = what;
    return config;
}

/* Check that one kernel takes the case, and verify it; on success it can be called. */
static void prepare(BenchKernel *k, const void *operands, const AttnSettings *settings)
{
    const Op *op = k->who.op;
    char sentence[200] = "";
    if (!op->takes(operands, &k->who, settings, k->why, sizeof k->why))
        return;
    k->verify = op->verify(operands, &k->who);
    if (k->verify.status != VERIFY_PASS) {
        snprintf(k->why, sizeof k->why, "%s", k->verify.why);
        return;
    }
    k->timed = op->ready(&k->ready, operands, &k->who, sentence, sizeof sentence);
    if (k->timed)
        return;
    snprintf(k->why, sizeof k->why, "not run: %s", sentence);
    k->verify.status = VERIFY_UNABLE;
}

static PairedArm *add_arm(BenchCase *bench, void (*run)(void *, size_t), void *context)
{
    PairedArm *arm = &bench->arms[bench->arm_count++];
    arm->run = run;
    arm->context = context;
    return arm;
}

static double call_seconds(const PairedArm *arm)
{
    return arm->trial / (double)arm->iterations;
}

static void add_peak(BenchCase *bench, const PairedConfig *config, PeakKind kind, const PeakIsa *isa, unsigned which,
                     const Topology *topology)
{
    Peak *peak = &bench->peaks[bench->peak_count];
    if (bench->peak_count == BENCH_PEAK_ARMS || !peak_make(peak, kind, isa, which, bench->options->threads, topology))
        return;
    bench->peak_count++;
    PairedConfig own = *config;
    if (kind == PEAK_FMA)
        own.min_trial = fmax(config->min_trial, fmin(PEAK_TRIAL, bench->arms[bench->kernels[bench->controlled].arm].trial));
    paired_calibrate(&own, add_arm(bench, peak_run, peak));
}

/* The faster exponential of an ISA is its peak; the roof does not use the other one. */
static void add_exp(BenchCase *bench, const PairedConfig *config, const PeakIsa *isa, const Topology *topology)
{
    unsigned fastest = 0;
    double shortest = INFINITY;
    for (unsigned which = 0; which < PEAK_EXPS; which++) {
        Peak peak;
        if (!peak_make(&peak, PEAK_EXP, isa, which, bench->options->threads, topology))
            continue;
        PairedArm arm = {.run = peak_run, .context = &peak};
        paired_calibrate(config, &arm);
        if (call_seconds(&arm) < shortest) {
            shortest = call_seconds(&arm);
            fastest = which;
        }
        peak_free(&peak);
    }
    add_peak(bench, config, PEAK_EXP, isa, fastest, topology);
}

static void add_peaks(BenchCase *bench, const PairedConfig *config, uint64_t features, const Topology *topology)
{
    for (size_t i = 0; i < peak_isa_count; i++) {
        bool used = false;
        for (size_t k = 0; k < bench->count; k++)
            used |= bench->kernels[k].timed && bench->kernels[k].isa == peak_isas[i];
        if (used && (features & peak_isas[i]->needs) == peak_isas[i]->needs) {
            add_peak(bench, config, PEAK_FMA, peak_isas[i], 0, topology);
            if (bench->work.exp > 0)
                add_exp(bench, config, peak_isas[i], topology);
        }
    }
    add_peak(bench, config, PEAK_READ, peaks_isa_best(features), bench->level, topology);
}

/* The arm that measured a peak; NULL if there is none. Bandwidth does not depend on the ISA. */
static const PairedArm *peak_arm(const BenchCase *bench, PeakKind kind, const PeakIsa *isa)
{
    for (size_t i = 0; i < bench->peak_count; i++)
        if (bench->peaks[i].kind == kind && (kind == PEAK_READ || bench->peaks[i].isa == isa))
            return &bench->arms[bench->arm_count - bench->peak_count + i];
    return NULL;
}

static double peak_rate(const BenchCase *bench, const PairedArm *arm)
{
    return arm ? ((const Peak *)arm->context)->units / paired_summary(&bench->run, arm).median : NAN;
}

static StatsInterval scaled(StatsInterval x, double factor)
{
    const StatsInterval y = {x.n, factor * x.median, factor * x.lo, factor * x.hi};
    return y;
}

/* The share of a peak at which this kernel does `work` units: (work / t) / (units / t_peak), paired round by round. */
static StatsInterval share(const BenchCase *bench, const BenchKernel *k, const PairedArm *peak, double work)
{
    if (!peak) {
        const StatsInterval unknown = {0, NAN, NAN, NAN};
        return unknown;
    }
    return scaled(paired_ratio(&bench->run, &bench->arms[k->arm], peak), work / ((const Peak *)peak->context)->units);
}

static void compare(BenchCase *bench)
{
    const PairedRun *run = &bench->run;
    double shortest = INFINITY;
    for (size_t i = 0; i < bench->count; i++) {
        BenchKernel *k = &bench->kernels[i];
        if (!k->timed)
            continue;
        k->time = paired_summary(run, &bench->arms[k->arm]);
        /* All are compared with one of them, because medians of different rounds cannot be ranked. */
        const double relative = paired_ratio(run, &bench->arms[bench->kernels[bench->controlled].arm], &bench->arms[k->arm]).median;
        if (relative < shortest) {
            shortest = relative;
            bench->fastest = i;
        }
    }
    const PairedArm *read = peak_arm(bench, PEAK_READ, NULL);
    for (size_t i = 0; i < bench->count; i++) {
        BenchKernel *k = &bench->kernels[i];
        if (!k->timed)
            continue;
        const PairedArm *fma = peak_arm(bench, PEAK_FMA, k->isa), *exp = peak_arm(bench, PEAK_EXP, k->isa);
        k->vs = paired_ratio(run, &bench->arms[bench->kernels[bench->baseline].arm], &bench->arms[k->arm]);
        k->best = paired_ratio(run, &bench->arms[bench->kernels[bench->fastest].arm], &bench->arms[k->arm]);
        k->peak = share(bench, k, fma, bench->work.flop);
        k->roof = roof_of(&bench->work, peak_rate(bench, fma), peak_rate(bench, exp), peak_rate(bench, read), bench->level);
        k->roof_share = k->roof.bound == PEAK_FMA   ? k->peak
                        : k->roof.bound == PEAK_EXP ? share(bench, k, exp, bench->work.exp)
                                                    : share(bench, k, read, bench->work.bytes);
    }
}

static size_t find_baseline(const BenchCase *bench)
{
    size_t first = bench->count;
    for (size_t i = bench->count; i-- > 0;)
        if (bench->kernels[i].timed) {
            first = i;
            const OpKernel *who = &bench->kernels[i].who;
            if (bench->options->baseline ? who->kernel == bench->options->baseline && !who->inner
                                         : strcmp(who->name, ATTN_BASELINE) == 0)
                return i;
        }
    return first;
}

static bool measure(BenchCase *bench, uint64_t features, const Topology *topology)
{
    const BenchOptions *options = bench->options;
    char what[SHAPE_NAME + 20];
    snprintf(what, sizeof what, "%s: measuring", bench->shape.name);
    PairedConfig config = bench_config(options, what);
    for (const char *c = bench->shape.name; *c; c++) /* another order for each case, so that no arm is favoured in all cases */
        config.seed = random_bits(config.seed, (uint64_t)*c);
    double shortest = INFINITY;
    for (size_t i = 0; i < bench->count && !stop_signal; i++) {
        BenchKernel *k = &bench->kernels[i];
        if (!k->timed)
            continue;
        k->arm = bench->arm_count;
        PairedArm *arm = add_arm(bench, run_kernel, k);
        paired_calibrate(&config, arm);
        if (call_seconds(arm) < shortest) {
            shortest = call_seconds(arm);
            bench->controlled = i;
        }
    }
    if (stop_signal)
        return true;
    bench->baseline = find_baseline(bench);
    PairedArm *copy = add_arm(bench, run_kernel, &bench->kernels[bench->controlled]);
    copy->iterations = bench->arms[bench->kernels[bench->controlled].arm].iterations;
    copy->trial = bench->arms[bench->kernels[bench->controlled].arm].trial;
    config.reference = bench->kernels[bench->controlled].arm;
    config.compared = bench->timed;
    config.comparisons = bench->timed; /* every other kernel against the one, and the control */
    if (!options->bare)
        add_peaks(bench, &config, features, topology);
    if (!paired_measure(&config, bench->arms, bench->arm_count, &bench->run))
        return false;
    render_progress_end();
    if (bench->run.rounds == 0)
        return true;
    bench->control = paired_ratio(&bench->run, &bench->arms[config.reference], copy);
    compare(bench);
    return true;
}

/* Allocate room for `count` kernels, none ready yet. */
static bool make_room(BenchCase *bench, const OpKernel *kernels, size_t count, uint64_t features, const Topology *topology)
{
    bench->work = bench->shape.op->work(bench->shape.name);
    bench->level = peaks_level_of(topology, bench->options->threads, bench->work.bytes);
    bench->count = bench->baseline = bench->fastest = count;
    bench->kernels = calloc(count, sizeof *bench->kernels);
    bench->arms = calloc(count + BENCH_CONTROL_ARMS + BENCH_PEAK_ARMS, sizeof *bench->arms);
    for (size_t i = 0; bench->kernels && bench->arms && i < count; i++) {
        BenchKernel *k = &bench->kernels[i];
        k->who = kernels[i];
        k->isa = zoo_is_yardstick(k->who.kernel) ? peaks_isa_best(features) : peaks_isa_of(k->who.isa);
        k->verify.status = VERIFY_SKIP;
    }
    return bench->kernels && bench->arms;
}

/* Measure the rounds, if any kernel is ready. */
static bool measure_ready(BenchCase *bench, uint64_t features, const Topology *topology)
{
    render_progress_end();
    for (size_t i = 0; i < bench->count; i++)
        bench->timed += bench->kernels[i].timed;
    topology_pin_workers(bench->options->threads);
    const bool measured = bench->timed == 0 || stop_signal || measure(bench, features, topology);
    bench_costs(bench);
    topology_free_caller();
    render_progress_end();
    return measured;
}

bool bench_case_run(BenchCase *bench, const OpShape *shape, const OpKernel *kernels, size_t count, const BenchOptions *options,
                    const AttnSettings *settings, const Topology *topology, char *error, size_t error_size)
{
    const Op *op = shape->op;
    const uint64_t features = attn_cpu_this()->features & settings->allowed;
    char why[200] = "out of memory";
    *bench = (BenchCase){.shape = *shape, .options = options, .dist = data_dist_name(op->dists ? options->dist : DIST_NORMAL)};
    const OpSettings around = {.dist = bench->dist, .seed = options->seed, .fence = FENCE_NONE, .threads = options->threads};
    void *operands = make_room(bench, kernels, count, features, topology) ? op->open(shape->name, &around, why, sizeof why) : NULL;
    if (operands && op->chosen)
        bench->chosen = op->chosen(operands, settings, &bench->chosen_by);
    for (size_t i = 0; operands && i < count && !stop_signal; i++) {
        char what[SHAPE_NAME + sizeof bench->kernels->who.name + 20];
        snprintf(what, sizeof what, "%s: verifying %s", shape->name, bench->kernels[i].who.name);
        render_progress(i, count, what);
        prepare(&bench->kernels[i], operands, settings);
    }
    const bool measured = operands && measure_ready(bench, features, topology);
    if (!measured)
        snprintf(error, error_size, "%s: %s", shape->name, operands ? "out of memory" : why);
    for (size_t i = 0; operands && i < count; i++)
        op->done(&bench->kernels[i].ready);
    if (operands)
        op->close(operands);
    return measured;
}

void bench_case_free(BenchCase *bench)
{
    for (size_t i = 0; i < bench->peak_count; i++)
        peak_free(&bench->peaks[i]);
    if (bench->arms)
        paired_free(bench->arms, bench->arm_count);
    free(bench->kernels);
    free(bench->arms);
}
