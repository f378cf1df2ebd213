/* mha.c - see bench_mha.h. flop: those of the four projections and of the attention inside; exp: of that attention; bytes: sources,
 * weights, biases and y once. */
#include "harness/base/stop.h"
#include "harness/bench/mha.h"

#include <stdio.h>
#include <stdlib.h>

enum { REFERENCE_ROWS = 8 };

/* What one arm runs. */
typedef struct Ready {
    AttnMha *mha;
    AttnMhaPlan *plan;
    const AttnMhaTensors *tensors;
} Ready;

static AttnStatus call_mha(BenchKernel *k)
{
    const Ready *ready = k->operands;
    return attn_mha_run(ready->plan, ready->tensors, k->workspace, k->workspace_size);
}

static RoofWork work_of(const MhaShape *s)
{
    const Shape inner = mha_shape_inner(s);
    const double q_rows = (double)s->batch * (double)s->q_len, k_rows = (double)s->batch * (double)s->k_len, e = (double)s->embed;
    const double q = (double)s->q_heads * (double)s->d, k = (double)s->kv_heads * (double)s->d;
    const double kdim = (double)s->kdim, vdim = (double)s->vdim;
    const double sources = q_rows * e + (s->cross ? k_rows * kdim : 0.0) + (s->separate ? k_rows * vdim : 0.0);
    RoofWork work = shape_work(&inner);
    work.flop += 2.0 * (q_rows * e * q + k_rows * (kdim + vdim) * k + q_rows * q * e);
    work.bytes = sizeof(float) * (sources + q_rows * e + 2.0 * q * e + (kdim + vdim) * k + (s->no_bias ? 0.0 : q + 2.0 * k + e));
    return work;
}

/* Verify one pair; on success it has a plan and a workspace. */
static void prepare(BenchKernel *k, const MhaCase *x, const Reference *r, const BenchOptions *options, const AttnSettings *settings,
                    Ready *ready)
{
    const MhaPair *pair = (const MhaPair *)k->kernel;
    if (settings->kernel && settings->kernel != pair->linear && settings->kernel != pair->attention) {
        snprintf(k->why, sizeof k->why, "%s asks for %s", settings->kernel_from, settings->kernel->name);
        return;
    }
    k->verify = mha_case_judge_isolated(pair, x, r, options->threads);
    if (k->verify.status != VERIFY_PASS) {
        snprintf(k->why, sizeof k->why, "%s", k->verify.why);
        return;
    }
    if (mha_case_plan(pair, x, options->threads, &ready->mha, &ready->plan) != ATTN_OK) {
        bench_case_unable(k, "%s", attn_last_error());
        return;
    }
    ready->tensors = &x->t;
    k->call = call_mha;
    k->operands = ready;
    k->workspace_size = attn_mha_plan_workspace(ready->plan);
    k->workspace = aligned_alloc(64, k->workspace_size);
    k->timed = k->workspace != NULL;
    if (!k->timed)
        bench_case_unable(k, "no memory for a workspace of %zu bytes", k->workspace_size);
}

static bool run_pairs(BenchCase *bench, const MhaCase *x, const BenchOptions *options, const AttnSettings *settings,
                      const Topology *topology, char *error, size_t error_size)
{
    const Reference r = reference(x, RIGHT);
    Ready *ready = r.y ? calloc(bench->count, sizeof *ready) : NULL;
    for (size_t i = 0; ready && i < bench->count && !stop_signal; i++) {
        bench_case_verifying(bench, i);
        prepare(&bench->kernels[i], x, &r, options, settings, &ready[i]);
    }
    if (!ready)
        snprintf(error, error_size, "%s: out of memory%s", bench->shape, r.y ? "" : " for the reference");
    const bool measured = ready && bench_case_measure(bench, settings, topology, error, error_size);
    for (size_t i = 0; ready && i < bench->count; i++) {
        attn_mha_plan_destroy(ready[i].plan);
        attn_mha_destroy(ready[i].mha);
    }
    free(ready);
    return measured;
}

bool bench_mha_run(BenchCase *bench, const MhaShape *shape, const MhaPair *pairs, size_t count, const BenchOptions *options,
                   const AttnSettings *settings, const Topology *topology, char *error, size_t error_size)
{
    memset(bench, 0, sizeof *bench);
    bench->what = (VerifyCase){.dist = DIST_NORMAL, .seed = options->seed, .fence = FENCE_NONE, .threads = options->threads};
    mha_shape_name(shape, bench->shape, sizeof bench->shape);
    const AttnKernel **rows = calloc(count, sizeof *rows);
    for (size_t i = 0; rows && i < count; i++)
        rows[i] = &pairs[i].row;
    bool ok = rows != NULL;
    if (!ok)
        snprintf(error, error_size, "%s: out of memory", bench->shape);
    ok = ok && bench_case_open(bench, "mha", rows, count, options, settings, topology, work_of(shape), error, error_size);
    free(rows);
    if (ok) {
        MhaCase x;
        ok = mha_case_make(&x, shape, options->seed, REFERENCE_ROWS);
        if (!ok)
            snprintf(error, error_size, "%s: out of memory for %g bytes of operands", bench->shape, bench->work.bytes);
        ok = ok && run_pairs(bench, &x, options, settings, topology, error, error_size);
    }
    reference_release();
    return ok;
}
