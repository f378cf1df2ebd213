/* builds.c - the tables of the short report for micro-benchmarks and for comparisons of two builds. Nothing is printed if there are no such
 * records. */
#include "harness/base/render.h"
#include "harness/report/model.h"

#include <math.h>
#include <string.h>

static bool same_text(const json_t *a, const json_t *b, const char *field)
{
    return strcmp(results_text(a, field), results_text(b, field)) == 0;
}

static bool is_true(const json_t *object, const char *field)
{
    return json_is_true(json_object_get(object, field));
}

static RenderTable *begin(const char *const *headings, size_t count, size_t from, size_t to)
{
    RenderTable *table = render_table(count);
    for (size_t i = 0; i < count; i++)
        render_column(table, i, headings[i], i >= from && i < to);
    return table;
}

static void end(RenderTable *table, FILE *to)
{
    render_table_markdown(table, to);
    render_table_free(table);
}

static void text_cell(RenderTable *table, const json_t *record, const char *field)
{
    const char *text = results_text(record, field);
    render_cell(table, STYLE_PLAIN, "%s", *text ? text : "-");
}

static void number_cell(RenderTable *table, int decimals, double value)
{
    if (isfinite(value))
        render_cell(table, STYLE_PLAIN, "%.*f", decimals, value);
    else
        render_cell(table, STYLE_PLAIN, "-");
}

/* ---- Micro-benchmarks ------------------------------------------------------------------------------------------------------------- */

/* A difference of times, which may be negative, or a share. */
static const char *compared(const json_t *row, double value, char *text, size_t size)
{
    char time[32];
    if (strcmp(results_text(row, "compare"), "beyond") == 0)
        snprintf(text, size, "%s%s", value < 0 ? "-" : "", render_time(fabs(value), time, sizeof time));
    else
        snprintf(text, size, "%.*f %%", fabs(value) < 0.1 ? 2 : 1, 100 * value);
    return text;
}

static void value_cell(RenderTable *table, const json_t *row)
{
    char text[32];
    const double each = results_number(row, "each");
    const char *unit = results_text(row, "work_unit");
    if (isnan(each))
        render_cell(table, STYLE_PLAIN, "-");
    else if (strcmp(unit, "flop") == 0)
        render_cell(table, STYLE_PLAIN, "%.1f Gflop/s", 1e-9 / each);
    else
        render_cell(table, STYLE_PLAIN, "%s a %s", render_time(each, text, sizeof text), *unit ? unit : "unit");
}

static void micro_row(RenderTable *table, const json_t *row)
{
    char text[64], other[64];
    const double most = results_number(row, "most"), ratio = results_number(row, "vs.ratio"),
                 lo = results_number(row, "vs.lo"), hi = results_number(row, "vs.hi");
    const bool in_use = is_true(row, "in_use");
    render_row(table);
    text_cell(table, row, "row");
    text_cell(table, row, "isa");
    value_cell(table, row);
    render_cell(table, STYLE_PLAIN, "%s", isnan(ratio) ? "-" : compared(row, ratio, text, sizeof text));
    if (isnan(ratio))
        render_cell(table, STYLE_PLAIN, "-");
    else if (isnan(lo) || isnan(hi))
        render_cell(table, STYLE_PLAIN, "few rounds");
    else
        render_cell(table, STYLE_PLAIN, "%s to %s", compared(row, lo, text, sizeof text), compared(row, hi, other, sizeof other));
    if (isnan(most))
        render_cell(table, STYLE_PLAIN, "%s", in_use ? "in use" : "");
    else
        render_cell(table, STYLE_PLAIN, "%s%s %s", in_use ? "in use; " : "", is_true(row, "ok") ? "below" : "NOT below",
                    render_time(most, text, sizeof text));
}

void report_markdown_micro(const json_t *model, FILE *to)
{
    static const char *const headings[] = {"what", "ISA", "speed", "compared", "interval", "note"};
    const json_t *rows = json_object_get(model, "micro"), *row, *before = NULL;
    RenderTable *table = NULL;
    size_t i;
    if (json_array_size(rows) == 0)
        return;
    fputs("\n### Micro-benchmarks\n\nThe latest of each table and machine. Rows of a table were measured in the same rounds; its title "
          "says what they are compared with.\n\n<details>\n<summary>All tables</summary>\n", /* many, and of interest to few */
          to);
    json_array_foreach(rows, i, row) {
        if (!is_true(row, "latest"))
            continue;
        if (!before || !same_text(row, before, "run") || !same_text(row, before, "title")) {
            if (table)
                end(table, to);
            fprintf(to, "\n#### %s %s\n\n", results_text(row, "machine"), results_text(row, "title"));
            table = begin(headings, 6, 2, 5);
        }
        micro_row(table, row);
        before = row;
    }
    end(table, to);
    fputs("\n</details>\n", to);
}

/* ---- Two builds against each other ------------------------------------------------------------------------------------------------- */

static void note_cell(RenderTable *table, const json_t *record, const char *otherwise)
{
    const char *waiver = results_text(record, "waiver"), *why = results_text(record, "why");
    render_cell(table, STYLE_PLAIN, "%s%s", *waiver ? "waived: " : "", *waiver ? waiver : *why ? why : otherwise);
}

static void verdict_row(RenderTable *table, const json_t *record)
{
    char note[80] = "";
    const double ratio = results_number(record, "ratio"), lo = results_number(record, "lo"), hi = results_number(record, "hi");
    const double threshold = results_number(record, "min_effect");
    render_row(table);
    text_cell(table, record, "shape");
    text_cell(table, record, "kernel");
    number_cell(table, 3, ratio);
    if (isnan(lo) || isnan(hi))
        render_cell(table, STYLE_PLAIN, "-");
    else
        render_cell(table, STYLE_PLAIN, "%.3f to %.3f", lo, hi);
    text_cell(table, record, "verdict");
    if (isfinite(threshold))
        snprintf(note, sizeof note, "threshold %.1f %%%s", 100 * threshold, is_true(record, "again") ? ", measured twice" : "");
    note_cell(table, record, note);
}

static void count_row(RenderTable *table, const json_t *record)
{
    const json_t *insn = json_object_get(record, "insn");
    const bool counted = json_is_array(insn);
    const double base = counted ? json_number_value(json_array_get(insn, 0)) : NAN,
                 head = counted ? json_number_value(json_array_get(insn, 1)) : NAN;
    render_row(table);
    text_cell(table, record, "shape");
    text_cell(table, record, "kernel");
    number_cell(table, 0, base);
    number_cell(table, 0, head);
    number_cell(table, 3, head / base);
    render_cell(table, STYLE_PLAIN, "%s%s", results_text(record, "outcome"), is_true(record, "fails") ? ", FAILS" : "");
    note_cell(table, record, "");
}

/* What a run compared, from the first of its records: "m1: 9659014c (clang 14.0.6) to bf0479d0 (gcc 12.2.0), 2026-11-21". */
static void comparison(const json_t *run, const json_t *record, FILE *to)
{
    static const char *const sides[][2] = {{"base", "packs.base.cc"}, {"head", "packs.head.cc"}};
    fprintf(to, "\n#### %s", results_text(run, "machine"));
    for (int i = 0; i < 2; i++) {
        const char *compiler = results_text(run, sides[i][1]);
        fprintf(to, "%s%s", i ? " to " : ": ", results_text(record, sides[i][0]));
        if (*compiler)
            fprintf(to, " (%s)", compiler);
    }
    fprintf(to, ", %s\n", results_text(run, "date"));
}

void report_markdown_builds(const json_t *model, FILE *to)
{
    static const char *const of_time[] = {"shape", "kernel", "head / base", "interval", "verdict", "note"};
    static const char *const of_count[] = {"shape", "kernel", "base", "head", "head / base", "instructions", "note"};
    const json_t *regress = json_object_get(model, "regress"), *insn = json_object_get(model, "insn"), *run, *record;
    size_t r, i;
    if (json_array_size(regress) + json_array_size(insn) == 0)
        return;
    fputs("\n### Builds against each other\n\nTime of the head over time of the base, in the same rounds, and instructions of one call; "
          "counts that are equal are left out.\n",
          to);
    json_array_foreach(json_object_get(model, "runs"), r, run) {
        size_t timed = 0, counted = 0, equal = 0;
        const json_t *first = NULL;
        RenderTable *times = begin(of_time, 6, 2, 4), *counts = begin(of_count, 7, 2, 5);
        json_array_foreach(regress, i, record)
            if (same_text(record, run, "run")) {
                first = first ? first : record;
                verdict_row(times, record);
                timed++;
            }
        json_array_foreach(insn, i, record)
            if (same_text(record, run, "run")) {
                const bool same = strcmp(results_text(record, "outcome"), "equal") == 0;
                first = first ? first : record;
                counted++;
                equal += same;
                if (!same)
                    count_row(counts, record);
            }
        if (first)
            comparison(run, first, to);
        if (timed > 0) {
            fputc('\n', to);
            render_table_markdown(times, to);
        }
        if (counted > equal) {
            fputc('\n', to);
            render_table_markdown(counts, to);
        }
        if (counted > 0)
            fprintf(to, "\n%zu of %zu instruction counts are equal.\n", equal, counted);
        render_table_free(times);
        render_table_free(counts);
    }
}
