/* pick.c - see pick.h. */
#include "harness/tune/pick.h"

#include <math.h>

#include "harness/base/known.h"

/* Worst ratio over all cases; infinite for a kernel that is not known in all cases. */
static double worst_ratio(const TuneTime *times, size_t cases, size_t kernels, size_t kernel)
{
    double worst = 0;
    for (size_t c = 0; c < cases; c++) {
        const TuneTime *t = &times[c * kernels + kernel];
        worst = t->known ? fmax(worst, t->ratio) : INFINITY;
        if (!t->known)
            break;
    }
    return worst;
}

static bool ties(const TuneTime *times, size_t cases, size_t kernels, size_t kernel)
{
    for (size_t c = 0; c < cases; c++) {
        const TuneTime *t = &times[c * kernels + kernel];
        if (!t->known || known_ratio(t->lo, t->hi) != KNOWN_TIED)
            return false;
    }
    return true;
}

static size_t least_worst(const TuneTime *times, size_t cases, size_t kernels, size_t without)
{
    size_t best = kernels;
    double least = INFINITY;
    for (size_t k = 0; k < kernels; k++) {
        const double worst = k == without ? INFINITY : worst_ratio(times, cases, kernels, k);
        if (worst < least) {
            best = k;
            least = worst;
        }
    }
    return best;
}

size_t tune_pick(const TuneTime *times, size_t cases, size_t kernels, size_t preferred)
{
    if (cases == 0)
        return kernels;
    if (preferred < kernels && ties(times, cases, kernels, preferred))
        return preferred;
    for (size_t k = 0; k < kernels; k++)
        if (ties(times, cases, kernels, k))
            return k;
    return least_worst(times, cases, kernels, kernels);
}

size_t tune_runner_up(const TuneTime *times, size_t cases, size_t kernels, size_t picked)
{
    return least_worst(times, cases, kernels, picked);
}

double tune_risk(const TuneTime *times, size_t cases, size_t kernels, size_t picked)
{
    double risk = 1;
    for (size_t c = 0; c < cases; c++) {
        double least = 1;
        for (size_t k = 0; k < kernels; k++)
            if (times[c * kernels + k].known)
                least = fmin(least, times[c * kernels + k].lo);
        risk = fmax(risk, times[c * kernels + picked].hi / least);
    }
    return risk;
}

size_t tune_worst_case(const TuneTime *times, size_t cases, size_t kernels, size_t kernel)
{
    size_t worst = 0;
    for (size_t c = 1; c < cases; c++)
        if (times[c * kernels + kernel].ratio > times[worst * kernels + kernel].ratio)
            worst = c;
    return worst;
}
