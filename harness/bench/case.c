/* case.c - see bench_case.h. Order: who takes part, operands and plans, calibration, control and peaks, rounds, ratios. */
#include "harness/base/random.h"
#include "harness/base/stop.h"
#include "harness/bench/case.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/cpu.h"
#include "dispatch/plan.h"
#include "dispatch/registry.h"
#include "harness/base/render.h"
#include "harness/ops/zoo.h"

/* On a busy machine a trial longer than the scheduler's slice (about 4 ms) always loses time to others, a short one mostly does not. So the
 * multiply-add peaks take as long as the fastest kernel, up to this many seconds: both bear the same. */
#define PEAK_TRIAL 10e-3

static void run_kernel(void *context, size_t iterations)
{
    BenchKernel *k = context;
    for (size_t i = 0; i < iterations && k->status == ATTN_OK; i++)
        k->status = k->call(k);
}

static AttnStatus call_plan(BenchKernel *k)
{
    return attn_run(k->plan, k->operands, k->workspace, k->workspace_size);
}

static void show_progress(void *context, size_t done, size_t total)
{
    render_progress(done, total, context);
}

/* Judge and verify one kernel; on success it has a plan and a workspace. */
static void prepare(BenchCase *bench, BenchKernel *k, const Data *data, const AttnSettings *settings)
{
    k->call = call_plan;
    k->operands = &data->tensors;
    const AttnVerdict verdict = attn_choose_judge(k->kernel, &data->problem, attn_cpu_this(), settings);
    if (!verdict.accepted) {
        k->verify.status = VERIFY_SKIP;
        snprintf(k->why, sizeof k->why, "%s", verdict.why);
        return;
    }
    const VerifyCase *c = &bench->what;
    k->verify = verify_case_isolated(k->kernel, &c->shape, c->dist, c->seed, c->fence, c->threads);
    if (k->verify.status != VERIFY_PASS) {
        snprintf(k->why, sizeof k->why, "%s", k->verify.why);
        return;
    }
    k->status = attn_plan_create_with(k->kernel, &data->problem, c->threads, NULL, NULL, &k->plan);
    if (k->status == ATTN_OK) {
        k->workspace_size = attn_plan_workspace(k->plan);
        k->workspace = aligned_alloc(64, k->workspace_size);
        k->status = k->workspace ? ATTN_OK : ATTN_ERROR_MEMORY;
    }
    k->timed = k->status == ATTN_OK;
    if (!k->timed && k->plan)
        bench_case_unable(k, "no memory for a workspace of %zu bytes", k->workspace_size);
    else if (!k->timed)
        bench_case_unable(k, "%s", attn_last_error());
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
    if (bench->peak_count == BENCH_PEAK_ARMS || !peak_make(peak, kind, isa, which, bench->what.threads, topology))
        return;
    bench->peak_count++;
    PairedConfig own = *config;
    if (kind == PEAK_FMA)
        own.min_trial = fmax(config->min_trial, fmin(PEAK_TRIAL, bench->arms[bench->kernels[bench->controlled].arm].trial));
    paired_calibrate(&own, add_arm(bench, peak_run, peak));
}

/* The faster exponential of an ISA is its peak; the other one is of no use to a roof. */
static void add_exp(BenchCase *bench, const PairedConfig *config, const PeakIsa *isa, const Topology *topology)
{
    unsigned fastest = 0;
    double shortest = INFINITY;
    for (unsigned which = 0; which < PEAK_EXPS; which++) {
        Peak peak;
        if (!peak_make(&peak, PEAK_EXP, isa, which, bench->what.threads, topology))
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

/* The arm that measured a peak; NULL if there is none. Bandwidth is the machine's, whatever the ISA. */
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

/* Share of a peak that `work` units in this kernel's time are: (work / t) / (units / t_peak), paired round by round. */
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
        /* All against one of them: medians of different rounds do not rank. */
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
            if (bench->options->baseline ? bench->kernels[i].kernel == bench->options->baseline
                                         : strcmp(bench->kernels[i].kernel->name, ATTN_BASELINE) == 0)
                return i;
        }
    return first;
}

static bool measure(BenchCase *bench, uint64_t features, const Topology *topology)
{
    const BenchOptions *options = bench->options;
    char what[SHAPE_NAME + 20];
    snprintf(what, sizeof what, "%s: measuring", bench->shape);
    PairedConfig config = paired_config();
    config.min_trial = options->min_trial;
    config.budget = options->budget;
    config.max_rounds = options->max_rounds;
    config.target_ci = options->target_ci;
    config.confidence = options->confidence;
    config.seed = options->seed; /* other cases, other orders: or what one order favours would be favoured everywhere */
    for (const char *c = bench->shape; *c; c++)
        config.seed = random_bits(config.seed, (uint64_t)*c);
    config.stop = &stop_signal;
    config.progress = show_progress;
    config.progress_context = what;
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
    config.comparisons = bench->timed; /* every kernel but one against that one, and the control */
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

bool bench_case_open(BenchCase *bench, const char *op, const AttnKernel *const *kernels, size_t count, const BenchOptions *options,
                     const AttnSettings *settings, const Topology *topology, RoofWork work, char *error, size_t error_size)
{
    const uint64_t features = attn_cpu_this()->features & settings->allowed;
    bench->op = op;
    bench->options = options;
    bench->work = work;
    bench->level = peaks_level_of(topology, options->threads, work.bytes);
    bench->count = bench->baseline = bench->fastest = count;
    bench->kernels = calloc(count, sizeof *bench->kernels);
    bench->arms = calloc(count + BENCH_CONTROL_ARMS + BENCH_PEAK_ARMS, sizeof *bench->arms);
    if (!bench->kernels || !bench->arms) {
        snprintf(error, error_size, "%s: out of memory", bench->shape);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        bench->kernels[i].kernel = kernels[i];
        bench->kernels[i].isa = zoo_is_yardstick(kernels[i]) ? peaks_isa_best(features) : peaks_isa_of(kernels[i]->isa);
        bench->kernels[i].verify.status = VERIFY_SKIP;
    }
    return true;
}

void bench_case_unable(BenchKernel *k, const char *format, ...)
{
    char sentence[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    snprintf(k->why, sizeof k->why, "not run: %s", sentence);
    k->verify.status = VERIFY_UNABLE;
}

void bench_case_verifying(const BenchCase *bench, size_t kernel)
{
    char what[SHAPE_NAME + 80];
    snprintf(what, sizeof what, "%s: verifying %s", bench->shape, bench->kernels[kernel].kernel->name);
    render_progress(kernel, bench->count, what);
}

bool bench_case_measure(BenchCase *bench, const AttnSettings *settings, const Topology *topology, char *error, size_t error_size)
{
    render_progress_end();
    for (size_t i = 0; i < bench->count; i++)
        bench->timed += bench->kernels[i].timed;
    topology_pin_workers(bench->what.threads);
    const bool measured =
        bench->timed == 0 || stop_signal || measure(bench, attn_cpu_this()->features & settings->allowed, topology);
    bench_costs(bench);
    topology_free_caller();
    render_progress_end();
    for (size_t i = 0; i < bench->count; i++)
        bench->kernels[i].operands = NULL; /* they end now */
    if (!measured)
        snprintf(error, error_size, "%s: out of memory", bench->shape);
    return measured;
}

/* What a plan would take here. */
static void find_chosen(BenchCase *bench, const AttnProblem *problem, const AttnSettings *settings)
{
    AttnSettings own = *settings;
    own.threads = bench->what.threads;
    const AttnTuneEntry *entry = attn_tune_find(problem, &own);
    const size_t chosen = attn_choose(attn_registry, attn_registry_count, problem, attn_cpu_this(), &own, NULL);
    bench->chosen = chosen < attn_registry_count ? attn_registry[chosen] : NULL;
    bench->chosen_by = own.kernel ? "option" : entry && entry->kernel == bench->chosen ? "tune" : "estimate";
}

bool bench_case_run(BenchCase *bench, const Shape *shape, const AttnKernel *const *kernels, size_t count, const BenchOptions *options,
                    const AttnSettings *settings, const Topology *topology, char *error, size_t error_size)
{
    memset(bench, 0, sizeof *bench);
    bench->what = (VerifyCase){.shape = *shape, .dist = options->dist, .seed = options->seed, .fence = FENCE_NONE,
                               .threads = options->threads};
    shape_name(shape, bench->shape, sizeof bench->shape);
    Data data;
    char why[200];
    if (!bench_case_open(bench, "sdpa", kernels, count, options, settings, topology, shape_work(shape), error, error_size))
        return false;
    if (!case_data(&data, &bench->what, why, sizeof why)) {
        snprintf(error, error_size, "%s: %s", bench->shape, why);
        return false;
    }
    find_chosen(bench, &data.problem, settings);
    for (size_t i = 0; i < count && !stop_signal; i++) {
        bench_case_verifying(bench, i);
        prepare(bench, &bench->kernels[i], &data, settings);
    }
    const bool measured = bench_case_measure(bench, settings, topology, error, error_size);
    data_free(&data);
    return measured;
}

void bench_case_free(BenchCase *bench)
{
    for (size_t i = 0; i < bench->count && bench->kernels; i++) {
        attn_plan_destroy(bench->kernels[i].plan);
        free(bench->kernels[i].workspace);
    }
    for (size_t i = 0; i < bench->peak_count; i++)
        peak_free(&bench->peaks[i]);
    if (bench->arms)
        paired_free(bench->arms, bench->arm_count);
    free(bench->kernels);
    free(bench->arms);
}
