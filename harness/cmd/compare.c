/* compare.c - attnzoo compare: records side by side. */
#include "dispatch/registry.h"
#include "harness/base/render.h"
#include "harness/cmd/commands.h"
#include "harness/records/load.h"
#include "harness/report/compare_show.h"

#include <getopt.h>
#include <string.h>

static const char usage[] =
    "attnzoo compare [FILE|FOLDER]... - kernels, machines, commits side by side, from records of bench\n"
    "\n"
    "  attnzoo compare                                 kernels by shape, from results/\n"
    "  attnzoo compare before.jsonl after.jsonl        two runs: the change from the first to the second;\n"
    "                                                  not measured in the same rounds, so marked ~\n"
    "  attnzoo compare --metric roof --col machine     how well each machine is used\n"
    "  attnzoo compare --row shape,kernel --col commit --metric peak --filter 'kernel:flash_* op:sdpa'\n"
    "  attnzoo compare --winners                       the fastest kernel for each shape and machine\n"
    "  attnzoo compare --portability                   what one machine's choice costs on another\n"
    "  attnzoo compare -o csv:cells.csv                one line per cell: interval, evidence, run\n";

enum { KEY_ROW = 256, KEY_COL, KEY_TABLE, KEY_METRIC, KEY_BASELINE, KEY_WINNERS, KEY_PORTABILITY };
static const CliOption options[] = {
    {KEY_ROW, "row", "KEYS",
     "make a row of each value of KEYS (default: shape,dtype,threads,cache,dist, and kernel unless it is a column)"},
    {KEY_COL, "col", "KEYS",
     "make a column of each value of KEYS (default: kernel, or file, in the order given, if there are several files)"},
    {KEY_TABLE, "table", "KEYS", "make a table of each value of KEYS (default: op,machine, without keys of --row and --col)"},
    {KEY_METRIC, "metric", "NAME", "show this metric: {} (default: speedup, or change if kernel is not a column)"},
    {KEY_BASELINE, "baseline", "COL", "compute speed-ups and changes relative to this column (default: " ATTN_BASELINE ", else the first)"},
    RESULTS_OPTION_FILTER,
    RESULTS_OPTION_KEEP_GOING,
    {KEY_WINNERS, "winners", NULL, "show the fastest kernel for each shape and machine"},
    {KEY_PORTABILITY, "portability", NULL, "show the loss if a machine runs the winner of another"},
};
enum { OPTIONS = sizeof options / sizeof *options };

typedef struct Request {
    CompareOptions options;
    bool row, column, table, metric; /* given */
    const char *filter;
    bool keep_going, winners, portability;
} Request;

static bool parse_metric(const char *text, CompareMetric *metric)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        if (strcmp(text, compare_metric_names[i]) == 0) {
            *metric = (CompareMetric)i;
            return true;
        }
    cli_unknown("metric", text, compare_metric_names, METRIC_COUNT);
    return false;
}

/* -1: go on, else the exit code. */
static int parse(int argc, char **argv, Request *request)
{
    const char *value;
    char error[RESULTS_ERROR] = "";
    bool ok = true;
    for (int key; ok && (key = cli_next_option(argc, argv, usage, options, OPTIONS, &value)) != -1;) {
        switch (key) {
        case KEY_ROW: request->row = ok = compare_keys_parse(&request->options.row, "--row", value, error, sizeof error); break;
        case KEY_COL: request->column = ok = compare_keys_parse(&request->options.column, "--col", value, error, sizeof error); break;
        case KEY_TABLE: request->table = ok = compare_keys_parse(&request->options.table, "--table", value, error, sizeof error); break;
        case KEY_METRIC: request->metric = ok = parse_metric(value, &request->options.metric); break;
        case KEY_BASELINE: request->options.baseline = value; break;
        case 'f': request->filter = value; break;
        case 'g': request->keep_going = true; break;
        case KEY_WINNERS: request->winners = true; break;
        case KEY_PORTABILITY: request->portability = true; break;
        case 'h':
            results_print_keys();
            return EXIT_OK;
        default: return EXIT_USAGE;
        }
    }
    if (*error)
        render_error("%s", error);
    if (ok && request->winners && request->portability) {
        render_error("--winners and --portability cannot be combined");
        ok = false;
    }
    if (ok && request->options.baseline && !compare_is_relative(request->options.metric)) {
        render_error("--baseline cannot be combined with --metric %s; allowed: --metric speedup or change", compare_metric_names[request->options.metric]);
        ok = false;
    }
    return ok ? -1 : EXIT_USAGE;
}

static bool has(const CompareKeys *keys, ResultsKey key)
{
    for (size_t i = 0; i < keys->count; i++)
        if (keys->at[i] == key)
            return true;
    return false;
}

static void set_defaults(Request *request, size_t operands)
{
    static const ResultsKey rows[] = {KEY_SHAPE, KEY_DTYPE, KEY_THREADS, KEY_CACHE, KEY_DIST, KEY_KERNEL}, tables[] = {KEY_OP, KEY_MACHINE};
    CompareOptions *o = &request->options;
    if (!request->column)
        o->column = (CompareKeys){{!request->row && operands > 1 ? KEY_FILE : KEY_KERNEL}, 1};
    if (!request->metric && !has(&o->column, KEY_KERNEL)) /* the same kernel twice: small differences, which are read in per cent */
        o->metric = METRIC_CHANGE;
    for (size_t i = 0; !request->row && i < sizeof rows / sizeof *rows; i++)
        if (!has(&o->column, rows[i]))
            o->row.at[o->row.count++] = rows[i];
    for (size_t i = 0; !request->table && i < 2; i++)
        if (!has(&o->row, tables[i]) && !has(&o->column, tables[i]))
            o->table.at[o->table.count++] = tables[i];
}

int cmd_compare(const Cli *cli, int argc, char **argv)
{
    Request request = {.options.alpha = 0.01};
    Loaded loaded;
    Compare compare;
    char error[RESULTS_ERROR];
    int code = parse(argc, argv, &request);
    const bool single = request.winners || request.portability;
    if (code >= 0 || (single && !cli_writes(cli, request.winners ? "compare --winners" : "compare --portability", "table md csv jsonl")))
        return code >= 0 ? code : EXIT_USAGE;
    code = results_load(cli->results, argc, argv, optind, request.filter, request.keep_going, &loaded);
    if (code == EXIT_OK && loaded.points.count == 0) {
        render_error(request.filter ? "no measurement is left by the filter '%s'" : "these records hold no measurement%.0s",
                     request.filter);
        code = EXIT_NOTHING;
    }
    if (code == EXIT_OK)
        set_defaults(&request, loaded.operands);
    if (code == EXIT_OK && single) {
        code = request.winners ? compare_winners(cli, &loaded.points, &request.options)
                               : compare_portability(cli, &loaded.points, &request.options);
    } else if (code == EXIT_OK) {
        if (compare_make(&compare, &loaded.points, &request.options, error, sizeof error)) {
            code = compare_show(cli, &compare, &request.options);
        } else {
            render_error("%s", error);
            code = EXIT_USAGE;
        }
        compare_free(&compare);
    }
    results_unload(&loaded);
    return code;
}
