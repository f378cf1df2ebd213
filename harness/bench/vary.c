/* vary.c - see vary.h. Speed is work over time, so that variants with different work (ragged lengths) can be compared. */
#include "harness/base/json.h"
#include "harness/base/stop.h"
#include "harness/bench/vary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/plan.h"
#include "harness/base/known.h"
#include "harness/bench/json.h"
#include "harness/cli/cli.h"
#include "harness/machine/pool.h"
#include "harness/machine/topology.h"
#include "harness/ops/sdpa/case.h"
#include "harness/ops/sdpa/verify.h"
#include "harness/ops/zoo.h"

enum { PEAK_KINDS = 2, BALANCE_RUNS = 11 };

/* Targets: share of the ideal speed-up for prefill and decode, and share of the speed on normal data that all data must reach. */
#define PREFILL_BAR 0.95
#define DECODE_BAR 0.9
enum { FEW_ROWS = 16 }; /* with at most this many query rows a case is memory-bound */
#define DATA_BAR 0.5

/* One kernel, or one peak, under one variant. */
typedef struct VaryArm {
    const AttnKernel *kernel; /* NULL: a peak                                      */
    Peak peak;
    size_t variant, threads;
    VerifyResult verify;
    AttnPlan *plan;
    void *workspace;
    size_t size;
    const AttnTensors *tensors;
    AttnStatus status;        /* of the last run                                   */
    bool timed;
    char why[240];            /* why not                                           */
    size_t arm;
    double work;              /* flop, or units of the peak                        */
    StatsSummary time;
    StatsInterval speed;      /* over that of the same kernel, first variant       */
    double slowest;           /* busy time of the slowest worker over the mean of all */
} VaryArm;

typedef struct VaryRun {
    const Vary *vary;
    const BenchOptions *options;
    char shape[SHAPE_NAME];   /* of the first variant                              */
    VerifyCase what[VARY_MOST];
    Data data[VARY_MOST];
    VaryArm *arms;
    size_t count, kernels;    /* arms: kernels x variants, then peaks x variants   */
    PeakLevel level;
    PairedArm *paired;
    PairedRun run;
} VaryRun;

/* ---- Reading --------------------------------------------------------------------------------------------------------------------- */

bool vary_read_threads(Vary *vary, const char *text)
{
    memset(vary, 0, sizeof *vary);
    vary->by_threads = true;
    for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char word[32];
        size_t number;
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ","), at);
        if (!cli_threads("a number of --scaling", word, &number))
            return false;
        if (vary->count == VARY_MOST || (vary->count > 0 && number <= vary->threads[vary->count - 1])) {
            render_error("--scaling is '%s'; allowed: 2 to %d ascending numbers of threads, such as 1,2", text, VARY_MOST);
            return false;
        }
        snprintf(vary->name[vary->count], sizeof *vary->name, "%zu", number);
        vary->threads[vary->count++] = number;
    }
    if (vary->count < 2)
        render_error("--scaling is '%s'; allowed: 2 to %d ascending numbers of threads, such as 1,2", text, VARY_MOST);
    return vary->count >= 2;
}

static bool add_data(Vary *vary, const char *name)
{
    for (size_t i = 0; i < vary->count; i++)
        if (strcmp(vary->name[i], name) == 0)
            return true;
    DataDist dist = DIST_NORMAL;
    const bool ragged = strcmp(name, "ragged") == 0, masked = strcmp(name, "masked") == 0;
    if (vary->count == VARY_MOST || (!ragged && !masked && !data_dist_find(name, &dist)))
        return false;
    vary->data[vary->count].dist = dist;
    vary->data[vary->count].ragged = ragged;
    vary->data[vary->count].masked = masked;
    snprintf(vary->name[vary->count++], sizeof *vary->name, "%s", name);
    return true;
}

bool vary_read_data(Vary *vary, const char *text)
{
    const char *known[DIST_COUNT + 3];
    _Static_assert(DIST_COUNT + 2 <= VARY_MOST, "all must fit");
    for (int i = 0; i < DIST_COUNT; i++)
        known[i] = data_dist_name((DataDist)i);
    known[DIST_COUNT] = "ragged";
    known[DIST_COUNT + 1] = "masked";
    known[DIST_COUNT + 2] = "all";
    memset(vary, 0, sizeof *vary);
    add_data(vary, data_dist_name(DIST_NORMAL));
    for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char word[32];
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ","), at);
        for (int i = 0; strcmp(word, "all") == 0 && i < DIST_COUNT + 2; i++)
            add_data(vary, known[i]);
        if (strcmp(word, "all") != 0 && !add_data(vary, word)) {
            cli_unknown("distribution", word, known, DIST_COUNT + 3);
            return false;
        }
    }
    return true;
}

/* ---- Arms ------------------------------------------------------------------------------------------------------------------------- */

static void run_arm(void *context, size_t iterations)
{
    VaryArm *arm = context;
    if (!arm->kernel)
        peak_run(&arm->peak, iterations);
    for (size_t n = 0; arm->kernel && n < iterations && arm->status == ATTN_OK; n++)
        arm->status = attn_run(arm->plan, arm->tensors, arm->workspace, arm->size);
}

/* Idle threads of the library spin for some milliseconds: an arm of one thread waits until they sleep. With another number of workers,
 * other threads may take part, which have to be pinned to their cores. */
static size_t threads_before;

static void make_ready(void *context)
{
    const VaryArm *arm = context;
    if (arm->threads == threads_before)
        return;
    if (arm->threads == 1)
        topology_let_workers_sleep();
    else
        topology_pin_workers(arm->threads);
    threads_before = arm->threads;
}

/* The shape under a variant; false: the variant does not apply to it, or changes nothing. */
static bool vary_shape(const Vary *vary, size_t variant, Shape *shape)
{
    if (vary->by_threads)
        return true;
    if (vary->data[variant].ragged) {
        if (shape->kv_lengths || shape->varlen || shape->k_len == 0)
            return false;
        shape->kv_lengths = true;
        shape->pad = 0.5;
    }
    if (vary->data[variant].masked) {
        if (shape->mask)
            return false;
        shape->mask = true;
    }
    return true;
}

static void prepare(VaryRun *v, VaryArm *arm, const AttnSettings *settings)
{
    const VerifyCase *c = &v->what[arm->variant];
    const Data *data = &v->data[arm->variant];
    const AttnVerdict verdict = attn_choose_judge(arm->kernel, &data->problem, attn_cpu_this(), settings);
    arm->verify.status = VERIFY_SKIP;
    if (!verdict.accepted) {
        snprintf(arm->why, sizeof arm->why, "%s", verdict.why);
        return;
    }
    arm->verify = verify_case_isolated(arm->kernel, &c->shape, c->dist, c->seed, c->fence, c->threads);
    if (arm->verify.status != VERIFY_PASS) {
        snprintf(arm->why, sizeof arm->why, "%s", arm->verify.why);
        return;
    }
    if (attn_plan_create_with(arm->kernel, &data->problem, arm->threads, NULL, NULL, &arm->plan) == ATTN_OK) {
        arm->size = attn_plan_workspace(arm->plan);
        arm->workspace = aligned_alloc(64, arm->size);
    }
    arm->tensors = &data->tensors;
    arm->timed = arm->workspace != NULL;
    if (!arm->timed) {
        snprintf(arm->why, sizeof arm->why, "not run: %.200s", arm->plan ? "no memory for its workspace" : attn_last_error());
        arm->verify.status = VERIFY_UNABLE;
    }
}

/* ---- Balance ---------------------------------------------------------------------------------------------------------------------- */

typedef struct Timed {
    Pool *pool;
    PairedClock clock;
    double *busy; /* by index of the loop */
    void (*task)(void *argument, size_t i);
    void *argument;
} Timed;

static void time_task(void *context, size_t i)
{
    Timed *timed = context;
    const double start = timed->clock.now(timed->clock.context);
    timed->task(timed->argument, i);
    timed->busy[i] = timed->clock.now(timed->clock.context) - start;
}

static void timed_loop(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument)
{
    Timed *timed = context;
    timed->task = task;
    timed->argument = argument;
    pool_loop(timed->pool, n, time_task, timed);
}

/* Busy time of the slowest worker over the mean of all: the median of a few runs on a loop that times each worker. NaN: unknown. */
static double slowest_worker(const VaryRun *v, VaryArm *arm)
{
    double share[BALANCE_RUNS], work[BALANCE_RUNS];
    Timed timed = {.pool = pool_open(arm->threads), .clock = paired_clock(), .busy = calloc(arm->threads, sizeof *timed.busy)};
    AttnPlan *plan = NULL;
    size_t runs = 0;
    const size_t workers = attn_plan_units(arm->plan) < arm->threads ? attn_plan_units(arm->plan) : arm->threads;
    topology_let_workers_sleep();
    if (workers > 1 && timed.pool && timed.busy &&
        attn_plan_create_with(arm->kernel, &v->data[arm->variant].problem, arm->threads, timed_loop, &timed, &plan) == ATTN_OK)
        for (; runs < BALANCE_RUNS && attn_run(plan, arm->tensors, arm->workspace, arm->size) == ATTN_OK; runs++) {
            double sum = 0, most = 0;
            for (size_t i = 0; i < workers; i++) {
                sum += timed.busy[i];
                most = fmax(most, timed.busy[i]);
            }
            share[runs] = most * (double)workers / sum;
        }
    attn_plan_destroy(plan);
    pool_close(timed.pool);
    free(timed.busy);
    return stats_summary(share, runs, work).median;
}

/* ---- Measuring -------------------------------------------------------------------------------------------------------------------- */

/* The machine's own scaling: multiply-adds, and reads from where the operands are. */
static void add_peaks(VaryRun *v, uint64_t features, const Topology *topology)
{
    const PeakIsa *isa = peaks_isa_best(features);
    for (int kind = 0; kind < PEAK_KINDS; kind++)
        for (size_t i = 0; i < v->vary->count; i++) {
            VaryArm *arm = &v->arms[v->count];
            *arm = (VaryArm){.variant = i, .threads = v->vary->threads[i]};
            arm->timed = peak_make(&arm->peak, kind == 0 ? PEAK_FMA : PEAK_READ, isa, kind == 0 ? 0 : v->level, arm->threads, topology);
            arm->work = arm->peak.units;
            v->count++;
        }
}

static bool measure(VaryRun *v)
{
    char what[SHAPE_NAME + 20];
    snprintf(what, sizeof what, "%s: measuring", v->shape);
    PairedConfig config = bench_config(v->options, what);
    size_t arms = 0, shortest = 0;
    topology_pin_workers(v->what[v->vary->count - 1].threads); /* the largest number, including the calling thread */
    threads_before = 0;
    for (size_t i = 0; i < v->count && !stop_signal; i++) {
        if (!v->arms[i].timed)
            continue;
        v->arms[i].arm = arms;
        v->paired[arms] = (PairedArm){.run = run_arm, .context = &v->arms[i], .before = make_ready};
        paired_calibrate(&config, &v->paired[arms]);
        const double call = v->paired[arms].trial / (double)v->paired[arms].iterations;
        if (i < v->kernels && call < v->paired[shortest].trial / (double)v->paired[shortest].iterations)
            shortest = arms;
        arms++;
    }
    config.reference = shortest;
    config.compared = arms;
    config.comparisons = arms;
    const bool measured = stop_signal || paired_measure(&config, v->paired, arms, &v->run);
    render_progress_end();
    return measured;
}

/* The same kernel or peak under the first variant. */
static const VaryArm *first_of(const VaryArm *arm)
{
    return arm - arm->variant;
}

static void compare(VaryRun *v)
{
    for (size_t i = 0; i < v->count; i++) {
        VaryArm *arm = &v->arms[i];
        const VaryArm *first = first_of(arm);
        arm->speed = (StatsInterval){0, NAN, NAN, NAN};
        arm->slowest = NAN;
        if (!arm->timed)
            continue;
        arm->time = paired_summary(&v->run, &v->paired[arm->arm]);
        if (!first->timed || first == arm)
            continue;
        const StatsInterval r = paired_ratio(&v->run, &v->paired[arm->arm], &v->paired[first->arm]);
        const double factor = arm->work / first->work;
        arm->speed = (StatsInterval){r.n, factor * r.median, factor * r.lo, factor * r.hi};
    }
    for (size_t i = 0; i < v->kernels && v->vary->by_threads && !stop_signal; i++)
        if (v->arms[i].timed && v->arms[i].threads > 1)
            v->arms[i].slowest = slowest_worker(v, &v->arms[i]);
}

/* ---- Judging ---------------------------------------------------------------------------------------------------------------------- */

static double ideal(const VaryArm *arm)
{
    return (double)arm->threads / (double)first_of(arm)->threads;
}

/* The speed that this arm must reach relative to its first variant; NaN: none. Decode may be bound by the cores' common bandwidth, prefill
 * by multiply-adds if two cores are threads of one, as virtual ones sometimes are; and fewer than two units per worker cannot be
 * distributed evenly. */
static double bar(const VaryRun *v, const VaryArm *arm)
{
    if (!arm->kernel || arm->variant == 0 || !arm->timed)
        return NAN;
    if (!v->vary->by_threads)
        return DATA_BAR;
    const Shape *shape = &v->what[0].shape;
    const bool reads = shape->q_len <= FEW_ROWS;
    if (!reads && attn_plan_units(arm->plan) < 2 * arm->threads)
        return NAN;
    const VaryArm *peak = &v->arms[v->kernels + (reads ? v->vary->count : 0) + arm->variant];
    return fmin((reads ? DECODE_BAR : PREFILL_BAR) * ideal(arm), peak->timed ? peak->speed.median : INFINITY);
}

/* Is the whole interval below the bar? */
static bool surely_below(const VaryRun *v, const VaryArm *arm)
{
    return arm->speed.hi < bar(v, arm);
}

static bool surely_reaches(const VaryRun *v, const VaryArm *arm)
{
    return isfinite(arm->speed.hi) && arm->speed.lo >= bar(v, arm);
}

static int code_of(const VaryRun *v)
{
    int code = EXIT_NOTHING;
    for (size_t i = 0; i < v->kernels; i++) {
        const VaryArm *arm = &v->arms[i];
        if (arm->verify.status == VERIFY_CRASH)
            return EXIT_CRASHED;
        if (arm->verify.status == VERIFY_FAIL || (!v->vary->by_threads && arm->timed && surely_below(v, arm)))
            code = EXIT_DISAGREE;
        else if (arm->timed && code == EXIT_NOTHING)
            code = EXIT_OK;
    }
    return code;
}

/* ---- Showing ---------------------------------------------------------------------------------------------------------------------- */

RenderTable *vary_table(const Vary *vary, bool with_case)
{
    static const RenderColumn threads[] = {
        {"case", "case", RENDER_TEXT},
        {"kernel", "kernel", RENDER_TEXT},
        {"threads", "threads", RENDER_COUNT},
        {"work units", "units", RENDER_COUNT},
        {"median", "median_s", RENDER_NUMBER},
        {"GFLOP/s", "gflops", RENDER_NUMBER},
        {"speed-up", "speedup", RENDER_NUMBER},
        {"99 %", NULL, RENDER_NUMBER},
        {NULL, "speedup_lo", RENDER_NUMBER},
        {NULL, "speedup_hi", RENDER_NUMBER},
        {"efficiency", "pct_efficiency", RENDER_NUMBER},
        {"slowest/mean", "slowest_over_mean", RENDER_NUMBER},
        {NULL, "bar", RENDER_NUMBER},
        {"note", "note", RENDER_TEXT},
    };
    static const RenderColumn data[] = {
        {"case", "case", RENDER_TEXT},
        {"kernel", "kernel", RENDER_TEXT},
        {"data", "data", RENDER_TEXT},
        {"median", "median_s", RENDER_NUMBER},
        {"GFLOP/s", "gflops", RENDER_NUMBER},
        {"of normal", "speed_over_normal", RENDER_NUMBER},
        {"99 %", NULL, RENDER_NUMBER},
        {NULL, "speed_over_normal_lo", RENDER_NUMBER},
        {NULL, "speed_over_normal_hi", RENDER_NUMBER},
        {NULL, "bar", RENDER_NUMBER},
        {"note", "note", RENDER_TEXT},
    };
    const size_t count = vary->by_threads ? sizeof threads / sizeof *threads : sizeof data / sizeof *data;
    return render_table_of((vary->by_threads ? threads : data) + !with_case, count - !with_case);
}

static const char *arm_name(const VaryArm *arm)
{
    return arm->kernel ? arm->kernel->name : arm->peak.name;
}

static void add_cell(RenderTable *table, bool known, const char *format, double value)
{
    char text[32];
    snprintf(text, sizeof text, format, value); /* the formats are those of add_row */
    if (known)
        render_value(table, STYLE_PLAIN, value, "%s", text);
    else
        render_missing(table);
}

static void add_note(RenderTable *table, const VaryRun *v, const VaryArm *arm)
{
    const double low = bar(v, arm);
    const bool wrong = arm->verify.status == VERIFY_FAIL || arm->verify.status == VERIFY_CRASH;
    if (!arm->timed)
        render_cell(table, STYLE_DIM, "%s: %s", wrong ? "FAIL" : "skipped", arm->why);
    else if (isnan(low) || isnan(arm->speed.median))
        render_cell(table, STYLE_DIM, "%s", arm->kernel && arm->variant > 0 ? "few units, no bar" : "");
    else if (surely_reaches(v, arm))
        render_cell(table, STYLE_GOOD, "at least %.2f", low);
    else if (surely_below(v, arm))
        render_cell(table, STYLE_BAD, "BELOW %.2f", low);
    else
        render_cell(table, STYLE_WARN, "bar %.2f: %s", low, known_word(isfinite(arm->speed.hi) ? KNOWN_NOT : KNOWN_FEW));
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void add_row(RenderTable *table, const VaryRun *v, const VaryArm *arm, bool with_case)
{
    const bool timed = arm->timed && arm->time.n > 0, compared = timed && isfinite(arm->speed.median);
    const double speed = arm->speed.median;
    char text[40];
    render_row(table);
    if (with_case)
        render_cell(table, STYLE_PLAIN, "%s", v->shape);
    render_cell(table, arm->kernel ? STYLE_PLAIN : STYLE_DIM, "%s", arm_name(arm));
    render_value(table, STYLE_PLAIN, (double)arm->threads, "%s", v->vary->name[arm->variant]); /* of data the text counts */
    if (v->vary->by_threads)
        add_cell(table, timed && arm->kernel, "%.0f", timed && arm->kernel ? (double)attn_plan_units(arm->plan) : 0);
    if (timed)
        render_value(table, STYLE_PLAIN, arm->time.median, "%s", render_time(arm->time.median, text, sizeof text));
    else
        render_missing(table);
    add_cell(table, timed && arm->kernel, "%.1f", timed ? arm->work / arm->time.median * 1e-9 : 0);
    add_cell(table, compared, "%.2f", speed);
    render_cell(table, compared ? STYLE_PLAIN : STYLE_DIM, "%s",
                compared ? known_interval(arm->speed.lo, arm->speed.hi, text, sizeof text) : "-");
    render_number(table, compared ? arm->speed.lo : NAN);
    render_number(table, compared ? arm->speed.hi : NAN);
    if (v->vary->by_threads) {
        add_cell(table, compared, "%.1f %%", 100 * speed / ideal(arm));
        add_cell(table, isfinite(arm->slowest), "%.3f", arm->slowest);
    }
    render_number(table, bar(v, arm));
    add_note(table, v, arm);
}
#pragma GCC diagnostic pop

static void show(const VaryRun *v, const VaryOutputs *out)
{
    for (size_t i = 0; i < v->count && out->all; i++)
        add_row(out->all, v, &v->arms[i], true);
    if (out->silent)
        return;
    RenderTable *table = vary_table(v->vary, false);
    for (size_t i = 0; i < v->count; i++)
        add_row(table, v, &v->arms[i], false);
    char title[SHAPE_TITLE];
    printf("\n");
    render_text(STYLE_BOLD, "%s", op_title("", v->shape, title, sizeof title));
    printf("  by %s; %zu rounds in %.1f s; %zu of %zu trials disturbed (kept)\n", v->vary->by_threads ? "threads" : "data", v->run.rounds,
           v->run.elapsed, v->run.flagged, v->run.trials);
    render_table_print(table, stdout);
    render_table_free(table);
    fflush(stdout);
}

static void record(const VaryRun *v, Records *records)
{
    for (size_t i = 0; i < v->count; i++) {
        const VaryArm *arm = &v->arms[i];
        const VerifyCase *c = &v->what[arm->variant];
        const bool timed = arm->timed && arm->time.n > 0, compared = timed && isfinite(arm->speed.median);
        const double low = bar(v, arm);
        char shape[SHAPE_NAME];
        json_t *object = json_pack(
            "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:o, s:o, s:s, s:o}", "by", v->vary->by_threads ? "threads" : "data", "shape",
            v->shape, "variant", v->vary->name[arm->variant], "of", arm->kernel ? "kernel" : "peak", "kernel", arm_name(arm), "shape_run",
            shape_name(&c->shape, shape, sizeof shape), "dist", data_dist_name(c->dist), "seed", (json_int_t)c->seed, "threads",
            (int)arm->threads, "units", arm->kernel && arm->plan ? json_integer((json_int_t)attn_plan_units(arm->plan)) : json_null(), "work",
            json_number_or_null(arm->work > 0 ? arm->work : NAN), "status", arm->kernel ? verify_status_name(arm->verify.status) : "pass", "why",
            arm->why[0] ? json_string(arm->why) : json_null());
        if (timed)
            bench_json_times(object, &v->paired[arm->arm], &v->run);
        json_object_set_new(object, "speed",
                            compared ? bench_json_ratio(v->vary->name[0], &v->run, arm->speed) : json_null());
        json_object_set_new(object, "efficiency", v->vary->by_threads && compared ? json_real(arm->speed.median / ideal(arm)) : json_null());
        json_object_set_new(object, "slowest", json_number_or_null(arm->slowest));
        json_object_set_new(object, "bar", json_number_or_null(low));
        json_object_set_new(object, "ok", compared && isfinite(low) ? json_boolean(arm->speed.median >= low) : json_null());
        if (timed)
            json_object_set_new(object, "flags", bench_json_flags(&v->paired[arm->arm], v->run.rounds));
        records_write(records, "vary", object); /* records_close reports what went wrong */
    }
}

/* ---- A case ----------------------------------------------------------------------------------------------------------------------- */

static void free_run(VaryRun *v)
{
    for (size_t i = 0; v->arms && i < v->count; i++) {
        attn_plan_destroy(v->arms[i].plan);
        free(v->arms[i].workspace);
        if (!v->arms[i].kernel)
            peak_free(&v->arms[i].peak);
    }
    for (size_t i = 0; i < v->vary->count; i++)
        data_free(&v->data[i]);
    if (v->paired)
        paired_free(v->paired, v->count);
    free(v->paired);
    free(v->arms);
    free(v);
}

/* Operands of each variant, verified kernels on them. Kernels outside, variants inside. */
static bool make_arms(VaryRun *v, const Shape *shape, const AttnKernel *const *kernels, size_t count, const AttnSettings *settings,
                      char *error, size_t error_size)
{
    const Vary *vary = v->vary;
    bool applies[VARY_MOST];
    for (size_t i = 0; i < vary->count; i++) {
        v->what[i] = (VerifyCase){.shape = *shape, .dist = vary->by_threads ? v->options->dist : vary->data[i].dist,
                                  .seed = v->options->seed, .fence = FENCE_NONE,
                                  .threads = vary->by_threads ? vary->threads[i] : v->options->threads};
        applies[i] = vary_shape(vary, i, &v->what[i].shape);
        if (applies[i] && !case_data(&v->data[i], &v->what[i], error, error_size))
            return false;
    }
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < vary->count && !stop_signal; i++) {
            char what[SHAPE_NAME + 80];
            VaryArm *arm = &v->arms[v->count++];
            *arm = (VaryArm){.kernel = kernels[k], .variant = i, .threads = v->what[i].threads, .work = shape_flop(&v->what[i].shape),
                             .verify = {.status = VERIFY_SKIP}};
            snprintf(what, sizeof what, "%s: verifying %s, %s", v->shape, kernels[k]->name, vary->name[i]);
            render_progress(v->count, count * vary->count, what);
            if (applies[i])
                prepare(v, arm, settings);
            else
                snprintf(arm->why, sizeof arm->why, "the shape has it already");
        }
    v->kernels = v->count;
    return true;
}

int vary_case(const Vary *vary, const Shape *shape, const AttnKernel *const *kernels, size_t count, const BenchOptions *options,
              const AttnSettings *settings, const Topology *topology, const VaryOutputs *out)
{
    char error[300] = "out of memory";
    VaryRun *v = calloc(1, sizeof *v);
    const size_t room = (count + PEAK_KINDS) * vary->count;
    if (!v) {
        render_error("%s", error);
        *out->unable = true;
        return EXIT_NOTHING;
    }
    v->vary = vary;
    v->options = options;
    shape_name(shape, v->shape, sizeof v->shape);
    v->level = peaks_level_of(topology, 1, shape_bytes(shape));
    v->arms = calloc(room, sizeof *v->arms);
    v->paired = calloc(room, sizeof *v->paired);
    bool ok = v->arms && v->paired && room <= PAIRED_MAX_ARMS;
    if (room > PAIRED_MAX_ARMS)
        snprintf(error, sizeof error, "%zu kernels in %zu variants are too many for one run; -k names fewer", count, vary->count);
    ok = ok && make_arms(v, shape, kernels, count, settings, error, sizeof error);
    int code = EXIT_NOTHING;
    if (ok) {
        size_t timed = 0;
        for (size_t i = 0; i < v->kernels; i++)
            timed += v->arms[i].timed;
        if (vary->by_threads && !stop_signal)
            add_peaks(v, attn_cpu_this()->features & settings->allowed, topology);
        ok = timed == 0 || stop_signal || measure(v);
        if (ok && v->run.rounds > 0)
            compare(v);
        topology_free_caller();
        code = code_of(v);
        if (paired_doubt(&v->run, error, sizeof error)) {
            render_note("%s: %s", v->shape, error);
            code = code == EXIT_OK ? EXIT_INCONCLUSIVE : code;
        }
        if (ok && (v->run.rounds > 0 || !stop_signal))
            show(v, out);
        if (ok && (v->run.rounds > 0 || !stop_signal))
            record(v, out->records);
    }
    if (!ok)
        render_error("%s: %s", v->shape, error);
    for (size_t i = 0; i < v->kernels; i++)
        ok = ok && v->arms[i].verify.status != VERIFY_UNABLE;
    *out->unable |= !ok; /* something could not be set up: no result for this shape, but perhaps for the next one */
    free_run(v);
    return code;
}
