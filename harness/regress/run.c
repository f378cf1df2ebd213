/* run.c - the order of things: verify, count, measure, decide, measure again what is not plainly the same, decide that. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/random.h"
#include "harness/base/render.h"
#include "harness/base/stop.h"
#include "harness/ops/all/all.h"
#include "harness/ops/sdpa/data.h"
#include "harness/regress/regress.h"

/* Does the head's dispatch take another kernel than the base's? */
static bool changed(const RegressPair *p)
{
    return p->dispatch && p->pair.head_kernel[0] && strcmp(p->pair.kernel, p->pair.head_kernel) != 0;
}

/* ---- Verify, count ---------------------------------------------------------------------------------------------------------------- */

static VerifyResult verify(const Regress *r, const LaunchPair *pair)
{
    const Op *op = op_of(pair->shape);
    const OpSettings settings = {.dist = data_dist_name(DIST_NORMAL), .seed = r->options->seed, .fence = FENCE_AFTER,
                                 .threads = r->options->threads};
    VerifyResult result = {0};
    OpKernel who;
    char error[200];
    (void)op->kernel(pack_stand_in(&r->head, pack_find(&r->head, launch_head_kernel(pair))), &who);
    void *operands = op->open(pair->shape, &settings, error, sizeof error);
    if (!operands) {
        verdict_unable(&result, "%s", error);
        return result;
    }
    result = op->verify(operands, &who);
    op->close(operands);
    return result;
}

static void progress(size_t done, size_t total, const char *doing, const LaunchPair *pair)
{
    char what[SHAPE_NAME + 240];
    snprintf(what, sizeof what, "%s %s on %s", doing, launch_head_kernel(pair), pair->shape);
    render_progress(done, total, what);
}

static void verify_all(Regress *r)
{
    for (size_t i = 0; i < r->pair_count && !stop_signal; i++) {
        RegressPair *p = &r->pairs[i];
        if (p->verify.status == VERIFY_FAIL) /* there is nothing to verify */
            continue;
        progress(i, r->pair_count, "verifying", &p->pair);
        const VerifyResult result = verify(r, &p->pair);
        if (stop_signal && result.status != VERIFY_PASS) /* its child was stopped */
            return;
        p->verify = result;
        if (p->verify.status != VERIFY_PASS)
            snprintf(p->why, sizeof p->why, "the head %s: %s",
                     p->verify.status == VERIFY_CRASH ? "crashes" : p->verify.status == VERIFY_UNABLE ? "is not judged" : "is wrong",
                     p->verify.why);
    }
}

static void count_all(Regress *r)
{
    const int today = waivers_today();
    const RegressOptions *o = r->options;
    if (r->count_count == 0) {
        snprintf(r->no_insn, sizeof r->no_insn, "no kernel takes a tiny case");
        return;
    }
    r->method = insn_choose(o->counter, o->base, &r->counts[0].pair, o->seed, r->no_insn, sizeof r->no_insn);
    for (size_t i = 0; i < r->count_count && r->method != INSN_NONE && !stop_signal; i++) {
        RegressCount *c = &r->counts[i];
        progress(i, r->count_count, "counting instructions of", &c->pair);
        c->counted = insn_count(r->method, o->base, &c->pair, o->seed, &c->base, c->why, sizeof c->why) &&
                     insn_count(r->method, o->head, &c->pair, o->seed, &c->head, c->why, sizeof c->why);
        if (!c->counted || !insn_fails(c->base, c->head) || !r->alike)
            continue;
        c->waiver = waivers_find(&r->waivers, c->pair.shape, c->pair.kernel, (double)c->head / (double)c->base, today, &c->expired);
        c->fails = c->gates && !c->waiver;
    }
}

/* ---- Measure ---------------------------------------------------------------------------------------------------------------------- */

/* A series of launches over some of the pairs. */
typedef struct LaunchSeries {
    Regress *regress;
    size_t *which;       /* indices of pairs in the current launch */
    LaunchPair *pairs;
    size_t count, launch, launches;
    const char *doing;
} LaunchSeries;

static void take(void *context, size_t index, const LaunchResult *result)
{
    LaunchSeries *series = context;
    RegressPair *p = &series->regress->pairs[series->which[index]];
    char doing[80];
    snprintf(doing, sizeof doing, "%s, launch %zu of %zu:", series->doing, series->launch + 1, series->launches);
    progress(series->launch * series->count + index, series->launches * series->count, doing, &p->pair);
    p->crashed = result->crashed;
    if (!result->measured) {
        snprintf(p->why, sizeof p->why, "%s", result->why);
        p->measured = false;
        return;
    }
    p->measured = decide_add(&p->head, result->seconds[LAUNCH_BASE], result->seconds[LAUNCH_HEAD], result->rounds) &&
                  decide_add(&p->copy, result->seconds[LAUNCH_BASE], result->seconds[LAUNCH_COPY], result->rounds) &&
                  decide_add(&p->planted, result->seconds[LAUNCH_BASE], result->seconds[LAUNCH_PLANTED], result->rounds);
    if (!p->measured)
        snprintf(p->why, sizeof p->why, "out of memory for its samples");
    p->call = result->call;
    p->trials += result->trials;
    p->flagged += result->flagged;
}

static bool wanted(const RegressPair *p, bool again)
{
    return p->verify.status == VERIFY_PASS && (again ? p->measured && p->again : !p->why[0]);
}

/* Launches differ by their numbers; those of the second measurement begin far behind the first one's. */
enum { FIRST_LAUNCH = 1, FIRST_LAUNCH_AGAIN = 1000 };

static int measure(Regress *r, bool again, size_t first_launch, size_t launches)
{
    const RegressOptions *o = r->options;
    LaunchOrder order = {.min_trial = o->min_trial, .rounds = o->rounds, .threads = o->threads, .seed = o->seed,
                         .head_planted = o->planted};
    snprintf(order.base, sizeof order.base, "%s", r->base.path);
    snprintf(order.head, sizeof order.head, "%s", r->head.path);
    order.planted[0] = fmax(REGRESS_PLANTED, 2 * o->min_effect);
    LaunchSeries series = {.regress = r, .which = calloc(r->pair_count, sizeof *series.which),
                           .pairs = calloc(r->pair_count, sizeof *series.pairs),
                           .launches = launches, .doing = again ? "measuring again" : "measuring"};
    char error[1400] = "out of memory for a launch";
    bool ok = series.which && series.pairs;
    for (series.launch = 0; ok && series.launch < launches && !stop_signal; series.launch++) {
        series.count = 0;
        for (size_t i = 0; i < r->pair_count; i++)
            if (wanted(&r->pairs[i], again)) {
                series.pairs[series.count] = r->pairs[i].pair;
                series.which[series.count++] = i;
            }
        order.pairs = series.count;
        order.launch = random_bits(o->seed, first_launch + series.launch) | 1;
        ok = launch_run(&order, series.pairs, take, &series, &stop_signal, error, sizeof error);
    }
    free(series.which);
    free(series.pairs);
    render_progress_end();
    if (stop_signal && (!ok || series.launch < launches))
        return EXIT_INTERRUPTED;
    if (!ok)
        render_error("a launch failed: %s", error);
    return ok ? EXIT_OK : EXIT_NOTHING;
}

/* ---- Judge ------------------------------------------------------------------------------------------------------------------------ */

/* Do the controls hold? If not, why[] says which does not. `family`: pairs decided together. */
static bool controls_hold(RegressPair *p, double alpha, size_t family, double planted)
{
    const StatsInterval *same = &p->same.ratio, *more = &p->more.ratio;
    switch (decide_controls(&p->same, &p->more, p->min_effect, family, alpha)) {
    case CONTROLS_HOLD: return true;
    case CONTROL_NOT_SAME:
        snprintf(p->why, sizeof p->why, "control: the base and its copy differ, %.3f [%.3f, %.3f], threshold %.1f %%", same->median,
                 same->lo, same->hi, 100 * p->min_effect);
        return false;
    case CONTROL_NOT_FOUND: break;
    }
    snprintf(p->why, sizeof p->why, "control: %.0f %% more work was not found, %.3f [%.3f, %.3f], threshold %.1f %%", 100 * planted,
             more->median, more->lo, more->hi, 100 * p->min_effect);
    return false;
}

static bool decide_all(Regress *r, bool again)
{
    const RegressOptions *o = r->options;
    double *p_values = calloc(r->pair_count, sizeof *p_values);
    size_t family = 0;
    if (!p_values)
        return false;
    for (size_t i = 0; i < r->pair_count; i++) {
        RegressPair *p = &r->pairs[i];
        if (!wanted(p, again) || !p->measured)
            continue;
        p->min_effect = o->min_effect > 0 ? o->min_effect : decide_min_effect(&p->copy, REGRESS_LEAST_EFFECT, o->alpha);
        p->found = decide_find(&p->head, p->min_effect, o->alpha);
        p->same = decide_find(&p->copy, p->min_effect, o->alpha);
        p->more = decide_find(&p->planted, p->min_effect, o->alpha);
        p_values[family++] = decide_p(&p->found);
    }
    const bool adjusted = decide_holm(p_values, family);
    for (size_t i = 0, at = 0; adjusted && i < r->pair_count; i++) {
        RegressPair *p = &r->pairs[i];
        if (!wanted(p, again) || !p->measured)
            continue;
        p->adjusted = p_values[at++];
        p->decision = decide_effect(&p->found, p->min_effect, p->adjusted, o->alpha);
        p->controls = controls_hold(p, o->alpha, family, fmax(REGRESS_PLANTED, 2 * o->min_effect));
        if (!p->controls)
            p->decision = DECISION_INCONCLUSIVE;
        if (!again)
            p->first = p->decision;
    }
    free(p_values);
    return adjusted;
}

/* Clear the samples of pairs that are not clearly the same. Returns how many there are. */
static size_t doubtful(Regress *r)
{
    size_t count = 0;
    for (size_t i = 0; i < r->pair_count; i++) {
        RegressPair *p = &r->pairs[i];
        p->again = p->measured && p->decision != DECISION_SAME;
        if (!p->again)
            continue;
        decide_clear(&p->head);
        decide_clear(&p->copy);
        decide_clear(&p->planted);
        p->why[0] = '\0';
        count++;
    }
    return count;
}

static void waive(Regress *r)
{
    const int today = waivers_today();
    for (size_t i = 0; i < r->pair_count; i++) {
        RegressPair *p = &r->pairs[i];
        if (p->decision == DECISION_SLOWER)
            p->waiver = waivers_find(&r->waivers, p->pair.shape, regress_name(p), p->found.ratio.median, today, &p->expired);
    }
}

/* After Ctrl-C a decision stands where it needed no second measurement; counted instructions stand always. Launches of a first measurement
 * that was cut short decide nothing, for the threshold and the decisions belong to all of them. `decided`: the first measurement was. */
static int part_of(Regress *r, bool decided)
{
    r->interrupted = true;
    for (size_t i = 0; i < r->pair_count; i++) {
        RegressPair *p = &r->pairs[i];
        if (p->crashed || p->verify.status != VERIFY_PASS || (decided ? !p->again : p->why[0] != '\0'))
            continue;
        p->interrupted = true;
        p->decision = DECISION_INCONCLUSIVE;
        if (decided)
            snprintf(p->why, sizeof p->why, "interrupted before it was confirmed; at first: %s", decision_name(p->first));
        else if (p->head.launches > 0)
            snprintf(p->why, sizeof p->why, "interrupted after %zu of %zu launches", p->head.launches, r->options->launches);
        else
            snprintf(p->why, sizeof p->why, "interrupted before it was measured");
        p->measured = decided;
        decide_clear(&p->head);
        decide_clear(&p->copy);
        decide_clear(&p->planted);
    }
    for (size_t i = 0; i < r->count_count; i++)
        if (!r->counts[i].counted && r->options->insn && r->method != INSN_NONE)
            snprintf(r->counts[i].why, sizeof r->counts[i].why, "interrupted before it was counted");
    if (r->options->insn && r->method == INSN_NONE && !r->no_insn[0])
        snprintf(r->no_insn, sizeof r->no_insn, "interrupted");
    if (decided)
        waive(r);
    return EXIT_INTERRUPTED;
}

/* Report pairs with different kernels: their counts do not say which one is faster. */
static void say_changed(Regress *r)
{
    for (size_t i = 0; i < r->pair_count; i++)
        if (changed(&r->pairs[i]) && !r->pairs[i].why[0])
            snprintf(r->pairs[i].why, sizeof r->pairs[i].why, "%s became %s: only --gate time tells what that costs",
                     r->pairs[i].pair.kernel, r->pairs[i].pair.head_kernel);
}

int regress_run(Regress *r, const Cli *cli)
{
    (void)cli;
    const RegressOptions *o = r->options;
    char why[400];
    if (o->time && !launch_clock_serves(o->min_trial, why, sizeof why)) {
        render_error("nothing was measured: %s; try a longer --min-trial if the clock advances, or --gate insn, which needs no clock",
                     why);
        return EXIT_NOTHING;
    }
    verify_all(r);
    if (o->insn && !stop_signal)
        count_all(r);
    render_progress_end();
    if (stop_signal)
        return part_of(r, false);
    if (!o->time) {
        say_changed(r);
        return EXIT_OK;
    }
    int code = measure(r, false, FIRST_LAUNCH, o->launches);
    bool decided = code == EXIT_OK && decide_all(r, false);
    if (code == EXIT_INTERRUPTED)
        return part_of(r, false);
    if (decided && o->confirm && doubtful(r) > 0) {
        code = measure(r, true, FIRST_LAUNCH_AGAIN, REGRESS_CONFIRM * o->launches);
        decided = code == EXIT_OK && decide_all(r, true);
        if (code == EXIT_INTERRUPTED)
            return part_of(r, true);
    }
    if (decided)
        waive(r);
    else if (code == EXIT_OK) {
        render_error("out of memory for the decisions");
        code = EXIT_USAGE;
    }
    return code;
}

const char *regress_name(const RegressPair *p)
{
    return p->dispatch ? REGRESS_DISPATCH : p->pair.kernel;
}

const char *regress_taken(const Regress *r, const RegressPair *p)
{
    static const char *const names[] = {"none", "base", "head", "both"};
    return p->dispatch || r->chooses ? names[p->taken] : "unknown";
}

void regress_choice(const RegressPair *p, char *text, size_t size)
{
    if (changed(p))
        snprintf(text, size, "%s became %s", p->pair.kernel, p->pair.head_kernel);
    else
        snprintf(text, size, "%s in both", p->pair.kernel);
}

bool regress_fails(const RegressPair *p)
{
    return p->measured && p->decision == DECISION_SLOWER && p->gates && !p->waiver;
}

bool regress_shown(const Regress *r, const RegressPair *p)
{
    return r->options->time || p->verify.status != VERIFY_PASS || changed(p);
}

int regress_code(const Regress *r)
{
    bool slower = false, crashed = false, unknown = false, anything = false;
    if (r->interrupted)
        return EXIT_INTERRUPTED;
    for (size_t i = 0; i < r->pair_count; i++) {
        const RegressPair *p = &r->pairs[i];
        crashed |= p->crashed || p->verify.status == VERIFY_CRASH;
        slower |= p->verify.status == VERIFY_FAIL || regress_fails(p);
        unknown |= p->gates && p->verify.status == VERIFY_UNABLE;
        unknown |= (r->options->time || changed(p)) && p->gates && p->verify.status == VERIFY_PASS && !p->crashed &&
                   (!p->measured || p->decision == DECISION_INCONCLUSIVE);
        anything |= p->measured || p->verify.status == VERIFY_FAIL;
    }
    for (size_t i = 0; i < r->count_count; i++) {
        slower |= r->counts[i].fails;
        anything |= r->counts[i].counted;
    }
    return crashed ? EXIT_CRASHED : slower ? EXIT_DISAGREE : !anything ? EXIT_NOTHING : unknown ? EXIT_INCONCLUSIVE : EXIT_OK;
}
