/* show.c - see show.h. The fields of the records are explained in results/README.md. */
#include "harness/base/json.h"
#include "harness/bench/show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/base/known.h"
#include "harness/bench/json.h"
#include "harness/records/verdict.h"

RenderTable *bench_table(bool with_case)
{
    static const RenderColumn columns[] = {
        {"case", "case", RENDER_TEXT},
        {"kernel", "kernel", RENDER_TEXT},
        {"ISA", "isa", RENDER_TEXT},
        {NULL, "status", RENDER_TEXT},
        {"median", "median_s", RENDER_NUMBER}, /* the first of UNTIMED columns */
        {"min", "min_s", RENDER_NUMBER},
        {"t / fastest", "time_over_fastest", RENDER_NUMBER},
        {NULL, "time_over_fastest_lo", RENDER_NUMBER},
        {NULL, "time_over_fastest_hi", RENDER_NUMBER},
        {"speed-up", "speedup", RENDER_NUMBER},
        {NULL, "speedup_lo", RENDER_NUMBER},
        {NULL, "speedup_hi", RENDER_NUMBER},
        {"GFLOP/s", "gflops", RENDER_NUMBER},
        {"%peak", "pct_peak", RENDER_NUMBER},
        {"%roof", "pct_roof", RENDER_NUMBER},
        {"bound", "bound", RENDER_TEXT},
        {"eta", "eta", RENDER_NUMBER},
        {"max err", "max_abs_error", RENDER_NUMBER},
        {"note", "note", RENDER_TEXT},
    };
    return render_table_of(columns + !with_case, sizeof columns / sizeof *columns - !with_case);
}

static const char *thread_text(size_t threads)
{
    return threads == 1 ? "thread" : "threads";
}

/* The status as in records and for programs. */

static const char *status_text(VerifyStatus status)
{
    static const char *const names[] = {[VERIFY_PASS] = "pass", [VERIFY_FAIL] = "FAIL", [VERIFY_SKIP] = "skipped",
                                        [VERIFY_CRASH] = "CRASH", [VERIFY_UNABLE] = "skipped"};
    return names[status];
}

static void empty_cells(RenderTable *table, size_t count)
{
    for (size_t i = 0; i < count; i++)
        render_missing(table);
}

enum { UNTIMED = 12 }; /* columns from the median to the bound */

/* A kernel that was not timed: the reason instead of numbers. */
static void add_untimed(RenderTable *table, const BenchKernel *k)
{
    const bool bad = k->verify.status == VERIFY_FAIL || k->verify.status == VERIFY_CRASH;
    empty_cells(table, UNTIMED);
    if (bad) {
        render_value(table, STYLE_BAD, k->verify.eta, "%.2g", k->verify.eta);
        render_value(table, STYLE_BAD, k->verify.max_abs, "%.1e", k->verify.max_abs);
    } else {
        empty_cells(table, 2);
    }
    render_cell(table, bad ? STYLE_BAD : STYLE_DIM, "%s: %s", status_text(k->verify.status), k->why);
}

static void add_percent(RenderTable *table, double share)
{
    if (isfinite(share))
        render_value(table, STYLE_PLAIN, 100 * share, "%.1f %%", 100 * share);
    else
        empty_cells(table, 1);
}

/* What is known about a ratio of this case: nothing, if the clock cannot be trusted. */
static Known known_of(const BenchCase *bench, StatsInterval r)
{
    char unused[200];
    const Known known = known_ratio(r.lo, r.hi);
    return known != KNOWN_FEW && paired_doubt(&bench->run, unused, sizeof unused) ? KNOWN_NOT : known;
}

/* Is the fastest kernel known to be the fastest? Every other one must be known to be slower or tied; calibration has shown that one left
 * out of most rounds is many times slower (paired.h). */
static bool has_star(const BenchCase *bench)
{
    for (size_t i = 0; i < bench->count; i++) {
        const BenchKernel *k = &bench->kernels[i];
        if (!k->timed)
            continue;
        const Known known = known_of(bench, k->best);
        if (known == KNOWN_NOT || (known == KNOWN_FEW && (i == bench->fastest || bench->arms[k->arm].every == 1)))
            return false;
    }
    return true;
}

/* How a kernel compares with the fastest. */
static const char *rank_of(const BenchCase *bench, size_t index, bool *good)
{
    const BenchKernel *k = &bench->kernels[index];
    const Known known = known_of(bench, k->best);
    const bool star = has_star(bench), baseline = index == bench->baseline;
    *good = index == bench->fastest ? star : known == KNOWN_TIED;
    if (index == bench->fastest)
        return star ? "★ fastest" : known == KNOWN_FEW ? "least median, few rounds" : "least median, not known to be the fastest";
    if (known == KNOWN_SLOWER || known == KNOWN_FASTER)
        return baseline ? "baseline" : "";
    if (known == KNOWN_TIED)
        return star ? "= tied with ★" : "= tied";
    return baseline ? known == KNOWN_FEW ? "baseline, few rounds" : "baseline, not known" : known_word(known);
}

static void add_timed(RenderTable *table, const BenchCase *bench, const BenchKernel *k)
{
    char text[40];
    const size_t index = (size_t)(k - bench->kernels);
    const double gflops = bench->work.flop / k->time.median * 1e-9;
    render_value(table, STYLE_PLAIN, k->time.median, "%s", render_time(k->time.median, text, sizeof text));
    render_value(table, STYLE_PLAIN, k->time.min, "%s", render_time(k->time.min, text, sizeof text));
    /* People see the interval; for the fastest itself, that of the control. */
    const StatsInterval ci = index == bench->fastest ? bench->control : k->best;
    const bool few = known_ratio(ci.lo, ci.hi) == KNOWN_FEW;
    render_value(table, few ? STYLE_DIM : STYLE_PLAIN, k->best.median, "%s", few ? "-" : known_interval(ci.lo, ci.hi, text, sizeof text));
    render_number(table, k->best.lo);
    render_number(table, k->best.hi);
    render_value(table, STYLE_PLAIN, 1 / k->vs.median, "%.*f×", 1 / k->vs.median < 10 ? 2 : 1, 1 / k->vs.median);
    render_number(table, isfinite(k->vs.hi) ? 1 / k->vs.hi : NAN);
    render_number(table, k->vs.lo > 0 ? 1 / k->vs.lo : NAN);
    render_value(table, STYLE_PLAIN, gflops, "%.1f", gflops);
    add_percent(table, k->peak.median);
    add_percent(table, k->roof_share.median);
    render_cell(table, STYLE_PLAIN, "%s", k->roof.name);
    render_value(table, STYLE_PLAIN, k->verify.eta, "%.3f", k->verify.eta);
    render_value(table, STYLE_PLAIN, k->verify.max_abs, "%.1e", k->verify.max_abs);
    bool good;
    const char *rank = rank_of(bench, index, &good);
    const char *choice = k->who.inner || k->who.kernel != bench->chosen ? "" : strcmp(bench->chosen_by, "tune") == 0 ? "tuned choice" : "dispatch's choice";
    render_cell(table, good ? STYLE_GOOD : STYLE_DIM, "%s%s%s", rank, *rank && *choice ? ", " : "", choice);
}

void bench_table_add(RenderTable *table, const BenchCase *bench, bool with_case)
{
    for (size_t i = 0; i < bench->count; i++) {
        const BenchKernel *k = &bench->kernels[i];
        render_row(table);
        if (with_case)
            render_cell(table, STYLE_PLAIN, "%s", bench->shape.name);
        render_cell(table, i == bench->fastest ? STYLE_GOOD : STYLE_PLAIN, "%s", k->who.name);
        render_cell(table, STYLE_PLAIN, "%s", op_isa_name(&k->who));
        render_cell(table, STYLE_PLAIN, "%s", verify_status_name(k->verify.status));
        if (k->timed && bench->run.rounds > 0 && k->time.n > 0)
            add_timed(table, bench, k);
        else
            add_untimed(table, k);
    }
}

void bench_heading(const BenchCase *bench)
{
    const OpShape *shape = &bench->shape;
    char bytes[32], title[SHAPE_TITLE];
    printf("\n");
    render_text(STYLE_BOLD, "%s", op_title(shape->alias, shape->name, title, sizeof title));
    printf("  %zu %s, %.4g MFLOP, ", bench->options->threads, thread_text(bench->options->threads), bench->work.flop * 1e-6);
    if (bench->work.exp > 0)
        printf("%.4g Mexp, ", bench->work.exp * 1e-6);
    printf("%s of operands in %s", render_bytes(bench->work.bytes, bytes, sizeof bytes), peaks_level_name(bench->level));
    if (bench->run.rounds > 0)
        printf("; %zu rounds in %.1f s", bench->run.rounds, bench->run.elapsed);
    printf("\n");
}

/* Events and joules per call, one line per kernel; or one line that says why there are none. */
static void show_costs(const BenchCase *bench)
{
    for (size_t i = 0; i < bench->count; i++) {
        const BenchKernel *k = &bench->kernels[i];
        if (!k->timed || (!isfinite(k->counted[COUNTER_CYCLES]) && !isfinite(k->joules)))
            continue;
        printf("  %s:", k->who.name);
        if (isfinite(k->counted[COUNTER_CYCLES]))
            printf(" %.4g instructions, %.2f a cycle;", k->counted[COUNTER_INSTRUCTIONS],
                   k->counted[COUNTER_INSTRUCTIONS] / k->counted[COUNTER_CYCLES]);
        if (isfinite(k->counted[COUNTER_LLC_MISSES]))
            printf(" %.3g misses of the last cache;", k->counted[COUNTER_LLC_MISSES]);
        if (isfinite(k->joules))
            printf(" %.3g J above idling;", k->joules);
        printf(" a call\n");
    }
    if (bench->no_counters[0])
        printf("counters none: %s", bench->no_counters);
    if (bench->no_energy[0] && bench->options->energy)
        printf("%senergy none: %s", bench->no_counters[0] ? "; " : "", bench->no_energy);
    if (bench->no_counters[0] || (bench->no_energy[0] && bench->options->energy))
        printf("\n");
}

void bench_footer(const BenchCase *bench)
{
    const PairedRun *run = &bench->run;
    if (run->rounds == 0)
        return;
    char text[40];
    const Known known = known_of(bench, bench->control);
    printf("control %s against its copy: %.3f", bench->kernels[bench->controlled].who.name, bench->control.median);
    if (known == KNOWN_FEW)
        printf(", too few rounds for an interval");
    else
        printf(" %s ", known_interval(bench->control.lo, bench->control.hi, text, sizeof text));
    if (known == KNOWN_TIED)
        render_text(STYLE_GOOD, "%s", known_control(known));
    else if (known == KNOWN_NOT)
        render_text(STYLE_WARN, "%s", known_control(known));
    else if (known != KNOWN_FEW)
        render_text(STYLE_WARN, "%s: differences of %.1f %% mean nothing here", known_control(known),
                    100 * fabs(bench->control.median - 1));
    printf("; %zu of %zu trials disturbed (kept)", run->flagged, run->trials);
    if (run->left_out > 0)
        render_text(STYLE_WARN, "; %zu trials left out: the clock stood or stepped back", run->left_out);
    if (run->flagged * 5 > run->trials)
        render_text(STYLE_WARN, " - a noisy machine");
    printf("\npeaks ");
    for (size_t i = 0; i < bench->peak_count; i++) {
        const Peak *peak = &bench->peaks[i];
        const double rate = peak->units / paired_summary(run, &bench->arms[bench->arm_count - bench->peak_count + i]).median * 1e-9;
        printf("%s%s %.*f %s", i ? ", " : "", peak->name, rate < 10 ? 2 : 1, rate,
               peak->kind == PEAK_FMA ? "GFLOP/s" : peak->kind == PEAK_EXP ? "G/s" : "GB/s");
    }
    printf("\n");
    show_costs(bench);
}

/* ---- Records --------------------------------------------------------------------------------------------------------------------- */

static json_t *interval_json(const char *against, const BenchCase *bench, StatsInterval r)
{
    return bench_json_ratio(against, &bench->run, r);
}

static json_t *share_json(StatsInterval r)
{
    return json_pack("{s:o, s:o, s:o}", "frac", json_number_or_null(r.median), "lo", json_number_or_null(r.lo), "hi", json_number_or_null(r.hi));
}

/* The kernel that dispatch takes, measured or not, and by what. */
static json_t *chosen_json(const BenchCase *bench)
{
    return bench->chosen ? json_pack("{s:s, s:s}", "kernel", bench->chosen->name, "by", bench->chosen_by) : json_null();
}

static json_t *case_json(const BenchCase *bench, const char *id)
{
    const PairedRun *run = &bench->run;
    const OpShape *shape = &bench->shape;
    char types[SHAPE_TYPES];
    json_t *peaks = json_object();
    for (size_t i = 0; i < bench->peak_count && run->rounds > 0; i++) {
        const StatsSummary s = paired_summary(run, &bench->arms[bench->arm_count - bench->peak_count + i]);
        json_object_set_new(peaks, bench->peaks[i].name, json_number_or_null(bench->peaks[i].units / s.median));
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:i, s:s, s:s, s:I, s:f, s:f, s:f, s:s, s:i, s:f, s:o, s:o, s:o}", "case", id,
                     "op", shape->op->name, "shape", shape->name,
                     "name", shape->alias[0] ? json_string(shape->alias) : json_null(), "dtype",
                     op_types(shape->name, types, sizeof types), "threads", (int)bench->options->threads, "cache", "hot", "dist", bench->dist, "seed", (json_int_t)bench->options->seed,
                     "flop", bench->work.flop,
                     "exp", bench->work.exp, "bytes", bench->work.bytes, "level", peaks_level_name(bench->level),
                     "rounds", (int)run->rounds, "elapsed", run->elapsed, "peaks", peaks, "noise", bench_json_noise(run),
                     "chosen", chosen_json(bench));
}

static json_t *bench_json(const BenchCase *bench, const BenchKernel *k, const char *id)
{
    const PairedArm *arm = &bench->arms[k->arm];
    json_t *object = json_pack("{s:s, s:s, s:s}", "case", id, "kernel", k->who.name, "isa", op_isa_name(&k->who));
    bench_json_times(object, arm, &bench->run);
    json_object_set_new(object, "vs", interval_json(bench->kernels[bench->baseline].who.name, bench, k->vs));
    json_object_set_new(object, "best", interval_json(bench->kernels[bench->fastest].who.name, bench, k->best));
    json_object_set_new(object, "flops", json_number_or_null(bench->work.flop / k->time.median));
    json_t *peak = share_json(k->peak), *roof = share_json(k->roof_share);
    json_object_set_new(peak, "isa", json_string(k->isa->name));
    json_object_set_new(roof, "bound", json_string(k->roof.name));
    json_object_set_new(roof, "t", json_number_or_null(k->roof.seconds));
    json_object_set_new(object, "peak", peak);
    json_object_set_new(object, "roof", roof);
    const bool counted = isfinite(k->counted[COUNTER_CYCLES]), weighed = isfinite(k->joules);
    json_t *events = counted ? json_object() : json_null();
    for (int c = 0; c < COUNTERS && counted; c++)
        json_object_set_new(events, counter_name((Counter)c), json_number_or_null(k->counted[c]));
    json_object_set_new(object, "ctr", events);
    json_object_set_new(object, "ctr_why", counted ? json_null() : json_string(bench->no_counters));
    json_object_set_new(object, "energy", weighed ? json_pack("{s:f, s:s}", "J", k->joules, "src", "powercap") : json_null());
    json_object_set_new(object, "energy_why", weighed ? json_null() : json_string(bench->no_energy));
    json_object_set_new(object, "flags", bench_json_flags(arm, bench->run.rounds));
    return object;
}

bool bench_record(Records *records, const BenchCase *bench, const char *id)
{
    bool kept = records_write(records, "case", case_json(bench, id));
    for (size_t i = 0; i < bench->count; i++) {
        const BenchKernel *k = &bench->kernels[i];
        kept = records_write(records, "verify", verdict_record(id, &k->who, &k->verify, "double", k->why)) && kept;
        if (k->timed && k->time.n > 0)
            kept = records_write(records, "bench", bench_json(bench, k, id)) && kept;
    }
    if (bench->run.rounds > 0) {
        json_t *control = interval_json(bench->kernels[bench->controlled].who.name, bench, bench->control);
        json_object_set_new(control, "case", json_string(id));
        const int ok = known_ok(known_of(bench, bench->control));
        json_object_set_new(control, "ok", ok < 0 ? json_null() : json_boolean(ok));
        kept = records_write(records, "control", control) && kept;
    }
    return kept;
}
