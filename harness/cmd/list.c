/* list.c - attnzoo list: what is in the zoo, and what dispatch would do with a shape. */
#include "dispatch/cpu.h"
#include "dispatch/dtype.h"
#include "dispatch/threads.h"
#include "harness/base/outputs.h"
#include "harness/cmd/commands.h"
#include "harness/ops/all/all.h"
#include "harness/ops/sdpa/shape.h"
#include "harness/ops/zoo.h"

#include <fnmatch.h>
#include <getopt.h>
#include <stdlib.h>

static const char usage[] =
    "attnzoo list [kernels|shapes|presets|dtypes|mutants] - list what there is\n"
    "\n"
    "  attnzoo list                                    kernels, and which of them run here\n"
    "  attnzoo list -k 'flash_*' -o csv                some kernels, for a spreadsheet\n"
    "  attnzoo list --why llama3-8b/prefill@512        which kernels take this shape, in order of choice,\n"
    "                                                  and why the others do not\n"
    "  attnzoo list presets                            shapes of real models\n"
    "  attnzoo list shapes                             how to spell any other shape\n";

enum { KEY_WHY = 256 };
static const CliOption options[] = {
    {'k', "kernel", "PATTERNS", "list only these kernels: names or globs, separated by commas"},
    {'s', "shape", "SHAPES", "show which kernel dispatch chooses for these shapes"},
    {KEY_WHY, "why", NULL, "with shapes, given by -s or as an operand: also show the rejected kernels and why"},
};

static int finish(const Cli *cli, RenderTable *table)
{
    const int code = outputs_table(cli->outputs, table);
    render_table_free(table);
    return code;
}

/* A table with these headings, all aligned to the left. */
static RenderTable *headed(size_t columns, const char *const *headings)
{
    RenderTable *table = render_table(columns);
    for (size_t i = 0; i < columns; i++)
        render_column(table, i, headings[i], false);
    return table;
}

/* ---- Topics ---------------------------------------------------------------------------------------------------------------------- */

static int list_kernels(const Cli *cli, const AttnKernel **kernels, size_t count)
{
    static const char *const headings[] = {"kernel", "needs", "here", "what it is"};
    RenderTable *table = headed(4, headings);
    for (size_t i = 0; i < count; i++) {
        char needs[256], missing[256];
        const uint64_t lacking = kernels[i]->isa & ~attn_cpu_this()->features;
        const uint64_t forbidden = kernels[i]->isa & attn_cpu_this()->features & ~cli->settings.allowed;
        render_row(table);
        render_cell(table, lacking || forbidden ? STYLE_DIM : STYLE_BOLD, "%s", kernels[i]->name);
        render_cell(table, STYLE_PLAIN, "%s", kernels[i]->isa ? attn_cpu_feature_names(kernels[i]->isa, needs, sizeof needs) : "-");
        if (lacking)
            render_cell(table, STYLE_DIM, "no: CPU lacks %s", attn_cpu_feature_names(lacking, missing, sizeof missing));
        else if (forbidden)
            render_cell(table, STYLE_DIM, "no: disabled %s", attn_cpu_feature_names(forbidden, missing, sizeof missing));
        else
            render_cell(table, STYLE_GOOD, "yes");
        render_cell(table, STYLE_PLAIN, "%s", kernels[i]->summary);
    }
    return finish(cli, table);
}

static int list_presets(const Cli *cli)
{
    static const char *const headings[] = {"preset", "shape", "source"};
    RenderTable *table = headed(3, headings);
    for (size_t i = 0; i < preset_count; i++) {
        render_row(table);
        render_cell(table, STYLE_BOLD, "%s", presets[i].name);
        render_cell(table, STYLE_PLAIN, "%s", presets[i].shape);
        render_cell(table, STYLE_DIM, "%s", presets[i].source);
    }
    return finish(cli, table);
}

static int list_shapes(const Cli *cli)
{
    static const char *const rows[][2] = {
        {"b1", "batch"},
        {"_h32g8", "32 query heads share 8 KV heads; without g: as many KV heads as query heads"},
        {"_q512", "query rows"},
        {"_k4096", "key rows"},
        {"_d128v64", "width of a query and key row, width of a value row; without v: the same"},
#define WORD(id, text, rank, value, option, example, meaning) {example, meaning},
#include "harness/ops/sdpa/shape_words.def"
        {"q{1,64}", "a list: one shape for each"},
        {"k{512..4096*2}", "a range: 512, 1024, 2048, 4096; {1..65+8}: 1, 9, 17, ..."},
        {"llama3-8b/decode@777", "a model's shape (attnzoo list presets), here with a length of its own; globs match several"},
    };
    static const char *const headings[] = {"part", "meaning"};
    RenderTable *table = headed(2, headings);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i][0])
            continue;
        render_row(table);
        render_cell(table, STYLE_BOLD, "%s", rows[i][0]);
        render_cell(table, STYLE_PLAIN, "%s", rows[i][1]);
    }
    return finish(cli, table);
}

static int list_dtypes(const Cli *cli)
{
    static const struct { AttnDtype dtype; const char *meaning; } dtypes[] = {
        {ATTN_F32, "IEEE binary32"}, {ATTN_F64, "IEEE binary64"}, {ATTN_F16, "IEEE binary16"}, {ATTN_BF16, "bfloat16"},
    };
    static const char *const headings[] = {"dtype", "what it is", "kernels"};
    RenderTable *table = headed(3, headings);
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        size_t kernels = 0;
        for (size_t k = 0; k < zoo_count(); k++)
            kernels += (zoo_at(k)->dtypes.q & ATTN_DTYPE_BIT(dtypes[i].dtype)) != 0;
        render_row(table);
        render_cell(table, STYLE_BOLD, "%s", attn_dtype_name(dtypes[i].dtype));
        render_cell(table, STYLE_PLAIN, "%s", dtypes[i].meaning);
        render_cell(table, kernels ? STYLE_PLAIN : STYLE_DIM, kernels ? "%zu" : "none yet", kernels);
    }
    return finish(cli, table);
}

static int list_mutants(const Cli *cli)
{
    static const char *const headings[] = {"mutant", "what is wrong with it"};
    RenderTable *table = headed(2, headings);
    for (size_t o = 0; o < op_count; o++) {
        const size_t count = ops[o]->mutants(NULL);
        OpKernel *mutants = calloc(count, sizeof *mutants);
        if (mutants)
            ops[o]->mutants(mutants);
        for (size_t i = 1; mutants && i < count; i++) { /* the first one is right */
            render_row(table);
            render_cell(table, STYLE_BOLD, "%s", mutants[i].name);
            render_cell(table, STYLE_PLAIN, "%s", mutants[i].summary);
        }
        free(mutants);
    }
    return finish(cli, table);
}

/* ---- Dispatch -------------------------------------------------------------------------------------------------------------------- */

static int by_cost(const void *left, const void *right)
{
    const AttnVerdict *a = left, *b = right;
    if (a->accepted != b->accepted)
        return a->accepted ? -1 : 1;
    return a->accepted && a->cost != b->cost ? (a->cost < b->cost ? -1 : 1) : 0;
}

/* Who was chosen, and by what. */
static void verdict_cell(RenderTable *table, const AttnVerdict *v, const AttnKernel *chosen, const AttnKernel *estimated,
                         const AttnTuneEntry *tuned)
{
    if (v->kernel == chosen && tuned && tuned->kernel == chosen)
        render_cell(table, STYLE_GOOD, "chosen: tuned, %.3f [%.3f, %.3f] of the time of %s", tuned->ratio, tuned->lo, tuned->hi,
                    tuned->over->name);
    else if (v->kernel == chosen)
        render_cell(table, STYLE_GOOD, "chosen");
    else if (v->accepted && zoo_is_yardstick(v->kernel))
        render_cell(table, STYLE_DIM, "a yardstick, not for dispatch");
    else if (v->accepted)
        render_cell(table, STYLE_DIM, v->kernel == estimated ? "would be chosen by its estimate" : "would run");
    else
        render_cell(table, STYLE_DIM, tuned && tuned->kernel == v->kernel ? "tuned, but: %s" : "%s", v->why);
}

/* Rows for one shape: accepted kernels in the order in which dispatch prefers them, then the others. qsort is not stable, but equal costs
 * are rare and `chosen` names the one that dispatch takes. */
static void add_verdicts(RenderTable *table, const Cli *cli, const Shape *shape, const AttnKernel **kernels, size_t count, bool why)
{
    AttnVerdict *verdicts = calloc(count, sizeof *verdicts);
    const AttnProblem problem = shape_problem(shape);
    char name[SHAPE_NAME];
    if (!verdicts) {
        render_error("out of memory for %zu verdicts", count);
        return;
    }
    shape_name(shape, name, sizeof name);
    size_t own = count; /* yardsticks come last, and dispatch does not know them */
    while (own > 0 && zoo_is_yardstick(kernels[own - 1]))
        own--;
    const size_t best = attn_choose(kernels, own, &problem, attn_cpu_this(), &cli->settings, verdicts);
    const AttnKernel *chosen = best < own ? kernels[best] : NULL;
    for (size_t i = own; i < count; i++)
        verdicts[i] = attn_choose_judge(kernels[i], &problem, attn_cpu_this(), &cli->settings);
    const AttnTuneEntry *tuned = attn_tune_find(&problem, &cli->settings);
    AttnSettings untuned = cli->settings;
    untuned.tune = NULL;
    const size_t guess = attn_choose(kernels, own, &problem, attn_cpu_this(), &untuned, NULL);
    const AttnKernel *estimated = guess < own ? kernels[guess] : NULL;
    qsort(verdicts, count, sizeof *verdicts, by_cost);
    for (size_t i = 0; i < count; i++) {
        const AttnVerdict *v = &verdicts[i];
        if (!v->accepted && !why)
            continue;
        render_row(table);
        render_cell(table, STYLE_PLAIN, "%s", *shape->name ? shape->name : name);
        render_cell(table, v->kernel == chosen ? STYLE_GOOD : v->accepted ? STYLE_PLAIN : STYLE_DIM, "%s", v->kernel->name);
        if (v->accepted)
            render_cell(table, STYLE_PLAIN, "%.3g", v->cost);
        else
            render_cell(table, STYLE_DIM, "-");
        verdict_cell(table, v, chosen, estimated, tuned);
    }
    free(verdicts);
}

/* Was there a tune file, for how many threads was it asked, and why was it not taken? */
static void note_tune(const Cli *cli)
{
    const AttnTune *tune = cli->settings.tune;
    const size_t threads = attn_threads_workers(&cli->settings);
    if (tune->state == ATTN_TUNE_LOADED)
        render_note("tune file %s: %zu entries; for %zu thread%s", tune->path, tune->count, threads, threads == 1 ? "" : "s");
    else
        render_note("no tuning: %s%s%s%s", tune->path ? tune->path : "", tune->path ? ": " : "",
                    tune->state == ATTN_TUNE_REFUSED ? "refused, " : "", tune->why);
}

static int list_dispatch(const Cli *cli, const char *text, const AttnKernel **kernels, size_t count, bool why)
{
    static const char *const headings[] = {"shape", "kernel", "cycles (estimate)", "verdict"};
    Shapes shapes = {0};
    char error[2048];
    if (!shapes_parse(&shapes, text, error, sizeof error)) {
        render_error("%s", error);
        return EXIT_USAGE;
    }
    RenderTable *table = headed(4, headings);
    render_column(table, 2, headings[2], true);
    for (size_t i = 0; i < shapes.count; i++)
        add_verdicts(table, cli, &shapes.at[i], kernels, count, why);
    shapes_free(&shapes);
    if (why)
        note_tune(cli);
    return finish(cli, table);
}

int cmd_list(const Cli *cli, int argc, char **argv)
{
    static const char *const topics[] = {"kernels", "shapes", "presets", "dtypes", "mutants"};
    const char *patterns = NULL, *shapes = NULL, *value;
    size_t topic = 0;
    bool why = false;
    for (int key; (key = cli_next_option(argc, argv, usage, options, sizeof options / sizeof *options, &value)) != -1; ) {
        switch (key) {
        case 'k': patterns = value; break;
        case 's': shapes = value; break;
        case KEY_WHY: why = true; break;
        case 'h': return EXIT_OK;
        default: return EXIT_USAGE;
        }
    }
    if (optind + 1 < argc) {
        render_error("list shows one thing at a time, but got '%s' after '%s'", argv[optind + 1], argv[optind]);
        return EXIT_USAGE;
    }
    if (optind < argc) {
        while (topic < 5 && strcmp(argv[optind], topics[topic]) != 0)
            topic++;
        if (topic == 5 && why && !shapes) {
            shapes = argv[optind];
            topic = 0;
        } else if (topic == 5) {
            cli_unknown("thing to list", argv[optind], topics, 5);
            return EXIT_USAGE;
        }
    }
    if ((why && !shapes) || ((shapes || patterns) && topic != 0)) {
        render_error(why && !shapes ? "option '--why' needs a shape: --why SHAPE" : "options -k and -s apply to the list of kernels only");
        return EXIT_USAGE;
    }
    switch (topic) {
    case 1: return list_shapes(cli);
    case 2: return list_presets(cli);
    case 3: return list_dtypes(cli);
    case 4: return list_mutants(cli);
    default: break;
    }
    const AttnKernel **kernels = calloc(zoo_count() + 1, sizeof *kernels);
    const size_t count = kernels ? cli_select_kernels(cli, patterns ? patterns : "*", false, kernels) : SIZE_MAX;
    int code = count == SIZE_MAX ? EXIT_USAGE : EXIT_NOTHING;
    if (count == 0)
        render_error("no kernel matches '%s'", patterns ? patterns : "*");
    else if (count != SIZE_MAX)
        code = shapes ? list_dispatch(cli, shapes, kernels, count, why) : list_kernels(cli, kernels, count);
    free(kernels);
    return code;
}
