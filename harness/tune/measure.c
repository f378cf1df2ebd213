/* measure.c - see measure.h. */
#include "harness/base/grow.h"
#include "harness/base/stop.h"
#include "harness/tune/measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/choose.h"
#include "dispatch/registry.h"
#include "harness/base/known.h"
#include "harness/ops/sdpa/op.h"
#include "harness/tune/pick.h"

/* The parameters of each rigor; the header explains them. */
static const struct {
    size_t candidates; /* at most this many                          */
    double within;     /* with at most this multiple of the lowest cost */
    double budget, target_ci;
    double sure;       /* largest risk of the pick (pick.h); above it the case was too noisy */
    size_t passes;
} plans[ATTN_RIGORS] = {
    [ATTN_RIGOR_QUICK] = {3, INFINITY, 0.2, 0.03, 1.20, 1},
    [ATTN_RIGOR_MEASURE] = {SIZE_MAX, 8, 1, 0.01, 1.10, 1},
    [ATTN_RIGOR_PATIENT] = {SIZE_MAX, INFINITY, 4, 0.005, 1.05, 1},
    [ATTN_RIGOR_EXHAUSTIVE] = {SIZE_MAX, INFINITY, 4, 0.005, 1.05, 3},
};

/* A bucket that was too noisy to decide is measured again with this multiple of the budget. */
enum { ATTEMPTS = 3, MORE_BUDGET = 3 };

/* ---- Buckets --------------------------------------------------------------------------------------------------------------------- */

static TuneBucket *bucket_of(TuneBuckets *buckets, const AttnTuneKey *key)
{
    for (size_t i = 0; i < buckets->count; i++)
        if (memcmp(&buckets->at[i].key, key, sizeof *key) == 0)
            return &buckets->at[i];
    TuneBucket *at = grow_by_one(buckets->at, buckets->count, sizeof *at);
    if (!at)
        return NULL;
    buckets->at = at;
    TuneBucket *fresh = &at[buckets->count++];
    *fresh = (TuneBucket){.key = *key};
    attn_tune_key_text(key, fresh->name, sizeof fresh->name);
    return fresh;
}

bool tune_buckets_add(TuneBuckets *buckets, const Shapes *shapes, size_t threads)
{
    for (size_t i = 0; i < shapes->count; i++) {
        const AttnProblem problem = shape_problem(&shapes->at[i]);
        if (problem.batch == 0 || problem.q_len == 0 || problem.k_len == 0)
            continue;
        const AttnTuneKey key = attn_tune_key(&problem, threads);
        TuneBucket *bucket = bucket_of(buckets, &key);
        const Shape **at = bucket ? grow_by_one(bucket->shapes, bucket->count, sizeof *at) : NULL;
        if (!at)
            return false;
        bucket->shapes = at;
        at[bucket->count++] = &shapes->at[i];
    }
    return true;
}

void tune_buckets_free(TuneBuckets *buckets)
{
    for (size_t i = 0; i < buckets->count; i++)
        free(buckets->at[i].shapes);
    free(buckets->at);
    *buckets = (TuneBuckets){0};
}

/* ---- Candidates ------------------------------------------------------------------------------------------------------------------ */

typedef struct Candidate {
    const AttnKernel *kernel;
    double cost; /* mean over the shapes of estimate / least estimate */
    bool taken;
} Candidate;

/* Kernels that take every shape of the bucket, with their cost; `estimate` is set. Returns how many. */
static size_t find_candidates(const TuneBucket *bucket, const AttnSettings *settings, Candidate *list, const AttnKernel **estimate)
{
    size_t count = 0;
    for (size_t i = 0; i < attn_registry_count; i++)
        list[i] = (Candidate){.kernel = attn_registry[i], .taken = true};
    for (size_t s = 0; s < bucket->count; s++) {
        const AttnProblem problem = shape_problem(bucket->shapes[s]);
        const size_t best = attn_choose(attn_registry, attn_registry_count, &problem, attn_cpu_this(), settings, NULL);
        const AttnKernel *chosen = best < attn_registry_count ? attn_registry[best] : NULL;
        *estimate = s == 0 || *estimate == chosen ? chosen : NULL;
        for (size_t i = 0; i < attn_registry_count; i++) {
            const AttnVerdict verdict = attn_choose_judge(attn_registry[i], &problem, attn_cpu_this(), settings);
            list[i].taken &= chosen && verdict.accepted;
            if (list[i].taken)
                list[i].cost += verdict.cost / chosen->cost(&problem) / (double)bucket->count;
        }
    }
    for (size_t i = 0; i < attn_registry_count; i++)
        if (list[i].taken)
            list[count++] = list[i];
    return count;
}

/* The kernels to measure, in registry order. */
static size_t select_kernels(Candidate *list, size_t count, AttnRigor rigor, const AttnKernel *held, const AttnKernel **kernels)
{
    size_t selected = 0;
    double least = INFINITY;
    for (size_t i = 0; i < count; i++)
        least = fmin(least, list[i].cost);
    for (size_t i = 0; i < count; i++) {
        size_t cheaper = 0;
        for (size_t j = 0; j < count; j++)
            cheaper += list[j].cost < list[i].cost || (list[j].cost == list[i].cost && j < i);
        if ((cheaper < plans[rigor].candidates && list[i].cost <= plans[rigor].within * least) || list[i].kernel == held)
            kernels[selected++] = list[i].kernel;
    }
    return selected;
}

/* ---- Measuring ------------------------------------------------------------------------------------------------------------------- */

typedef struct Cases {
    BenchCase *at;
    size_t count;
    TuneTime *times; /* [count][kernels] */
} Cases;

/* Measure the cases. One that Ctrl-C interrupts does not count. */
static bool run_cases(Cases *cases, const TuneBucket *bucket, const OpKernel *kernels, size_t count, AttnRigor rigor, BenchOptions *options,
                      const AttnSettings *settings, const Topology *topology, char *error, size_t error_size)
{
    const uint64_t seed = options->seed;
    OpShape shape;
    for (size_t pass = 0; pass < plans[rigor].passes; pass++)
        for (size_t s = 0; s < bucket->count && !stop_signal; s++) {
            BenchCase *bench = &cases->at[cases->count++];
            options->seed = seed + pass;
            sdpa_word(&shape, bucket->shapes[s]);
            if (!bench_case_run(bench, &shape, kernels, count, options, settings, topology, error, error_size))
                return false;
            for (size_t k = 0; k < count; k++) {
                const BenchKernel *kernel = &bench->kernels[k];
                const bool known = kernel->timed && bench->run.rounds > 0 && isfinite(kernel->best.hi) && !isnan(kernel->best.median);
                cases->times[(cases->count - 1) * count + k] = (TuneTime){known, kernel->best.median, kernel->best.lo, kernel->best.hi};
            }
        }
    return true;
}

static void free_cases(Cases *cases)
{
    for (size_t i = 0; i < cases->count; i++)
        bench_case_free(&cases->at[i]);
    free(cases->at);
    free(cases->times);
    *cases = (Cases){0};
}

static size_t index_of(const AttnKernel *const *kernels, size_t count, const AttnKernel *kernel)
{
    size_t i = 0;
    while (i < count && kernels[i] != kernel)
        i++;
    return i;
}

/* Ratio of the times of `kernel` and `over` in one case. */
static StatsInterval versus(const BenchCase *bench, size_t kernel, size_t over)
{
    return paired_ratio(&bench->run, &bench->arms[bench->kernels[over].arm], &bench->arms[bench->kernels[kernel].arm]);
}

/* Fill the entry: the pick, and how it compares, in its worst case, with the kernel that would be taken without the entry. */
static bool fill_row(const TuneBucket *bucket, const Cases *cases, const AttnKernel *const *kernels, size_t count, size_t picked,
                     size_t preferred, AttnRigor rigor, TuneRow *row)
{
    const size_t worst = tune_worst_case(cases->times, cases->count, count, picked);
    size_t over = preferred;
    if (over == count || over == picked || !cases->times[worst * count + over].known)
        over = tune_runner_up(cases->times, cases->count, count, picked);
    if (over == count)
        return false;
    const StatsInterval r = versus(&cases->at[worst], picked, over);
    snprintf(row->shape, sizeof row->shape, "%s", cases->at[worst].shape.name);
    row->entry = (AttnTuneEntry){.key = bucket->key, .kernel = kernels[picked], .over = kernels[over], .ratio = r.median, .lo = r.lo,
                                 .hi = fmin(r.hi, 999999), .rounds = (uint32_t)r.n, .rigor = rigor};
    return isfinite(r.lo) && isfinite(r.hi) && r.hi < 999999;
}

static void judge(const TuneBucket *bucket, const Cases *cases, const AttnKernel *const *kernels, size_t count, AttnRigor rigor,
                  const AttnKernel *held, TuneResult *result)
{
    size_t passed = 0;
    for (size_t k = 0; k < count; k++) {
        bool all = true;
        for (size_t c = 0; c < cases->count; c++) {
            const BenchKernel *kernel = &cases->at[c].kernels[k];
            all &= kernel->timed;
            result->disagreed |= kernel->verify.status == VERIFY_FAIL;
            result->crashed |= kernel->verify.status == VERIFY_CRASH;
        }
        passed += all;
    }
    const size_t preferred = index_of(kernels, count, result->estimate);
    const size_t picked = tune_pick(cases->times, cases->count, count, preferred), watched = held ? index_of(kernels, count, held) : picked;
    result->outcome = passed == 0 ? TUNE_NOBODY : passed == 1 ? TUNE_ALONE : TUNE_NOISY;
    if (passed < 2 || picked == count || watched == count || tune_risk(cases->times, cases->count, count, picked) > plans[rigor].sure)
        return;
    char unused[200];
    for (size_t c = 0; c < cases->count; c++)
        if (!cases->times[c * count + watched].known || paired_doubt(&cases->at[c].run, unused, sizeof unused))
            return;
    const size_t worst = tune_worst_case(cases->times, cases->count, count, watched);
    result->loss = cases->times[worst * count + watched].ratio;
    result->loss_lo = cases->times[worst * count + watched].lo;
    result->fastest = kernels[cases->at[worst].fastest];
    for (size_t k = 0; k < count; k++)
        result->tied |= k != picked && cases->times[worst * count + k].known &&
                        known_ratio(cases->times[worst * count + k].lo, cases->times[worst * count + k].hi) == KNOWN_TIED;
    if (fill_row(bucket, cases, kernels, count, picked, preferred, rigor, &result->row))
        result->outcome = TUNE_FOUND;
}

BenchOptions tune_options(AttnRigor rigor)
{
    return (BenchOptions){.budget = plans[rigor].budget, .min_trial = 300e-6, .max_rounds = 100, .target_ci = plans[rigor].target_ci,
                          .confidence = 0.99, .dist = DIST_NORMAL, .threads = 1, .bare = true};
}

/* Measure the candidates until the pick is sure, or three times. */
static bool measure(const TuneBucket *bucket, const AttnKernel *const *kernels, size_t count, AttnRigor rigor, const AttnKernel *held,
                    uint64_t seed, const AttnSettings *settings, const Topology *topology, TuneResult *result, char *error,
                    size_t error_size)
{
    BenchOptions options = tune_options(rigor);
    options.threads = bucket->key.threads;
    const size_t most = plans[rigor].passes * bucket->count;
    OpKernel *who = calloc(count, sizeof *who);
    bool measured = who != NULL;
    for (size_t k = 0; who && k < count; k++)
        (void)op_sdpa.kernel(kernels[k], &who[k]);
    if (!measured)
        snprintf(error, error_size, "%s: out of memory", bucket->name);
    result->outcome = TUNE_NOISY;
    for (int attempt = 0; attempt < ATTEMPTS && measured && result->outcome == TUNE_NOISY && !stop_signal; attempt++) {
        Cases cases = {.at = calloc(most, sizeof *cases.at), .times = calloc(most * count, sizeof *cases.times)};
        options.seed = seed;
        measured = cases.at && cases.times;
        if (!measured)
            snprintf(error, error_size, "%s: out of memory", bucket->name);
        else
            measured = run_cases(&cases, bucket, who, count, rigor, &options, settings, topology, error, error_size);
        if (measured && !stop_signal)
            judge(bucket, &cases, kernels, count, rigor, held, result);
        options.budget *= MORE_BUDGET;
        free_cases(&cases);
    }
    free(who);
    return measured;
}

bool tune_measure(const TuneBucket *bucket, AttnRigor rigor, const AttnKernel *held, uint64_t seed, const AttnSettings *settings,
                  const Topology *topology, TuneResult *result, char *error, size_t error_size)
{
    AttnSettings bare = *settings; /* the choice is to be found, so it is neither forced nor looked up */
    Candidate *list = calloc(attn_registry_count, sizeof *list);
    const AttnKernel **kernels = calloc(attn_registry_count, sizeof *kernels);
    bool measured = list && kernels;
    memset(result, 0, sizeof *result);
    bare.kernel = NULL;
    bare.tune = NULL;
    bare.threads = bucket->key.threads;
    if (!measured) {
        snprintf(error, error_size, "%s: out of memory", bucket->name);
    } else {
        const size_t candidates = find_candidates(bucket, &bare, list, &result->estimate);
        const size_t count = select_kernels(list, candidates, rigor, held, kernels);
        result->outcome = candidates == 0 ? TUNE_NOBODY : rigor == ATTN_RIGOR_ESTIMATE ? TUNE_ESTIMATED : TUNE_ALONE;
        if (rigor != ATTN_RIGOR_ESTIMATE && count > 1)
            measured = measure(bucket, kernels, count, rigor, held, seed, &bare, topology, result, error, error_size);
        if (stop_signal)
            result->outcome = TUNE_STOPPED;
    }
    free(list);
    free(kernels);
    return measured;
}
