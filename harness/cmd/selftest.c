/* selftest.c - `attnzoo selftest`: what this machine, as busy as it is now, can and cannot detect.
 *
 * Small runs of the procedure of regress, whose outcome is known: a pack against itself, and arms with 1, 2, 3, 5 and 10 % more work, which
 * is executed (launch.h). Decisions of three launches of 100 rounds on four pairs, repeated until the time is up. A slowdown of x counts as
 * found if the decision at threshold x / 2 is slower; a false alarm is a pack that is slower or faster than itself at that threshold. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/base/outputs.h"
#include "harness/base/random.h"
#include "harness/base/self.h"
#include "harness/base/stop.h"
#include "harness/cmd/commands.h"
#include "harness/machine/chain.h"
#include "harness/machine/machine.h"
#include "harness/ops/sdpa/data.h"
#include "harness/regress/instructions.h"
#include "harness/regress/decide.h"
#include "harness/regress/pack.h"

#define ALPHA 0.01
#define LEAST 0.02 /* as regress: --min-effect auto */
#define MIN_TRIAL 300e-6 /* as regress                  */

enum { LAUNCHES = 3, ROUNDS = 100, MOST_LAUNCHES = 3000, PAIRS = 4, CHAINS = 400, EFFECTS = LAUNCH_MOST_PLANTED, FIVE = 3 };
static const double effects[EFFECTS] = {0.01, 0.02, 0.03, 0.05, 0.10};

enum { QUICK = 256, PACK_FILE };
static const char usage[] =
    "attnzoo selftest [--quick] [--pack PACK] - show what this machine can detect\n"
    "\n"
    "  attnzoo selftest --quick                        before the first regress on a machine\n"
    "\n"
    "It tests the clock, the noise and the instruction counter, then small runs of the procedure of\n"
    "regress: how often they raise false alarms, and how often they find changes of 1, 2, 3, 5 and 10 %.\n"
    "Takes about a minute, with --quick a third of that.\n"
    "Exit code 0: 5 % are found in at least 80 % of all cases; 3: they are not, so only the instruction\n"
    "gate can be trusted; 4: there is no pack to measure.\n";
static const CliOption options[] = {
    {QUICK, "quick", NULL, "make fewer decisions: about 20 seconds"},
    {PACK_FILE, "pack", "PACK", "measure with this pack (default: attnzoo_pack.so beside the program)"},
};

typedef struct Selftest {
    char pack[1024];
    LaunchPair pairs[PAIRS];
    size_t pair_count;
    DecideSamples head[PAIRS], copy[PAIRS], planted[PAIRS][EFFECTS];
    bool complete[PAIRS];
    size_t decisions, found[EFFECTS], alarms[EFFECTS];
    size_t auto_found, auto_alarms; /* of 5 %, with --min-effect auto */
    double auto_effect;             /* the largest threshold it took  */
} Selftest;

/* ---- Clock and noise -------------------------------------------------------------------------------------------------------------- */

static void line(const char *what)
{
    render_text(STYLE_BOLD, "%-13s", what);
}

static void show_clock(void)
{
    char a[32], b[32];
    const PairedClock clock = paired_clock();
    const double start = clock.now(clock.context);
    for (int i = 0; i < 1000; i++)
        (void)clock.now(clock.context);
    const double cost = (clock.now(clock.context) - start) / 1001;
    line("clock");
    printf("steps of %s, a reading costs %s\n", render_time(clock.resolution, a, sizeof a), render_time(cost, b, sizeof b));
}

/* The same chain of multiplications again and again: all that differs is the machine's doing. */
static void show_noise(void)
{
    double seconds[CHAINS], work[CHAINS], load = NAN;
    const PairedClock clock = paired_clock();
    size_t late = 0;
    for (size_t i = 0; i < CHAINS; i++) {
        const double start = clock.now(clock.context);
        chain_run();
        seconds[i] = clock.now(clock.context) - start;
    }
    const StatsSummary s = stats_summary(seconds, CHAINS, work);
    for (size_t i = 0; i < CHAINS; i++)
        late += seconds[i] > 1.05 * s.median;
    if (getloadavg(&load, 1) != 1)
        load = NAN;
    line("noise");
    printf("the same chain of instructions takes 5 %% more than its median in %.1f %% of %d cases, nine of ten end within %.1f %%",
           100.0 * (double)late / CHAINS, CHAINS, 100 * (s.p90 / s.median - 1));
    if (isfinite(load))
        printf("; load %.1f on %ld CPUs", load, sysconf(_SC_NPROCESSORS_ONLN));
    printf("\n");
}

static InsnMethod show_counter(const Selftest *t, uint64_t seed)
{
    LaunchPair pair = t->pairs[0];
    char error[400];
    snprintf(pair.shape, sizeof pair.shape, "b1_h1_q1_k24_d16");
    const InsnMethod method = insn_choose(INSN_NONE, t->pack, &pair, seed, error, sizeof error);
    line("instructions");
    if (method == INSN_NONE)
        printf("cannot be counted: %s\n", error);
    else
        printf("counted by %s, the same number twice\n", insn_method_name(method));
    return method;
}

/* ---- Power ------------------------------------------------------------------------------------------------------------------------ */

/* The last kernel of the pack (rows go from narrow to wide) that runs here and is of this kind. */
static const char *widest(const Pack *pack, const Cli *cli, const char *prefix)
{
    const char *name = NULL;
    for (size_t i = 0; i < pack->v1->count; i++) {
        uint64_t needs;
        if (strncmp(pack->v1->kernel(i)->name, prefix, strlen(prefix)) == 0 && pack_needs(pack, i, &needs) &&
            (needs & ~(attn_cpu_this()->features & cli->settings.allowed)) == 0)
            name = pack->v1->kernel(i)->name;
    }
    return name;
}

static void choose_pairs(Selftest *t, const Pack *pack, const Cli *cli)
{
    static const struct { const char *prefix, *shape; } wanted[PAIRS] = {
        {"flash_", "b1_h2_q64_k96_d64"}, {"flash_", "b1_h2g1_q1_k512_d64"}, {"flash_", "b1_h1_q49_k77_d40_causal"},
        {"linear_", "linear:32x128x192"}};
    for (size_t i = 0; i < PAIRS; i++) {
        const char *kernel = widest(pack, cli, wanted[i].prefix);
        if (!kernel)
            continue;
        LaunchPair *pair = &t->pairs[t->pair_count++];
        snprintf(pair->kernel, sizeof pair->kernel, "%s", kernel);
        snprintf(pair->shape, sizeof pair->shape, "%s", wanted[i].shape);
    }
}

static void take(void *context, size_t i, const LaunchResult *result)
{
    Selftest *t = context;
    const double *base = result->seconds[LAUNCH_BASE];
    bool ok = result->measured && decide_add(&t->head[i], base, result->seconds[LAUNCH_HEAD], result->rounds) &&
              decide_add(&t->copy[i], base, result->seconds[LAUNCH_COPY], result->rounds);
    for (size_t e = 0; ok && e < EFFECTS; e++)
        ok = decide_add(&t->planted[i][e], base, result->seconds[LAUNCH_PLANTED + e], result->rounds);
    t->complete[i] = t->complete[i] && ok;
}

static Decision decision_at(const DecideSamples *samples, double threshold)
{
    const DecideFinding f = decide_find(samples, threshold, ALPHA);
    return decide_effect(&f, threshold, decide_p(&f), ALPHA);
}

static bool differs(Decision decision)
{
    return decision == DECISION_SLOWER || decision == DECISION_FASTER;
}

static void decide(Selftest *t, size_t i)
{
    const double automatic = decide_min_effect(&t->copy[i], LEAST, ALPHA);
    t->decisions++;
    for (size_t e = 0; e < EFFECTS; e++) {
        t->found[e] += decision_at(&t->planted[i][e], effects[e] / 2) == DECISION_SLOWER;
        t->alarms[e] += differs(decision_at(&t->head[i], effects[e] / 2));
    }
    t->auto_found += isfinite(automatic) && decision_at(&t->planted[i][FIVE], automatic) == DECISION_SLOWER;
    t->auto_alarms += isfinite(automatic) && differs(decision_at(&t->head[i], automatic));
    t->auto_effect = fmax(t->auto_effect, automatic);
}

static void clear(Selftest *t)
{
    for (size_t i = 0; i < PAIRS; i++) {
        decide_clear(&t->head[i]);
        decide_clear(&t->copy[i]);
        for (size_t e = 0; e < EFFECTS; e++)
            decide_clear(&t->planted[i][e]);
        t->complete[i] = true;
    }
}

/* Decisions until the time is up; at least one of each pair. */
static int measure(Selftest *t, const Cli *cli, double seconds)
{
    const PairedClock clock = paired_clock();
    const double start = clock.now(clock.context);
    LaunchOrder order = {.min_trial = MIN_TRIAL, .rounds = ROUNDS, .threads = 1, .seed = cli->seed, .pairs = t->pair_count};
    char error[1400];
    memcpy(order.planted, effects, sizeof effects);
    snprintf(order.base, sizeof order.base, "%s", t->pack);
    snprintf(order.head, sizeof order.head, "%s", t->pack);
    /* A clock that stops meanwhile does not make it endless. */
    for (size_t launch = 1; launch <= MOST_LAUNCHES && (clock.now(clock.context) - start < seconds || t->decisions == 0);) {
        clear(t);
        for (size_t l = 0; l < LAUNCHES; l++, launch++) {
            const double spent = clock.now(clock.context) - start;
            render_progress((size_t)(1000 * fmin(1, spent / seconds)), 1000, "finding 1, 2, 3, 5 and 10 % more work");
            order.launch = random_bits(cli->seed, launch) | 1;
            if (!launch_run(&order, t->pairs, take, t, &stop_signal, error, sizeof error)) {
                render_progress_end();
                clear(t);
                if (stop_signal)
                    return EXIT_INTERRUPTED;
                render_error("a launch failed: %s", error);
                return EXIT_NOTHING;
            }
        }
        for (size_t i = 0; i < t->pair_count; i++)
            if (t->complete[i])
                decide(t, i);
    }
    render_progress_end();
    clear(t);
    return EXIT_OK;
}

static RenderTable *power_table(const Selftest *t)
{
    static const RenderColumn columns[] = {{"slowdown", "slowdown_share", RENDER_NUMBER}, {"threshold", "threshold_share", RENDER_NUMBER},
                                           {"found", "found", RENDER_COUNT},               {"false alarms", "false_alarms", RENDER_COUNT},
                                           {NULL, "decisions", RENDER_COUNT}};
    RenderTable *table = render_table_of(columns, sizeof columns / sizeof *columns);
    for (size_t e = 0; e < EFFECTS; e++) {
        const bool good = 10 * t->found[e] >= 9 * t->decisions && 100 * t->alarms[e] <= t->decisions;
        render_row(table);
        render_value(table, STYLE_PLAIN, effects[e], "%.0f %%", 100 * effects[e]);
        render_value(table, STYLE_PLAIN, effects[e] / 2, "%.1f %%", 50 * effects[e]);
        render_value(table, good ? STYLE_GOOD : STYLE_WARN, (double)t->found[e], "%zu of %zu", t->found[e], t->decisions);
        render_value(table, t->alarms[e] ? STYLE_WARN : STYLE_PLAIN, (double)t->alarms[e], "%zu of %zu", t->alarms[e], t->decisions);
        render_number(table, (double)t->decisions);
    }
    return table;
}

/* The last word. Returns the exit code. */
static int advise(const Selftest *t, InsnMethod method)
{
    const bool time_gate = 5 * t->auto_found >= 4 * t->decisions && 100 * t->auto_alarms <= t->decisions;
    size_t best = 1; /* thresholds below 1 % are a matter of addresses, which a few launches do not average out */
    while (best < EFFECTS && (10 * t->found[best] < 9 * t->decisions || 100 * t->alarms[best] > t->decisions))
        best++;
    line("regress");
    printf("--min-effect auto (at most %.1f %% here): 5 %% found in %zu of %zu, %zu false alarms\n", 100 * t->auto_effect, t->auto_found,
           t->decisions, t->auto_alarms);
    line("advice");
    if (best < EFFECTS)
        printf("--min-effect %g%% finds slowdowns from %.0f %% on; ", 50 * effects[best], 100 * effects[best]);
    else
        printf("no slowdown up to 10 %% is found reliably; ");
    static const char *const gates[2][2] = {{"none: not on this machine", "insn"}, {"time", "time,insn"}};
    printf("--gate %s\n", gates[time_gate][method != INSN_NONE]);
    return time_gate ? EXIT_OK : EXIT_INCONCLUSIVE;
}

/* attnzoo_pack.so: beside the program, as it is built, or where it is installed with it, which may have been moved as a whole. false after
 * printing an error. */
static bool find_pack(char *path, size_t size)
{
    static const char *const places[] = {"attnzoo_pack.so", "../" PACK_FOLDER "/attnzoo_pack.so"};
    char self[900], error[600];
    if (!self_path(self, sizeof self, error, sizeof error)) {
        render_error("no pack to measure with: %s; --pack PACK names one", error);
        return false;
    }
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, size, "%s/%s", self, places[i]);
        if (access(path, F_OK) == 0)
            return true;
    }
    render_error("no pack to measure with: neither %s/%s nor %s/%s exists; --pack PACK names one", self, places[0], self, places[1]);
    return false;
}

int cmd_selftest(const Cli *cli, int argc, char **argv)
{
    static Selftest t;
    const char *value;
    double seconds = 50;
    char error[1400];
    Pack pack;
    for (int key; (key = cli_next_option(argc, argv, usage, options, sizeof options / sizeof *options, &value)) != -1;) {
        if (key == 'h' || key == '?')
            return key == 'h' ? EXIT_OK : EXIT_USAGE;
        if (key == QUICK)
            seconds = 15;
        else
            snprintf(t.pack, sizeof t.pack, "%s%s", strchr(value, '/') ? "" : "./", value);
    }
    if (!t.pack[0] && !find_pack(t.pack, sizeof t.pack))
        return EXIT_NOTHING;
    if (!pack_open(&pack, t.pack, false, error, sizeof error)) {
        render_error("no pack to measure with: %s; --pack PACK names one", error);
        return EXIT_NOTHING;
    }
    char why[400];
    if (!launch_clock_serves(MIN_TRIAL, why, sizeof why)) {
        render_error("nothing was measured: %s", why);
        pack_close(&pack);
        return EXIT_NOTHING;
    }
    choose_pairs(&t, &pack, cli);
    pack_close(&pack);
    if (t.pair_count == 0) {
        render_error("%s holds no flash or linear kernel that runs on this CPU", t.pack);
        return EXIT_NOTHING;
    }
    const bool words = outputs_on_stdout(cli->outputs);
    InsnMethod method = INSN_NONE;
    if (words) {
        show_clock();
        show_noise();
        method = show_counter(&t, cli->seed);
        fflush(stdout);
    }
    int code = measure(&t, cli, seconds);
    if (code != EXIT_OK)
        return code;
    RenderTable *table = power_table(&t);
    code = outputs_table(cli->outputs, table);
    render_table_free(table);
    return code == EXIT_OK && words ? advise(&t, method) : code;
}
