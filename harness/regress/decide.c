/* decide.c - sign tests, Holm's procedure and decisions of decide.h. Pure functions of their arguments. */
#include "harness/regress/decide.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AGREE 0.8       /* share of the launches that must agree in direction */
#define NOISE_FACTOR 1.5 /* threshold as a multiple of the half-width of A/A */

const char *decision_name(Decision decision)
{
    static const char *const names[] = {"same", "faster", "slower", "inconclusive"};
    return names[decision];
}

bool decide_add(DecideSamples *s, const double *base, const double *arm, size_t rounds)
{
    if (s->launches == DECIDE_MOST_LAUNCHES)
        return false;
    if (s->n + rounds > s->room) {
        const size_t room = 2 * (s->n + rounds);
        double *log = realloc(s->log, room * sizeof *log);
        if (!log)
            return false;
        s->log = log;
        s->room = room;
    }
    const size_t first = s->n;
    for (size_t r = 0; r < rounds; r++) {
        const double l = log(arm[r]) - log(base[r]);
        if (!isnan(l))
            s->log[s->n++] = l;
    }
    double *work = malloc((s->n - first + 1) * sizeof *work);
    if (!work)
        return false;
    s->launch[s->launches++] = exp(stats_summary(s->log + first, s->n - first, work).median);
    free(work);
    return true;
}

void decide_clear(DecideSamples *s)
{
    free(s->log);
    memset(s, 0, sizeof *s);
}

double decide_binomial_tail(size_t n, size_t k)
{
    /* In logarithms: 2^-n underflows beyond n = 1074. Terms from k upwards. */
    double log_term = -(double)n * log(2.0), sum = 0;
    for (size_t i = 0; i < k && i < n; i++)
        log_term += log((double)(n - i)) - log((double)(i + 1));
    if (k > n)
        return 0;
    for (size_t i = k; i <= n; i++) {
        sum += exp(log_term);
        if (i < n)
            log_term += log((double)(n - i)) - log((double)(i + 1));
    }
    return fmin(sum, 1.0);
}

DecideFinding decide_find(const DecideSamples *s, double min_effect, double alpha)
{
    DecideFinding f = {.ratio = {0, NAN, -INFINITY, INFINITY}, .p_slower = 1, .p_faster = 1, .launches = s->launches};
    double *work = malloc((s->n + 1) * sizeof *work);
    if (!work)
        return f;
    f.ratio = stats_median_interval(s->log, s->n, alpha, work);
    free(work);
    f.ratio.median = exp(f.ratio.median);
    f.ratio.lo = exp(f.ratio.lo);
    f.ratio.hi = exp(f.ratio.hi);
    const double threshold = log1p(min_effect);
    size_t slow = 0, fast = 0;
    for (size_t i = 0; i < s->n; i++) {
        slow += s->log[i] > threshold;
        fast += s->log[i] < -threshold;
    }
    f.p_slower = decide_binomial_tail(s->n, slow);
    f.p_faster = decide_binomial_tail(s->n, fast);
    for (size_t l = 0; l < s->launches; l++) {
        f.above += s->launch[l] > 1;
        f.below += s->launch[l] < 1;
    }
    return f;
}

double decide_p(const DecideFinding *f)
{
    return fmin(1.0, 2 * fmin(f->p_slower, f->p_faster));
}

/* A p-value and where it came from. */
typedef struct Ranked {
    double p;
    size_t index;
} Ranked;

static int by_p(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;
    return (x->p > y->p) - (x->p < y->p);
}

bool decide_holm(double *p, size_t n)
{
    Ranked *ranked = malloc((n + 1) * sizeof *ranked);
    if (!ranked)
        return false;
    for (size_t i = 0; i < n; i++)
        ranked[i] = (Ranked){p[i], i};
    qsort(ranked, n, sizeof *ranked, by_p);
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmin(1.0, fmax(most, (double)(n - i) * ranked[i].p));
        p[ranked[i].index] = most;
    }
    free(ranked);
    return true;
}

Decision decide_effect(const DecideFinding *f, double min_effect, double adjusted, double alpha)
{
    const size_t enough = (size_t)ceil(AGREE * (double)f->launches);
    if (adjusted < alpha && f->p_slower < f->p_faster && f->above >= enough)
        return DECISION_SLOWER;
    if (adjusted < alpha && f->p_faster < f->p_slower && f->below >= enough)
        return DECISION_FASTER;
    return f->ratio.lo > 1 / (1 + min_effect) && f->ratio.hi < 1 + min_effect ? DECISION_SAME : DECISION_INCONCLUSIVE;
}

DecideControls decide_controls(const DecideFinding *same, const DecideFinding *more, double min_effect, size_t family, double alpha)
{
    if (decide_effect(same, min_effect, 1, alpha) != DECISION_SAME)
        return CONTROL_NOT_SAME;
    const double adjusted = fmin(1, decide_p(more) * (double)family);
    return decide_effect(more, min_effect, adjusted, alpha) == DECISION_SLOWER ? CONTROLS_HOLD : CONTROL_NOT_FOUND;
}

double decide_min_effect(const DecideSamples *copy, double least, double alpha)
{
    const DecideFinding f = decide_find(copy, least, alpha);
    const double half = (f.ratio.hi - f.ratio.lo) / 2;
    return isfinite(half) ? fmax(least, NOISE_FACTOR * half) : INFINITY;
}
