/* cmd_bench.c - `attnzoo bench`: the cases to measure, one after the other; what is shown and what is kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/registry.h"
#include "harness/bench_options.h"
#include "harness/bench_show.h"
#include "harness/machine.h"
#include "harness/whole.h"

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

static int run_cases(const Cli *cli, const BenchOptions *bench, const Shapes *shapes, const AttnKernel *const *kernels, size_t count,
                     Outputs *out)
{
    int code = EXIT_NOTHING;
    for (size_t i = 0; i < shapes->count && !cli_interrupted; i++) {
        BenchCase measured;
        char error[300], id[32];
        snprintf(id, sizeof id, "c%zu", i + 1);
        if (!bench_case_run(&measured, &shapes->at[i], kernels, count, bench, &cli->settings, &out->machine.topology, error,
                            sizeof error)) {
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
    BenchWanted wanted = {.bench = {.budget = 8, .min_trial = 300e-6, .max_rounds = 100, .confidence = 0.99, .dist = DIST_NORMAL,
                               .seed = cli->seed, .threads = cli->threads ? cli->threads : 1}};
    int code = bench_options_read(&wanted, argc, argv);
    if (code != EXIT_OK)
        return code == -1 ? EXIT_OK : code;
    const AttnKernel **kernels = calloc(attn_registry_count + 1, sizeof *kernels);
    Shapes shapes = {NULL, 0};
    char error[1024];
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
    if (!shapes_parse(&shapes, wanted.shapes, error, sizeof error)) {
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
