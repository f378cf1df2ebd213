/* pairs.c - which kernels of two packs are compared, on which shapes, and which of them callers get there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/grow.h"
#include "harness/base/render.h"
#include "harness/regress/kinds.h"
#include "harness/regress/regress.h"
#include "harness/suite/words.h"

/* Cases of the instruction gate: a few thousand instructions each for the vector kernels; whole and partial tiles, one and several rows. */
static const char *const tiny[] = {
    "b1_h1_q5_k19_d16_causal", "b1_h1_q1_k24_d16", "b1_h1_q9_k13_d8v4_maskbool", "b1_h1_q3_k5_d8_additive",
    "linear:3x17x20",
};
enum { TINY = sizeof tiny / sizeof *tiny };

/* ---- Who meets whom --------------------------------------------------------------------------------------------------------------- */

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
            render_note("%s is new in the head: nothing to compare it with", name);
        return none;
    }
    if (!pack_needs(&r->head, i, &ours) || !pack_needs(&r->base, other, &theirs)) {
        if (say)
            render_note("skipping %s: it needs a CPU feature that this program does not know", name);
        return none;
    }
    const uint64_t missing = (ours | theirs) & ~(attn_cpu_this()->features & cli->settings.allowed);
    if (missing && wanted == 2 && say)
        render_note("skipping %s: it needs %s", name, attn_cpu_feature_names(missing, names, sizeof names));
    return missing ? none : other;
}

/* Report kernels that the head no longer has. */
static void note_lost(const Regress *r)
{
    for (size_t i = 0; i < r->base.v1->count; i++) {
        const char *name = r->base.v1->kernel(i)->name;
        if (cli_selected(name, r->options->kernels) && pack_find(&r->head, name) == r->head.v1->count)
            render_note("%s is gone from the head", name);
    }
}

static bool add(Regress *r, RegressPair pair)
{
    RegressPair *at = grow_by_one(r->pairs, r->pair_count, sizeof *at);
    if (!at)
        return false;
    r->pairs = at;
    at[r->pair_count++] = pair;
    return true;
}

static bool add_count(Regress *r, LaunchPair pair)
{
    RegressCount *at = grow_by_one(r->counts, r->count_count, sizeof *at);
    if (!at)
        return false;
    r->counts = at;
    at[r->count_count++] = (RegressCount){.pair = pair};
    return true;
}

/* ---- What dispatch takes ---------------------------------------------------------------------------------------------------------- */

/* The kernel's name, "" for none, with the reason in why[]. */
static const char *choice(const Regress *r, const Pack *pack, const Cli *cli, const char *word, char *why, size_t size)
{
    AttnOptions options = cli->options;
    options.threads = r->options->threads;
    const char *name = pack_kind(word)->choice(pack, word, &options, why, size);
    if (!name)
        return "";
    if (!name[0])
        snprintf(why, size, "%s", pack->v1->last_error());
    return name;
}

/* Add a pair for what dispatch takes, and note for the kernels of this shape, from `first` on, whether they are taken. A head that takes
 * nothing where the base took something fails like a wrong kernel. */
static bool add_dispatch(Regress *r, const Cli *cli, const char *word, size_t first)
{
    RegressPair p = {.dispatch = true, .taken = TAKEN_BASE | TAKEN_HEAD, .gates = true, .decision = DECISION_INCONCLUSIVE};
    char why[sizeof p.why] = "", no_base[sizeof p.why];
    const char *base = choice(r, &r->base, cli, word, no_base, sizeof no_base), *head = choice(r, &r->head, cli, word, why, sizeof why);
    for (size_t i = first; i < r->pair_count; i++)
        r->pairs[i].taken = (strcmp(r->pairs[i].pair.kernel, base) == 0 ? TAKEN_BASE : 0u) |
                            (strcmp(r->pairs[i].pair.kernel, head) == 0 ? TAKEN_HEAD : 0u);
    if (!base[0] || !cli_selected(REGRESS_DISPATCH, r->options->kernels))
        return true;
    snprintf(p.pair.kernel, sizeof p.pair.kernel, "%s", base);
    snprintf(p.pair.head_kernel, sizeof p.pair.head_kernel, "%s", head);
    snprintf(p.pair.shape, sizeof p.pair.shape, "%s", word);
    if (!head[0]) {
        p.verify.status = VERIFY_FAIL;
        snprintf(p.why, sizeof p.why, "the head's dispatch takes no kernel, the base's %s: %.200s", base, why);
    }
    if (!add(r, p))
        return false;
    memmove(&r->pairs[first + 1], &r->pairs[first], (r->pair_count - 1 - first) * sizeof *r->pairs); /* it comes before the kernels */
    r->pairs[first] = p;
    return true;
}

/* Does it count as a failure if this kernel is slower? Not if no caller gets it, unless it was requested by its full name. */
static bool gates(const Regress *r, const char *kernel, unsigned taken)
{
    return taken || !r->chooses || r->options->fail_all || cli_selected(kernel, r->options->kernels) == 2;
}

/* A tiny case counts for its kernel if dispatch takes that kernel anywhere. */
static void settle_gates(Regress *r)
{
    for (size_t i = 0; i < r->pair_count; i++)
        r->pairs[i].gates = r->pairs[i].dispatch || gates(r, r->pairs[i].pair.kernel, r->pairs[i].taken);
    for (size_t c = 0; c < r->count_count; c++) {
        const char *kernel = r->counts[c].pair.kernel;
        unsigned taken = 0;
        for (size_t i = 0; i < r->pair_count; i++) {
            const RegressPair *p = &r->pairs[i];
            if (p->dispatch)
                taken |= strcmp(p->pair.kernel, kernel) == 0 || strcmp(launch_head_kernel(&p->pair), kernel) == 0;
            else if (strcmp(p->pair.kernel, kernel) == 0)
                taken |= p->taken;
        }
        r->counts[c].gates = gates(r, kernel, taken);
    }
}

/* The kernels that both packs run on this word, and what dispatch takes. */
static bool add_pairs(Regress *r, const Cli *cli, const char *word, bool say, bool count_only)
{
    const size_t first = r->pair_count;
    const PackKind *kind = pack_kind(word);
    bool room = true;
    for (size_t i = 0; room && i < r->head.v1->count; i++) {
        const size_t other = opponent(r, cli, i, say);
        if (other == r->base.v1->count || !kind->takes(&r->head, i, word) || !kind->takes(&r->base, other, word))
            continue;
        LaunchPair pair = {{0}, {0}, {0}};
        snprintf(pair.kernel, sizeof pair.kernel, "%s", r->head.v1->kernel(i)->name);
        snprintf(pair.shape, sizeof pair.shape, "%s", word);
        room = count_only ? add_count(r, pair) : add(r, (RegressPair){.pair = pair, .decision = DECISION_INCONCLUSIVE});
    }
    return room && (count_only || !r->chooses || add_dispatch(r, cli, word, first));
}

/* Every name without wildcards must be in one of the packs. */
static bool check_names(const Regress *r)
{
    const char *patterns = r->options->kernels;
    for (const char *at = patterns; at && *at; at += *at == ',') {
        const size_t length = strcspn(at, ",");
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        if (!strpbrk(name, "*?[") && strcmp(name, REGRESS_DISPATCH) != 0 && pack_find(&r->head, name) == r->head.v1->count &&
            pack_find(&r->base, name) == r->base.v1->count) {
            const char *known[256];
            const size_t count = r->head.v1->count < 255 ? r->head.v1->count : 255;
            for (size_t i = 0; i < count; i++)
                known[i] = r->head.v1->kernel(i)->name;
            known[count] = REGRESS_DISPATCH;
            cli_unknown("kernel", name, known, count + 1);
            return false;
        }
        at += length;
    }
    return true;
}

static int list_pairs(Regress *r, const Cli *cli)
{
    OpShapes shapes = {0};
    char error[1200];
    int code = EXIT_OK;
    bool room = true, say = true;
    if (!check_names(r))
        return EXIT_USAGE;
    if (!words_split(&shapes, pack_carries, r->options->shapes, error, sizeof error)) {
        render_error("%s", error);
        code = EXIT_USAGE;
    }
    if (code == EXIT_OK)
        note_lost(r);
    for (size_t i = 0; code == EXIT_OK && room && i < shapes.count; i++, say = false)
        room = add_pairs(r, cli, shapes.at[i].name, say, false);
    for (size_t i = 0; code == EXIT_OK && room && r->options->insn && i < TINY; i++)
        room = add_pairs(r, cli, tiny[i], false, true);
    if (!room) {
        render_error("out of memory for the list of pairs");
        code = EXIT_USAGE;
    } else if (code == EXIT_OK && r->pair_count == 0) {
        render_error("nothing to compare: none of the chosen kernels is in both packs, runs on this CPU and takes these shapes");
        code = EXIT_NOTHING;
    }
    op_shapes_free(&shapes);
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

/* Report waivers that match nothing here: mistyped, or for another suite. */
static void note_idle_waivers(const Regress *r)
{
    for (size_t w = 0; w < r->waivers.count; w++) {
        const Waiver *waiver = &r->waivers.at[w];
        bool used = false;
        for (size_t i = 0; i < r->pair_count && !used; i++)
            used = waiver_names(waiver, r->pairs[i].pair.shape, regress_name(&r->pairs[i]));
        for (size_t i = 0; i < r->count_count && !used; i++)
            used = waiver_names(waiver, r->counts[i].pair.shape, r->counts[i].pair.kernel);
        if (!used)
            render_note("%s: the waiver on line %zu (%s %s) matches nothing that is compared", r->options->allow, waiver->line,
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
        render_note("base was built by %s %s, head by %s %s: instruction counts are shown, but fail nothing", r->base.v1->compiler,
                    r->base.v1->flags, r->head.v1->compiler, r->head.v1->flags);
    r->chooses = pack_chooses(&r->base) && pack_chooses(&r->head);
    if (!r->chooses)
        render_note("the pack %s of commit %s does not say what dispatch chooses: kernels are compared, and every slower one fails",
                    pack_chooses(&r->base) ? r->head.path : r->base.path,
                    pack_chooses(&r->base) ? r->head.v1->commit : r->base.v1->commit);
    code = list_pairs(r, cli);
    if (code == EXIT_OK) {
        settle_gates(r);
        note_idle_waivers(r);
    }
    return code;
}

void regress_close(Regress *r)
{
    for (size_t i = 0; i < r->pair_count; i++) {
        decide_clear(&r->pairs[i].head);
        decide_clear(&r->pairs[i].copy);
        decide_clear(&r->pairs[i].planted);
    }
    free(r->pairs);
    free(r->counts);
    waivers_free(&r->waivers);
    pack_close(&r->base);
    pack_close(&r->head);
}
