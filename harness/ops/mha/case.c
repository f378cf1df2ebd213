/* case.c - see case.h. */
#include "harness/base/random.h"
#include "harness/ops/mha/case.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/ops/mha/draw.h"
#include "harness/ops/zoo.h"

enum { CHILD_TIMEOUT = 300 };

bool mha_pair(const AttnKernel *linear, OpKernel *pair)
{
    char name[64];
    if (linear->kind != ATTN_KIND_PRODUCT || zoo_is_yardstick(linear) || strncmp(linear->name, "linear_", 7) != 0)
        return false;
    snprintf(name, sizeof name, "flash_%s", linear->name + 7);
    const AttnKernel *attention = zoo_find(name);
    if (!attention)
        return false;
    op_kernel_fill(pair, linear);
    pair->inner = attention;
    pair->isa = linear->isa | attention->isa;
    snprintf(pair->name, sizeof pair->name, "mha (%s)", op_isa_name(pair));
    return true;
}

void mha_mutants(OpKernel mutants[MHA_MUTANTS])
{
    static const struct {
        Mistake mistake;
        const char *name, *what;
    } all[MHA_MUTANTS] = {
        {RIGHT, "mha:right", ""},
        {ROPE_PAIRS_SWAPPED, "mha:rope_pairs", "rotary positions turn the other pairs of columns"},
        {BIAS_BEFORE_PROJECTION, "mha:bias", "the bias of q is not added after the projection"},
        {WRONG_HEAD_SPLIT, "mha:head_split", "column c * heads + h is column c of head h"},
        {WRONG_KV_HEAD, "mha:kv_head", "query head h reads KV head h % kv_heads"},
    };
    const AttnKernel *base = zoo_find("linear_f32");
    for (size_t i = 0; i < MHA_MUTANTS && mha_pair(base, &mutants[i]); i++) {
        snprintf(mutants[i].name, sizeof mutants[i].name, "%s", all[i].name);
        mutants[i].summary = all[i].what;
        mutants[i].mistake = all[i].mistake;
    }
}

/* ---- Operands -------------------------------------------------------------------------------------------------------------------- */

static float *numbers(uint64_t seed, uint64_t which, size_t count, double scale)
{
    float *x = reference_room(count * sizeof *x);
    for (size_t i = 0; x && i < count; i++)
        x[i] = (float)(scale * random_normal(random_bits(seed, which), i));
    return x;
}

bool mha_case_make(MhaCase *to, const MhaShape *shape, uint64_t seed, size_t rows)
{
    const size_t q = shape->q_heads * shape->d, k = shape->kv_heads * shape->d, e = shape->embed;
    MhaCase x = {.c = attn_mha_config(e, shape->q_heads), .every = rows < shape->q_len ? (shape->q_len + rows - 1) / rows : 1};
    x.c.kv_heads = shape->kv_heads;
    x.c.d = x.c.dv = shape->d;
    x.c.kdim = shape->kdim;
    x.c.vdim = shape->vdim;
    x.c.sources = shape->separate ? ATTN_MHA_SEPARATE : shape->cross ? ATTN_MHA_CROSS : ATTN_MHA_SELF;
    if (shape->rope) {
        x.c.rope = ATTN_ROPE_HALVES;
        x.c.rope_dims = shape->d;
        x.c.rope_base = 10000.0;
    }
    x.w = attn_mha_weights(numbers(seed, 0, q * e, 1.0 / sqrt((double)e)),
                           numbers(seed, 1, k * shape->kdim, 1.0 / sqrt((double)shape->kdim)),
                           numbers(seed, 2, k * shape->vdim, 1.0 / sqrt((double)shape->vdim)),
                           numbers(seed, 3, e * q, 1.0 / sqrt((double)q)));
    if (!shape->no_bias) {
        x.w.bq = numbers(seed, 4, q, 0.5);
        x.w.bk = numbers(seed, 5, k, 0.5);
        x.w.bv = numbers(seed, 6, k, 0.5);
        x.w.bo = numbers(seed, 7, e, 0.5);
    }
    x.s = attn_mha_shape(&x.c, shape->batch, shape->q_len, shape->k_len);
    x.s.causal = shape->causal;
    x.t = attn_mha_tensors(numbers(seed, 8, shape->batch * shape->q_len * e, 1.0),
                           shape->cross ? numbers(seed, 9, shape->batch * shape->k_len * shape->kdim, 1.0) : NULL,
                           shape->separate ? numbers(seed, 10, shape->batch * shape->k_len * shape->vdim, 1.0) : NULL,
                           reference_room(shape->batch * shape->q_len * e * sizeof(float)));
    *to = x;
    return x.w.wq && x.w.wk && x.w.wv && x.w.wo && x.t.xq && x.t.y && (x.t.xk || !shape->cross) && (x.t.xv || !shape->separate) &&
           (shape->no_bias || (x.w.bq && x.w.bk && x.w.bv && x.w.bo));
}

/* ---- Run and compare ------------------------------------------------------------------------------------------------------------- */

AttnStatus mha_case_plan(const OpKernel *pair, const MhaCase *x, size_t threads, AttnMha **mha, AttnMhaPlan **plan)
{
    AttnOptions options = attn_options();
    options.threads = threads;
    options.kernel = pair->kernel->name;
    *plan = NULL;
    AttnStatus status = attn_mha_create(&x->c, &x->w, &options, NULL, 0, mha);
    options.kernel = pair->inner->name;
    if (status == ATTN_OK)
        status = attn_mha_plan_create(*mha, &x->s, &options, plan);
    if (status != ATTN_OK) {
        attn_mha_destroy(*mha); /* leaves the sentence of the error */
        *mha = NULL;
    }
    return status;
}

void mha_case_agree(const MhaCase *x, const Reference *r, VerifyResult *result)
{
    const size_t width = x->c.output ? x->c.embed : x->c.q_heads * x->c.dv;
    const float *y = x->t.y;
    for (size_t row = 0; row < x->s.batch * x->s.q_len; row++) {
        const size_t b = row / x->s.q_len, i = row % x->s.q_len;
        double wrong = 0.0, right = 0.0;
        if (!reference_has(x, i))
            continue;
        for (size_t c = 0; c < width; c++) {
            const Number want = r->y[row * width + c];
            const float got = y[(ptrdiff_t)b * x->s.y.batch + (ptrdiff_t)i * x->s.y.row + (ptrdiff_t)c];
            const double away = fabs((double)got - want.v), eta = away / (want.e + 0x1p-120), z = away / (sqrt(want.s) + 0x1p-120);
            const float size = fmaxf((float)fabs(want.v), FLT_MIN);
            const VerifyJudge judge = !isfinite(got) ? JUDGE_NONFINITE : eta > 1.0 ? JUDGE_BOUND : z > 12.0 ? JUDGE_MODEL : JUDGE_NONE;
            if (judge != JUDGE_NONE && result->judge == JUDGE_NONE)
                verdict_fail(result, judge, "y batch %zu row %zu column %zu ref=%.9g got=%.9g |diff|=%.3g bound=%.3g sigma=%.3g", b, i, c,
                           want.v, (double)got, away, want.e, sqrt(want.s));
            if (judge == JUDGE_NONFINITE)
                continue;
            result->eta = fmax(result->eta, eta);
            result->z = fmax(result->z, z);
            result->max_abs = fmax(result->max_abs, away);
            result->max_ulp = fmax(result->max_ulp, away / ((double)nextafterf(size, INFINITY) - size));
            wrong += away * away;
            right += want.v * want.v;
        }
        result->rel_l2 = fmax(result->rel_l2, right > 0.0 ? sqrt(wrong / right) : 0.0);
        result->rows++;
    }
}

static void judge(const OpKernel *pair, const MhaCase *x, const Reference *r, size_t threads, VerifyResult *result)
{
    AttnMha *mha;
    AttnMhaPlan *plan;
    memset(result, 0, sizeof *result);
    const AttnStatus planned = mha_case_plan(pair, x, threads, &mha, &plan);
    if (planned != ATTN_OK) {
        verdict_refused(result, planned);
        return;
    }
    const size_t bytes = attn_mha_plan_workspace(plan), width = x->s.batch * (size_t)x->s.y.batch;
    void *workspace = aligned_alloc(64, bytes);
    memset(x->t.y, 0xff, width * sizeof(float)); /* NaN: what is not written, or read before it is, shows */
    if (!workspace) {
        verdict_unable(result, "no memory for a workspace of %zu bytes", bytes);
    } else {
        memset(workspace, 0xff, bytes);
        const AttnStatus status = attn_mha_run(plan, &x->t, workspace, bytes);
        if (status != ATTN_OK)
            verdict_refused(result, status);
        else
            mha_case_agree(x, r, result);
    }
    free(workspace);
    attn_mha_plan_destroy(plan);
    attn_mha_destroy(mha);
}

void mha_case_judge_drawn(const OpKernel *pair, uint64_t seed, VerifyResult *result)
{
    const MhaCase x = mha_draw_case(seed);
    const Reference r = reference(&x, (Mistake)pair->mistake); /* first: a run appends to the cache that the reference reads */
    if (r.y)
        judge(pair, &x, &r, 1 + seed % 3, result);
    else
        verdict_unable(result, "no memory for the reference");
    reference_release();
}

typedef struct Isolated {
    const OpKernel *pair;
    const MhaCase *x;
    const Reference *r;
    size_t threads;
} Isolated;

static void judge_operands(const void *what, VerifyResult *result)
{
    const Isolated *on = what;
    judge(on->pair, on->x, on->r, on->threads, result);
}

VerifyResult mha_case_judge_isolated(const OpKernel *pair, const MhaCase *x, const Reference *r, size_t threads)
{
    return verdict_isolated(judge_operands, &(Isolated){pair, x, r, threads}, CHILD_TIMEOUT);
}
