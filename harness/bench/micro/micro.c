/* micro.c - the engine of `bench --micro`: rows to arms; tables and records. */
#include "harness/base/stop.h"
#include "harness/bench/micro/micro.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/known.h"
#include "harness/base/outputs.h"
#include "harness/bench/json.h"
#include "harness/machine/chain.h"

/* ---- Showing ---------------------------------------------------------------------------------------------------------------------- */

/* The columns of a table with its own headings; in a table over all, the headings are general and follow the name. */
static RenderTable *columns(const MicroTable *t)
{
    static const char *const by_compare[] = {[MICRO_SHARE] = "share", [MICRO_COST] = "share of work", [MICRO_BEYOND] = "beyond"};
    char per[40];
    if (t)
        snprintf(per, sizeof per, t->by_rate ? "G%s/s" : "per %s", t->unit);
    const RenderColumn all[] = {
        {"micro", "micro", RENDER_TEXT},
        {"what", "what", RENDER_TEXT},
        {"ISA", "isa", RENDER_TEXT},
        {NULL, "unit", RENDER_TEXT},
        {t ? per : "value", "seconds_per_unit", RENDER_NUMBER},
        {"cycles", "cycles_per_unit", RENDER_NUMBER},
        {NULL, "compare", RENDER_TEXT},
        {t ? by_compare[t->compare] : "compared", NULL, RENDER_NUMBER},
        {"99 %", NULL, RENDER_NUMBER},
        {NULL, "share", RENDER_NUMBER},
        {NULL, "share_lo", RENDER_NUMBER},
        {NULL, "share_hi", RENDER_NUMBER},
        {NULL, "beyond_s", RENDER_NUMBER},
        {NULL, "beyond_lo_s", RENDER_NUMBER},
        {NULL, "beyond_hi_s", RENDER_NUMBER},
        {NULL, "most_s", RENDER_NUMBER},
        {NULL, "in_use", RENDER_FLAG},
        {"note", "note", RENDER_TEXT},
    };
    return render_table_of(all + (t != NULL), sizeof all / sizeof *all - (t != NULL));
}

RenderTable *micro_table_of_all(void)
{
    return columns(NULL);
}

static bool has_reference(const MicroTable *t, size_t i)
{
    return t->rows[i].against != i;
}

static bool best_of_group(const MicroTable *t, size_t i)
{
    for (size_t k = 0; k < t->count; k++)
        if (t->rows[k].group == t->rows[i].group && t->rows[k].compared.median > t->rows[i].compared.median)
            return false;
    return t->rows[i].group > 0;
}

/* Is the best one known to be the best, compared with each other one of its group in the same rounds? */
static bool known_best(const MicroTable *t, size_t i, const PairedArm *arms, const PairedRun *run)
{
    for (size_t k = 0; k < t->count; k++) {
        if (k == i || t->rows[k].group != t->rows[i].group)
            continue;
        const StatsInterval r = paired_ratio(run, &arms[t->rows[i].arm], &arms[t->rows[k].arm]);
        const double factor = t->rows[i].work / t->rows[k].work;
        const Known known = known_ratio(factor * r.lo, factor * r.hi);
        if (known != KNOWN_SLOWER && known != KNOWN_TIED)
            return false;
    }
    return true;
}

/* The number that `most` bounds. */
static double bounded(const MicroTable *t, size_t i, const StatsSummary *time)
{
    return t->compare == MICRO_BEYOND && has_reference(t, i) ? t->rows[i].compared.median : time->median;
}

static const char *const compare_names[] = {[MICRO_SHARE] = "share", [MICRO_COST] = "cost", [MICRO_BEYOND] = "beyond"};

static void add_compared(RenderTable *table, const MicroTable *t, size_t i)
{
    const StatsInterval c = t->rows[i].compared;
    char text[32], other[32];
    if (!has_reference(t, i)) {
        for (size_t column = 0; column < 9; column++)
            render_missing(table);
        return;
    }
    render_cell(table, STYLE_PLAIN, "%s", compare_names[t->compare]);
    if (t->compare == MICRO_BEYOND)
        render_cell(table, STYLE_PLAIN, "%s%s", c.median < 0 ? "-" : "", render_time(fabs(c.median), text, sizeof text));
    else
        render_cell(table, STYLE_PLAIN, "%.*f %%", c.median < 0.1 ? 2 : 1, 100 * c.median);
    if (!isfinite(c.hi))
        render_cell(table, STYLE_DIM, "few rounds");
    else if (t->compare == MICRO_BEYOND)
        render_cell(table, STYLE_PLAIN, "[%s%s, %s%s]", c.lo < 0 ? "-" : "", render_time(fabs(c.lo), text, sizeof text),
                    c.hi < 0 ? "-" : "", render_time(fabs(c.hi), other, sizeof other));
    else
        render_cell(table, STYLE_PLAIN, "[%.*f, %.*f] %%", c.lo < 0.1 ? 2 : 1, 100 * c.lo, c.hi < 0.1 ? 2 : 1, 100 * c.hi);
    const double values[] = {c.median, c.lo, c.hi};
    for (size_t v = 0; v < 6; v++) /* a share, or a time beyond the other's */
        render_number(table, (v >= 3) == (t->compare == MICRO_BEYOND) ? values[v % 3] : NAN);
}

static void add_note(RenderTable *table, const MicroTable *t, size_t i, const StatsSummary *time, const PairedArm *arms,
                     const PairedRun *run)
{
    const MicroRow *row = &t->rows[i];
    char text[32];
    if (row->most > 0) {
        const bool ok = bounded(t, i, time) < row->most;
        render_cell(table, ok ? STYLE_GOOD : STYLE_BAD, "%s%s %s", row->in_use ? "in use; " : "", ok ? "below" : "NOT below",
                    render_time(row->most, text, sizeof text));
        return;
    }
    const bool best = best_of_group(t, i), star = best && known_best(t, i, arms, run);
    render_cell(table, star ? STYLE_GOOD : STYLE_DIM, "%s%s%s", star ? "★ best" : best ? "best, not known" : "",
                best && row->in_use ? ", " : "", row->in_use ? "in use" : "");
}

static void show(RenderTable *table, const MicroTable *t, const PairedArm *arms, const PairedRun *run, bool with_name)
{
    const double hertz = (double)CHAIN_LENGTH * CHAIN_LATENCY / run->sentinel.median;
    for (size_t i = 0; i < t->count; i++) {
        const MicroRow *row = &t->rows[i];
        const StatsSummary time = paired_summary(run, &arms[row->arm]);
        const double each = time.median / (t->compare == MICRO_COST ? row->shown : row->work);
        char text[32];
        render_row(table);
        if (with_name)
            render_cell(table, STYLE_PLAIN, "%s", t->micro);
        render_cell(table, row->in_use ? STYLE_BOLD : STYLE_PLAIN, "%s", row->name);
        render_cell(table, STYLE_PLAIN, "%s", row->isa);
        render_cell(table, STYLE_PLAIN, "%s", t->unit);
        if (t->by_rate)
            render_value(table, STYLE_PLAIN, each, "%.1f", 1e-9 / each);
        else if (isfinite(each))
            render_value(table, STYLE_PLAIN, each, "%s", render_time(each, text, sizeof text));
        else
            render_missing(table);
        if (isfinite(each))
            render_value(table, STYLE_PLAIN, each * hertz, "%.*f", each * hertz < 1 ? 3 : each * hertz < 100 ? 1 : 0, each * hertz);
        else
            render_missing(table);
        add_compared(table, t, i);
        render_number(table, row->most > 0 ? row->most : NAN);
        render_number(table, row->in_use);
        add_note(table, t, i, &time, arms, run);
    }
}

static json_t *row_json(const MicroTable *t, size_t i, const PairedArm *arm, const PairedRun *run)
{
    const MicroRow *row = &t->rows[i];
    const StatsSummary time = paired_summary(run, arm);
    json_t *object = json_pack("{s:s, s:s, s:s, s:o, s:s, s:f, s:b}", "micro", t->micro, "title", t->title, "row", row->name, "isa",
                               row->isa[0] ? json_string(row->isa) : json_null(), "work_unit", t->unit, "work", row->work, "in_use",
                               row->in_use);
    bench_json_times(object, arm, run);
    json_object_set_new(object, "compare", has_reference(t, i) ? json_string(compare_names[t->compare]) : json_null());
    json_object_set_new(object, "vs", has_reference(t, i) ? bench_json_ratio(t->rows[row->against].name, run, row->compared) : json_null());
    if (has_reference(t, i) && t->compare == MICRO_BEYOND)
        json_object_set_new(json_object_get(object, "vs"), "method", json_string("paired-difference-sign"));
    json_object_set_new(object, "most", row->most > 0 ? json_real(row->most) : json_null());
    json_object_set_new(object, "ok", row->most > 0 ? json_boolean(bounded(t, i, &time) < row->most) : json_null());
    json_object_set_new(object, "noise", bench_json_noise(run));
    json_object_set_new(object, "flags", bench_json_flags(arm, run->rounds));
    return object;
}

/* ---- Measuring -------------------------------------------------------------------------------------------------------------------- */

MicroRow *micro_row(MicroTable *table, const char *isa, void (*run)(void *, size_t), void *context, double work, const char *format, ...)
{
    if (table->count == MICRO_ROWS)
        return NULL;
    MicroRow *row = &table->rows[table->count];
    *row = (MicroRow){.isa = isa, .run = run, .context = context, .work = work, .against = table->count};
    table->count++;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(row->name, sizeof row->name, format, arguments);
    va_end(arguments);
    return row;
}

/* The median of t_b - t_a over the rounds that have both, with its interval. */
static StatsInterval difference(const PairedRun *run, const PairedArm *a, const PairedArm *b)
{
    double beyond[PAIRED_MAX_ROUNDS], work[PAIRED_MAX_ROUNDS];
    for (size_t r = 0; r < run->rounds; r++)
        beyond[r] = b->seconds[r] - a->seconds[r];
    return stats_median_interval(beyond, run->rounds, run->alpha, work);
}

static StatsInterval compare(const MicroTable *t, size_t i, const PairedArm *arms, const PairedRun *run)
{
    const MicroRow *row = &t->rows[i], *against = &t->rows[row->against];
    const PairedArm *own = &arms[row->arm], *other = &arms[against->arm];
    if (t->compare == MICRO_BEYOND)
        return difference(run, other, own);
    const bool cost = t->compare == MICRO_COST;
    StatsInterval r = cost ? paired_ratio(run, other, own) : paired_ratio(run, own, other);
    const double factor = cost ? against->work / row->work : row->work / against->work;
    return (StatsInterval){r.n, factor * r.median, factor * r.lo, factor * r.hi};
}

bool micro_measure(const MicroContext *context, MicroTable *table, char *error, size_t error_size)
{
    PairedArm arms[MICRO_ROWS] = {{0}};
    PairedRun run;
    PairedConfig config = bench_config(context->options, table->title);
    if (table->min_trial > 0)
        config.min_trial = table->min_trial;
    config.target_ci = 0; /* rows of a table differ in size: run all rounds */
    for (size_t i = 0; i < table->count; i++) {
        arms[i] = (PairedArm){.run = table->rows[i].run, .context = table->rows[i].context,
                              .before = table->rows[i].before};
        table->rows[i].arm = i;
        config.comparisons += has_reference(table, i);
    }
    if (table->count == 0 || stop_signal)
        return true;
    if (!paired_measure(&config, arms, table->count, &run)) {
        snprintf(error, error_size, "%s: out of memory", table->title);
        return false;
    }
    render_progress_end();
    bool kept = true;
    if (paired_doubt(&run, error, error_size)) {
        render_note("%s: %s", table->title, error);
        *context->doubtful = true;
    }
    for (size_t i = 0; i < table->count; i++)
        if (has_reference(table, i))
            table->rows[i].compared = compare(table, i, arms, &run);
    if (run.rounds > 0 && context->all)
        show(context->all, table, arms, &run, true);
    if (run.rounds > 0 && !context->silent) {
        RenderTable *shown = columns(table);
        show(shown, table, arms, &run, false);
        printf("\n");
        render_text(STYLE_BOLD, "%s", table->title);
        printf("  %zu rounds in %.1f s; %zu of %zu trials disturbed (kept)\n", run.rounds, run.elapsed, run.flagged, run.trials);
        render_table_print(shown, stdout);
        render_table_free(shown);
        fflush(stdout);
    }
    for (size_t i = 0; i < table->count && run.rounds > 0; i++)
        kept = records_write(context->records, "micro", row_json(table, i, &arms[i], &run)) && kept;
    (void)kept; /* records_close reports what went wrong */
    paired_free(arms, table->count);
    return true;
}
