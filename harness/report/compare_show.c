/* compare_show.c - see compare_show.h. For people a cell is one short text; for programs each cell is a row with its interval, its evidence
 * and its run. */
#include "harness/base/json.h"
#include "harness/base/known.h"
#include "harness/base/outputs.h"
#include "harness/records/records.h"
#include "harness/report/compare_show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *compare_value(CompareMetric metric, double value, char *buffer, size_t size)
{
    if (isnan(value))
        snprintf(buffer, size, "-");
    else if (metric == METRIC_TIME)
        return render_time(value, buffer, size);
    else if (metric == METRIC_FLOPS)
        snprintf(buffer, size, "%.4g GFLOP/s", value * 1e-9);
    else if (metric == METRIC_CHANGE)
        snprintf(buffer, size, "%+.1f %%", 100 * value);
    else if (metric == METRIC_PEAK || metric == METRIC_ROOF)
        snprintf(buffer, size, "%.1f %%", 100 * value);
    else
        snprintf(buffer, size, "%.*f×", value < 9.995 ? 2 : 1, value);
    return buffer;
}

/* What is known of a cell; a change counts from 0. */
static Known known_of(StatsInterval v, CompareMetric metric)
{
    const double none = metric == METRIC_CHANGE ? 1 : 0;
    return known_ratio(none + v.lo, none + v.hi);
}

static void show_cell(RenderTable *table, const CompareCell *cell, CompareMetric metric)
{
    const StatsInterval v = cell->value;
    const bool ratio = compare_is_relative(metric) || metric == METRIC_VS;
    char text[64], range[64] = "";
    if (!cell->point) {
        render_cell(table, STYLE_DIM, "-");
        return;
    }
    if (cell->evidence == EVIDENCE_BASE || (compare_is_relative(metric) && cell->evidence == EVIDENCE_NONE)) {
        render_cell(table, STYLE_DIM, "%s", compare_value(METRIC_TIME, cell->point->median, text, sizeof text));
        return;
    }
    compare_value(metric, v.median, text, sizeof text);
    const Known known = known_of(v, metric);
    const bool above = metric == METRIC_CHANGE ? known == KNOWN_FASTER : known == KNOWN_SLOWER; /* a speed-up above 1 is good */
    const bool decided = ratio && (known == KNOWN_SLOWER || known == KNOWN_FASTER);
    if (ratio && known != KNOWN_FEW && metric == METRIC_CHANGE)
        snprintf(range, sizeof range, " [%+.1f, %+.1f]", 100 * v.lo, 100 * v.hi);
    else if (ratio && known != KNOWN_FEW)
        snprintf(range, sizeof range, " [%.*f, %.*f]", v.lo < 9.995 ? 2 : 1, v.lo, v.hi < 9.995 ? 2 : 1, v.hi);
    render_cell(table, !decided ? STYLE_PLAIN : above ? STYLE_GOOD : STYLE_BAD, "%s%s%s%s",
                cell->evidence == EVIDENCE_UNPAIRED ? "~" : "", text, range, !ratio || decided ? "" : known == KNOWN_TIED ? " =" : " ?");
}

static void show_mean(RenderTable *table, const CompareTable *t, CompareMetric metric)
{
    char text[64];
    render_row(table);
    render_cell(table, STYLE_BOLD, "geomean");
    for (size_t c = 0; c < t->columns; c++) {
        if (t->mean_rows[c] == 0 || (compare_is_relative(metric) && c == t->base))
            render_cell(table, STYLE_DIM, "-");
        else if (t->mean_rows[c] < t->rows)
            render_cell(table, STYLE_BOLD, "%s (%zu of %zu)", compare_value(metric, t->mean[c], text, sizeof text), t->mean_rows[c],
                        t->rows);
        else
            render_cell(table, STYLE_BOLD, "%s", compare_value(metric, t->mean[c], text, sizeof text));
    }
}

void compare_print_tables(const Compare *compare, const CompareOptions *options, const char *mark, FILE *to)
{
    const bool md = mark != NULL;
    bool unpaired = false, tied = false, open = false;
    const bool relative = compare_is_relative(options->metric);
    for (size_t i = 0; i < compare->count; i++) {
        const CompareTable *t = &compare->tables[i];
        RenderTable *table = render_table(t->columns + 1);
        fprintf(to, "%s%s%s%s%s%s%s%s\n\n", i ? "\n" : "", md ? mark : "", md ? " " : "", t->title, *t->title ? ": " : "",
                compare_metric_headings[options->metric], relative ? " " : "", relative ? t->column[t->base] : "");
        render_column(table, 0, "", false);
        for (size_t c = 0; c < t->columns; c++) {
            char heading[1100];
            snprintf(heading, sizeof heading, "%s%s", t->column[c], relative && c == t->base ? " (baseline)" : "");
            render_column(table, c + 1, heading, true);
        }
        for (size_t r = 0; r < t->rows; r++) {
            render_row(table);
            render_cell(table, STYLE_PLAIN, "%s", t->row[r]);
            for (size_t c = 0; c < t->columns; c++) {
                const CompareCell *cell = &t->cells[r * t->columns + c];
                show_cell(table, cell, options->metric);
                unpaired |= cell->evidence == EVIDENCE_UNPAIRED;
                const Known known = known_of(cell->value, options->metric);
                tied |= cell->base && known == KNOWN_TIED;
                open |= cell->base && cell->base != cell->point && (known == KNOWN_NOT || known == KNOWN_FEW);
            }
        }
        /* No mean over kernels, since they are alternatives, nor of shares of a roof, since each kernel was measured on different
         * shapes. */
        if (t->rows > 1 && options->metric != METRIC_ROOF && !(options->row.count == 1 && options->row.at[0] == KEY_KERNEL))
            show_mean(table, t, options->metric);
        render_table_as(table, md ? "md" : "table", to);
        render_table_free(table);
    }
    const char *dot = md ? "\n- " : "\n";
    if (relative)
        fprintf(to, "%sThe column that is the baseline shows times. %sIn brackets: the interval; all of them together hold at %.3g %%.",
                dot, options->metric == METRIC_CHANGE ? "Below 0 is faster. " : "", 100 * (1 - options->alpha));
    if (tied)
        fprintf(to, "%s=  tied: the interval holds %d and lies within %.0f %% of it.", dot, options->metric == METRIC_CHANGE ? 0 : 1,
                100 * KNOWN_MARGIN);
    if (open)
        fprintf(to, "%s?  not known: the interval holds %d and is wider, or there are too few rounds for one.", dot,
                options->metric == METRIC_CHANGE ? 0 : 1);
    if (unpaired)
        fprintf(to, "%s~  unpaired, the weaker evidence: times of different runs; how the machine drifted between them is in no interval.",
                dot);
    if (relative || tied || unpaired || open)
        fputc('\n', to);
}

/* ---- For programs ------------------------------------------------------------------------------------------------------------------ */

static json_t *cell_json(const CompareTable *t, size_t r, size_t c, const CompareOptions *options)
{
    const CompareCell *cell = &t->cells[r * t->columns + c];
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:i, s:s, s:o, s:s, s:s, s:s}", "table", t->title, "row", t->row[r],
                     "column", t->column[c], "metric", compare_metric_names[options->metric], "unit", compare_metric_units[options->metric],
                     "value", json_number_or_null(cell->value.median), "lo", json_number_or_null(cell->value.lo), "hi", json_number_or_null(cell->value.hi), "n",
                     (int)cell->value.n, "evidence", compare_evidence_names[cell->evidence], "time", json_number_or_null(cell->point->median),
                     "run", cell->point->run->id, "baseline", cell->base ? t->column[t->base] : "", "baseline_run",
                     cell->base ? cell->base->run->id : "");
}

static json_t *all_cells(const Compare *compare, const CompareOptions *options)
{
    json_t *cells = json_array();
    for (size_t i = 0; i < compare->count; i++)
        for (size_t r = 0; r < compare->tables[i].rows; r++)
            for (size_t c = 0; c < compare->tables[i].columns; c++)
                if (compare->tables[i].cells[r * compare->tables[i].columns + c].point)
                    json_array_append_new(cells, cell_json(&compare->tables[i], r, c, options));
    return cells;
}

static json_t *means(const Compare *compare)
{
    json_t *list = json_array();
    for (size_t i = 0; i < compare->count; i++)
        for (size_t c = 0; c < compare->tables[i].columns; c++)
            if (compare->tables[i].mean_rows[c])
                json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:i}", "table", compare->tables[i].title, "column",
                                                      compare->tables[i].column[c], "geomean", json_number_or_null(compare->tables[i].mean[c]),
                                                      "rows", (int)compare->tables[i].mean_rows[c]));
    return list;
}

static void print_csv(const json_t *cells, FILE *to)
{
    RenderTable *table = NULL;
    size_t i;
    const json_t *cell;
    json_array_foreach(cells, i, cell) {
        const char *field;
        const json_t *value;
        size_t column = 0;
        if (!table) {
            table = render_table(json_object_size(cell));
            json_object_foreach((json_t *)cell, field, value)
                render_column(table, column++, field, false);
        }
        render_row(table);
        json_object_foreach((json_t *)cell, field, value) {
            if (json_is_string(value))
                render_cell(table, STYLE_PLAIN, "%s", json_string_value(value));
            else if (json_is_real(value))
                render_cell(table, STYLE_PLAIN, "%.9g", json_real_value(value));
            else if (json_is_integer(value))
                render_cell(table, STYLE_PLAIN, "%lld", (long long)json_integer_value(value));
            else
                render_cell(table, STYLE_PLAIN, "%s", "");
        }
    }
    if (table)
        render_table_csv(table, to);
    render_table_free(table);
}

static void for_programs(const char *format, const Compare *compare, const CompareOptions *options, FILE *to)
{
    const size_t flags = JSON_REAL_PRECISION(9) | JSON_PRESERVE_ORDER;
    json_t *cells = all_cells(compare, options);
    size_t i;
    const json_t *cell;
    if (strcmp(format, "csv") == 0) {
        print_csv(cells, to);
    } else if (strcmp(format, "jsonl") == 0) {
        json_array_foreach(cells, i, cell) {
            json_dumpf(cell, to, flags | JSON_COMPACT);
            fputc('\n', to);
        }
    } else {
        json_t *whole = json_pack("{s:i, s:s, s:O, s:o, s:O}", "v", 1, "metric", compare_metric_names[options->metric], "cells", cells,
                                  "means", means(compare), "notes", compare->notes);
        json_dumpf(whole, to, flags | JSON_INDENT(1));
        fputc('\n', to);
        json_decref(whole);
    }
    json_decref(cells);
}

typedef struct Shown {
    const Compare *compare;
    const CompareOptions *options;
} Shown;

static int write_output(void *context, const Output *out)
{
    const Shown *shown = context;
    const bool md = strcmp(out->format, "md") == 0;
    if (md || strcmp(out->format, "table") == 0)
        compare_print_tables(shown->compare, shown->options, md ? "###" : NULL, out->file);
    else
        for_programs(out->format, shown->compare, shown->options, out->file);
    return EXIT_OK;
}

int compare_show(const Cli *cli, const Compare *compare, const CompareOptions *options)
{
    Shown shown = {compare, options};
    size_t i;
    const json_t *note;
    const int code = outputs_write(cli->outputs, write_output, &shown);
    json_array_foreach(compare->notes, i, note)
        render_note("%s", json_string_value(note));
    return code;
}
