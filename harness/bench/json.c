/* json.c - see json.h. */
#include "harness/base/json.h"
#include "harness/bench/json.h"

#include <math.h>

#include "harness/machine/chain.h"
#include "harness/records/records.h"

json_t *bench_json_ratio(const char *against, const PairedRun *run, StatsInterval r)
{
    const bool known = isfinite(r.hi); /* a lower end of exp(-inf) = 0 would look like a measured one */
    return json_pack("{s:s, s:o, s:o, s:o, s:f, s:i, s:s}", "kernel", against, "ratio", json_number_or_null(r.median),
                     "lo", known ? json_number_or_null(r.lo) : json_null(), "hi", json_number_or_null(r.hi), "conf", 1 - run->alpha, "n", (int)r.n,
                     "method", "paired-log-sign");
}

json_t *bench_json_samples(const PairedArm *arm, size_t rounds)
{
    json_t *list = json_array();
    for (size_t r = 0; r < rounds; r++)
        json_array_append_new(list, json_number_or_null(1e9 * arm->seconds[r]));
    return list;
}

json_t *bench_json_flags(const PairedArm *arm, size_t rounds)
{
    int count[3] = {0};
    for (size_t r = 0; r < rounds; r++)
        for (int bit = 0; bit < 3; bit++)
            count[bit] += arm->flags[r] >> bit & 1;
    return json_pack("{s:i, s:i, s:i}", "preempt", count[0], "minor_faults", count[1], "steal", count[2]);
}

json_t *bench_json_noise(const PairedRun *run)
{
    return json_pack("{s:i, s:i, s:i, s:i, s:o, s:o, s:b, s:o}", "trials", (int)run->trials, "flagged", (int)run->flagged,
                     "left_out", (int)run->left_out, "clock_back", (int)run->back, "steal",
                     json_number_or_null(run->steal), "warmup", json_number_or_null(run->warmup), "settled", run->settled, "probe_ghz",
                     json_number_or_null((double)CHAIN_LENGTH * CHAIN_LATENCY / run->sentinel.median * 1e-9));
}

void bench_json_times(json_t *object, const PairedArm *arm, const PairedRun *run)
{
    const StatsSummary time = paired_summary(run, arm);
    json_object_set_new(object, "iters", json_integer((json_int_t)arm->iterations));
    json_object_set_new(object, "rounds", json_integer((json_int_t)time.n));
    json_object_set_new(object, "every", json_integer((json_int_t)arm->every));
    json_object_set_new(object, "unit", json_string("s"));
    json_object_set_new(object, "med", json_number_or_null(time.median));
    json_object_set_new(object, "min", json_number_or_null(time.min));
    json_object_set_new(object, "mad", json_number_or_null(time.mad));
    json_object_set_new(object, "p90", json_number_or_null(time.p90));
    json_object_set_new(object, "ns", bench_json_samples(arm, run->rounds));
}
