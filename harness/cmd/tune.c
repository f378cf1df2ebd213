/* tune.c - attnzoo tune: measure who is fastest for given shapes, and write it where the library reads it. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/threads.h"
#include "harness/base/outputs.h"
#include "harness/base/stop.h"
#include "harness/bench/suites.h"
#include "harness/cmd/bench_options.h"
#include "harness/cmd/commands.h"
#include "harness/tune/measure.h"
#include "harness/tune/show.h"

static const char usage[] =
    "attnzoo tune [-s SHAPES] [--rigor LEVEL] - measure which kernel is fastest here, for the library\n"
    "\n"
    "  attnzoo tune                                    the shapes of `attnzoo bench`, on 1 thread and all\n"
    "  attnzoo tune -s 'llama3-8b/*' --rigor patient   a model, with more care\n"
    "  attnzoo tune -s gpt2/decode@1024 --dry-run      measure and report, but write nothing\n"
    "  attnzoo tune --show                             print the tune file\n"
    "  attnzoo tune --check --sample 20%               still true? exit code 1 if one is over 5 % off\n"
    "  attnzoo list -s gpt2/decode@1024 --why          what tuning changed\n"
    "\n"
    "A tune file is valid for one machine and one build of the kernels; any other is refused, and\n"
    "dispatch estimates instead. The file is $ATTNZOO_TUNE_FILE, else\n"
    "$XDG_CACHE_HOME/attnzoo/<machine>.tune (or below ~/.cache). If there is none, the library reads one\n"
    "from /etc/attnzoo/.\n"
    "Only attention is tuned: kernels of matrix products are chosen by instruction set; mha: uses the\n"
    "kernel its attention was tuned to.\n";

enum { PRESET = 256, RIGOR, FILE_PATH, AGAIN, DRY_RUN, SHOW, CHECK, SAMPLE, EXPORT, IMPORT };
static const CliOption options[] = {
    {'s', "shapes", "SHAPES", "tune for these shapes or presets, as bench takes them (default: its default suite)"},
    {PRESET, "preset", "SHAPES", "same as -s"},
    {RIGOR, "rigor", "LEVEL", "spend this much effort: {} (default: measure)"},
    {FILE_PATH, "file", "FILE", "use this tune file instead of the environment's"},
    {AGAIN, "again", NULL, "also measure again what the file already has with the same rigor"},
    {DRY_RUN, "dry-run", NULL, "measure and report, but write nothing"},
    {SHOW, "show", NULL, "print the tune file"},
    {CHECK, "check", NULL, "measure a sample of the file's entries again; exit code 1 if one is over 5 % off"},
    {SAMPLE, "sample", "PERCENT", "with --check, measure this share of the entries, at least 3 of them (default: 5%)"},
    {EXPORT, "export", "FILE", "write a copy of the file"},
    {IMPORT, "import", "FILE", "merge a file of this machine and build into the file"},
};

typedef struct Wanted {
    const char *shapes, *file, *export, *import;
    AttnRigor rigor;
    bool again, dry_run, show, check, has_rigor;
    double sample; /* 0: not given */
} Wanted;

static bool read_rigor(const char *text, AttnRigor *rigor)
{
    for (int r = 0; r < ATTN_RIGORS; r++)
        if (strcmp(text, attn_rigor_names[r]) == 0) {
            *rigor = (AttnRigor)r;
            return true;
        }
    cli_unknown("rigor", text, attn_rigor_names, ATTN_RIGORS);
    return false;
}

/* One option; false after printing an error. */
static bool take(Wanted *wanted, int key, const char *value)
{
    switch (key) {
    case 's':
    case PRESET:
        if (wanted->shapes)
            render_error("-s and --preset cannot be combined");
        else
            wanted->shapes = value;
        return wanted->shapes == value;
    case RIGOR: wanted->has_rigor = true; return read_rigor(value, &wanted->rigor);
    case FILE_PATH: wanted->file = value; return true;
    case AGAIN: wanted->again = true; return true;
    case DRY_RUN: wanted->dry_run = true; return true;
    case SHOW: wanted->show = true; return true;
    case CHECK: wanted->check = true; return true;
    case SAMPLE: return cli_percent("--sample", value, &wanted->sample);
    case EXPORT: wanted->export = value; return true;
    case IMPORT: wanted->import = value; return true;
    default: return false;
    }
}

/* EXIT_OK: go on; -1: the help was printed; else what to leave with. */
static int read_options(Wanted *wanted, int argc, char **argv)
{
    const char *value;
    for (int key; (key = cli_next_option(argc, argv, usage, options, sizeof options / sizeof *options, &value)) != -1;) {
        if (key == 'h')
            return -1;
        if (key == '?' || !take(wanted, key, value))
            return EXIT_USAGE;
    }
    const int jobs = wanted->show + wanted->check + (wanted->export != NULL) + (wanted->import != NULL);
    const bool measures = wanted->shapes || wanted->has_rigor || wanted->again || wanted->dry_run;
    if (optind < argc)
        render_error("unexpected argument '%s'; shapes are given with -s", argv[optind]);
    else if (jobs > 1 || (jobs == 1 && measures))
        render_error("--show, --check, --export and --import cannot be combined with other options, except --file, and --sample with --check");
    else if (wanted->sample > 0 && !wanted->check)
        render_error("--sample needs --check");
    else if (wanted->file && (!*wanted->file || strlen(wanted->file) > 1000))
        render_error("--file is '%.60s'; allowed: a name of 1 to 1000 bytes", wanted->file);
    else
        return EXIT_OK;
    return EXIT_USAGE;
}

/* ---- Measuring ------------------------------------------------------------------------------------------------------------------- */

typedef struct Run {
    bool unable; /* a bucket could not be set up */
    const Cli *cli;
    const Wanted *wanted;
    const char *path;
    RenderTable *table;
    TuneRows known;     /* what the file has at the start */
    size_t written, skipped;
    Topology topology;
} Run;

static void shape_cell(RenderTable *table, const TuneBucket *bucket)
{
    char name[SHAPE_NAME];
    const Shape *first = bucket->shapes[0];
    const char *text = first->name[0] ? first->name : shape_name(first, name, sizeof name);
    if (bucket->count > 1)
        render_cell(table, STYLE_PLAIN, "%s and %zu more", text, bucket->count - 1);
    else
        render_cell(table, STYLE_PLAIN, "%s", text);
}

static void add_row(RenderTable *table, const TuneBucket *bucket, const TuneResult *result)
{
    static const char *const notes[] = {[TUNE_FOUND] = "",          [TUNE_ESTIMATED] = "estimated, not measured",
                                        [TUNE_ALONE] = "no other kernel to choose", [TUNE_NOISY] = "too noisy to say",
                                        [TUNE_NOBODY] = "no kernel", [TUNE_STOPPED] = "stopped"};
    const AttnTuneEntry *e = &result->row.entry;
    const bool found = result->outcome == TUNE_FOUND, changed = found && e->kernel != result->estimate;
    render_row(table);
    render_cell(table, STYLE_PLAIN, "%s", bucket->name);
    shape_cell(table, bucket);
    if (result->estimate || bucket->count > 1)
        render_cell(table, STYLE_PLAIN, "%s", result->estimate ? result->estimate->name : "(several)");
    else
        render_missing(table);
    if (found) {
        render_cell(table, changed ? STYLE_GOOD : STYLE_PLAIN, "%s", e->kernel->name);
        render_cell(table, STYLE_PLAIN, "%s", e->over->name);
        tune_ratio_cells(table, e->ratio, e->lo, e->hi);
    } else {
        for (size_t c = 0; c < 5; c++)
            render_missing(table);
    }
    const char *word = changed ? "changed" : found && result->tied ? "stays: as fast as any" : found ? "stays" : notes[result->outcome];
    render_cell(table, result->disagreed || result->crashed ? STYLE_BAD : changed ? STYLE_GOOD : STYLE_DIM, "%s%s%s", word,
                result->disagreed ? "; a kernel DISAGREES and was left out: attnzoo verify" : "",
                result->crashed ? "; a kernel CRASHED" : "");
}

/* The most severe outcome in a bucket, as an exit code. */
static int result_code(const TuneResult *result)
{
    return result->crashed                          ? EXIT_CRASHED
           : result->disagreed                      ? EXIT_DISAGREE
           : result->outcome == TUNE_STOPPED        ? EXIT_INTERRUPTED
           : result->outcome == TUNE_NOISY          ? EXIT_INCONCLUSIVE
           : result->outcome == TUNE_NOBODY         ? EXIT_NOTHING
                                                    : EXIT_OK;
}

static int worse(int a, int b)
{
    static const int order[] = {EXIT_INTERRUPTED, EXIT_USAGE, EXIT_CRASHED, EXIT_DISAGREE, EXIT_INCONCLUSIVE, EXIT_NOTHING};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return EXIT_OK;
}

static int tune_bucket(Run *run, const TuneBucket *bucket)
{
    const Wanted *wanted = run->wanted;
    const TuneRow *known = tune_rows_find(&run->known, &bucket->key);
    char error[1400], note[1400], pinned[96];
    TuneResult result;
    if (known && known->entry.rigor >= wanted->rigor && !wanted->again && wanted->rigor != ATTN_RIGOR_ESTIMATE) {
        run->skipped++;
        return EXIT_OK;
    }
    topology_pin(bucket->key.threads, pinned, sizeof pinned);
    if (!tune_measure(bucket, wanted->rigor, NULL, run->cli->seed, &run->cli->settings, &run->topology, &result, error, sizeof error)) {
        render_error("%s", error); /* no memory for this bucket; perhaps for the next */
        run->unable = true;
        return EXIT_NOTHING;
    }
    if (result.outcome != TUNE_STOPPED)
        add_row(run->table, bucket, &result);
    if (result.outcome == TUNE_FOUND && !wanted->dry_run) { /* written at once, so that no measurement is lost */
        if (!tune_file_update(run->path, &result.row, 1, wanted->again, note, sizeof note, error, sizeof error)) {
            render_error("%s", error);
            return EXIT_USAGE;
        }
        if (note[0])
            render_note("%s", note);
        run->written++;
    }
    return result_code(&result);
}

/* For the requested number of threads; by default for one and for the number that a program gets if it sets nothing. */
static bool make_buckets(const Cli *cli, const Shapes *shapes, TuneBuckets *buckets)
{
    const size_t usual = cli_granted(attn_threads_workers(&cli->settings));
    if (cli->settings.threads > 0 || usual == 1)
        return tune_buckets_add(buckets, shapes, usual);
    return tune_buckets_add(buckets, shapes, 1) && tune_buckets_add(buckets, shapes, usual);
}

/* Read what the file already has, after checking that it can be written. */
static bool read_known(Run *run)
{
    char note[1400], error[1400] = "";
    if (run->wanted->dry_run || run->wanted->rigor == ATTN_RIGOR_ESTIMATE)
        return true;
    bool good = tune_file_update(run->path, NULL, 0, false, note, sizeof note, error, sizeof error);
    AttnTune *tune = good ? attn_tune_load(run->path) : NULL;
    if (good && (!tune || !tune_rows_read(&run->known, tune))) {
        snprintf(error, sizeof error, "%s: out of memory", run->path);
        good = false;
    }
    attn_tune_free(tune);
    if (!good)
        render_error("%s", error);
    return good;
}

static int tune_all(Run *run, const TuneBuckets *buckets)
{
    static const RenderColumn columns[] = {{"bucket", "bucket", RENDER_TEXT},     {"measured on", "shapes", RENDER_TEXT},
                                           {"estimate", "estimate", RENDER_TEXT}, {"tuned", "kernel", RENDER_TEXT},
                                           {"instead of", "over", RENDER_TEXT},   TUNE_RATIO_COLUMNS,
                                           {"result", "result", RENDER_TEXT}};
    int code = EXIT_OK, best = EXIT_NOTHING;
    if (!read_known(run))
        return EXIT_USAGE;
#ifndef __OPTIMIZE__
    render_note("this build is not optimised: which kernel is fastest here says nothing about other builds");
#endif
    topology_read(&run->topology);
    run->table = render_table_of(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < buckets->count && !stop_signal && code != EXIT_USAGE; i++) {
        const int one = tune_bucket(run, &buckets->at[i]);
        best = one == EXIT_NOTHING ? best : EXIT_OK;
        code = one == EXIT_NOTHING ? code : worse(code, one);
    }
    code = stop_signal ? EXIT_INTERRUPTED : code == EXIT_OK ? best : code;
    code = run->unable ? worse(code, EXIT_NOTHING) : code;
    const int printed = code == EXIT_USAGE ? EXIT_OK : outputs_table(run->cli->outputs, run->table);
    render_table_free(run->table);
    if (run->skipped > 0)
        render_note("%zu buckets were already in %s, with rigor %s or more; --again measures them again", run->skipped, run->path,
                    attn_rigor_names[run->wanted->rigor]);
    if (run->written > 0)
        render_note("%s: %zu entries written", run->path, run->written);
    else
        render_note("nothing was written");
    return printed == EXIT_OK ? code : printed;
}

/* Can the clock tell kernels apart in the time that this rigor takes? false after saying why not. */
static bool clock_serves(AttnRigor rigor)
{
    char why[400];
    const BenchOptions bench = tune_options(rigor);
    const PairedClock clock = paired_clock();
    const PairedTrust trust = paired_trust(&clock, bench.min_trial, bench.budget, why, sizeof why);
    if (trust == PAIRED_UNFIT)
        render_error("nothing was measured: %s", why);
    else if (trust == PAIRED_COARSE)
        render_note("%s", why);
    return trust != PAIRED_UNFIT;
}

static int tune_shapes(const Cli *cli, const Wanted *wanted, const char *path)
{
    Run run = {.cli = cli, .wanted = wanted, .path = path};
    TuneBuckets buckets = {0};
    Shapes shapes = {0};
    char error[2048];
    int code = EXIT_USAGE;
    if (!shapes_parse(&shapes, wanted->shapes ? wanted->shapes : bench_default_shapes(), error, sizeof error)) {
        render_error("%s", error);
    } else if (!make_buckets(cli, &shapes, &buckets)) {
        render_error("out of memory for %zu shapes", shapes.count);
    } else if (buckets.count == 0) {
        render_error("nothing to tune: no shape has rows and keys");
        code = EXIT_NOTHING;
    } else if (wanted->rigor != ATTN_RIGOR_ESTIMATE && !clock_serves(wanted->rigor)) {
        code = EXIT_NOTHING;
    } else {
        code = tune_all(&run, &buckets);
    }
    tune_rows_free(&run.known);
    tune_buckets_free(&buckets);
    shapes_free(&shapes);
    return code;
}

int cmd_tune(const Cli *cli, int argc, char **argv)
{
    Wanted wanted = {.rigor = ATTN_RIGOR_MEASURE};
    char path[1024], error[300];
    const int code = read_options(&wanted, argc, argv);
    if (code != EXIT_OK)
        return code == -1 ? EXIT_OK : code;
    const bool needs_path = !wanted.dry_run && wanted.rigor != ATTN_RIGOR_ESTIMATE;
    if (wanted.file) {
        snprintf(path, sizeof path, "%s", wanted.file);
    } else if (!tune_file_path(path, sizeof path, error, sizeof error)) {
        if (needs_path) {
            render_error("%s", error);
            return EXIT_USAGE;
        }
        snprintf(path, sizeof path, "(no file)");
    }
    if (wanted.show)
        return tune_show(cli, path);
    if (wanted.check && !clock_serves(ATTN_RIGOR_MEASURE))
        return EXIT_NOTHING;
    if (wanted.check)
        return tune_check(cli, path, wanted.sample > 0 ? wanted.sample : 0.05);
    if (wanted.export)
        return tune_export(path, wanted.export);
    if (wanted.import)
        return tune_import(cli, path, wanted.import);
    return tune_shapes(cli, &wanted, path);
}
