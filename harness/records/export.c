/* export.c - see export.h. */
#include "harness/base/json.h"
#include "harness/base/render.h"
#include "harness/records/export.h"
#include "harness/records/records.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXPORT_FLAGS = JSON_REAL_PRECISION(9) | JSON_PRESERVE_ORDER };

/* Seconds of a call, one per sample of the record; a record without samples gives only its median. */
static json_t *times_of(const Point *p)
{
    const json_t *list = json_object_get(p->bench, "ns"), *sample;
    json_t *times = json_array();
    size_t i;
    json_array_foreach(list, i, sample)
        if (json_is_number(sample))
            json_array_append_new(times, json_real(1e-9 * json_number_value(sample)));
    if (json_array_size(times) == 0)
        json_array_append_new(times, json_real(p->median));
    return times;
}

static void moments(const json_t *times, double *mean, double *deviation, double *most)
{
    const size_t n = json_array_size(times);
    double sum = 0, squares = 0;
    size_t i;
    const json_t *time;
    *most = 0;
    json_array_foreach(times, i, time) {
        sum += json_real_value(time);
        *most = fmax(*most, json_real_value(time));
    }
    *mean = sum / (double)n;
    json_array_foreach(times, i, time)
        squares += pow(json_real_value(time) - *mean, 2);
    *deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : NAN;
}

/* "sdpa f32 b1_h8_q512_k512_d64 t1 hot": identifies a case independently of where it was measured. */
static void case_name(const Point *p, char *name, size_t size)
{
    snprintf(name, size, "%s %s %s t%s %s%s%s", p->key[KEY_OP], p->key[KEY_DTYPE], p->key[KEY_SHAPE], p->key[KEY_THREADS],
             p->key[KEY_CACHE], strcmp(p->key[KEY_DIST], "normal") == 0 ? "" : " ",
             strcmp(p->key[KEY_DIST], "normal") == 0 ? "" : p->key[KEY_DIST]);
}

void export_hyperfine(const Points *points, FILE *to)
{
    json_t *results = json_array();
    for (size_t i = 0; i < points->count; i++) {
        const Point *p = &points->at[i];
        char name[1200], command[1500];
        double mean, deviation, most;
        json_t *times = times_of(p), *parameters = json_object();
        case_name(p, name, sizeof name);
        snprintf(command, sizeof command, "%s %s", p->key[KEY_KERNEL], name);
        for (size_t key = 0; key < RESULTS_KEY_COUNT; key++)
            if (*p->key[key])
                json_object_set_new(parameters, results_key_names[key], json_string(p->key[key]));
        moments(times, &mean, &deviation, &most);
        json_array_append_new(results, json_pack("{s:s, s:f, s:o, s:f, s:n, s:n, s:o, s:f, s:o, s:o}", "command", command, "mean", mean,
                                                 "stddev", json_number_or_null(deviation), "median", p->median, "user", "system", "min",
                                                 json_number_or_null(results_number(p->bench, "min")), "max", most, "times", times, "parameters",
                                                 parameters));
    }
    json_t *whole = json_pack("{s:o}", "results", results);
    json_dumpf(whole, to, EXPORT_FLAGS | JSON_INDENT(2));
    fputc('\n', to);
    json_decref(whole);
}

/* benchstat splits at spaces, so names must not contain any. */
static void print_word(const char *text, FILE *to)
{
    for (; *text; text++)
        fputc(*text == ' ' ? '_' : *text, to);
}

void export_benchstat(const Points *points, FILE *to)
{
    static const ResultsKey lines[] = {KEY_MACHINE, KEY_CPU, KEY_COMMIT, KEY_COMPILER, KEY_FLAGS, KEY_VERSION, KEY_RUN};
    const Point *before = NULL;
    for (size_t i = 0; i < points->count; i++) {
        const Point *p = &points->at[i];
        json_t *times = times_of(p), *time;
        size_t t;
        for (size_t k = 0; k < sizeof lines / sizeof *lines; k++)
            if (!before || strcmp(before->key[lines[k]], p->key[lines[k]]) != 0)
                fprintf(to, "%s: %s\n", results_key_names[lines[k]], p->key[lines[k]]);
        json_array_foreach(times, t, time) {
            fputs("Benchmark", to);
            fputc(p->key[KEY_OP][0] - 'a' + 'A', to); /* Go requires a capital letter here */
            print_word(p->key[KEY_OP] + 1, to);
            for (const ResultsKey *key =
                     (const ResultsKey[]){KEY_DTYPE, KEY_SHAPE, KEY_THREADS, KEY_CACHE, KEY_DIST, KEY_KERNEL, RESULTS_KEY_COUNT};
                 *key != RESULTS_KEY_COUNT; key++) {
                fprintf(to, "/%s=", results_key_names[*key]);
                print_word(p->key[*key], to);
            }
            fprintf(to, " %.0f %.9g ns/op\n", fmax(1, results_number(p->bench, "iters")), 1e9 * json_real_value(time));
        }
        json_decref(times);
        before = p;
    }
}

void export_gha(const Points *points, FILE *to)
{
    json_t *list = json_array();
    for (size_t i = 0; i < points->count; i++) {
        const Point *p = &points->at[i];
        char name[2000], range[64], extra[1600];
        const double mad = results_number(p->bench, "mad");
        case_name(p, extra, sizeof extra);
        snprintf(name, sizeof name, "%s %s", p->key[KEY_KERNEL], extra);
        snprintf(range, sizeof range, "± %.6g", mad * 1e9);
        snprintf(extra, sizeof extra, "machine %s\ncompiler %s %s\ncommit %s\nrun %s", p->key[KEY_MACHINE], p->key[KEY_COMPILER],
                 p->key[KEY_FLAGS], p->key[KEY_COMMIT], p->key[KEY_RUN]);
        json_t *entry = json_pack("{s:s, s:s, s:f, s:s}", "name", name, "unit", "ns/call", "value", p->median * 1e9, "extra", extra);
        if (isfinite(mad))
            json_object_set_new(entry, "range", json_string(range));
        json_array_append_new(list, entry);
    }
    json_dumpf(list, to, EXPORT_FLAGS | JSON_INDENT(2));
    fputc('\n', to);
    json_decref(list);
}

RenderTable *export_table(const Points *points)
{
    static const struct { const char *name, *path; bool of_case;
    } figures[] = {
        {"median_s", "med", false},
        {"min_s", "min", false},
        {"mad_s", "mad", false},
        {"p90_s", "p90", false},
        {"rounds", "rounds", false},
        {"flop", "flop", true},
        {"exp", "exp", true},
        {"bytes", "bytes", true},
        {"flop_per_s", "flops", false},
        {"peak_share", "peak.frac", false},
        {"peak_lo", "peak.lo", false},
        {"peak_hi", "peak.hi", false},
        {"roof_share", "roof.frac", false},
        {"roof_lo", "roof.lo", false},
        {"roof_hi", "roof.hi", false},
        {"time_over_baseline", "vs.ratio", false},
        {"vs_lo", "vs.lo", false},
        {"vs_hi", "vs.hi", false},
        {"time_over_fastest", "best.ratio", false},
        {"best_lo", "best.lo", false},
        {"best_hi", "best.hi", false},
        {"cycles", "ctr.cycles", false},
        {"instructions", "ctr.insn", false},
        {"joules", "energy.J", false},
    };
    enum { FIGURES = sizeof figures / sizeof *figures };
    RenderColumn columns[RESULTS_KEY_COUNT + FIGURES + 3];
    size_t column = 0;
    for (; column < RESULTS_KEY_COUNT; column++)
        columns[column] = (RenderColumn){NULL, results_key_names[column], RENDER_TEXT};
    for (size_t f = 0; f < FIGURES; f++)
        columns[column++] = (RenderColumn){NULL, figures[f].name, RENDER_NUMBER};
    columns[column++] = (RenderColumn){NULL, "bound", RENDER_TEXT};
    columns[column++] = (RenderColumn){NULL, "baseline", RENDER_TEXT};
    columns[column++] = (RenderColumn){NULL, "verified", RENDER_FLAG};
    RenderTable *table = render_table_of(columns, column);
    for (size_t i = 0; i < points->count; i++) {
        const Point *p = &points->at[i];
        render_row(table);
        for (size_t key = 0; key < RESULTS_KEY_COUNT; key++)
            render_cell(table, STYLE_PLAIN, "%s", p->key[key]);
        for (size_t f = 0; f < FIGURES; f++)
            render_number(table, results_number(figures[f].of_case ? p->of : p->bench, figures[f].path));
        render_cell(table, STYLE_PLAIN, "%s", results_text(p->bench, "roof.bound"));
        render_cell(table, STYLE_PLAIN, "%s", results_text(p->bench, "vs.kernel"));
        render_number(table, point_verified(p));
    }
    return table;
}
