/* processes.c - see processes.h. Order: who takes part, N of each, a round that is thrown away to warm the page cache, rounds, differences.
 *
 * A process that fails (exit code, signal) takes its kernel out of the table, with the reason; the rest goes on. */
#include "harness/base/clock.h"
#include "harness/base/stop.h"
#include "harness/cli/cli.h"
#include "harness/ops/sdpa/verify.h"
#include "harness/process/processes.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dispatch/cpu.h"
#include "dispatch/registry.h"
#include "harness/process/hyperfine.h"

#define PROBE_SECONDS 0.05 /* a mean over so long is good enough to choose N from */

enum { START, AUTO, UNTUNED, TUNED, FIXED_ARMS, KERNEL_ARMS = 3, MAX_WORDS = 24, MAX_CALLS = 1000000000, NUMBERS = 24 };

/* What one run of the rounds needs beside the result. */
typedef struct RoundsContext {
    ProcessCase *run;
    const Cli *cli;
    const char *program;
    char folder[64];
    char tune[128];   /* ATTNZOO_TUNE_FILE=FILE of the arm TUNED */
    char **commands;  /* FIXED_ARMS, then KERNEL_ARMS for each kernel; NULL: takes no part */
    char *error;
    size_t error_size;
} RoundsContext;

/* ---- Command lines --------------------------------------------------------------------------------------------------------------- */

/* attnzoo run for a kernel ("auto": dispatch chooses) and a number of calls; report (may be NULL) is where its own figure goes. */
static char *run_command(const RoundsContext *context, const char *kernel, uint64_t calls, const char *report)
{
    const Cli *cli = context->cli;
    char iters[NUMBERS], seed[NUMBERS], threads[NUMBERS], out[100];
    const char *words[MAX_WORDS] = {context->program, "run", "-q", "-k", kernel, "-s", context->run->name, "--iters", iters, "--seed", seed,
                                    "--threads", threads, "--dist", data_dist_name(context->run->options->dist)};
    size_t n = 15;
    snprintf(iters, sizeof iters, "%" PRIu64, calls);
    snprintf(seed, sizeof seed, "%" PRIu64, cli->seed);
    snprintf(threads, sizeof threads, "%zu", context->run->options->threads);
    if (cli->max_isa) {
        words[n++] = "--max-isa";
        words[n++] = cli->max_isa;
    }
    if (cli->disable) {
        words[n++] = "--disable";
        words[n++] = cli->disable;
    }
    if (report) {
        snprintf(out, sizeof out, "jsonl:%s", report);
        words[n++] = "-o";
        words[n++] = out;
    }
    return hyperfine_command(words);
}

static void report_path(const RoundsContext *context, size_t kernel, char *path, size_t size)
{
    snprintf(path, size, "%s/run-%zu.jsonl", context->folder, kernel);
}

/* The tune file, "tune", and what the processes with and without it write, "jsonl". */
static void tuned_path(const RoundsContext *context, const char *kind, char *path, size_t size)
{
    snprintf(path, size, "%s/tuned.%s", context->folder, kind);
}

/* What `run -o jsonl:FILE` wrote: calls, seconds of one, the kernel's name. The file is gone afterwards. */
static bool read_report(const char *path, double *calls, double *each, char *kernel, size_t size)
{
    json_t *line = json_load_file(path, 0, NULL);
    const json_t *count = json_object_get(line, "calls"), *seconds = json_object_get(line, "seconds_per_call");
    const char *name = json_string_value(json_object_get(line, "kernel"));
    const bool whole = json_is_integer(count) && (json_is_number(seconds) || json_is_null(seconds)) && name; /* null: of no call */
    if (whole) {
        *calls = json_number_value(count);
        *each = json_number_value(seconds);
        snprintf(kernel, size, "%s", name);
    }
    json_decref(line);
    unlink(path);
    return whole;
}

/* ---- How many calls -------------------------------------------------------------------------------------------------------------- */

/* One process of `calls` calls; false after writing k->why. */
static bool probe(const RoundsContext *context, ProcessKernel *k, uint64_t calls, double *each)
{
    char path[100], name[64], said[300];
    double reported;
    HyperfineExport export = {0};
    report_path(context, 0, path, sizeof path);
    char *command = run_command(context, k->kernel->name, calls, path);
    const char *const commands[] = {command};
    const bool ran = command && hyperfine_once(commands, 1, NULL, context->folder, &export, said, sizeof said);
    free(command);
    if (!ran)
        snprintf(k->why, sizeof k->why, "%.200s", command ? said : "out of memory");
    else if (export.at[0].exits[0] != 0)
        snprintf(k->why, sizeof k->why, "its process ended with exit code %d", export.at[0].exits[0]);
    else if (!read_report(path, &reported, each, name, sizeof name) || reported != (double)calls || !(*each > 0))
        snprintf(k->why, sizeof k->why, "its process reported no time");
    hyperfine_free(&export);
    return k->why[0] == '\0';
}

/* The first call is dear (pages, threads), so a longer run corrects what a shorter one suggests. */
static bool choose_calls(const RoundsContext *context, ProcessKernel *k)
{
    double each = 0;
    uint64_t calls = 1;
    for (;;) {
        if (!probe(context, k, calls, &each))
            return false;
        if (each * (double)calls >= PROBE_SECONDS || calls >= MAX_CALLS / 100)
            break;
        const double wanted = 1.2 * PROBE_SECONDS / each;
        calls = (uint64_t)fmin(fmax(wanted, 2 * (double)calls), 100 * (double)calls);
    }
    k->calls = (uint64_t)fmin(fmax(1.05 * ceil(context->run->options->min_trial / each), 2), MAX_CALLS);
    return true;
}

/* ---- Rounds ---------------------------------------------------------------------------------------------------------------------- */

static bool make_commands(RoundsContext *context)
{
    const ProcessCase *run = context->run;
    const char *const start[] = {context->program, "--version", NULL};
    char chosen[100], path[100];
    snprintf(chosen, sizeof chosen, "%s/chosen.jsonl", context->folder);
    context->commands[START] = hyperfine_command(start);
    context->commands[AUTO] = run_command(context, "auto", 0, chosen);
    bool made = context->commands[START] && context->commands[AUTO];
    for (size_t arm = UNTUNED; arm <= TUNED && !run->tune_why[0]; arm++) {
        tuned_path(context, "jsonl", path, sizeof path);
        context->commands[arm] = run_command(context, "auto", 0, path);
        made = made && context->commands[arm];
    }
    for (size_t i = 0; i < run->count; i++) {
        char **of = context->commands + FIXED_ARMS + KERNEL_ARMS * i;
        const char *name = run->kernels[i].kernel->name;
        if (run->kernels[i].why[0])
            continue;
        report_path(context, i, path, sizeof path);
        of[0] = run_command(context, name, 0, path); /* writes the same file, so that the difference holds calls only */
        of[1] = run_command(context, name, 1, path);
        of[2] = run_command(context, name, run->kernels[i].calls, path);
        made = made && of[0] && of[1] && of[2];
    }
    return made;
}

/* A kernel leaves; its commands with it. */
static void drop(RoundsContext *context, size_t kernel, int exit)
{
    ProcessKernel *k = &context->run->kernels[kernel];
    char **of = context->commands + FIXED_ARMS + KERNEL_ARMS * kernel;
    if (!k->why[0]) {
        snprintf(k->why, sizeof k->why, exit < 0 ? "its process ended by a signal" : "its process ended with exit code %d", exit);
        k->verify.status = exit < 0 || exit > 128 ? VERIFY_CRASH : VERIFY_FAIL;
        context->run->timed--;
    }
    for (size_t a = 0; a < KERNEL_ARMS; a++) {
        free(of[a]);
        of[a] = NULL;
    }
}

/* One process of the round: its time goes where it belongs. The report of N calls is read at once, for the next process of this kernel
 * writes its own over it. */
static bool one_process(RoundsContext *context, size_t arm, size_t round)
{
    ProcessCase *run = context->run;
    const char *const commands[] = {context->commands[arm]};
    HyperfineExport export;
    const char *variable = arm == UNTUNED ? "ATTNZOO_TUNE_FILE=off" : arm == TUNED ? context->tune : NULL;
    if (!hyperfine_once(commands, 1, variable, context->folder, &export, context->error, context->error_size))
        return false;
    const double seconds = export.at[0].seconds[0];
    const int code = export.at[0].exits[0];
    hyperfine_free(&export);
    if (arm < FIXED_ARMS) {
        if (code != 0)
            snprintf(context->error, context->error_size, "%s ended with exit code %d", commands[0], code);
        run->start[arm * PAIRED_MAX_ROUNDS + round] = seconds;
        return code == 0;
    }
    const size_t kernel = (arm - FIXED_ARMS) / KERNEL_ARMS, which = (arm - FIXED_ARMS) % KERNEL_ARMS;
    ProcessKernel *k = &run->kernels[kernel];
    char path[100], name[64];
    double calls = NAN, each = NAN;
    if (code != 0) {
        drop(context, kernel, code);
        return true;
    }
    (which == 0 ? k->none : which == 1 ? k->one : k->many)[round] = seconds;
    report_path(context, kernel, path, sizeof path);
    if (which == 2 && read_report(path, &calls, &each, name, sizeof name))
        k->inside[round] = calls * each;
    return true;
}

static bool one_round(RoundsContext *context, size_t round, size_t place)
{
    const size_t arms = FIXED_ARMS + KERNEL_ARMS * context->run->count;
    size_t order[PAIRED_MAX_ARMS];
    paired_order(context->run->options->seed, round, arms, order);
    for (size_t i = 0; i < arms; i++)
        if (context->commands[order[i]] && (stop_signal || !one_process(context, order[i], place)))
            return false;
    return true;
}

static bool all_rounds(RoundsContext *context)
{
    ProcessCase *run = context->run;
    char what[SHAPE_NAME + 40], path[100];
    double calls, each;
    snprintf(what, sizeof what, "%s: processes", run->name);
    snprintf(path, sizeof path, "%s/chosen.jsonl", context->folder);
    size_t fewest = 1;
    while (fewest < PAIRED_MAX_ROUNDS && stats_sign_rank(fewest, run->alpha) == 0)
        fewest++;
    const size_t most = run->options->max_rounds;
    if (!one_round(context, 0, 0)) /* warm: the next one overwrites it */
        return stop_signal != 0;
    if (!read_report(path, &calls, &each, run->chosen, sizeof run->chosen))
        run->chosen[0] = '\0';
    const double begin = clock_seconds();
    while (run->rounds < most && run->timed > 0) {
        if (!one_round(context, run->rounds + 1, run->rounds))
            return stop_signal != 0; /* that round does not count */
        run->rounds++;
        run->elapsed = clock_seconds() - begin;
        render_progress(run->rounds, most, what);
        if (run->elapsed >= run->options->budget && run->rounds >= fewest)
            break;
    }
    return true;
}

/* ---- Differences ----------------------------------------------------------------------------------------------------------------- */

/* Median of (a - b) / n over the rounds, with its interval. */
static StatsInterval difference(const ProcessCase *run, const double *a, const double *b, double n)
{
    double x[PAIRED_MAX_ROUNDS], work[PAIRED_MAX_ROUNDS];
    for (size_t r = 0; r < run->rounds; r++)
        x[r] = (a[r] - (b ? b[r] : 0)) / n;
    return stats_median_interval(x, run->rounds, run->alpha, work);
}

static StatsInterval ratio(const ProcessCase *run, const double *below, const double *above)
{
    double work[2 * PAIRED_MAX_ROUNDS];
    return stats_paired_ratio(below, above, run->rounds, run->alpha, work);
}

/* The one that was asked for, naive_f32 if none was; else the first that was timed. */
static size_t find_baseline(const ProcessCase *run)
{
    size_t first = run->count;
    for (size_t i = run->count; i-- > 0;)
        if (!run->kernels[i].why[0]) {
            const AttnKernel *kernel = run->kernels[i].kernel;
            first = i;
            if (run->options->baseline ? kernel == run->options->baseline : strcmp(kernel->name, ATTN_BASELINE) == 0)
                return i;
        }
    return first;
}

static void compare(ProcessCase *run)
{
    double calls[PAIRED_MAX_ROUNDS], base[PAIRED_MAX_ROUNDS];
    run->start_up = difference(run, run->start, NULL, 1);
    run->choice = run->tuning = (StatsInterval){0, NAN, NAN, NAN};
    if (!run->tune_why[0])
        run->tuning = difference(run, run->tuned, run->untuned, 1);
    run->baseline = find_baseline(run);
    for (size_t i = 0; i < run->count; i++) {
        ProcessKernel *k = &run->kernels[i];
        if (k->why[0])
            continue;
        const ProcessKernel *b = &run->kernels[run->baseline];
        for (size_t r = 0; r < run->rounds; r++) {
            calls[r] = k->many[r] - k->none[r];
            base[r] = (b->many[r] - b->none[r]) / (double)b->calls * (double)k->calls;
        }
        k->setup = difference(run, k->none, run->start, 1);
        k->first = difference(run, k->one, k->none, 1);
        k->call = difference(run, k->many, k->none, (double)k->calls);
        k->own = difference(run, k->inside, NULL, (double)k->calls);
        k->agreement = ratio(run, k->inside, calls);
        k->vs = ratio(run, base, calls);
        if (strcmp(k->kernel->name, run->chosen) == 0)
            run->choice = difference(run, run->automatic, k->none, 1);
    }
}

/* ---- A case ---------------------------------------------------------------------------------------------------------------------- */

static bool allocate(ProcessCase *run, const AttnKernel *const *kernels, size_t count)
{
    run->kernels = calloc(count, sizeof *run->kernels);
    run->start = calloc(FIXED_ARMS * PAIRED_MAX_ROUNDS, sizeof *run->start);
    if (!run->kernels || !run->start)
        return false;
    run->automatic = run->start + AUTO * PAIRED_MAX_ROUNDS;
    run->untuned = run->start + UNTUNED * PAIRED_MAX_ROUNDS;
    run->tuned = run->start + TUNED * PAIRED_MAX_ROUNDS;
    run->count = count;
    for (size_t i = 0; i < count; i++) {
        ProcessKernel *k = &run->kernels[i];
        k->kernel = kernels[i];
        k->none = calloc(4 * PAIRED_MAX_ROUNDS, sizeof *k->none);
        if (!k->none)
            return false;
        k->one = k->none + PAIRED_MAX_ROUNDS;
        k->many = k->one + PAIRED_MAX_ROUNDS;
        k->inside = k->many + PAIRED_MAX_ROUNDS;
        for (size_t r = 0; r < 4 * PAIRED_MAX_ROUNDS; r++)
            k->none[r] = NAN;
    }
    return true;
}

static void prepare(RoundsContext *context, ProcessKernel *k)
{
    const BenchOptions *options = context->run->options;
    const AttnProblem problem = shape_problem(&context->run->shape);
    const AttnVerdict verdict = attn_choose_judge(k->kernel, &problem, attn_cpu_this(), &context->cli->settings);
    k->verify.status = VERIFY_SKIP;
    if (!verdict.accepted) {
        snprintf(k->why, sizeof k->why, "%s", verdict.why);
        return;
    }
    k->verify = verify_case_isolated(k->kernel, &context->run->shape, options->dist, options->seed, FENCE_NONE, options->threads);
    if (k->verify.status != VERIFY_PASS)
        snprintf(k->why, sizeof k->why, "%s", k->verify.why);
    else if (choose_calls(context, k))
        context->run->timed++;
}

bool process_case_run(ProcessCase *run, const Cli *cli, const char *program, const Shape *shape, const AttnKernel *const *kernels,
                      size_t count, const BenchOptions *options, char *error, size_t error_size)
{
    RoundsContext context = {.run = run, .cli = cli, .program = program, .folder = "/tmp/attnzoo-processes-XXXXXX", .error = error,
                             .error_size = error_size};
    *run = (ProcessCase){.shape = *shape, .options = options, .alpha = 1 - options->confidence};
    shape_name(shape, run->name, sizeof run->name);
    if (FIXED_ARMS + KERNEL_ARMS * count > PAIRED_MAX_ARMS) {
        snprintf(error, error_size, "%zu kernels are too many for one round; at most %d", count, (PAIRED_MAX_ARMS - FIXED_ARMS) / KERNEL_ARMS);
        return false;
    }
    if (!hyperfine_version(run->version, sizeof run->version, error, error_size))
        return false;
    context.commands = calloc(FIXED_ARMS + KERNEL_ARMS * count, sizeof *context.commands);
    const bool room = context.commands && allocate(run, kernels, count);
    /* What the processes write reaches the disk before they end, which takes any time; in memory it takes none. */
    if (access("/dev/shm", W_OK) == 0)
        snprintf(context.folder, sizeof context.folder, "/dev/shm/attnzoo-processes-XXXXXX");
    if (!room || !mkdtemp(context.folder)) {
        snprintf(error, error_size, "%s", room ? strerror(errno) : "out of memory");
        free(context.commands);
        return false;
    }
    char path[100];
    for (size_t i = 0; i < count && !stop_signal; i++) {
        char what[SHAPE_NAME + 80];
        snprintf(what, sizeof what, "%s: verifying %s", run->name, kernels[i]->name);
        render_progress(i, count, what);
        prepare(&context, &run->kernels[i]);
    }
    tuned_path(&context, "tune", path, sizeof path);
    process_tune_file(run, &cli->settings, path);
    snprintf(context.tune, sizeof context.tune, "ATTNZOO_TUNE_FILE=%s", path);
    run->alpha /= (double)(run->timed > 1 ? run->timed : 1);
    snprintf(error, error_size, "out of memory");
    const bool done = run->timed == 0 || stop_signal || (make_commands(&context) && all_rounds(&context));
    render_progress_end();
    if (done && run->rounds > 0)
        compare(run);
    for (size_t a = 0; a < FIXED_ARMS + KERNEL_ARMS * count; a++)
        free(context.commands[a]);
    free(context.commands);
    static const char *const left[] = {"hyperfine.json", "hyperfine.txt", "chosen.jsonl", "tuned.jsonl", "tuned.tune"};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        snprintf(path, sizeof path, "%s/%s", context.folder, left[i]);
        unlink(path);
    }
    for (size_t i = 0; i < count; i++) {
        report_path(&context, i, path, sizeof path);
        unlink(path);
    }
    rmdir(context.folder);
    return done;
}

void process_case_free(ProcessCase *run)
{
    for (size_t i = 0; i < run->count; i++)
        free(run->kernels[i].none);
    free(run->kernels);
    free(run->start);
    *run = (ProcessCase){0};
}
