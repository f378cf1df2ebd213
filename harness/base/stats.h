/* stats.h - order statistics: medians and their confidence intervals, without assuming any distribution.
 *
 * The mean of times on a shared machine is meaningless, since a neighbour can double some of them. So everything here uses ranks. */
#ifndef HARNESS_BASE_STATS_H
#define HARNESS_BASE_STATS_H

#include <stddef.h>

/* A sample in five numbers. n == 0: all NaN. */
typedef struct StatsSummary {
    size_t n;
    double min;    /* shown, but never used to rank: some trials are lucky    */
    double median;
    double mad;    /* median absolute deviation from the median, not scaled   */
    double p90;
} StatsSummary;

/* A median with its confidence interval; lo = -inf, hi = inf if n is too small for the requested confidence. */
typedef struct StatsInterval {
    size_t n;
    double median, lo, hi;
} StatsInterval;

void stats_sort(double *x, size_t n);

/* Quantile p in [0, 1] of a sorted sample, linear between ranks (p = 0.5: the usual median). NaN for n == 0. */
double stats_quantile(const double *sorted, size_t n, double p);

/* Summary of x[0..n); NaN elements stand for "not measured" and are left out. work holds n doubles. */
StatsSummary stats_summary(const double *x, size_t n, double *work);

/* Largest r >= 1 with P(Binomial(n, 1/2) < r) <= alpha/2, or 0 if there is none: then [x(r), x(n+1-r)] covers the median of a continuous
 * distribution with probability >= 1 - alpha (the sign test inverted). */
size_t stats_sign_rank(size_t n, double alpha);

/* Median of x[0..n) with that interval at level 1 - alpha. NaN elements are left out. work holds n doubles. */
StatsInterval stats_median_interval(const double *x, size_t n, double alpha, double *work);

/* How a and b compare when measured in the same rounds: exp of the median of ln b - ln a, over the rounds where both are present
 * (neither NaN). work holds 2n doubles. */
StatsInterval stats_paired_ratio(const double *a, const double *b, size_t n, double alpha, double *work);

/* How b compares with a when they were not measured together: ratio of the medians, bounded by the ends of the intervals of both medians at
 * level 1 - alpha / 2 each (Bonferroni), which assumes only that each sample is drawn from one distribution. n is that of the smaller
 * sample. work holds max(na, nb) doubles. */
StatsInterval stats_unpaired_ratio(const double *a, size_t na, const double *b, size_t nb, double alpha, double *work);

#endif
