/* stats.c - order statistics by sorting; samples here have at most a few hundred elements. */
#include "harness/base/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void stats_sort(double *x, size_t n)
{
    if (n > 1)
        qsort(x, n, sizeof *x, compare);
}

double stats_quantile(const double *sorted, size_t n, double p)
{
    if (n == 0)
        return NAN;
    const double at = p * (double)(n - 1);
    const size_t below = (size_t)at, above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

/* Sort the elements of x that are not NaN into `out`. Returns how many. */
static size_t present(const double *x, size_t n, double *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i]))
            out[kept++] = x[i];
    stats_sort(out, kept);
    return kept;
}

StatsSummary stats_summary(const double *x, size_t n, double *work)
{
    const size_t kept = present(x, n, work);
    StatsSummary s = {kept, NAN, NAN, NAN, NAN};
    if (kept == 0)
        return s;
    s.min = work[0];
    s.median = stats_quantile(work, kept, 0.5);
    s.p90 = stats_quantile(work, kept, 0.9);
    for (size_t i = 0; i < kept; i++)
        work[i] = fabs(work[i] - s.median);
    stats_sort(work, kept);
    s.mad = stats_quantile(work, kept, 0.5);
    return s;
}

size_t stats_sign_rank(size_t n, double alpha)
{
    /* Sum the lower tail in logarithms: 2^-n underflows beyond n = 1074. */
    double log_term = -(double)n * log(2.0), tail = exp(log_term); /* P(X = 0) */
    size_t rank = 0;
    while (tail <= alpha / 2 && rank < n / 2) {
        rank++; /* P(X < rank) = tail */
        log_term += log((double)(n - rank + 1)) - log((double)rank);
        tail += exp(log_term);
    }
    return rank;
}

StatsInterval stats_median_interval(const double *x, size_t n, double alpha, double *work)
{
    const size_t kept = present(x, n, work), rank = stats_sign_rank(kept, alpha);
    StatsInterval s = {kept, stats_quantile(work, kept, 0.5), -INFINITY, INFINITY};
    if (rank > 0) {
        s.lo = work[rank - 1];
        s.hi = work[kept - rank];
    }
    return s;
}

StatsInterval stats_paired_ratio(const double *a, const double *b, size_t n, double alpha, double *work)
{
    for (size_t i = 0; i < n; i++)
        work[n + i] = log(b[i]) - log(a[i]); /* NaN where either is absent */
    StatsInterval s = stats_median_interval(work + n, n, alpha, work);
    s.median = exp(s.median);
    s.lo = exp(s.lo);
    s.hi = exp(s.hi);
    return s;
}

StatsInterval stats_unpaired_ratio(const double *a, size_t na, const double *b, size_t nb, double alpha, double *work)
{
    const StatsInterval x = stats_median_interval(a, na, alpha / 2, work), y = stats_median_interval(b, nb, alpha / 2, work);
    StatsInterval s = {x.n < y.n ? x.n : y.n, y.median / x.median, -INFINITY, INFINITY};
    if (isfinite(x.hi) && isfinite(y.hi)) {
        s.lo = y.lo / x.hi;
        s.hi = y.hi / x.lo;
    }
    return s;
}
