/* verify.c - attnzoo verify: prove kernels right, in child processes, and say how to repeat whatever was wrong.
 *
 * Work is a list of (job, kernel) pairs, job by job, so that neighbours share operands and oracle. This process itself runs no kernel: its
 * children start from clean threads and clean floating-point control. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dispatch/cpu.h"
#include "harness/base/isolate.h"
#include "harness/base/outputs.h"
#include "harness/base/random.h"
#include "harness/base/stop.h"
#include "harness/cmd/commands.h"
#include "harness/cmd/verify_options.h"
#include "harness/machine/machine.h"
#include "harness/measure/paired.h"
#include "harness/measure/peaks.h"
#include "harness/ops/linear/mutants.h"
#include "harness/ops/mha/case.h"
#include "harness/ops/sdpa/exact.h"
#include "harness/ops/sdpa/mutants.h"
#include "harness/ops/sdpa/session.h"
#include "harness/ops/sdpa/special.h"
#include "harness/ops/sdpa/trial.h"
#include "harness/ops/zoo.h"
#include "harness/suite/scoreboard.h"
#include "harness/suite/words.h"

enum { SUITE_TIMEOUT = 300, SHAPES_TIMEOUT = 1800, FUZZ_BATCH = 48, FUZZ_PRODUCTS = 12, FUZZ_MHA = 12 };
enum { SMOKE_MHA = 8, FULL_MHA = 300, MUTANTS_MHA = 60 };

/* One call of isolate_run. */
typedef struct Loop {
    const VerifyRequest *request;
    const Suite *suite;
    Scoreboard *board;
    size_t *runnable, kernels; /* numbers of the scores that run */
    size_t done, items;
    const char *what;
    /* in a child: the session of the case judged last */
    Session session;
    size_t open; /* its job + 1; 0: none */
} Loop;

static void work_case(Loop *loop, size_t job, const AttnKernel *kernel, VerifyResult *result)
{
    if (loop->open != job + 1) {
        if (loop->open)
            session_close(&loop->session);
        loop->open = session_open(&loop->session, &loop->suite->at[job].c, &loop->request->session) ? job + 1 : 0;
    }
    if (loop->open)
        session_judge(&loop->session, kernel, result);
    else
        verdict_unable(result, "%s", loop->session.error);
}

static void work(void *context, size_t item, void *result)
{
    Loop *loop = context;
    const Job *job = &loop->suite->at[item / loop->kernels];
    const AttnKernel *kernel = loop->board->scores[loop->runnable[item % loop->kernels]].kernel;
    mutants_arm(kernel);
    if (!suite_concerns(job, kernel))
        return; /* done() passes it over too */
    if (job->mha)
        mha_case_judge_drawn(mha_pair_of(kernel), job->mha_seed, result);
    else if (job->product)
        linear_case_judge(kernel, &job->linear, result);
    else if (job->kind == JOB_CASE)
        work_case(loop, item / loop->kernels, kernel, result);
    else if (job->kind == JOB_EXACT)
        exact_run(kernel, job->index, result);
    else
        special_run(kernel, job->index, result);
}

static bool done(void *context, size_t item, const void *answer, const char *crash)
{
    Loop *loop = context;
    const Job *job = &loop->suite->at[item / loop->kernels];
    const size_t number = loop->runnable[item % loop->kernels];
    VerifyResult r = {0};
    char name[CASE_NAME];
    loop->done++;
    if (!suite_concerns(job, loop->board->scores[number].kernel))
        return true;
    if (answer)
        r = *(const VerifyResult *)answer;
    else
        verdict_crash(&r, crash);
    const AttnKernel *kernel = loop->board->scores[number].kernel;
    if (job->mha) /* a pair is named by its linear kernel */
        kernel = mha_pair_of(kernel)->linear;
    if (r.status == VERIFY_FAIL || r.status == VERIFY_CRASH)
        snprintf(r.repro, sizeof r.repro, "attnzoo verify%s%s --repro v1:%s:%s", loop->request->session.bitwise ? " --bitwise" : "",
                 loop->request->session.longdouble ? " --ref longdouble" : "", kernel->name,
                 suite_job_name(job, name, sizeof name));
    scoreboard_add(loop->board, number, job, &r);
    render_progress(loop->done, loop->items, loop->what);
    return !(loop->request->fail_fast && (r.status == VERIFY_FAIL || r.status == VERIFY_CRASH)) && !loop->board->broken;
}

/* All kernels on all jobs. false: stopped early. */
static bool run_suite(const VerifyRequest *request, const Suite *suite, Scoreboard *board, const char *what)
{
    Loop loop = {.request = request, .suite = suite, .board = board, .what = what};
    const char *error = NULL;
    loop.runnable = malloc((board->count + 1) * sizeof *loop.runnable);
    if (!loop.runnable) {
        render_error("out of memory for a list of %zu kernels", board->count);
        return false;
    }
    for (size_t k = 0; k < board->count; k++)
        if (board->scores[k].runnable)
            loop.runnable[loop.kernels++] = k;
    loop.items = suite->count * loop.kernels;
    for (size_t item = 0; item < loop.items; item++) {
        Score *s = &board->scores[loop.runnable[item % loop.kernels]];
        const Job *due = &suite->at[item / loop.kernels];
        s->due[due->kind] += suite_concerns(due, s->kernel);
    }
    const IsolateJob job = {
        .items = loop.items,
        .group = loop.kernels,
        .workers = request->jobs,
        .result_size = sizeof(VerifyResult),
        .timeout = request->mode == MODE_SHAPES || request->mode == MODE_REPRO ? SHAPES_TIMEOUT : SUITE_TIMEOUT,
        .context = &loop,
        .work = work,
        .done = done,
        .stop = &stop_signal,
    };
    const bool ok = loop.items == 0 || isolate_run(&job, &error);
    render_progress_end();
    if (error)
        render_error("%s", error);
    free(loop.runnable);
    return ok;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool fuzz(const Cli *cli, const VerifyRequest *request, Scoreboard *board)
{
    if (!isfinite(paired_clock().resolution)) {
        render_error("the clock of this system stands still, so %llu seconds have no end; -s and the other suites need no clock",
                     (unsigned long long)request->fuzz_seconds);
        return false;
    }
    const double end = now() + (double)request->fuzz_seconds;
    for (uint64_t batch = 0; now() < end; batch++) {
        Suite suite = {0};
        const uint64_t seed = random_bits(cli->seed, batch);
        const bool ok = suite_add_random(&suite, FUZZ_BATCH, seed) &&
                        suite_add_products(&suite, true, linear_case_count(true) - FUZZ_PRODUCTS, FUZZ_PRODUCTS, seed) &&
                        suite_add_mha(&suite, FUZZ_MHA, seed) &&
                        run_suite(request, &suite, board, "fuzz");
        suite_free(&suite);
        if (!ok)
            return false;
    }
    return true;
}

/* ---- Kernels and jobs ------------------------------------------------------------------------------------------------------------- */

/* "v1:kernel:job": the kernel, and the job's text in *job. */
static const AttnKernel *find_repro(const char *id, const char **job)
{
    char name[64];
    const char *colon = strncmp(id, "v1:", 3) == 0 ? strchr(id + 3, ':') : NULL;
    if (!colon || (size_t)(colon - id) > sizeof name) {
        render_error("--repro is '%s'; allowed: v1:kernel:case as printed with a failure", id);
        return NULL;
    }
    snprintf(name, sizeof name, "%.*s", (int)(colon - id - 3), id + 3);
    *job = colon + 1;
    const AttnKernel *kernel = zoo_find(name);
    for (size_t i = 0; !kernel && i < mutant_count; i++)
        if (strcmp(mutants[i]->name, name) == 0)
            kernel = mutants[i];
    for (size_t i = 0; !kernel && i < linear_mutant_count; i++)
        if (strcmp(linear_mutants[i]->name, name) == 0)
            kernel = linear_mutants[i];
    if (!kernel)
        render_error("--repro names kernel '%s', which is not built in; attnzoo list names those that are", name);
    return kernel;
}

/* Fill the board with kernels. EXIT_OK or an exit code. */
static int choose_kernels(const Cli *cli, const VerifyRequest *request, Scoreboard *board)
{
    static MhaPair *pairs; /* their rows stay on the board */
    const AttnKernel **list = calloc(2 * zoo_count() + mutant_count + linear_mutant_count + MHA_MUTANTS, sizeof *list);
    pairs = calloc(zoo_count() + MHA_MUTANTS, sizeof *pairs);
    size_t count = 0;
    if (list && request->mode == MODE_MUTANTS)
        for (; count < mutant_count + linear_mutant_count; count++)
            list[count] = count < mutant_count ? mutants[count] : linear_mutants[count - mutant_count];
    else if (list && request->mode == MODE_REPRO) {
        const char *job;
        list[0] = find_repro(request->repro, &job);
        count = list[0] ? 1 : SIZE_MAX;
    } else if (list)
        count = cli_select_kernels(cli, request->patterns, false, list);
    if (list && pairs && count != SIZE_MAX) {
        size_t found = MHA_MUTANTS;
        if (request->mode == MODE_MUTANTS)
            mha_mutants(pairs);
        else
            found = mha_pairs(list, count, pairs);
        for (size_t i = 0; i < found; i++)
            list[count++] = &pairs[i].row;
    }
    board->scores = list && pairs && count != SIZE_MAX ? calloc(count + 1, sizeof *board->scores) : NULL;
    if (!board->scores) {
        if (count != SIZE_MAX)
            render_error("out of memory for a list of kernels");
        free(list);
        return EXIT_USAGE;
    }
    board->count = count;
    if (count == 0)
        render_note("no kernel matches '%s'", request->patterns);
    for (size_t k = 0; k < count; k++) {
        Score *s = &board->scores[k];
        char names[200];
        const uint64_t missing = list[k]->isa & ~(attn_cpu_this()->features & cli->settings.allowed);
        s->kernel = list[k];
        s->runnable = missing == 0;
        snprintf(s->why, sizeof s->why, "no case here is for it, which computes %s", list[k]->kind == ATTN_KIND_PRODUCT ? "a matrix product" : "attention");
        if (missing)
            snprintf(s->why, sizeof s->why, "needs %s", attn_cpu_feature_names(missing, names, sizeof names));
    }
    free(list);
    return EXIT_OK;
}

/* The jobs of all modes but fuzz. EXIT_OK or an exit code. */
static int choose_jobs(const Cli *cli, const VerifyRequest *request, Suite *suite)
{
    char error[400] = "out of memory for a list of cases";
    const char *text;
    Shapes shapes = {0};
    LinearShapes products = {0};
    const size_t threads = cli->threads ? cli->threads : 1;
    bool ok = true;
    switch (request->mode) {
    case MODE_FULL:
        ok = suite_add_full(suite, cli->seed) && suite_add_products(suite, true, 0, SIZE_MAX, cli->seed) &&
             suite_add_mha(suite, FULL_MHA, cli->seed);
        break;
    case MODE_SMOKE:
    case MODE_MUTANTS:
        ok = suite_add_smoke(suite, cli->seed) && suite_add_products(suite, false, 0, SIZE_MAX, cli->seed) &&
             suite_add_mha(suite, request->mode == MODE_SMOKE ? SMOKE_MHA : MUTANTS_MHA, cli->seed);
        break;
    case MODE_ADVERSARIAL: ok = suite_add_adversarial(suite, cli->seed) && suite_add_products(suite, false, 0, SIZE_MAX, cli->seed); break;
    case MODE_FUZZ: break;
    case MODE_SHAPES:
        ok = words_split(&shapes, &products, NULL, request->shapes, error, sizeof error) &&
             suite_add_shapes(suite, &shapes, request->has_dist ? &request->dist : NULL, cli->seed, threads) &&
             suite_add_product_shapes(suite, &products, cli->seed, threads);
        shapes_free(&shapes);
        linear_shapes_free(&products);
        break;
    case MODE_REPRO:
        ok = find_repro(request->repro, &text) && suite_add_job(suite, text, error, sizeof error);
        break;
    }
    if (!ok)
        render_error("%s", error);
    return ok ? EXIT_OK : EXIT_USAGE;
}

/* A kernel without a job needs no line if nobody named it; pairs of kernels nobody can name. */
static void drop_unconcerned(const Suite *suite, Scoreboard *board, bool named)
{
    size_t kept = 0;
    for (size_t k = 0; k < board->count; k++) {
        bool concerned = false;
        for (size_t n = 0; n < suite->count && !concerned; n++)
            concerned = suite_concerns(&suite->at[n], board->scores[k].kernel);
        if (concerned || (named && !mha_pair_of(board->scores[k].kernel)))
            board->scores[kept++] = board->scores[k];
    }
    board->count = kept;
}

/* ---- The command ------------------------------------------------------------------------------------------------------------------ */

static int verify(const Cli *cli, const VerifyRequest *request, Scoreboard *board)
{
    Suite suite = {0};
    const char *const names[] = {"full", "smoke", "adversarial", "fuzz", "shapes", "mutants", "repro"};
    int code = choose_jobs(cli, request, &suite);
    if (code == EXIT_OK) {
        if (request->mode != MODE_FUZZ)
            drop_unconcerned(&suite, board, request->mode != MODE_SHAPES || request->patterns);
        const double start = now();
        const bool finished =
            request->mode == MODE_FUZZ ? fuzz(cli, request, board) : run_suite(request, &suite, board, names[request->mode]);
        if (finished && (request->mode == MODE_FULL || request->mode == MODE_SMOKE || request->mode == MODE_ADVERSARIAL))
            scoreboard_demand_all(board);
        if (!cli->quiet)
            fprintf(board->notes, "%s, seed 0x%llx, %.1f s%s\n", names[request->mode], (unsigned long long)cli->seed, now() - start,
                    finished ? "" : ", stopped early");
        code = request->mode == MODE_MUTANTS ? scoreboard_finish_mutants(board) : scoreboard_finish(board);
        if (stop_signal)
            code = EXIT_INTERRUPTED;
        else if (!finished && code == EXIT_OK)
            code = EXIT_DISAGREE;
    }
    suite_free(&suite);
    return code;
}

/* With -o jsonl each result is a record, too. */
static int verify_recorded(const Cli *cli, const VerifyRequest *request, Scoreboard *board, Output *copy)
{
    char error[400];
    Machine machine;
    machine_read(&machine);
    board->records = records_open(NULL, machine.key, copy->file, error, sizeof error);
    json_t *host = machine_json(&machine);
    peaks_record(NULL, host);
    bool ok = board->records && records_write(board->records, "host", host);
    int code = ok ? verify(cli, request, board) : EXIT_USAGE;
    if (board->records)
        ok = records_close(board->records, code, error, sizeof error) && ok && !board->broken;
    if (!ok)
        render_error("%s", error);
    copy->written = ok;
    return ok || code != EXIT_OK ? code : EXIT_USAGE;
}

int cmd_verify(const Cli *cli, int argc, char **argv)
{
    VerifyRequest request;
    int code = verify_request_read(argc, argv, &request);
    if (code >= 0)
        return code;
    Output *copy = outputs_find(cli->outputs, "jsonl");
    Scoreboard board = {.cli = cli, .notes = outputs_data_on_stdout(cli->outputs) ? stderr : stdout, .bitwise = request.session.bitwise,
                        .silent = request.mode == MODE_MUTANTS};
    code = choose_kernels(cli, &request, &board);
    if (code == EXIT_OK)
        code = copy ? verify_recorded(cli, &request, &board, copy) : verify(cli, &request, &board);
    free(board.scores);
    return code;
}
