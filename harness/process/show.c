/* show.c - the table and the records of `bench --driver hyperfine`. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/exit.h"
#include "harness/base/json.h"
#include "harness/base/known.h"
#include "harness/bench/show.h"
#include "harness/ops/sdpa/op.h"
#include "harness/process/processes.h"
#include "harness/records/verdict.h"

/* If the two clocks differ by more than this share, they disagree: processes begin and end in steps of about one millisecond in 300. */
#define AGREE_WITHIN 0.02

RenderTable *process_table(bool with_case)
{
    static const RenderColumn columns[] = {
        {"case", "case", RENDER_TEXT},
        {"kernel", "kernel", RENDER_TEXT},
        {NULL, "status", RENDER_TEXT},
        {"set-up", "setup_s", RENDER_NUMBER}, /* the first of UNTIMED columns */
        {NULL, "setup_lo_s", RENDER_NUMBER},
        {NULL, "setup_hi_s", RENDER_NUMBER},
        {"first call", "first_s", RENDER_NUMBER},
        {NULL, "first_lo_s", RENDER_NUMBER},
        {NULL, "first_hi_s", RENDER_NUMBER},
        {"call", "call_s", RENDER_NUMBER},
        {NULL, "call_lo_s", RENDER_NUMBER},
        {NULL, "call_hi_s", RENDER_NUMBER},
        {"seen inside", "inside_s", RENDER_NUMBER},
        {NULL, "inside_lo_s", RENDER_NUMBER},
        {NULL, "inside_hi_s", RENDER_NUMBER},
        {"call/inside", "call_over_inside", RENDER_NUMBER},
        {NULL, "call_over_inside_lo", RENDER_NUMBER},
        {NULL, "call_over_inside_hi", RENDER_NUMBER},
        {"speed-up", "speedup", RENDER_NUMBER},
        {"calls", "calls", RENDER_COUNT},
        {"note", "note", RENDER_TEXT},
    };
    return render_table_of(columns + !with_case, sizeof columns / sizeof *columns - !with_case);
}

enum { UNTIMED = 17 };

const char *process_interval(StatsInterval x, char *text, size_t size)
{
    char time[32], lo[32], hi[32];
    if (!isfinite(x.median))
        snprintf(text, size, "-");
    else if (!isfinite(x.lo) || !isfinite(x.hi))
        snprintf(text, size, "%s", x.median > 0 ? render_time(x.median, time, sizeof time) : "few rounds");
    else if (x.lo <= 0)
        snprintf(text, size, "less than %s", render_time(fmax(x.hi, -x.lo), time, sizeof time));
    else
        snprintf(text, size, "%s [%s, %s]", render_time(x.median, time, sizeof time), render_time(x.lo, lo, sizeof lo),
                 render_time(x.hi, hi, sizeof hi));
    return text;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
/* "-" if in no round the call could be distinguished from the empty process. */
static void ratio_cell(RenderTable *table, const char *format, double ratio)
{
    char text[32];
    snprintf(text, sizeof text, format, ratio);
    render_value(table, STYLE_PLAIN, ratio, "%s", isfinite(ratio) ? text : "-");
}
#pragma GCC diagnostic pop

static bool agree(StatsInterval r)
{
    return r.lo <= 1 + AGREE_WITHIN && r.hi >= 1 - AGREE_WITHIN;
}

static void add_kernel(RenderTable *table, const ProcessCase *run, const ProcessKernel *k)
{
    char text[PROCESS_INTERVAL];
    const StatsInterval cells[] = {k->setup, k->first, k->call, k->own};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        const StatsInterval x = cells[i];
        render_value(table, STYLE_PLAIN, x.median > 0 && !(x.lo <= 0) ? x.median : NAN, "%s", process_interval(x, text, sizeof text));
        render_number(table, x.lo);
        render_number(table, x.hi);
    }
    if (isfinite(k->agreement.hi))
        render_value(table, agree(k->agreement) ? STYLE_PLAIN : STYLE_WARN, k->agreement.median, "%.3f %s", k->agreement.median,
                     known_interval(k->agreement.lo, k->agreement.hi, text, sizeof text));
    else
        ratio_cell(table, "%.3f", k->agreement.median);
    render_number(table, k->agreement.lo);
    render_number(table, k->agreement.hi);
    ratio_cell(table, "%.2f×", 1 / k->vs.median);
    render_value(table, STYLE_PLAIN, (double)k->calls, "%llu", (unsigned long long)k->calls);
    const bool baseline = k == &run->kernels[run->baseline], chosen = strcmp(k->kernel->name, run->chosen) == 0;
    render_cell(table, STYLE_DIM, "%s%s%s%s", chosen ? "dispatch's choice" : "", chosen && baseline ? ", " : "", baseline ? "baseline" : "",
                !isfinite(k->call.hi) ? " (few rounds)" : k->call.lo <= 0 ? " (a call is not told from the empty process)"
                : agree(k->agreement) ? "" : " (the clocks disagree)");
}

void process_table_add(RenderTable *table, const ProcessCase *run, bool with_case)
{
    for (size_t i = 0; i < run->count; i++) {
        const ProcessKernel *k = &run->kernels[i];
        render_row(table);
        if (with_case)
            render_cell(table, STYLE_PLAIN, "%s", run->name);
        render_cell(table, STYLE_PLAIN, "%s", k->kernel->name);
        render_cell(table, STYLE_PLAIN, "%s", verify_status_name(k->verify.status));
        if (!k->why[0] && run->rounds > 0) {
            add_kernel(table, run, k);
            continue;
        }
        for (size_t c = 0; c < UNTIMED; c++)
            render_missing(table);
        const bool bad = k->verify.status == VERIFY_FAIL || k->verify.status == VERIFY_CRASH;
        render_cell(table, bad ? STYLE_BAD : STYLE_DIM, "%s: %s", verify_status_name(k->verify.status), k->why);
    }
}

void process_heading(const ProcessCase *run)
{
    char start[PROCESS_INTERVAL], choice[PROCESS_INTERVAL], title[SHAPE_TITLE];
    printf("\n");
    render_text(STYLE_BOLD, "%s", op_title(run->shape.name, run->name, title, sizeof title));
    printf("  %zu thread%s, %s, %zu rounds in %.1f s\n", run->options->threads, run->options->threads == 1 ? "" : "s", run->version, run->rounds,
           run->elapsed);
    if (run->rounds == 0)
        return;
    printf("start-up %s", process_interval(run->start_up, start, sizeof start));
    if (run->choice.n > 0)
        printf(", choice among all kernels %s (it takes %s)", process_interval(run->choice, choice, sizeof choice), run->chosen);
    const StatsInterval tuning = run->tuning;
    if (tuning.n == 0)
        printf(", no tune file: %s", run->tune_why);
    else
        printf(", a tune file of %zu entries %s", run->tune_entries, process_interval(tuning, choice, sizeof choice));
    printf("\n");
}

int process_code(const ProcessCase *run)
{
    int code = run->timed > 0 ? EXIT_OK : EXIT_NOTHING;
    for (size_t i = 0; i < run->count; i++) {
        const VerifyStatus status = run->kernels[i].verify.status;
        code = status == VERIFY_CRASH ? EXIT_CRASHED : status == VERIFY_FAIL && code != EXIT_CRASHED ? EXIT_DISAGREE : code;
    }
    return code;
}

/* ---- Records --------------------------------------------------------------------------------------------------------------------- */

static json_t *interval_json(StatsInterval x)
{
    return json_pack("{s:o, s:o, s:o, s:i}", "med", json_number_or_null(x.median), "lo", json_number_or_null(x.lo), "hi", json_number_or_null(x.hi), "n", (int)x.n);
}

static json_t *samples_json(const double *seconds, size_t rounds)
{
    json_t *list = json_array();
    for (size_t r = 0; r < rounds; r++)
        json_array_append_new(list, json_number_or_null(seconds[r]));
    return list;
}

static json_t *kernel_json(const ProcessCase *run, const ProcessKernel *k, const char *id)
{
    const size_t n = run->rounds;
    json_t *object = json_pack("{s:s, s:s, s:s, s:i, s:I}", "case", id, "kernel", k->kernel->name, "unit", "s", "rounds", (int)n, "calls",
                               (json_int_t)k->calls);
    json_object_set_new(object, "setup", interval_json(k->setup));
    json_object_set_new(object, "first", interval_json(k->first));
    json_object_set_new(object, "call", interval_json(k->call));
    json_object_set_new(object, "inside", interval_json(k->own));
    json_object_set_new(object, "agreement", interval_json(k->agreement));
    json_t *vs = json_pack("{s:s, s:o, s:o, s:o, s:f, s:i, s:s}", "kernel", run->kernels[run->baseline].kernel->name, "ratio",
                           json_number_or_null(k->vs.median), "lo", json_number_or_null(k->vs.lo), "hi", json_number_or_null(k->vs.hi), "conf", 1 - run->alpha,
                           "n", (int)k->vs.n, "method", "paired-log-sign");
    json_object_set_new(object, "vs", vs);
    json_object_set_new(object, "wall", json_pack("{s:o, s:o, s:o}", "none", samples_json(k->none, n), "one", samples_json(k->one, n), "many",
                                                  samples_json(k->many, n)));
    json_object_set_new(object, "own", samples_json(k->inside, n));
    return object;
}

bool process_record(Records *records, const ProcessCase *run, const char *id)
{
    char types[SHAPE_TYPES];
    json_t *what = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:I, s:i, s:f, s:s, s:s}", "case", id, "op", "sdpa", "driver", "hyperfine", "shape",
                             run->name, "dtype", op_types(run->name, types, sizeof types), "threads", (int)run->options->threads,
                             "dist", data_dist_name(run->options->dist), "seed", (json_int_t)run->options->seed, "rounds", (int)run->rounds, "elapsed", run->elapsed, "tool", run->version,
                             "chosen", run->chosen);
    json_object_set_new(what, "name", run->shape.name[0] ? json_string(run->shape.name) : json_null());
    json_object_set_new(what, "start", run->rounds > 0 ? interval_json(run->start_up) : json_null());
    json_object_set_new(what, "choice", run->choice.n > 0 ? interval_json(run->choice) : json_null());
    json_t *tune = run->tuning.n > 0 ? interval_json(run->tuning) : json_null();
    if (run->tuning.n > 0) {
        json_object_set_new(tune, "entries", json_integer((json_int_t)run->tune_entries));
        json_object_set_new(tune, "bytes", json_integer((json_int_t)run->tune_bytes));
    }
    json_object_set_new(what, "tune", tune);
    bool kept = records_write(records, "processes", what);
    for (size_t i = 0; i < run->count; i++) {
        const ProcessKernel *k = &run->kernels[i];
        OpKernel who;
        (void)op_sdpa.kernel(k->kernel, &who);
        kept = records_write(records, "verify", verdict_record(id, &who, &k->verify, "double", k->why)) && kept;
        if (!k->why[0] && run->rounds > 0)
            kept = records_write(records, "process", kernel_json(run, k, id)) && kept;
    }
    return kept;
}
