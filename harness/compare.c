/* compare.c - see compare.h. Each cell is the latest measurement of its place; with a baseline, the latest run that has both. Nothing is
 * averaged over runs: times of different minutes have no common mean. Cost: rows times columns times points of a table, all small. */
#include "harness/compare.h"

#include <math.h>
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
        const bool bare_number = key == KEY_THREADS || key == KEY_SEED; /* says nothing without its name */
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

static const Point *first_with(const Points *points, ResultsKey key, const char *value)
{
    size_t i = 0;
    while (i + 1 < points->count && strcmp(points->at[i].key[key], value) != 0)
        i++;
    return &points->at[i];
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
    const Point **members; /* points of the table at hand                            */
    size_t member_count;
    size_t hidden[RESULTS_KEY_COUNT]; /* cells in which the key varied                           */
    size_t against[RESULTS_KEY_COUNT]; /* cells whose point and base differ in the key           */
} Work;

/* Does the record say what the metric wants? `peak` of a run with other libraries is of another peak than that of bench. */
static bool tells(CompareMetric metric, const Point *p)
{
    switch (metric) {
    case METRIC_VS: return results_number(p->bench, "vs.ratio") > 0;
    case METRIC_PEAK: return !isnan(results_number(p->bench, "peak.frac")) && strcmp(p->key[KEY_DRIVER], "bench") == 0;
    case METRIC_ROOF: return !isnan(results_number(p->bench, "roof.frac"));
    default: return true;
    }
}

/* The latest point at a place that tells what is wanted; with `partner` set, only one that shares run and case with it. */
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
    if (!cell->point || w->options->metric != METRIC_SPEEDUP)
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
    } else if (metric != METRIC_SPEEDUP) {
        cell->value = point_share(p, metric == METRIC_PEAK ? "peak" : "roof");
        cell->evidence = EVIDENCE_PAIRED;
    } else if (cell->base == p) {
        cell->value = single(1);
        cell->evidence = EVIDENCE_BASE;
    } else if (cell->base) {
        cell->value = points_ratio(p, cell->base, alpha);
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
    const char *wanted = options->baseline ? options->baseline : "naive_f32";
    for (t->base = 0; t->base < t->columns; t->base++)
        if (strcmp(t->column[t->base], wanted) == 0)
            return true;
    t->base = 0;
    return !options->baseline;
}

static void average(CompareTable *t)
{
    for (size_t c = 0; c < t->columns; c++) {
        double sum = 0;
        for (size_t r = 0; r < t->rows; r++) {
            const CompareCell *cell = &t->cells[r * t->columns + c];
            if (cell->point && cell->evidence != EVIDENCE_NONE && cell->value.median > 0) {
                sum += log(cell->value.median);
                t->mean_rows[c]++;
            }
        }
        t->mean[c] = t->mean_rows[c] ? exp(sum / (double)t->mean_rows[c]) : NAN;
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

/* What is the same in all points of the table, so that its labels need not say it. */
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

static void write_notes(Compare *compare, const Work *w)
{
    char hidden[512] = "", against[512] = "", text[1200];
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
        snprintf(text, sizeof text,
                 "%zu cells have several measurements, which differ in: %s. Shown is the latest that has its baseline beside it; "
                 "--filter, --row or --col keeps them apart",
                 most, hidden);
        json_array_append_new(compare->notes, json_string(text));
    }
    if (*against) {
        snprintf(text, sizeof text, "cells and their baselines differ in more than their columns say: %s", against);
        json_array_append_new(compare->notes, json_string(text));
    }
    if (w->against[KEY_MACHINE] || (w->options->metric == METRIC_SPEEDUP && has_key(&w->options->column, KEY_MACHINE)))
        json_array_append_new(compare->notes,
                              json_string("times of different machines are compared; to compare how well kernels use them, take "
                                          "--metric roof, peak or vs"));
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
        average(t);
    }
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
