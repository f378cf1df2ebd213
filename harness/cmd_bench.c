/* cmd_bench.c - `attnzoo bench`: options, the cases to measure, one after the other; what is shown and what is kept. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/registry.h"
#include "harness/bench_show.h"
#include "harness/machine.h"
#include "harness/whole.h"

/* Sized so that all of them, verification included, take less than two minutes on two cores. Real models, real head counts. */
static const struct {
    const char *name, *shapes, *help;
} suites[] = {
    {"default",
     "bert-base/encoder@128 vit-b16/encoder gpt2/prefill@512 llama3-8b/prefill@512 whisper-large/cross llama3-8b/decode@4096",
     "models at sizes for every day"},
    {"speed", "b1_h8_q512_k512_d{64,128} b1_h8_q2048_k2048_d{64,128}", "where the speed bars of the project are checked"},
};
enum { SUITES = sizeof suites / sizeof *suites };

enum { SUITE = 256, BASELINE, BUDGET, MIN_TRIAL, ROUNDS, TARGET_CI, DIST };
static const char usage[] = "usage: attnzoo bench [options]\n"
                            "Verify kernels on real shapes, then measure them side by side. Without options: all kernels that run here on the\n"
                            "default suite. Records go to --results DIR (default results/), under a folder for this machine.\n";
static const CliOption options[] = {
    {'k', "kernel", "PATTERNS", "kernels by name or glob, separated by commas (default: all that run here)"},
    {'s', "shapes", "SHAPES", "shapes or presets, for example b1_h8_q512_k512_d64 or llama3-8b/decode@4096"},
    {SUITE, "suite", "NAME", "a set of shapes: default or speed"},
    {BASELINE, "baseline", "KERNEL", "what speed-up is counted from (default: naive_f32)"},
    {BUDGET, "budget", "TIME", "time for the rounds of one case, 10ms to 1h (default: 8s)"},
    {MIN_TRIAL, "min-trial", "TIME", "shortest trial, 10us to 10s (default: 300us)"},
    {ROUNDS, "rounds", "N", "at most so many rounds, 1 to 256 (default: 100)"},
    {TARGET_CI, "target-ci", "PERCENT", "stop early when every interval is this narrow, for example 1%"},
    {DIST, "dist", "NAME", "what the operands hold (default: normal)"},
};

typedef struct Wanted {
    const char *kernels, *shapes, *suite;
    BenchOptions bench;
} Wanted;

/* A number and what follows it; false unless it begins with a digit. */
static bool split(const char *text, double *value, const char **unit)
{
    char *end = NULL;
    errno = 0;
    *value = text[0] >= '0' && text[0] <= '9' && strncmp(text, "0x", 2) != 0 ? strtod(text, &end) : NAN;
    *unit = end;
    return end && errno == 0 && isfinite(*value);
}

/* "2s", "300us", "1.5ms", "2m"; a bare number counts in `bare` seconds. */
static bool read_time(const char *what, const char *text, double bare, double low, double high, const char *allowed, double *seconds)
{
    static const struct { const char *name; double seconds; } units[] = {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
    const char *unit;
    double value;
    bool known = split(text, &value, &unit);
    double scale = known && !*unit ? bare : 0;
    for (size_t i = 0; known && i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].name) == 0)
            scale = units[i].seconds;
    if (scale <= 0 || value * scale < low * (1 - 1e-9) || value * scale > high * (1 + 1e-9)) {
        render_error("%s is '%s'; allowed: %s, in us, ms, s, m or h", what, text, allowed);
        return false;
    }
    *seconds = value * scale;
    return true;
}

static bool read_percent(const char *what, const char *text, double *share)
{
    const char *unit;
    double value;
    if (!split(text, &value, &unit) || (*unit && strcmp(unit, "%") != 0) || value <= 0 || value > 100) {
        render_error("%s is '%s'; allowed: a percentage above 0, up to 100%%", what, text);
        return false;
    }
    *share = value / 100;
    return true;
}

static bool read_suite(const char *text, const char **shapes)
{
    const char *names[SUITES];
    for (size_t i = 0; i < SUITES; i++) {
        names[i] = suites[i].name;
        if (strcmp(text, suites[i].name) == 0) {
            *shapes = suites[i].shapes;
            return true;
        }
    }
    cli_unknown("suite", text, names, SUITES);
    return false;
}

static bool read_dist(const char *text, DataDist *dist)
{
    const char *names[DIST_COUNT];
    if (data_dist_find(text, dist))
        return true;
    for (int i = 0; i < DIST_COUNT; i++)
        names[i] = data_dist_name((DataDist)i);
    cli_unknown("distribution", text, names, DIST_COUNT);
    return false;
}

static bool read_baseline(const char *text, const AttnKernel **kernel)
{
    *kernel = attn_registry_find(text);
    if (*kernel)
        return true;
    const char **names = calloc(attn_registry_count, sizeof *names);
    for (size_t i = 0; names && i < attn_registry_count; i++)
        names[i] = attn_registry[i]->name;
    cli_unknown("kernel", text, names, names ? attn_registry_count : 0);
    free(names);
    return false;
}

/* One option; false after printing an error. */
static bool take(Wanted *wanted, int key, const char *value)
{
    BenchOptions *bench = &wanted->bench;
    uint64_t number;
    switch (key) {
    case 'k': wanted->kernels = value; return true;
    case 's': wanted->shapes = value; return true;
    case SUITE: return read_suite(value, &wanted->suite);
    case BASELINE: return read_baseline(value, &bench->baseline);
    case BUDGET: return read_time("--budget", value, 1, 0.01, 3600, "10ms to 1h", &bench->budget);
    case MIN_TRIAL: return read_time("--min-trial", value, 1e-6, 1e-5, 10, "10us to 10s", &bench->min_trial);
    case TARGET_CI: return read_percent("--target-ci", value, &bench->target_ci);
    case DIST: return read_dist(value, &bench->dist);
    case ROUNDS:
        if (!cli_number("--rounds", value, 1, PAIRED_MAX_ROUNDS, &number))
            return false;
        bench->max_rounds = (size_t)number;
        return true;
    default: return false;
    }
}

/* EXIT_OK: go on; otherwise the code to leave with, or -1 after the help. */
static int read_options(Wanted *wanted, int argc, char **argv)
{
    const char *value;
    for (int key; (key = cli_next_option(argc, argv, usage, options, sizeof options / sizeof *options, &value)) != -1;) {
        if (key == 'h') {
            printf("\nSuites\n");
            for (size_t i = 0; i < SUITES; i++)
                printf("  %-10s %s: %s\n", suites[i].name, suites[i].help, suites[i].shapes);
            return -1;
        }
        if (key == '?' || !take(wanted, key, value))
            return EXIT_USAGE;
    }
    if (optind < argc) {
        render_error("unexpected argument '%s'; shapes are given with -s", argv[optind]);
        return EXIT_USAGE;
    }
    if (wanted->suite && wanted->shapes) {
        render_error("--suite and -s name the shapes twice; allowed: one of them");
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

/* The worst that a case had to say. */
static int case_code(const BenchCase *bench)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < bench->count; i++) {
        const VerifyStatus status = bench->kernels[i].verify.status;
        code = status == VERIFY_CRASH ? EXIT_CRASHED : status == VERIFY_FAIL && code != EXIT_CRASHED ? EXIT_DISAGREE : code;
    }
    return code;
}

static int worse(int a, int b)
{
    static const int order[] = {EXIT_INTERRUPTED, EXIT_USAGE, EXIT_CRASHED, EXIT_DISAGREE, EXIT_NOTHING};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return EXIT_OK;
}

/* Everything that one run of bench writes to. */
typedef struct Outputs {
    Records *records;
    Whole copy;         /* -o jsonl:FILE */
    bool has_copy;
    bool tables;        /* a table for each case as it comes                    */
    RenderTable *all;   /* else one over all cases: markdown, csv, or to a file */
    Machine machine;
} Outputs;

static bool open_outputs(Outputs *out, const Cli *cli)
{
    char error[512];
    FILE *extra = NULL;
    const bool jsonl = strcmp(cli->format, "jsonl") == 0;
    memset(out, 0, sizeof *out);
    machine_read(&out->machine);
    out->tables = strcmp(cli->format, "table") == 0 && !cli->format_file;
    if (jsonl && cli->format_file) {
        out->has_copy = whole_open(&out->copy, cli->format_file, error, sizeof error);
        if (!out->has_copy) {
            render_error("%s", error);
            return false;
        }
    }
    if (jsonl)
        extra = out->has_copy ? out->copy.file : stdout;
    out->records = records_open(cli->results, out->machine.key, extra, error, sizeof error);
    if (out->records && cli->results && !machine_write_once(&out->machine, cli->results, error, sizeof error)) {
        char unused[512];
        records_close(out->records, EXIT_USAGE, unused, sizeof unused);
        out->records = NULL;
    }
    if (!out->records) {
        render_error("%s", error);
        if (out->has_copy)
            whole_close(&out->copy, false, error, sizeof error);
        return false;
    }
    if (!out->tables && !jsonl)
        out->all = bench_table(true);
    return true;
}

static int close_outputs(Outputs *out, const Cli *cli, int code)
{
    char error[1200], path[1100];
    snprintf(path, sizeof path, "%s", records_path(out->records));
    if (out->all) {
        code = worse(code, cli_print_table(cli, out->all));
        render_table_free(out->all);
    }
    const bool kept = records_close(out->records, code, error, sizeof error);
    if (!kept) {
        render_error("%s", error);
        code = worse(code, EXIT_USAGE);
    }
    if (out->has_copy && !whole_close(&out->copy, kept, error, sizeof error)) {
        render_error("%s", error);
        code = worse(code, EXIT_USAGE);
    }
    if (kept && path[0] && out->tables && !cli->quiet)
        printf("\nrecords: %s\n", path);
    return code;
}

static int run_cases(const Cli *cli, const BenchOptions *bench, const Shapes *shapes, const AttnKernel *const *kernels, size_t count, Outputs *out)
{
    int code = EXIT_NOTHING;
    for (size_t i = 0; i < shapes->count && !cli_interrupted; i++) {
        BenchCase measured;
        char error[300], id[32];
        snprintf(id, sizeof id, "c%zu", i + 1);
        if (!bench_case_run(&measured, &shapes->at[i], kernels, count, bench, &cli->settings, &out->machine.topology, error, sizeof error)) {
            render_error("%s", error);
            bench_case_free(&measured);
            return EXIT_USAGE;
        }
        if (measured.timed > 0)
            code = code == EXIT_NOTHING ? EXIT_OK : code;
        code = case_code(&measured) != EXIT_OK ? worse(code == EXIT_NOTHING ? EXIT_OK : code, case_code(&measured)) : code;
        const bool complete = measured.run.rounds > 0 || !cli_interrupted;
        if (complete && out->tables) {
            RenderTable *table = bench_table(false);
            bench_table_add(table, &measured, false);
            bench_heading(&measured);
            render_table_print(table, stdout);
            bench_footer(&measured);
            render_table_free(table);
            fflush(stdout);
        }
        if (complete && out->all)
            bench_table_add(out->all, &measured, true);
        if (complete)
            bench_record(out->records, &measured, id); /* records_close reports what went wrong */
        bench_case_free(&measured);
    }
    return cli_interrupted ? EXIT_INTERRUPTED : code;
}

/* The header of a table run: machine, pinning, and the `host` record with all peaks. */
static int start(const Cli *cli, const BenchOptions *bench, Outputs *out)
{
    Peaks peaks;
    char pinned[96];
    topology_pin(bench->threads, pinned, sizeof pinned);
#ifndef __OPTIMIZE__
    render_note("this build is not optimised: its times say nothing about the kernels");
#endif
    const AttnCpu *cpu = out->machine.cpu;
    if (!peaks_measure(&peaks, cpu->features & cli->settings.allowed, bench->threads, &out->machine.topology, 1.0, &cli_interrupted)) {
        render_error("not enough memory to measure the machine's peaks");
        return EXIT_USAGE;
    }
    if (out->tables && !cli->quiet) {
        printf("%s  %s\n", out->machine.key, cpu->brand);
        printf("%zu %s on %s; load %.1f; attnzoo %s, commit %s, %s\n", bench->threads, bench->threads == 1 ? "thread" : "threads", pinned,
               out->machine.loadavg, attn_version(), build_commit(), build_compiler());
    }
    json_t *host = machine_json(&out->machine, &peaks);
    json_object_set_new(host, "pinned", json_string(pinned));
    records_write(out->records, "host", host);
    return EXIT_OK;
}

int cmd_bench(const Cli *cli, int argc, char **argv)
{
    Wanted wanted = {.bench = {.budget = 8, .min_trial = 300e-6, .max_rounds = 100, .confidence = 0.99, .dist = DIST_NORMAL, .seed = cli->seed,
                               .threads = cli->threads ? cli->threads : 1}};
    int code = read_options(&wanted, argc, argv);
    if (code != EXIT_OK)
        return code == -1 ? EXIT_OK : code;
    const AttnKernel **kernels = calloc(attn_registry_count + 1, sizeof *kernels);
    Shapes shapes = {NULL, 0};
    char error[1024];
    const char *text = wanted.shapes ? wanted.shapes : wanted.suite ? wanted.suite : suites[0].shapes;
    size_t count = kernels ? cli_select_kernels(cli, wanted.kernels, true, kernels) : 0;
    if (count == SIZE_MAX || !kernels) {
        free(kernels);
        return EXIT_USAGE;
    }
    bool has_baseline = !wanted.bench.baseline;
    for (size_t i = 0; i < count; i++)
        has_baseline |= kernels[i] == wanted.bench.baseline;
    if (!has_baseline && !(wanted.bench.baseline->isa & ~(attn_cpu_this()->features & cli->settings.allowed)))
        kernels[count++] = wanted.bench.baseline;
    Outputs out;
    if (!shapes_parse(&shapes, text, error, sizeof error)) {
        render_error("%s", error);
        code = EXIT_USAGE;
    } else if (count == 0) {
        render_error("nothing to measure: no kernel that was asked for runs on this CPU");
        code = EXIT_NOTHING;
    } else if (!open_outputs(&out, cli)) {
        code = EXIT_USAGE;
    } else {
        code = start(cli, &wanted.bench, &out);
        if (code == EXIT_OK)
            code = run_cases(cli, &wanted.bench, &shapes, kernels, count, &out);
        code = close_outputs(&out, cli, code);
        if (code == EXIT_NOTHING)
            render_error("nothing was measured: no kernel takes these shapes");
    }
    shapes_free(&shapes);
    free(kernels);
    return code;
}
