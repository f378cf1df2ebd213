/* verify.c - attnzoo verify: prove kernels correct, in child processes, and say how to repeat each failure.
 *
 * Work is a list of (job, kernel) pairs, job by job, so that neighbours share operands and oracle. This process itself runs no kernel: its
 * children start from clean threads and clean floating-point control. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatch/cpu.h"
#include "harness/base/clock.h"
#include "harness/base/isolate.h"
#include "harness/base/outputs.h"
#include "harness/base/random.h"
#include "harness/base/stop.h"
#include "harness/cmd/commands.h"
#include "harness/cmd/verify_options.h"
#include "harness/machine/machine.h"
#include "harness/measure/paired.h"
#include "harness/measure/peaks.h"
#include "harness/ops/all/all.h"
#include "harness/ops/zoo.h"
#include "harness/suite/scoreboard.h"
#include "harness/suite/suites.h"
#include "harness/suite/words.h"

enum { SUITE_TIMEOUT = 300, SHAPES_TIMEOUT = 1800 };

/* One call of isolate_run. */
typedef struct Loop {
    const VerifyRequest *request;
    const Suite *suite;
    Scoreboard *board;
    size_t *runnable, kernels; /* numbers of the scores that run */
    size_t done, items;
    const char *what;
    /* in a child: what the kind of work keeps from the last job */
    const Job *job;
    void *kept;
} Loop;

static void work(void *context, size_t item, void *result)
{
    Loop *loop = context;
    const Job *job = &loop->suite->at[item / loop->kernels];
    const OpKernel *kernel = &loop->board->scores[loop->runnable[item % loop->kernels]].who;
    if (job->op != kernel->op)
        return; /* done() skips it too */
    if (loop->kept && loop->job != job) {
        loop->job->op->forget(loop->kept);
        loop->kept = NULL;
    }
    loop->job = job;
    job->op->judge(job, kernel, &loop->request->session, &loop->kept, result);
}

static bool done(void *context, size_t item, const void *answer, const char *crash)
{
    Loop *loop = context;
    const Job *job = &loop->suite->at[item / loop->kernels];
    const size_t number = loop->runnable[item % loop->kernels];
    const OpKernel *kernel = &loop->board->scores[number].who;
    VerifyResult r = {0};
    loop->done++;
    if (job->op != kernel->op)
        return true;
    if (answer)
        r = *(const VerifyResult *)answer;
    else
        verdict_crash(&r, crash);
    if (r.status == VERIFY_FAIL || r.status == VERIFY_CRASH)
        snprintf(r.repro, sizeof r.repro, "attnzoo verify%s%s --repro v1:%s:%s", loop->request->session.bitwise ? " --bitwise" : "",
                 loop->request->session.longdouble ? " --ref longdouble" : "", kernel->kernel->name, job->name);
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
        s->due[due->kind] += due->op == s->who.op;
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

static bool fuzz(const Cli *cli, const VerifyRequest *request, Scoreboard *board)
{
    if (!isfinite(paired_clock().resolution)) {
        render_error("the clock of this system does not advance, so %llu seconds never end; -s and the other suites need no clock",
                     (unsigned long long)request->fuzz_seconds);
        return false;
    }
    const double end = clock_seconds() + (double)request->fuzz_seconds;
    for (uint64_t batch = 0; clock_seconds() < end; batch++) {
        Suite suite = {0};
        const uint64_t seed = random_bits(cli->seed, batch);
        const bool ok = suites_add(&suite, SUITE_FUZZ, seed) && run_suite(request, &suite, board, "fuzz");
        suite_free(&suite);
        if (!ok)
            return false;
    }
    return true;
}

/* ---- Kernels and jobs ------------------------------------------------------------------------------------------------------------- */

/* Kernels in the order in which they are shown. */
typedef struct Found {
    OpKernel *at;
    size_t count;
} Found;

/* Room for the mutants of all kinds, and for each kernel in each kind. */
static bool make_room(Found *found)
{
    size_t most = op_count * zoo_count() + 1;
    for (size_t o = 0; o < op_count; o++)
        most += ops[o]->mutants(NULL);
    *found = (Found){.at = calloc(most, sizeof *found->at)};
    return found->at != NULL;
}

static void add_mutants(Found *found)
{
    for (size_t o = 0; o < op_count; o++)
        found->count += ops[o]->mutants(&found->at[found->count]);
}

/* First what each kernel does by itself, in order, then what two do together. */
static void add_kernels(Found *found, const AttnKernel *const *list, size_t count)
{
    for (int two = 0; two < 2; two++)
        for (size_t i = 0; i < count; i++)
            for (size_t o = 0; o < op_count; o++) {
                OpKernel *to = &found->at[found->count];
                found->count += ops[o]->kernel(list[i], to) && (to->inner != NULL) == (two == 1);
            }
}

/* "v1:kernel:job": the kernel, a mutant too, and the job's text in *job. */
static const AttnKernel *find_repro(const char *id, const char **job)
{
    char name[64];
    Found broken;
    const char *colon = strncmp(id, "v1:", 3) == 0 ? strchr(id + 3, ':') : NULL;
    if (!colon || (size_t)(colon - id) > sizeof name) {
        render_error("--repro is '%s'; allowed: v1:kernel:case as printed with a failure", id);
        return NULL;
    }
    snprintf(name, sizeof name, "%.*s", (int)(colon - id - 3), id + 3);
    *job = colon + 1;
    const AttnKernel *kernel = zoo_find(name);
    if (!kernel && make_room(&broken)) {
        add_mutants(&broken);
        for (size_t i = 0; i < broken.count; i++)
            if (strcmp(broken.at[i].name, name) == 0)
                kernel = broken.at[i].kernel;
        free(broken.at);
    }
    if (!kernel)
        render_error("--repro names kernel '%s', which is not built in; attnzoo list shows those that are", name);
    return kernel;
}

/* EXIT_OK or an exit code. */
static int find_kernels(const Cli *cli, const VerifyRequest *request, Found *found)
{
    const AttnKernel **list = calloc(zoo_count() + 1, sizeof *list);
    size_t count = 0;
    if (!list || !make_room(found)) {
        render_error("out of memory for a list of kernels");
        free(list);
        return EXIT_USAGE;
    }
    if (request->mode == MODE_MUTANTS) {
        add_mutants(found);
    } else if (request->mode == MODE_REPRO) {
        const char *job;
        list[0] = find_repro(request->repro, &job);
        count = list[0] ? 1 : SIZE_MAX;
    } else {
        count = cli_select_kernels(cli, request->patterns, false, list);
    }
    if (count != SIZE_MAX)
        add_kernels(found, list, count);
    free(list);
    return count == SIZE_MAX ? EXIT_USAGE : EXIT_OK;
}

/* Fill the board with kernels. EXIT_OK or an exit code. */
static int choose_kernels(const Cli *cli, const VerifyRequest *request, Scoreboard *board)
{
    Found found = {0};
    int code = find_kernels(cli, request, &found);
    board->scores = code == EXIT_OK ? calloc(found.count + 1, sizeof *board->scores) : NULL;
    if (code == EXIT_OK && !board->scores) {
        render_error("out of memory for a list of kernels");
        code = EXIT_USAGE;
    }
    if (code == EXIT_OK) {
        board->count = found.count;
        if (found.count == 0)
            render_note("no kernel matches '%s'", request->patterns);
    }
    for (size_t k = 0; k < board->count; k++) {
        Score *s = &board->scores[k];
        char names[200];
        s->who = found.at[k];
        const uint64_t missing = s->who.isa & ~(attn_cpu_this()->features & cli->settings.allowed);
        s->runnable = missing == 0;
        snprintf(s->why, sizeof s->why, "no case here is for it, which computes %s", s->who.op->computes);
        if (missing)
            snprintf(s->why, sizeof s->why, "needs %s", attn_cpu_feature_names(missing, names, sizeof names));
    }
    free(found.at);
    return code;
}

/* The jobs of all modes but fuzz. EXIT_OK or an exit code. */
static int choose_jobs(const Cli *cli, const VerifyRequest *request, Suite *suite)
{
    char error[400] = "out of memory for a list of cases";
    const char *text;
    OpShapes shapes = {0};
    const OpSettings settings = {.dist = request->has_dist ? data_dist_name(request->dist) : NULL, .seed = cli->seed,
                                 .threads = cli->threads ? cli->threads : 1};
    bool ok = true;
    switch (request->mode) {
    case MODE_FULL: ok = suites_add(suite, SUITE_FULL, cli->seed); break;
    case MODE_SMOKE: ok = suites_add(suite, SUITE_SMOKE, cli->seed); break;
    case MODE_MUTANTS: ok = suites_add(suite, SUITE_MUTANTS, cli->seed); break;
    case MODE_ADVERSARIAL: ok = suites_add(suite, SUITE_ADVERSARIAL, cli->seed); break;
    case MODE_FUZZ: break;
    case MODE_SHAPES:
        ok = words_split(&shapes, suites_take, request->shapes, error, sizeof error) && suites_add_shapes(suite, &shapes, &settings);
        op_shapes_free(&shapes);
        break;
    case MODE_REPRO: ok = find_repro(request->repro, &text) && suites_add_job(suite, text, error, sizeof error); break;
    }
    if (!ok)
        render_error("%s", error);
    return ok ? EXIT_OK : EXIT_USAGE;
}

/* A kernel without a job gets no line unless it was named; pairs cannot be named. */
static void drop_unconcerned(const Suite *suite, Scoreboard *board, bool named)
{
    size_t kept = 0;
    for (size_t k = 0; k < board->count; k++) {
        bool concerned = false;
        for (size_t n = 0; n < suite->count && !concerned; n++)
            concerned = suite->at[n].op == board->scores[k].who.op;
        if (concerned || (named && !board->scores[k].who.inner))
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
        const double start = clock_seconds();
        const bool finished =
            request->mode == MODE_FUZZ ? fuzz(cli, request, board) : run_suite(request, &suite, board, names[request->mode]);
        if (finished && (request->mode == MODE_FULL || request->mode == MODE_SMOKE || request->mode == MODE_ADVERSARIAL))
            scoreboard_demand_all(board);
        if (!cli->quiet)
            fprintf(board->notes, "%s, seed 0x%llx, %.1f s%s\n", names[request->mode], (unsigned long long)cli->seed, clock_seconds() - start,
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
                        .longdouble = request.session.longdouble, .silent = request.mode == MODE_MUTANTS};
    code = choose_kernels(cli, &request, &board);
    if (code == EXIT_OK)
        code = copy ? verify_recorded(cli, &request, &board, copy) : verify(cli, &request, &board);
    free(board.scores);
    return code;
}
