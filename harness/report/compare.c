/* compare.c - see compare.h. Each cell is the latest measurement at its place; with a baseline, from the latest run that has both. Nothing
 * is averaged over runs, because times of different minutes have no common mean. Cost: rows times columns times points of a table, all
 * small. */
#include "harness/report/compare.h"

#include "dispatch/registry.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_OF(key, name, unit, heading) name,
#define UNIT_OF(key, name, unit, heading) unit,
#define HEADING_OF(key, name, unit, heading) heading,
const char *const compare_metric_names[] = {COMPARE_METRICS(NAME_OF)};
const char *const compare_metric_units[] = {COMPARE_METRICS(UNIT_OF)};
const char *const compare_metric_headings[] = {COMPARE_METRICS(HEADING_OF)};
const char *const compare_evidence_names[] = {[EVIDENCE_NONE] = "none",
                                              [EVIDENCE_SINGLE] = "single",
                                              [EVIDENCE_BASE] = "baseline",
                                              [EVIDENCE_PAIRED] = "paired",
                                              [EVIDENCE_UNPAIRED] = "unpaired"};

bool compare_is_relative(CompareMetric metric)
{
    return metric == METRIC_SPEEDUP || metric == METRIC_CHANGE;
}

bool compare_keys_parse(CompareKeys *keys, const char *what, const char *text, char *error, size_t error_size)
{
    keys->count = 0;
    for (const char *at = text; *text; at++) {
        const size_t length = strcspn(at, ","), key = results_key(at, length);
        bool twice = false;
        for (size_t i = 0; i < keys->count; i++)
            twice |= keys->at[i] == key;
        if (key == RESULTS_KEY_COUNT || twice) {
            int used = snprintf(error, error_size, "%s: '%.*s' is %s; keys:", what, (int)(length < 60 ? length : 60), at,
                                twice ? "given twice" : "no key");
            for (size_t i = 0; i < RESULTS_KEY_COUNT && used > 0 && (size_t)used < error_size; i++)
                used += snprintf(error + used, error_size - (size_t)used, " %s", results_key_names[i]);
            return false;
        }
        keys->at[keys->count++] = (ResultsKey)key;
        at += length;
        if (!*at)
            break;
    }
    return true;
}

/* ---- Labels and order -------------------------------------------------------------------------------------------------------------- */

static bool has_key(const CompareKeys *keys, size_t key)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->at[i] == key)
            return true;
    return false;
}

bool compare_same(const CompareKeys *keys, const Point *a, const Point *b)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(a->key[keys->at[i]], b->key[keys->at[i]]) != 0)
            return false;
    return true;
}

void compare_varying(const CompareKeys *keys, const Point *const *points, size_t count, bool *varies)
{
    for (size_t i = 0; i < keys->count; i++) {
        varies[i] = i == 0;
        for (size_t p = 1; p < count && !varies[i]; p++)
            varies[i] = strcmp(points[0]->key[keys->at[i]], points[p]->key[keys->at[i]]) != 0;
    }
}

const char *compare_label(json_t *strings, const CompareKeys *keys, const bool *varies, const Point *point)
{
    char text[1024] = "";
    size_t used = 0;
    for (size_t i = 0; i < keys->count && used < sizeof text; i++) {
        const ResultsKey key = keys->at[i];
        const bool bare_number = key == KEY_THREADS || key == KEY_SEED; /* meaningless without its name */
        if (!varies[i])
            continue;
        const int wrote = snprintf(text + used, sizeof text - used, "%s%s%s%s", used ? " " : "", bare_number ? results_key_names[key] : "",
                                   bare_number ? ":" : "", *point->key[key] ? point->key[key] : "-");
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    json_t *string = json_string(text);
    json_array_append_new(strings, string);
    return string ? json_string_value(string) : "";
}

/* The earliest point with this value in the first operand. */
static const Point *first_with(const Points *points, ResultsKey key, const char *value)
{
    const Point *first = NULL;
    for (size_t i = 0; i < points->count; i++) {
        const Point *p = &points->at[i];
        if (strcmp(p->key[key], value) == 0 && (!first || p->run->source < first->run->source))
            first = p;
    }
    return first;
}

int compare_order(const CompareKeys *keys, const Points *points, const Point *a, const Point *b)
{
    for (size_t i = 0; i < keys->count; i++) {
        const ResultsKey key = keys->at[i];
        const char *x = a->key[key], *y = b->key[key];
        if (strcmp(x, y) == 0)
            continue;
        if (key == KEY_SHAPE || key == KEY_NAME || key == KEY_THREADS || key == KEY_SEED)
            return strverscmp(x, y);
        const Point *p = first_with(points, key, x), *q = first_with(points, key, y);
        if (p->run->source != q->run->source)
            return p->run->source < q->run->source ? -1 : 1;
        return (p > q) - (p < q);
    }
    return 0;
}

size_t compare_distinct(const CompareKeys *keys, const Points *all, const Point *const *points, size_t count, const Point ***list)
{
    size_t found = 0;
    *list = calloc(count + 1, sizeof **list);
    for (size_t i = 0; *list && i < count; i++) {
        size_t at = 0;
        while (at < found && !compare_same(keys, (*list)[at], points[i]))
            at++;
        if (at < found)
            continue;
        for (at = found; at > 0 && compare_order(keys, all, points[i], (*list)[at - 1]) < 0; at--)
            (*list)[at] = (*list)[at - 1];
        (*list)[at] = points[i];
        found++;
    }
    return found;
}

/* ---- Cells ------------------------------------------------------------------------------------------------------------------------- */

typedef struct Work {
    const Points *points;
    const CompareOptions *options;
    const Point **members; /* points of the current table */
    size_t member_count;
    size_t hidden[RESULTS_KEY_COUNT]; /* cells in which the key varied                           */
    size_t against[RESULTS_KEY_COUNT]; /* cells whose point and base differ in the key           */
    size_t mute;                       /* measurements without what the metric needs             */
} Work;

/* Does the record have what the metric needs? `peak` in a run with other libraries refers to another peak than in bench. */
static bool tells(CompareMetric metric, const Point *p)
{
    switch (metric) {
    case METRIC_VS: return results_number(p->bench, "vs.ratio") > 0;
    case METRIC_PEAK: return !isnan(results_number(p->bench, "peak.frac")) && strcmp(p->key[KEY_DRIVER], "bench") == 0;
    case METRIC_ROOF: return !isnan(results_number(p->bench, "roof.frac"));
    default: return true;
    }
}

/* The latest point at a place that has what the metric needs; with `partner`, only one from the same run and case. */
static const Point *latest(const Work *w, const Point *row, const Point *column, const Point *partner)
{
    const Point *found = NULL;
    for (size_t i = w->member_count; i-- > 0 && !found;)
        if (compare_same(&w->options->row, w->members[i], row) && compare_same(&w->options->column, w->members[i], column) &&
            (!partner || points_paired(w->members[i], partner)) && tells(w->options->metric, w->members[i]))
            found = w->members[i];
    return found;
}

/* Fill in point and base: the latest run that measured both, else the latest of each. */
static void choose(const Work *w, CompareCell *cell, const Point *row, const Point *column, const Point *base)
{
    cell->point = latest(w, row, column, NULL);
    if (!cell->point || !compare_is_relative(w->options->metric))
        return;
    for (size_t i = w->member_count; i-- > 0;) {
        const Point *p = w->members[i];
        if (!compare_same(&w->options->row, p, row) || !compare_same(&w->options->column, p, column))
            continue;
        const Point *partner = latest(w, row, base, p);
        if (partner) {
            cell->point = p;
            cell->base = partner;
            return;
        }
    }
    cell->base = latest(w, row, base, NULL);
}

static void note_hidden(Work *w, const CompareCell *cell, const Point *row, const Point *column)
{
    const CompareOptions *o = w->options;
    for (size_t key = 0; key < RESULTS_KEY_COUNT && cell->point; key++) {
        if (results_key_derived[key] || has_key(&o->row, key) || has_key(&o->column, key) || has_key(&o->table, key))
            continue;
        bool varies = false;
        for (size_t i = 0; i < w->member_count && !varies; i++)
            varies = compare_same(&o->row, w->members[i], row) && compare_same(&o->column, w->members[i], column) &&
                     strcmp(w->members[i]->key[key], cell->point->key[key]) != 0;
        w->hidden[key] += varies;
        w->against[key] += cell->base && strcmp(cell->base->key[key], cell->point->key[key]) != 0;
    }
}

static StatsInterval single(double value)
{
    return (StatsInterval){0, value, NAN, NAN};
}

static StatsInterval inverse(StatsInterval r)
{
    return (StatsInterval){r.n, 1 / r.median, 1 / r.hi, r.lo > 0 ? 1 / r.lo : INFINITY};
}

static StatsInterval less_one(StatsInterval r)
{
    return (StatsInterval){r.n, r.median - 1, r.lo - 1, r.hi - 1};
}

static void evaluate(CompareCell *cell, CompareMetric metric, double alpha)
{
    const Point *p = cell->point;
    if (!p)
        return;
    cell->evidence = EVIDENCE_SINGLE;
    if (metric == METRIC_TIME) {
        cell->value = single(p->median);
    } else if (metric == METRIC_FLOPS) {
        cell->value = single(results_number(p->of, "flop") / p->median);
    } else if (metric == METRIC_VS) {
        const json_t *vs = json_object_get(p->bench, "vs");
        const StatsInterval r = {0, results_number(vs, "ratio"), results_number(vs, "lo"), results_number(vs, "hi")};
        cell->value = inverse(r);
        cell->evidence = EVIDENCE_PAIRED;
    } else if (!compare_is_relative(metric)) {
        cell->value = point_share(p, metric == METRIC_PEAK ? "peak" : "roof");
        cell->evidence = EVIDENCE_PAIRED;
    } else if (cell->base == p) {
        cell->value = single(metric == METRIC_CHANGE ? 0 : 1);
        cell->evidence = EVIDENCE_BASE;
    } else if (cell->base) {
        const StatsInterval faster = points_ratio(p, cell->base, alpha);
        cell->value = metric == METRIC_CHANGE ? less_one(inverse(faster)) : faster;
        cell->evidence = points_paired(p, cell->base) ? EVIDENCE_PAIRED : EVIDENCE_UNPAIRED;
    } else {
        cell->value = single(NAN);
    }
    if (isnan(cell->value.median))
        cell->evidence = EVIDENCE_NONE;
}

/* ---- Tables ------------------------------------------------------------------------------------------------------------------------ */

static bool find_base(CompareTable *t, const CompareOptions *options)
{
    const char *wanted = options->baseline ? options->baseline : ATTN_BASELINE;
    for (t->base = 0; t->base < t->columns; t->base++)
        if (strcmp(t->column[t->base], wanted) == 0)
            return true;
    t->base = 0;
    return !options->baseline;
}

static void average(CompareTable *t, CompareMetric metric)
{
    const double one = metric == METRIC_CHANGE ? 1 : 0; /* changes are averaged as the ratios that they are of */
    for (size_t c = 0; c < t->columns; c++) {
        double sum = 0;
        for (size_t r = 0; r < t->rows; r++) {
            const CompareCell *cell = &t->cells[r * t->columns + c];
            if (cell->point && cell->evidence != EVIDENCE_NONE && one + cell->value.median > 0) {
                sum += log(one + cell->value.median);
                t->mean_rows[c]++;
            }
        }
        t->mean[c] = t->mean_rows[c] ? exp(sum / (double)t->mean_rows[c]) - one : NAN;
    }
}

/* Rows, columns, labels and the points of the cells; the values follow once it is known how many intervals share alpha. */
static bool lay_out(Compare *compare, CompareTable *t, Work *w)
{
    const CompareOptions *o = w->options;
    const Point **rows, **columns;
    bool row_varies[RESULTS_KEY_COUNT], column_varies[RESULTS_KEY_COUNT];
    t->rows = compare_distinct(&o->row, w->points, w->members, w->member_count, &rows);
    t->columns = compare_distinct(&o->column, w->points, w->members, w->member_count, &columns);
    t->row = calloc(t->rows + 1, sizeof *t->row);
    t->column = calloc(t->columns + 1, sizeof *t->column);
    t->cells = calloc(t->rows * t->columns + 1, sizeof *t->cells);
    t->mean = calloc(t->columns + 1, sizeof *t->mean);
    t->mean_rows = calloc(t->columns + 1, sizeof *t->mean_rows);
    bool ok = rows && columns && t->row && t->column && t->cells && t->mean && t->mean_rows;
    if (ok) {
        compare_varying(&o->row, w->members, w->member_count, row_varies);
        compare_varying(&o->column, w->members, w->member_count, column_varies);
        for (size_t r = 0; r < t->rows; r++)
            t->row[r] = compare_label(compare->strings, &o->row, row_varies, rows[r]);
        for (size_t c = 0; c < t->columns; c++)
            t->column[c] = compare_label(compare->strings, &o->column, column_varies, columns[c]);
        ok = find_base(t, o);
        for (size_t r = 0; ok && r < t->rows; r++)
            for (size_t c = 0; c < t->columns; c++) {
                CompareCell *cell = &t->cells[r * t->columns + c];
                choose(w, cell, rows[r], columns[c], columns[t->base]);
                note_hidden(w, cell, rows[r], columns[c]);
            }
    }
    free(rows);
    free(columns);
    return ok;
}

/* What all points of the table have in common, so that labels need not repeat it. */
static const char *title_of(Compare *compare, const Work *w)
{
    CompareKeys constant = {.count = 0};
    const CompareKeys *lists[] = {&w->options->table, &w->options->row, &w->options->column};
    bool all[RESULTS_KEY_COUNT];
    for (size_t l = 0; l < 3; l++) {
        bool varies[RESULTS_KEY_COUNT];
        compare_varying(lists[l], w->members, w->member_count, varies);
        for (size_t i = 0; i < lists[l]->count; i++)
            if ((l == 0 || !varies[i]) && !has_key(&constant, lists[l]->at[i]))
                constant.at[constant.count++] = lists[l]->at[i];
    }
    memset(all, 1, sizeof all);
    return compare_label(compare->strings, &constant, all, w->members[0]);
}

static void add_note(Compare *compare, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_note(Compare *compare, const char *format, ...)
{
    char text[2400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_array_append_new(compare->notes, json_string(text));
}

static void write_notes(Compare *compare, const Work *w)
{
    char hidden[512] = "", against[512] = "";
    size_t most = 0;
    for (size_t key = 0; key < RESULTS_KEY_COUNT; key++) {
        if (w->hidden[key]) {
            snprintf(hidden + strlen(hidden), sizeof hidden - strlen(hidden), "%s%s", *hidden ? ", " : "", results_key_names[key]);
            most = w->hidden[key] > most ? w->hidden[key] : most;
        }
        if (w->against[key] && key != KEY_RUN)
            snprintf(against + strlen(against), sizeof against - strlen(against), "%s%s", *against ? ", " : "", results_key_names[key]);
    }
    if (*hidden) {
        add_note(compare,
                 "%zu cells have several measurements, which differ in: %s. Shown is the latest that has its baseline beside it; "
                 "--filter, --row or --col keeps them apart",
                 most, hidden);
    }
    if (w->mute > 0)
        add_note(compare, "%zu measurements do not tell '%s' and are left out", w->mute, compare_metric_names[w->options->metric]);
    if (*against) {
        add_note(compare, "cells and their baselines differ in more than their columns say: %s", against);
    }
    if (w->against[KEY_MACHINE] || (compare_is_relative(w->options->metric) && has_key(&w->options->column, KEY_MACHINE)))
        add_note(compare, "times of different machines are compared; to compare how well kernels use them, take --metric roof, peak or vs");
}

/* What a table cannot compare. Columns of kernels naturally have gaps, since not every kernel takes every shape. */
static void note_gaps(Compare *compare, const CompareTable *t, const CompareOptions *options)
{
    size_t lonely = 0;
    for (size_t r = 0; r < t->rows; r++) {
        size_t there = 0;
        for (size_t c = 0; c < t->columns; c++)
            there += t->cells[r * t->columns + c].point != NULL;
        lonely += there == 1;
    }
    if (t->columns < 2 || has_key(&options->column, KEY_KERNEL))
        return;
    if (lonely > 0)
        add_note(compare, "%s%s%zu of %zu rows were measured in one column only, so there is nothing to compare them with", t->title,
                 *t->title ? ": " : "", lonely, t->rows);
    for (size_t c = 0; c < t->columns; c++) {
        size_t common = 0;
        for (size_t r = 0; r < t->rows; r++)
            common += t->cells[r * t->columns + c].point && t->cells[r * t->columns + t->base].point;
        if (common == 0)
            add_note(compare, "%s%s'%s' has no row in common with '%s'", t->title, *t->title ? ": " : "", t->column[c], t->column[t->base]);
    }
}

static size_t intervals(const Compare *compare)
{
    size_t count = 0;
    for (size_t i = 0; i < compare->count; i++)
        for (size_t c = 0; c < compare->tables[i].rows * compare->tables[i].columns; c++)
            count += compare->tables[i].cells[c].base && compare->tables[i].cells[c].base != compare->tables[i].cells[c].point;
    return count ? count : 1;
}

static void free_table(CompareTable *t)
{
    free(t->row);
    free(t->column);
    free(t->cells);
    free(t->mean);
    free(t->mean_rows);
}

bool compare_make(Compare *compare, const Points *points, const CompareOptions *options, char *error, size_t error_size)
{
    Work w = {.points = points, .options = options};
    const Point **all = calloc(points->count + 1, sizeof *all), **tables = NULL;
    *compare = (Compare){.strings = json_array(), .notes = json_array()};
    w.members = calloc(points->count + 1, sizeof *w.members);
    for (size_t i = 0; all && i < points->count; i++)
        all[i] = &points->at[i];
    const size_t count = all ? compare_distinct(&options->table, points, all, points->count, &tables) : 0;
    compare->tables = calloc(count + 1, sizeof *compare->tables);
    bool ok = all && tables && w.members && compare->tables && compare->strings && compare->notes;
    if (!ok)
        snprintf(error, error_size, "out of memory for %zu measurements", points->count);
    bool base_found = count == 0 || !options->baseline;
    for (size_t i = 0; ok && i < count; i++) {
        w.member_count = 0;
        for (size_t p = 0; p < points->count; p++)
            if (compare_same(&options->table, all[p], tables[i]))
                w.members[w.member_count++] = all[p];
        CompareTable *t = &compare->tables[compare->count++];
        for (size_t p = 0; p < w.member_count; p++)
            w.mute += !tells(options->metric, w.members[p]);
        t->title = title_of(compare, &w);
        if (lay_out(compare, t, &w))
            base_found = true;
        else
            free_table(&compare->tables[--compare->count]);
    }
    if (ok && !base_found) {
        ok = false;
        snprintf(error, error_size, "--baseline: no column is called '%s'", options->baseline);
    }
    const double alpha = options->alpha / (double)intervals(compare);
    for (size_t i = 0; ok && i < compare->count; i++) {
        CompareTable *t = &compare->tables[i];
        for (size_t c = 0; c < t->rows * t->columns; c++)
            evaluate(&t->cells[c], options->metric, alpha);
        average(t, options->metric);
    }
    for (size_t i = 0; ok && i < compare->count; i++)
        note_gaps(compare, &compare->tables[i], options);
    if (ok)
        write_notes(compare, &w);
    free(all);
    free(tables);
    free(w.members);
    return ok;
}

void compare_free(Compare *compare)
{
    for (size_t i = 0; i < compare->count; i++)
        free_table(&compare->tables[i]);
    free(compare->tables);
    json_decref(compare->strings);
    json_decref(compare->notes);
    *compare = (Compare){0};
}
