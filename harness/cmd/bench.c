/* bench.c - `attnzoo bench`: the cases to measure, one after the other; what is shown and what is kept. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/build.h"
#include "harness/base/outputs.h"
#include "harness/base/self.h"
#include "harness/base/stop.h"
#include "harness/bench/micro/micro.h"
#include "harness/bench/show.h"
#include "harness/cmd/bench_options.h"
#include "harness/cmd/commands.h"
#include "harness/machine/machine.h"
#include "harness/machine/topology.h"
#include "harness/measure/peaks.h"
#include "harness/ops/all/all.h"
#include "harness/ops/sdpa/op.h"
#include "harness/ops/zoo.h"
#include "harness/process/processes.h"
#include "harness/suite/words.h"

static int worse(int a, int b)
{
    static const int order[] = {EXIT_INTERRUPTED, EXIT_USAGE, EXIT_CRASHED, EXIT_DISAGREE, EXIT_NOTHING, EXIT_INCONCLUSIVE};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return EXIT_OK;
}

/* Combine the codes of several cases; one with nothing to report changes nothing. */
static int with(int code, int one)
{
    return one == EXIT_NOTHING ? code : code == EXIT_NOTHING ? one : worse(code, one);
}

/* The most severe outcome in a case, as an exit code. */
static int case_code(const BenchCase *bench)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < bench->count; i++) {
        const VerifyStatus status = bench->kernels[i].verify.status;
        code = worse(code, status == VERIFY_CRASH ? EXIT_CRASHED : status == VERIFY_FAIL ? EXIT_DISAGREE : EXIT_OK);
    }
    return code;
}

/* Everything that one run of bench writes to. */
typedef struct BenchOutputs {
    bool unable;        /* something is missing because it could not be set up */
    Records *records;
    Output *copy;    /* -o jsonl: a copy of the records                 */
    bool kept;          /* all records were written                        */
    bool tables;        /* on stdout, one per case as it is measured       */
    RenderTable *all;   /* one over all cases: markdown, csv, or to a file */
    Machine machine;
} BenchOutputs;

static bool open_outputs(BenchOutputs *out, const Cli *cli, const BenchWanted *wanted)
{
    char error[512];
    memset(out, 0, sizeof *out);
    machine_read(&out->machine);
    out->tables = outputs_on_stdout(cli->outputs);
    out->copy = outputs_find(cli->outputs, "jsonl");
    out->records = records_open(cli->results, out->machine.key, out->copy ? out->copy->file : NULL, error, sizeof error);
    if (out->records && cli->results && !machine_write_once(&out->machine, cli->results, error, sizeof error)) {
        char unused[512];
        records_close(out->records, EXIT_USAGE, unused, sizeof unused);
        out->records = NULL;
    }
    if (!out->records) {
        render_error("%s", error);
        return false;
    }
    if (outputs_gather(cli->outputs))
        out->all = wanted->micro             ? micro_table_of_all()
                   : wanted->varies          ? vary_table(&wanted->vary, true)
                   : wanted->bench.hyperfine ? process_table(true)
                                             : bench_table(true);
    return true;
}

/* Records went to the copy as they came, tables to stdout; the table over all cases goes to the other outputs. */
static int write_output(void *context, const Output *out)
{
    const BenchOutputs *outputs = context;
    const bool as_it_comes = out == outputs->copy || (strcmp(out->format, "table") == 0 && !out->path);
    if (!as_it_comes)
        render_table_as(outputs->all, out->format, out->file);
    return out == outputs->copy && !outputs->kept ? EXIT_USAGE : EXIT_OK;
}

static int close_outputs(BenchOutputs *out, const Cli *cli, int code)
{
    char error[1200], path[1100];
    snprintf(path, sizeof path, "%s", records_path(out->records));
    out->kept = records_close(out->records, code, error, sizeof error);
    if (!out->kept) {
        render_error("%s", error);
        code = worse(code, EXIT_USAGE);
    }
    outputs_write(cli->outputs, write_output, out);
    render_table_free(out->all);
    if (out->kept && path[0] && out->tables && !cli->quiet)
        printf("\nrecords: %s\n", path);
    return code;
}

/* Times of a clock that cannot be trusted are shown and kept, but never count as success. */
static int doubt(const PairedRun *run, const char *what)
{
    char why[200];
    if (!paired_doubt(run, why, sizeof why))
        return EXIT_OK;
    render_note("%s: %s", what, why);
    return EXIT_INCONCLUSIVE;
}

/* Show and keep a measured case. Returns its code. */
static int finish_case(BenchOutputs *out, BenchCase *measured, const char *id)
{
    const bool complete = measured->run.rounds > 0 || !stop_signal;
    if (complete && out->tables) {
        RenderTable *table = bench_table(false);
        bench_table_add(table, measured, false);
        bench_heading(measured);
        render_table_print(table, stdout);
        bench_footer(measured);
        render_table_free(table);
        fflush(stdout);
    }
    if (complete && out->all)
        bench_table_add(out->all, measured, true);
    if (complete)
        bench_record(out->records, measured, id); /* records_close reports what went wrong */
    const int code = case_code(measured);
    return measured->timed > 0 ? worse(doubt(&measured->run, measured->shape.name), code) : code != EXIT_OK ? code : EXIT_NOTHING;
}

/* What to measure: shapes, those of one kind together, and the kernels for each kind. */
typedef struct Work {
    OpShapes shapes;
    OpKernel *kernels;    /* [op_count][room] */
    size_t *count;        /* [op_count]       */
    size_t room;
    const AttnKernel **attention; /* the library's own attention kernels */
    size_t attention_count;
} Work;

/* The kernels for a kind of work. */
static const OpKernel *kernels_of(const Work *work, const Op *op, size_t *count)
{
    size_t o = 0;
    while (ops[o] != op)
        o++;
    *count = work->count[o];
    return &work->kernels[o * work->room];
}

static int run_cases(const Cli *cli, const BenchOptions *bench, const Work *work, BenchOutputs *out)
{
    int code = EXIT_NOTHING;
    for (size_t i = 0; i < work->shapes.count && !stop_signal; i++) {
        BenchCase measured;
        char error[SHAPE_NAME + 220], id[32];
        size_t count;
        const OpShape *shape = &work->shapes.at[i];
        const OpKernel *kernels = kernels_of(work, shape->op, &count);
        snprintf(id, sizeof id, "c%zu", i + 1);
        if (count == 0)
            continue;
        if (!bench_case_run(&measured, shape, kernels, count, bench, &cli->settings, &out->machine.topology, error, sizeof error)) {
            render_error("%s", error); /* no memory for this shape; perhaps for the next */
            bench_case_free(&measured);
            out->unable = true;
            continue;
        }
        const int one = finish_case(out, &measured, id);
        for (size_t k = 0; k < measured.count; k++)
            out->unable |= measured.kernels[k].verify.status == VERIFY_UNABLE;
        code = with(code, one);
        bench_case_free(&measured);
    }
    return stop_signal ? EXIT_INTERRUPTED : code;
}

/* As run_cases, with processes. */
static int run_processes(const Cli *cli, const BenchOptions *bench, const Work *work, BenchOutputs *out)
{
    int code = EXIT_NOTHING;
    char program[4096], error[600];
    if (!self_path(program, sizeof program, error, sizeof error)) {
        render_error("--driver hyperfine starts this program again: %s", error);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < work->shapes.count && work->attention_count > 0 && !stop_signal; i++) {
        ProcessCase run;
        char id[32];
        const Shape shape = sdpa_shape(&work->shapes.at[i]);
        snprintf(id, sizeof id, "c%zu", i + 1);
        const bool ran = process_case_run(&run, cli, program, &shape, work->attention, work->attention_count, bench, error, sizeof error);
        const bool complete = ran && (run.rounds > 0 || !stop_signal);
        if (!ran)
            render_error("%s", error);
        if (complete && out->tables) {
            RenderTable *table = process_table(false);
            process_table_add(table, &run, false);
            process_heading(&run);
            render_table_print(table, stdout);
            render_table_free(table);
            fflush(stdout);
        }
        if (complete && out->all)
            process_table_add(out->all, &run, true);
        if (complete)
            process_record(out->records, &run, id);
        const int one = ran ? process_code(&run) : EXIT_USAGE;
        process_case_free(&run);
        if (!ran)
            return one;
        code = with(code, one);
    }
    return stop_signal ? EXIT_INTERRUPTED : code;
}

/* The header of a table run: machine, pinning, and the `host` record with all peaks. */
static int start(const Cli *cli, const BenchOptions *bench, BenchOutputs *out)
{
    Peaks peaks;
    char pinned[96];
    const bool is_pinned = topology_pin(bench->threads, pinned, sizeof pinned);
#ifndef __OPTIMIZE__
    render_note("this build is not optimised: its times say nothing about the kernels");
#endif
    const AttnCpu *cpu = out->machine.cpu;
    if (!peaks_measure(&peaks, cpu->features & cli->settings.allowed, bench->threads, &out->machine.topology, 1.0, &stop_signal)) {
        render_error("not enough memory to measure the machine's peaks");
        return EXIT_USAGE;
    }
    if (out->tables && !cli->quiet) {
        printf("%s  %s\n", out->machine.key, cpu->brand);
        char load[32] = "unknown";
        if (isfinite(out->machine.loadavg))
            snprintf(load, sizeof load, "%.1f", out->machine.loadavg);
        printf("%zu %s%s%s; load %s; attnzoo %s, commit %s, %s\n", bench->threads, bench->threads == 1 ? "thread" : "threads",
               is_pinned ? " on " : ", ", pinned,
               load, attn_version(), build_commit(), build_compiler());
    }
    json_t *host = machine_json(&out->machine);
    peaks_record(&peaks, host);
    json_object_set_new(host, "pinned", json_string(pinned));
    records_write(out->records, "host", host);
    return EXIT_OK;
}

/* The baseline takes part even if -k leaves it out. */
static void add_baseline(const Cli *cli, const AttnKernel *baseline, const AttnKernel **kernels, size_t *count)
{
    bool there = !baseline || (baseline->isa & ~(attn_cpu_this()->features & cli->settings.allowed)) != 0;
    for (size_t i = 0; i < *count; i++)
        there |= kernels[i] == baseline;
    if (!there)
        kernels[(*count)++] = baseline;
}

static bool make_room(Work *work)
{
    work->room = zoo_count() + 1;
    work->kernels = calloc(op_count * work->room, sizeof *work->kernels);
    work->count = calloc(op_count, sizeof *work->count);
    work->attention = calloc(work->room, sizeof *work->attention);
    return work->kernels && work->count && work->attention;
}

static void free_work(Work *work)
{
    op_shapes_free(&work->shapes);
    free(work->kernels);
    free(work->count);
    free(work->attention);
}

/* Each kind's in their order. */
static void part_kernels(Work *work, const AttnKernel *const *kernels, size_t count)
{
    for (size_t o = 0; o < op_count; o++)
        for (size_t i = 0; i < count; i++)
            work->count[o] += ops[o]->kernel(kernels[i], &work->kernels[o * work->room + work->count[o]]);
    OpKernel who;
    for (size_t i = 0; i < count; i++)
        if (op_sdpa.kernel(kernels[i], &who) && !zoo_is_yardstick(kernels[i]))
            work->attention[work->attention_count++] = kernels[i];
}

/* Are there shapes of other kinds than attention? */
static bool others(const OpShapes *shapes)
{
    return shapes->count > 0 && shapes->at[shapes->count - 1].op != &op_sdpa; /* attention comes first */
}

/* Shapes of attention under the variants of --scaling or --dist. */
static int run_variants(const Cli *cli, const BenchWanted *wanted, const Work *work, BenchOutputs *out)
{
    const VaryOutputs to = {.unable = &out->unable, .records = out->records, .all = out->all, .silent = !out->tables};
    int code = EXIT_NOTHING;
    for (size_t i = 0; i < work->shapes.count && !stop_signal; i++) {
        const Shape shape = sdpa_shape(&work->shapes.at[i]);
        const int one = vary_case(&wanted->vary, &shape, work->attention, work->attention_count, &wanted->bench, &cli->settings,
                                  &out->machine.topology, &to);
        code = with(code, one);
    }
    return stop_signal ? EXIT_INTERRUPTED : code;
}

static int run_micro(const Cli *cli, const BenchWanted *wanted, const Work *work, const BenchOutputs *out)
{
    const MicroContext context = {.cli = cli, .options = &wanted->bench, .topology = &out->machine.topology, .kernels = work->attention,
                                  .kernel_count = work->attention_count, .features = out->machine.cpu->features & cli->settings.allowed,
                                  .records = out->records, .all = out->all, .silent = !out->tables};
    return micro_bench(wanted->micro, &context);
}

static int measure_all(const Cli *cli, const BenchWanted *wanted, const Work *work)
{
    BenchOutputs out;
    char why[400];
    const PairedClock clock = paired_clock();
    const PairedTrust trust = paired_trust(&clock, wanted->bench.min_trial, wanted->bench.budget, why, sizeof why);
    if (trust == PAIRED_UNFIT) {
        render_error("nothing was measured: %s", why);
        return EXIT_NOTHING;
    }
    if (trust == PAIRED_COARSE)
        render_note("%s", why);
    if (!open_outputs(&out, cli, wanted))
        return EXIT_USAGE;
    int code = start(cli, &wanted->bench, &out);
    if (code == EXIT_OK)
        code = wanted->micro             ? run_micro(cli, wanted, work, &out)
               : wanted->varies          ? run_variants(cli, wanted, work, &out)
               : wanted->bench.hyperfine ? run_processes(cli, &wanted->bench, work, &out)
                                         : run_cases(cli, &wanted->bench, work, &out);
    if (out.unable)
        code = worse(code, EXIT_NOTHING);
    code = close_outputs(&out, cli, code);
    if (code == EXIT_NOTHING && !out.unable)
        render_error("nothing was measured: no kernel takes these shapes");
    return code;
}

/* The processes run `attnzoo run`, which has no yardsticks. Those matched by a glob are dropped; those given by name are an error. */
static bool drop_yardsticks(const BenchWanted *wanted, const AttnKernel **kernels, size_t *count)
{
    const AttnKernel *named = wanted->bench.baseline && zoo_is_yardstick(wanted->bench.baseline) ? wanted->bench.baseline : NULL;
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (!zoo_is_yardstick(kernels[i]))
            kernels[kept++] = kernels[i];
        else if (cli_selected(kernels[i]->name, wanted->kernels) == 2)
            named = kernels[i];
    *count = kept;
    if (named)
        render_error("%s cannot be combined with --driver hyperfine: it is a yardstick, which attnzoo run does not take", named->name);
    return !named;
}

/* "dispatch's choice" comes from the tune file, if any; without this note a refused file would go unnoticed. */
static void note_refused_tune(const Cli *cli)
{
    const AttnTune *tune = cli->settings.tune;
    if (tune && tune->state == ATTN_TUNE_REFUSED)
        render_note("tune file %s is refused: %s; dispatch chooses by its estimates", tune->path, tune->why);
}

int cmd_bench(const Cli *cli, int argc, char **argv)
{
    BenchWanted wanted = {.bench = {.budget = 8, .max_rounds = 100, .confidence = 0.99, .dist = DIST_NORMAL,
                               .seed = cli->seed, .threads = cli->threads ? cli->threads : 1}};
    int code = bench_options_read(&wanted, argc, argv);
    if (code != EXIT_OK)
        return code == -1 ? EXIT_OK : code;
    if (wanted.micro && strcmp(wanted.micro, "list") == 0)
        return micro_list(cli);
    if (wanted.varies && wanted.vary.by_threads) {
        if (cli->threads) {
            render_error("--scaling and --threads cannot be combined");
            return EXIT_USAGE;
        }
        wanted.bench.threads = wanted.vary.threads[wanted.vary.count - 1];
    }
    const size_t granted = cli_granted(wanted.bench.threads);
    if (granted < wanted.bench.threads && wanted.varies && wanted.vary.by_threads) {
        render_error("nothing to measure: --scaling needs %zu threads", wanted.bench.threads);
        return EXIT_NOTHING;
    }
    wanted.bench.threads = granted;
    const AttnKernel **kernels = calloc(zoo_count() + 1, sizeof *kernels);
    Work work = {0};
    char error[1024], prefixes[200];
    const bool room = kernels && make_room(&work);
    size_t count = room ? cli_select_kernels(cli, wanted.kernels ? wanted.kernels : "*", true, kernels) : SIZE_MAX;
    if (count == SIZE_MAX || (wanted.bench.hyperfine && !drop_yardsticks(&wanted, kernels, &count))) {
        code = EXIT_USAGE;
    } else if (!wanted.micro && !words_split(&work.shapes, NULL, wanted.shapes, error, sizeof error)) {
        render_error("%s", error);
        code = EXIT_USAGE;
    } else if (wanted.bench.hyperfine && others(&work.shapes)) {
        render_error("--driver hyperfine cannot be combined with %s shapes: it starts attnzoo run, which takes attention only",
                     ops_prefixes(prefixes, sizeof prefixes));
        code = EXIT_USAGE;
    } else if (wanted.varies && others(&work.shapes)) {
        render_error("--scaling and --dist lists cannot be combined with %s shapes", ops_prefixes(prefixes, sizeof prefixes));
        code = EXIT_USAGE;
    } else {
        if (!wanted.varies)
            add_baseline(cli, wanted.bench.baseline, kernels, &count);
        part_kernels(&work, kernels, count);
        if (!wanted.micro)
            note_refused_tune(cli);
        if (count == 0)
            render_error("nothing to measure: none of the chosen kernels runs on this CPU");
        code = count == 0 ? EXIT_NOTHING : measure_all(cli, &wanted, &work);
    }
    free_work(&work);
    free(kernels);
    return code;
}
