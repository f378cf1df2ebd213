/* results.c - attnzoo results: what the records hold, whether they are sound, several collections as one, other tools' formats. */
#include "harness/base/outputs.h"
#include "harness/base/stop.h"
#include "harness/cmd/commands.h"
#include "harness/records/export.h"
#include "harness/records/load.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "attnzoo results [list|check|merge|export] [FILE|FOLDER]... - list, check, merge and export records\n"
    "\n"
    "  attnzoo results                                 the runs in results/\n"
    "  attnzoo results theirs/ new.jsonl               runs in a folder and a file; write ./list for\n"
    "                                                  a file that has the name of an action\n"
    "  attnzoo results check old/ new.jsonl            read every line; exit code 2, and the place,\n"
    "                                                  if one is damaged\n"
    "  attnzoo results merge results/ theirs/ -o jsonl:all.jsonl\n"
    "                                                  keep each record once; one record with two\n"
    "                                                  different contents is an error\n"
    "  attnzoo results export -o hyperfine:times.json  also benchstat, csv, jsonl and gha\n"
    "                                                  (github-action-benchmark)\n"
    "  attnzoo results export -o csv --filter 'kernel:flash_* threads:1'\n";

static const CliOption options[] = {RESULTS_OPTION_FILTER, RESULTS_OPTION_KEEP_GOING};

/* What became of a run, in words. */
static const char *fate(const ResultsRun *run, char *text, size_t size)
{
    const int code = (int)json_integer_value(json_object_get(run->end, "exit"));
    if (!run->end)
        return "partial";
    if (code == EXIT_OK)
        return "whole";
    snprintf(text, size, stop_exit_name(code) ? "interrupted" : "ended with %d", code);
    return text;
}

static int list_runs(const Cli *cli, const Loaded *loaded)
{
    static const RenderColumn columns[] = {{"run", "run", RENDER_TEXT},           {"machine", "machine", RENDER_TEXT},
                                           {"commit", "commit", RENDER_TEXT},     {"compiler", "compiler", RENDER_TEXT},
                                           {"cases", "cases", RENDER_COUNT},      {"measured", "measured", RENDER_COUNT},
                                           {"file", "file", RENDER_TEXT},         {"state", "state", RENDER_TEXT}};
    RenderTable *table = render_table_of(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < loaded->results.count; i++) {
        const ResultsRun *run = &loaded->results.runs[i];
        const json_t *host = run->host;
        char text[64], commit[256];
        render_row(table);
        render_cell(table, STYLE_BOLD, "%s", run->id);
        for (size_t c = 0; c < 3 && !host; c++)
            render_missing(table);
        if (host) {
            render_cell(table, STYLE_PLAIN, "%s", results_text(host, "mkey"));
            render_cell(table, STYLE_PLAIN, "%s", points_commit(run, commit, sizeof commit));
            render_cell(table, STYLE_PLAIN, "%s", results_text(host, "build.cc"));
        }
        render_value(table, STYLE_PLAIN, (double)results_count(run, "case"), "%zu", results_count(run, "case"));
        render_value(table, STYLE_PLAIN, (double)results_measured(run), "%zu", results_measured(run));
        render_cell(table, STYLE_DIM, "%s", loaded->labels[run->source]);
        render_cell(table, run->end ? STYLE_GOOD : STYLE_WARN, "%s", fate(run, text, sizeof text));
    }
    const int code = outputs_table(cli->outputs, table);
    render_table_free(table);
    return code;
}

/* Records of a run that contradict each other or its `end`. Returns how many sentences it printed. */
static size_t check_run(const ResultsRun *run)
{
    size_t faults = 0, i;
    const json_t *record, *count;
    const char *type;
    if (!run->host) {
        render_error("run %s has no host record: its machine is unknown", run->id);
        faults++;
    }
    json_array_foreach(run->records, i, record) {
        const char *id = results_text(record, "case"), *type_name = results_type(record);
        const bool measured = strcmp(type_name, "bench") == 0 || strcmp(type_name, "control") == 0; /* verify alone writes no cases */
        if (measured && !results_find(run, "case", id, NULL)) {
            render_error("run %s: a %s record names case '%s', which is not there", run->id, results_type(record), id);
            faults++;
        }
    }
    json_object_foreach(json_object_get(run->end, "counts"), type, count)
        if ((size_t)json_integer_value(count) != results_count(run, type)) {
            render_error("run %s: its end counts %lld %s records, but there are %zu", run->id, (long long)json_integer_value(count), type,
                         results_count(run, type));
            faults++;
        }
    return faults;
}

static int check(const Loaded *loaded)
{
    size_t faults = 0, partial = 0;
    for (size_t i = 0; i < loaded->results.count; i++) {
        faults += check_run(&loaded->results.runs[i]);
        partial += !loaded->results.runs[i].end;
    }
    printf("%zu files, %zu runs, %zu of them partial, %zu records, %zu met again, %zu faults\n", json_array_size(loaded->results.paths),
           loaded->results.count, partial, loaded->results.records, loaded->results.repeated, faults);
    return faults ? EXIT_USAGE : EXIT_OK;
}

/* Runs by time, each with host first and end last, as bench writes them. */
static int write_merged(void *context, const Output *out)
{
    const Loaded *loaded = context;
    FILE *to = out->file;
    for (size_t r = 0; r < loaded->results.count; r++) {
        const ResultsRun *run = &loaded->results.runs[r];
        for (int part = 0; part < 3; part++) {
            size_t i;
            const json_t *record;
            json_array_foreach(run->records, i, record) {
                if (part != (record == run->host ? 0 : record == run->end ? 2 : 1))
                    continue;
                json_dumpf(record, to, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
                fputc('\n', to);
            }
        }
    }
    return EXIT_OK;
}

static int merge(const Cli *cli, Loaded *loaded)
{
    const int code = outputs_write(cli->outputs, write_merged, loaded);
    render_note("%zu records of %zu runs; %zu were met more than once", loaded->results.records, loaded->results.count,
                loaded->results.repeated);
    return code;
}

static int write_exported(void *context, const Output *out)
{
    static const struct { const char *format; void (*write)(const Points *points, FILE *to); } formats[] = {
        {"hyperfine", export_hyperfine}, {"benchstat", export_benchstat}, {"gha", export_gha},
    };
    const Points *points = context;
    for (size_t i = 0; i < 3; i++)
        if (strcmp(out->format, formats[i].format) == 0) {
            formats[i].write(points, out->file);
            return EXIT_OK;
        }
    RenderTable *table = export_table(points);
    render_table_as(table, out->format, out->file);
    render_table_free(table);
    return EXIT_OK;
}

static int export(const Cli *cli, Loaded *loaded)
{
    if (loaded->points.count == 0) {
        render_error("there is no measurement to export");
        return EXIT_NOTHING;
    }
    return outputs_write(cli->outputs, write_exported, &loaded->points);
}

/* Does an argument in the place of an action name records? What is there does, and what only a path can be. */
static bool is_path(const char *word)
{
    return strcmp(word, "-") == 0 || strchr(word, '/') || access(word, F_OK) == 0;
}

int cmd_results(const Cli *cli, int argc, char **argv)
{
    static const char *const actions[] = {"list", "check", "merge", "export"};
    static const char *const formats[] = {"table md csv jsonl", "table", "jsonl", "csv jsonl hyperfine benchstat gha"};
    const char *value, *filter = NULL;
    bool keep_going = false;
    for (int key; (key = cli_next_option(argc, argv, usage, options, sizeof options / sizeof *options, &value)) != -1;) {
        switch (key) {
        case 'f': filter = value; break;
        case 'g': keep_going = true; break;
        case 'h': results_print_keys(); return EXIT_OK;
        default: return EXIT_USAGE;
        }
    }
    size_t action = 0;
    if (optind < argc) {
        while (action < 4 && strcmp(argv[optind], actions[action]) != 0)
            action++;
        if (action < 4) {
            optind++;
        } else if (is_path(argv[optind])) {
            action = 0;
        } else {
            cli_unknown("action", argv[optind], actions, 4);
            return EXIT_USAGE;
        }
    }
    char name[32];
    snprintf(name, sizeof name, "results %s", actions[action]);
    if (!cli_writes(cli, name, formats[action]) || (action >= 2 && !outputs_default(cli->outputs, action == 2 ? "jsonl" : "csv", NULL)))
        return EXIT_USAGE;
    if (filter && action != 3) {
        render_error("--filter needs 'results export'; %s takes whole runs", name);
        return EXIT_USAGE;
    }
    Loaded loaded;
    int code = results_load(cli->results, argc, argv, optind, filter, keep_going, &loaded);
    if (code == EXIT_OK)
        code = action == 0   ? list_runs(cli, &loaded)
               : action == 1 ? check(&loaded)
               : action == 2 ? merge(cli, &loaded)
                             : export(cli, &loaded);
    results_unload(&loaded);
    return code;
}
