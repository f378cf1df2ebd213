/* conform.c - attnzoo conform: cases with known answers through every kernel that takes them.
 *
 * A case is a folder with meta.json. Each kernel that takes dot-product attention runs it in a child process; the case passes if all agree
 * with the expected outputs. A case that no kernel takes is skipped, never counted as a pass. */
#include "dispatch/choose.h"
#include "dispatch/cpu.h"
#include "dispatch/plan.h"
#include "harness/base/grow.h"
#include "harness/base/isolate.h"
#include "harness/base/outputs.h"
#include "harness/base/stop.h"
#include "harness/cmd/commands.h"
#include "harness/conform/folder.h"
#include "harness/ops/zoo.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char usage[] =
    "attnzoo conform DIR... [-k PATTERNS] - run test cases with known answers\n"
    "\n"
    "  attnzoo conform cases/onnx cases/derived        every case below these folders, every kernel\n"
    "  attnzoo conform -v -k 'flash_*' cases/onnx      some kernels, and how close each comes\n"
    "  attnzoo conform my-case                         one case: meta.json and one .npy file per tensor\n";

static const CliOption options[] = {
    {'k', "kernel", "PATTERNS", "run only these kernels: names or globs, separated by commas"},
};

/* ---- Finding cases --------------------------------------------------------------------------------------------------------------- */

typedef struct Paths {
    char **at;
    size_t count;
} Paths;

enum { MAX_DEPTH = 8 };

static bool add_path(Paths *paths, const char *path)
{
    char **at = grow_by_one(paths->at, paths->count, sizeof *at);
    char *copy = at ? strdup(path) : NULL;
    if (at)
        paths->at = at;
    if (copy)
        paths->at[paths->count++] = copy;
    else
        render_error("out of memory for the list of cases");
    return copy != NULL;
}

static bool has_file(const char *directory, const char *name)
{
    char path[4096];
    struct stat status;
    return snprintf(path, sizeof path, "%s/%s", directory, name) < (int)sizeof path && stat(path, &status) == 0;
}

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); /* the same order in every locale */
}

/* Cases at and below a folder. One that holds tensors, but neither meta.json nor cases, is a broken case, not an empty folder. */
static bool find_cases(const char *directory, int depth, Paths *paths)
{
    struct dirent **entries;
    const size_t before = paths->count;
    if (has_file(directory, "meta.json"))
        return add_path(paths, directory);
    const int count = scandir(directory, &entries, NULL, by_bytes);
    if (count < 0) {
        render_error("%s: cannot read: %s", directory, strerror(errno));
        return false;
    }
    bool ok = true, tensors = false;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name, *dot = strrchr(name, '.');
        char path[4096];
        tensors = tensors || (dot && strcmp(dot, ".npy") == 0);
        if (ok && *name != '.' && depth < MAX_DEPTH && snprintf(path, sizeof path, "%s/%s", directory, name) < (int)sizeof path && is_directory(path))
            ok = find_cases(path, depth + 1, paths);
        free(entries[i]);
    }
    free(entries);
    return ok && (!tensors || paths->count > before || add_path(paths, directory));
}

/* ---- One case -------------------------------------------------------------------------------------------------------------------- */

typedef enum Outcome { PASSED, FAILED, SKIPPED, UNREADABLE } Outcome; /* the last: no fault of a kernel; shown and counted as failed */

/* The output of one kernel judged; false: why[] says what disagrees. */
static bool run_kernel(const AttnKernel *kernel, size_t threads, const Folder *folder, FolderCall *call, double *worst, char *why, size_t size)
{
    AttnPlan *plan = NULL;
    folder_poison(call);
    bool ok = attn_plan_create_with(kernel, &call->problem, threads, NULL, NULL, &plan) == ATTN_OK;
    void *workspace = ok ? aligned_alloc(64, attn_plan_workspace(plan)) : NULL;
    if (ok && !workspace) {
        snprintf(why, size, "out of memory for its workspace");
        ok = false;
    } else {
        ok = ok && attn_run(plan, &call->tensors, workspace, attn_plan_workspace(plan)) == ATTN_OK;
        if (!ok)
            snprintf(why, size, "%s", attn_last_error());
    }
    free(workspace);
    attn_plan_destroy(plan);
    return ok && folder_judge(folder, call, worst, why, size);
}

/* Everything that the loop over (case, kernel) needs, and the case at hand. The loop runs in child processes, so that a kernel that crashes
 * is one failed line; neighbours share a child, which reads a case once. */
typedef struct Loop {
    const Cli *cli;
    const AttnKernel **kernels;
    size_t kernel_count, width;
    const Paths *paths;
    /* In the child: the case that was read last. */
    size_t loaded;                /* its number + 1; 0: none yet                              */
    Outcome state;                /* PASSED: bound, kernels may run; else `said` is the verdict */
    char said[1200];
    Folder folder;
    FolderCall call;
    /* Here: what the kernels said of the case so far. */
    size_t ran, wrong, crashed;
    double worst;
    char first[1400], refused[1400], converted[64];
    size_t counts[3], crashes, unreadable; /* unreadable: of those that failed */
    RenderTable *table;           /* NULL: lines as they come */
} Loop;

/* What a child says of one kernel on one case. */
typedef struct Answer {
    Outcome outcome;
    bool whole;         /* it holds for the case, whatever the kernel */
    double share;       /* largest error in units of what is allowed  */
    char converted[64]; /* what is not done as the case has it        */
    char say[1200];
} Answer;

/* Read and bind a case; what is wrong with it is its verdict. */
static void load(Loop *loop, size_t index)
{
    folder_release(&loop->call);
    folder_free(&loop->folder);
    loop->loaded = index + 1;
    loop->state = UNREADABLE;
    if (!folder_read(loop->paths->at[index], &loop->folder, loop->said, sizeof loop->said))
        return;
    if (!folder_bind(&loop->folder, &loop->call, loop->said, sizeof loop->said))
        return;
    loop->state = folder_judge_present(&loop->folder, &loop->call, loop->said, sizeof loop->said) ? PASSED : FAILED;
}

static void work(void *context, size_t item, void *result)
{
    Loop *loop = context;
    Answer *answer = result;
    const size_t index = item / loop->kernel_count;
    const AttnKernel *kernel = loop->kernels[item % loop->kernel_count];
    *answer = (Answer){.whole = true};
    if (loop->loaded != index + 1)
        load(loop, index);
    answer->outcome = loop->state;
    if (loop->state != PASSED) {
        snprintf(answer->say, sizeof answer->say, "%s", loop->said);
        return;
    }
    const AttnVerdict verdict = attn_choose_judge(kernel, &loop->call.problem, attn_cpu_this(), &loop->cli->settings);
    answer->whole = false;
    folder_converted(&loop->folder, answer->converted, sizeof answer->converted);
    if (!verdict.accepted) {
        answer->outcome = SKIPPED;
        snprintf(answer->say, sizeof answer->say, "%s", verdict.why);
    } else if (!run_kernel(kernel, loop->cli->threads ? loop->cli->threads : 1, &loop->folder, &loop->call, &answer->share, answer->say,
                           sizeof answer->say)) {
        answer->outcome = FAILED;
    }
}

/* ---- All cases ------------------------------------------------------------------------------------------------------------------- */

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static void print_case(Loop *loop, const char *path, Outcome outcome, const char *say)
{
    static const struct { const char *word; RenderStyle style; } looks[] = {{"pass", STYLE_GOOD}, {"FAIL", STYLE_BAD}, {"skip", STYLE_WARN}};
    loop->unreadable += outcome == UNREADABLE;
    outcome = outcome == UNREADABLE ? FAILED : outcome;
    loop->counts[outcome]++;
    render_row(loop->table);
    render_cell(loop->table, STYLE_PLAIN, "%s", looks[outcome].word);
    render_cell(loop->table, STYLE_PLAIN, "%s", base_of(path));
    render_cell(loop->table, STYLE_PLAIN, "%s", say);
    if (!outputs_on_stdout(loop->cli->outputs))
        return;
    render_text(looks[outcome].style, "%s", looks[outcome].word);
    printf("  %-*s  %s\n", (int)loop->width, base_of(path), say);
    fflush(stdout);
}

/* The verdict on a case from those of its kernels. */
static void close_case(Loop *loop, const char *path)
{
    char say[2000];
    if (loop->ran == 0)
        snprintf(say, sizeof say, "no kernel takes it; %s", loop->refused);
    else if (loop->wrong)
        snprintf(say, sizeof say, "%zu of %zu kernels; %s; repeat: attnzoo conform -v '%s'", loop->wrong, loop->ran, loop->first, path);
    else
        snprintf(say, sizeof say, "%zu kernel%s, worst error %.3f of what is allowed%s%s", loop->ran, loop->ran == 1 ? "" : "s", loop->worst,
                 *loop->converted ? "; " : "", loop->converted);
    print_case(loop, path, loop->ran == 0 ? SKIPPED : loop->wrong ? FAILED : PASSED, say);
    loop->ran = loop->wrong = 0;
    loop->worst = 0;
}

static bool done(void *context, size_t item, const void *result, const char *crash)
{
    Loop *loop = context;
    const char *path = loop->paths->at[item / loop->kernel_count], *name = loop->kernels[item % loop->kernel_count]->name;
    const Answer *answer = result;
    const bool last = item % loop->kernel_count == loop->kernel_count - 1;
    if (answer && answer->whole) {
        if (last)
            print_case(loop, path, answer->outcome, answer->say);
        return true;
    }
    const bool wrong = !answer || answer->outcome == FAILED;
    if (answer && answer->outcome == SKIPPED) {
        snprintf(loop->refused, sizeof loop->refused, "%s: %s", name, answer->say);
    } else {
        const double share = answer ? answer->share : 0;
        loop->ran++;
        loop->crashes += !answer;
        if (wrong && loop->wrong++ == 0)
            snprintf(loop->first, sizeof loop->first, "%s: %s", name, answer ? answer->say : crash);
        loop->worst = share > loop->worst ? share : loop->worst;
        if (answer)
            snprintf(loop->converted, sizeof loop->converted, "%s", answer->converted);
        if (loop->cli->verbose)
            fprintf(stderr, "      %-24s %-4s  %.3f of what is allowed%s%s\n", name, wrong ? "FAIL" : "ok", share, wrong ? "; " : "",
                    !wrong ? "" : answer ? answer->say : crash);
    }
    if (last)
        close_case(loop, path);
    return true;
}

static int run_cases(Loop *loop)
{
    static const char *const headings[] = {"result", "case", "detail"};
    const Cli *cli = loop->cli;
    const char *error = NULL;
    const IsolateJob job = {
        .items = loop->paths->count * loop->kernel_count, .group = loop->kernel_count, .workers = 1, .result_size = sizeof(Answer),
        .timeout = 120, .context = loop, .work = work, .done = done, .stop = &stop_signal,
    };
    loop->table = render_table(3);
    for (size_t i = 0; i < 3; i++)
        render_column(loop->table, i, headings[i], false);
    for (size_t i = 0; i < loop->paths->count; i++) {
        const size_t width = strlen(base_of(loop->paths->at[i]));
        loop->width = width > loop->width ? width : loop->width;
    }
    const bool whole = isolate_run(&job, &error);
    int code = outputs_table_elsewhere(cli->outputs, loop->table);
    fprintf(outputs_on_stdout(cli->outputs) ? stdout : stderr, "%zu passed, %zu failed, %zu skipped\n",
            loop->counts[PASSED], loop->counts[FAILED], loop->counts[SKIPPED]);
    render_table_free(loop->table);
    if (error) {
        render_error("cannot continue: %s", error);
        return EXIT_USAGE;
    }
    if (code != EXIT_OK)
        return code;
    if (loop->unreadable > 0 && !(stop_signal && !whole)) {
        render_error("%zu of %zu cases cannot be read or are not valid; their lines say why", loop->unreadable,
                     loop->paths->count);
        return EXIT_USAGE;
    }
    code = loop->crashes ? EXIT_CRASHED : loop->counts[FAILED] ? EXIT_DISAGREE : loop->counts[PASSED] ? EXIT_OK : EXIT_NOTHING;
    return stop_signal && !whole ? EXIT_INTERRUPTED : code;
}

int cmd_conform(const Cli *cli, int argc, char **argv)
{
    const char *patterns = NULL, *value;
    for (int key; (key = cli_next_option(argc, argv, usage, options, sizeof options / sizeof *options, &value)) != -1; ) {
        switch (key) {
        case 'k': patterns = value; break;
        case 'h': return EXIT_OK;
        default: return EXIT_USAGE;
        }
    }
    if (optind == argc) {
        render_error("conform needs a folder; for example: attnzoo conform cases/onnx");
        return EXIT_USAGE;
    }
    Paths paths = {0};
    Loop loop = {.cli = cli, .paths = &paths, .kernels = calloc(zoo_count() + 1, sizeof *loop.kernels)};
    loop.kernel_count = loop.kernels ? cli_select_kernels(cli, patterns, true, loop.kernels) : SIZE_MAX;
    bool ok = loop.kernel_count != SIZE_MAX;
    for (int i = optind; ok && i < argc; i++)
        ok = find_cases(argv[i], 0, &paths);
    int code = EXIT_USAGE;
    if (ok && (loop.kernel_count == 0 || paths.count == 0)) {
        render_error(loop.kernel_count == 0 ? "none of these kernels runs here; attnzoo list says why" : "no case here: a case is a folder with meta.json");
        code = EXIT_NOTHING;
    } else if (ok) {
        code = run_cases(&loop);
    }
    for (size_t i = 0; i < paths.count; i++)
        free(paths.at[i]);
    free(paths.at);
    free(loop.kernels);
    return code;
}
