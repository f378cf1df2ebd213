/* test_stats.c - order statistics: known values, and the coverage of the sign-test interval by simulation. */
#include <criterion/criterion.h>
#include <math.h>

#include "harness/base/random.h"
#include "harness/base/stats.h"
#include "harness/ops/sdpa/data.h"

Test(stats, quantiles_of_known_samples)
{
    const double x[] = {1, 2, 3, 4, 10};
    cr_assert_eq(stats_quantile(x, 5, 0.0), 1);
    cr_assert_eq(stats_quantile(x, 5, 0.5), 3);
    cr_assert_eq(stats_quantile(x, 4, 0.5), 2.5);
    cr_assert_eq(stats_quantile(x, 5, 1.0), 10);
    cr_assert_float_eq(stats_quantile(x, 5, 0.9), 7.6, 1e-12);
    cr_assert_eq(stats_quantile(x, 1, 0.9), 1);
    cr_assert(isnan(stats_quantile(x, 0, 0.5)));
}

Test(stats, summary_leaves_out_what_was_not_measured)
{
    const double x[] = {5, NAN, 1, 3, NAN, 2, 9};
    double work[7];
    const StatsSummary s = stats_summary(x, 7, work);
    cr_assert_eq(s.n, 5);
    cr_assert_eq(s.min, 1);
    cr_assert_eq(s.median, 3);
    cr_assert_eq(s.mad, 2); /* |x - 3| = 2 2 0 1 6 */
    cr_assert_float_eq(s.p90, 7.4, 1e-12);
    const StatsSummary none = stats_summary(x + 1, 1, work);
    cr_assert_eq(none.n, 0);
    cr_assert(isnan(none.median) && isnan(none.min) && isnan(none.mad) && isnan(none.p90));
}

/* Ranks from the printed tables of the sign test. */
Test(stats, sign_ranks_match_the_tables)
{
    cr_assert_eq(stats_sign_rank(5, 0.05), 0);
    cr_assert_eq(stats_sign_rank(6, 0.05), 1);
    cr_assert_eq(stats_sign_rank(10, 0.05), 2);
    cr_assert_eq(stats_sign_rank(20, 0.05), 6);
    cr_assert_eq(stats_sign_rank(100, 0.05), 40);
    cr_assert_eq(stats_sign_rank(7, 0.01), 0);
    cr_assert_eq(stats_sign_rank(8, 0.01), 1);
    cr_assert_eq(stats_sign_rank(100, 0.01), 37);
    cr_assert_eq(stats_sign_rank(0, 0.5), 0);
    const size_t large = stats_sign_rank(5000, 0.01); /* normal approximation: 2500 - 2.576 * sqrt(5000)/2 = 2408.9 */
    cr_assert(large >= 2406 && large <= 2410, "rank %zu", large);
}

Test(stats, too_few_samples_give_an_endless_interval)
{
    const double x[] = {1, 2, 3};
    double work[3];
    const StatsInterval s = stats_median_interval(x, 3, 0.01, work);
    cr_assert_eq(s.median, 2);
    cr_assert(isinf(s.lo) && s.lo < 0 && isinf(s.hi) && s.hi > 0);
}

/* The interval of a skewed, heavy-tailed sample covers the true median at least as often as promised, and is not absurdly wide. */
Test(stats, interval_covers_the_median_as_promised)
{
    enum { TRIALS = 4000, N = 41 };
    const double alpha = 0.1;
    size_t covered = 0;
    for (uint64_t t = 0; t < TRIALS; t++) {
        double x[N], work[N];
        for (uint64_t i = 0; i < N; i++)
            x[i] = exp(3 * random_normal(random_bits(42, t), i)); /* log-normal: median 1, mean 90 */
        const StatsInterval s = stats_median_interval(x, N, alpha, work);
        covered += s.lo <= 1.0 && 1.0 <= s.hi;
    }
    /* Exact coverage for n = 41: 1 - 2 P(Bin(41, 1/2) < 15) = 0.940 or 1 - 2 P(Bin < 16) = 0.883 < 0.9, so rank 15. */
    const double rate = (double)covered / TRIALS;
    cr_assert(rate >= 0.92 && rate <= 0.96, "coverage %.4f", rate);
}

Test(stats, paired_ratio_ignores_what_both_arms_share)
{
    enum { N = 60 };
    double a[N], b[N], work[2 * N];
    for (uint64_t i = 0; i < N; i++) {
        const double machine = exp(random_normal(1, i)); /* the machine itself varies by a factor of e */
        a[i] = machine * (1 + 0.001 * random_normal(2, i));
        b[i] = 1.05 * machine * (1 + 0.001 * random_normal(3, i));
    }
    b[7] = NAN;
    a[11] = NAN;
    const StatsInterval r = stats_paired_ratio(a, b, N, 0.01, work);
    cr_assert_eq(r.n, N - 2);
    cr_assert_float_eq(r.median, 1.05, 0.002);
    cr_assert(r.lo > 1.045 && r.lo <= r.median && r.median <= r.hi && r.hi < 1.055);
}

Test(stats, unpaired_ratio_is_bounded_by_both_intervals)
{
    enum { N = 40 };
    double a[N], b[N], work[N];
    for (int i = 0; i < N; i++) {
        a[i] = 100 + i;
        b[i] = i % 2 ? 300 + 3 * i : NAN; /* 20 of them */
    }
    const StatsInterval r = stats_unpaired_ratio(a, N, b, N, 0.02, work);
    const StatsInterval x = stats_median_interval(a, N, 0.01, work), y = stats_median_interval(b, N, 0.01, work);
    cr_assert_eq(r.n, 20);
    cr_assert_float_eq(r.median, 360.0 / 119.5, 1e-12);
    cr_assert_float_eq(r.lo, y.lo / x.hi, 1e-12);
    cr_assert_float_eq(r.hi, y.hi / x.lo, 1e-12);
    cr_assert(isinf(stats_unpaired_ratio(a, N, b, 4, 0.02, work).hi), "two samples bound nothing");
}
