/* regress_pairs.c - which kernels of two packs meet, and on which shapes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/linear_shape.h"
#include "harness/regress.h"
#include "harness/render.h"

/* Cases of the instruction gate: some thousands of instructions each for the vector kernels, whole and partial tiles, one and more rows. */
static const char *const tiny[] = {
    "b1_h1_q5_k19_d16_causal", "b1_h1_q1_k24_d16", "b1_h1_q9_k13_d8v4_maskbool", "b1_h1_q3_k5_d8_additive",
    "linear:3x17x20",
};
enum { TINY = sizeof tiny / sizeof *tiny };

/* ---- Who meets whom --------------------------------------------------------------------------------------------------------------- */

static bool takes(const Pack *pack, size_t index, const char *word)
{
    const AttnPackV1 *v1 = pack->v1;
    Shape shape;
    AttnPlan *plan = NULL;
    char error[400];
    if (strncmp(word, "linear:", 7) == 0)
        return v1->kernel(index)->linear;
    if (v1->kernel(index)->linear || !shape_parse(&shape, word, error, sizeof error))
        return false;
    const AttnProblem p = shape_problem(&shape);
    if (v1->plan(index, &p, 1, &plan) != ATTN_OK)
        return false;
    v1->destroy(plan);
    return true;
}

/* Index in the base of head's kernel `i` if it is to be compared; the count of base's kernels if not. `say`: and why. */
static size_t opponent(const Regress *r, const Cli *cli, size_t i, bool say)
{
    const char *name = r->head.v1->kernel(i)->name;
    const size_t none = r->base.v1->count, other = pack_find(&r->base, name);
    const int wanted = cli_selected(name, r->options->kernels);
    uint64_t ours, theirs;
    char names[256];
    if (!wanted)
        return none;
    if (other == none) {
        if (say)
            render_note("%s is new in the head: there is nothing to compare it with", name);
        return none;
    }
    if (!pack_needs(&r->head, i, &ours) || !pack_needs(&r->base, other, &theirs)) {
        if (say)
            render_note("%s is left out: it needs a CPU feature that this program does not know", name);
        return none;
    }
    const uint64_t missing = (ours | theirs) & ~(attn_cpu_this()->features & cli->settings.allowed);
    if (missing && wanted == 2 && say)
        render_note("%s is left out: it needs %s", name, attn_cpu_feature_names(missing, names, sizeof names));
    return missing ? none : other;
}

/* A kernel that the head lost is a change that somebody should know of. */
static void note_lost(const Regress *r)
{
    for (size_t i = 0; i < r->base.v1->count; i++) {
        const char *name = r->base.v1->kernel(i)->name;
        if (cli_selected(name, r->options->kernels) && pack_find(&r->head, name) == r->head.v1->count)
            render_note("%s is gone from the head", name);
    }
}

static bool add_pairs(Regress *r, const Cli *cli, const char *word, bool say, bool count_only)
{
    for (size_t i = 0; i < r->head.v1->count; i++) {
        const size_t other = opponent(r, cli, i, say);
        if (other == r->base.v1->count || !takes(&r->head, i, word) || !takes(&r->base, other, word))
            continue;
        LaunchPair pair = {{0}, {0}};
        snprintf(pair.kernel, sizeof pair.kernel, "%s", r->head.v1->kernel(i)->name);
        snprintf(pair.shape, sizeof pair.shape, "%s", word);
        if (count_only) {
            RegressCount *at = realloc(r->counts, (r->count_count + 1) * sizeof *at);
            if (!at)
                return false;
            r->counts = at;
            at[r->count_count] = (RegressCount){.pair = pair};
            r->count_count++;
        } else {
            RegressPair *at = realloc(r->pairs, (r->pair_count + 1) * sizeof *at);
            if (!at)
                return false;
            r->pairs = at;
            at[r->pair_count] = (RegressPair){.pair = pair, .verdict = VERDICT_INCONCLUSIVE};
            r->pair_count++;
        }
    }
    return true;
}

/* Every name without wildcards must be in one of the packs. */
static bool check_names(const Regress *r)
{
    const char *patterns = r->options->kernels;
    for (const char *at = patterns; at && *at; at += *at == ',') {
        const size_t length = strcspn(at, ",");
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        if (!strpbrk(name, "*?[") && pack_find(&r->head, name) == r->head.v1->count && pack_find(&r->base, name) == r->base.v1->count) {
            const char *known[256];
            const size_t count = r->head.v1->count < 256 ? r->head.v1->count : 256;
            for (size_t i = 0; i < count; i++)
                known[i] = r->head.v1->kernel(i)->name;
            cli_unknown("kernel", name, known, count);
            return false;
        }
        at += length;
    }
    return true;
}

static int list_pairs(Regress *r, const Cli *cli)
{
    Shapes attention = {0};
    LinearShapes products = {0};
    char error[1200], word[SHAPE_NAME];
    int code = EXIT_OK;
    bool room = true, say = true;
    if (!check_names(r))
        return EXIT_USAGE;
    if (!linear_shapes_split(&attention, &products, NULL, r->options->shapes, error, sizeof error)) {
        render_error("%s", error);
        code = EXIT_USAGE;
    }
    if (code == EXIT_OK)
        note_lost(r);
    for (size_t i = 0; code == EXIT_OK && room && i < attention.count; i++, say = false)
        room = add_pairs(r, cli, shape_name(&attention.at[i], word, sizeof word), say, false);
    for (size_t i = 0; code == EXIT_OK && room && i < products.count; i++, say = false)
        room = add_pairs(r, cli, linear_shape_name(&products.at[i], word, sizeof word), say, false);
    for (size_t i = 0; code == EXIT_OK && room && r->options->insn && i < TINY; i++)
        room = add_pairs(r, cli, tiny[i], false, true);
    if (!room) {
        render_error("out of memory for the list of pairs");
        code = EXIT_USAGE;
    } else if (code == EXIT_OK && r->pair_count == 0) {
        render_error("nothing to compare: no kernel that was asked for is in both packs, runs on this CPU and takes these shapes");
        code = EXIT_NOTHING;
    }
    shapes_free(&attention);
    linear_shapes_free(&products);
    return code;
}

static int open_pack(Pack *pack, const char *option, const char *path)
{
    char error[1400];
    if (access(path, R_OK) != 0) {
        render_error("%s %s cannot be read; allowed: a build's attnzoo_pack.so", option, path);
        return EXIT_USAGE;
    }
    if (pack_open(pack, path, false, error, sizeof error))
        return EXIT_OK;
    render_error("nothing can be compared: %s", error);
    return EXIT_NOTHING;
}

/* A waiver that names nothing here covers nothing: mistyped, or of another suite. */
static void note_idle_waivers(const Regress *r)
{
    for (size_t w = 0; w < r->waivers.count; w++) {
        const Waiver *waiver = &r->waivers.at[w];
        bool used = false;
        for (size_t i = 0; i < r->pair_count && !used; i++)
            used = waiver_names(waiver, r->pairs[i].pair.shape, r->pairs[i].pair.kernel);
        for (size_t i = 0; i < r->count_count && !used; i++)
            used = waiver_names(waiver, r->counts[i].pair.shape, r->counts[i].pair.kernel);
        if (!used)
            render_note("%s: the waiver of line %zu (%s %s) names nothing that is compared here", r->options->allow, waiver->line,
                        waiver->shape, waiver->kernel);
    }
}

int regress_open(Regress *r, const RegressOptions *options, const Cli *cli)
{
    char error[1200];
    memset(r, 0, sizeof *r);
    r->options = options;
    int code = open_pack(&r->base, "--base", options->base);
    if (code == EXIT_OK)
        code = open_pack(&r->head, "--head", options->head);
    if (code == EXIT_OK && options->allow && !waivers_read(&r->waivers, options->allow, error, sizeof error)) {
        render_error("%s", error);
        code = EXIT_USAGE;
    }
    if (code != EXIT_OK)
        return code;
    r->alike = strcmp(r->base.v1->compiler, r->head.v1->compiler) == 0 && strcmp(r->base.v1->flags, r->head.v1->flags) == 0;
    if (!r->alike)
        render_note("base is built by %s %s, head by %s %s: instruction counts are shown and fail nothing", r->base.v1->compiler,
                    r->base.v1->flags, r->head.v1->compiler, r->head.v1->flags);
    code = list_pairs(r, cli);
    if (code == EXIT_OK)
        note_idle_waivers(r);
    return code;
}

void regress_close(Regress *r)
{
    for (size_t i = 0; i < r->pair_count; i++) {
        judge_clear(&r->pairs[i].head);
        judge_clear(&r->pairs[i].copy);
        judge_clear(&r->pairs[i].planted);
    }
    free(r->pairs);
    free(r->counts);
    waivers_free(&r->waivers);
    pack_close(&r->base);
    pack_close(&r->head);
}
