/* blas_f32.c - attention as two sgemm and a softmax, what a C programmer would write today: a yardstick for the kernels.
 *
 * For a block of query rows of one head: S = scale Q K^T by cblas_sgemm, a softmax of each row in plain C with expf, O = P V by
 * cblas_sgemm. Frontier, window and lengths cut the keys of a block to those that some row of it sees; what a row does not see gets weight
 * 0. Cost: every score is written and read three times. Scratch: a block of scores. On one thread (yardstick.h).
 *
 * Outside the contract of kernels/kernel.h: BLAS allocates its buffers inside the call. */
#include <cblas.h>
#include <limits.h>
#include <math.h>

#include "harness/ops/yardstick/yardstick.h"
#include "kernels/fpenv.h"

enum { BLOCK = 128 };

static bool dense(const AttnLayout *l, size_t width)
{
    return l->row >= (ptrdiff_t)width && l->row <= INT_MAX;
}

static bool fits(const AttnProblem *p, const char **why_not)
{
    const bool all = dense(&p->q, p->d) && dense(&p->k, p->d) && dense(&p->v, p->dv) && dense(&p->o, p->dv);
    *why_not = all ? NULL : "BLAS wants rows that follow each other without overlap";
    return all;
}

static size_t scratch(const AttnProblem *p, size_t rows)
{
    (void)rows;
    return (BLOCK * p->k_len * sizeof(float) + 63) / 64 * 64;
}

static double cost(const AttnProblem *p)
{
    const double pairs = (double)p->batch * (double)p->q_heads * (double)p->q_len * ((double)p->k_len + 1.0);
    return pairs * ((double)(p->d + p->dv) / 16.0 + 20.0);
}

/* Scores to weights for one row; keys are those of the block, `from` the first. Returns the log-sum-exp. */
static float soften(float *s, AttnKeys keys, size_t from, size_t n)
{
    const size_t lo = keys.lo < keys.hi ? keys.lo - from : 0, hi = keys.lo < keys.hi ? keys.hi - from : 0;
    float m = -INFINITY, l = 0.0f;
    for (size_t j = lo; j < hi; j++)
        m = s[j] > m || s[j] != s[j] ? s[j] : m;
    for (size_t j = 0; j < n; j++) {
        s[j] = j < lo || j >= hi || m == -INFINITY ? 0.0f : expf(s[j] - m);
        l += s[j];
    }
    for (size_t j = lo; j < hi && l != 0.0f; j++)
        s[j] /= l;
    return m == -INFINITY ? -INFINITY : m + logf(l);
}

/* Rows [i, i + rows) of one head. */
static void block(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t i, size_t rows, float *s)
{
    const AttnProblem *p = a->p;
    AttnKeys all = {0, 0};
    for (size_t r = 0; r < rows; r++) {
        const AttnKeys keys = attn_visible_keys(a, seq, i + r);
        if (keys.lo == keys.hi)
            continue;
        all.lo = all.lo == all.hi || keys.lo < all.lo ? keys.lo : all.lo;
        all.hi = keys.hi > all.hi ? keys.hi : all.hi;
    }
    const size_t n = all.hi - all.lo, g = h / a->group;
    if (n > 0)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)n, (int)p->d, (float)p->scale, attn_q_row(a, seq, h, i),
                    (int)p->q.row, attn_k_row(a, seq, g, all.lo), (int)p->k.row, 0.0f, s, (int)n);
    for (size_t r = 0; r < rows; r++) {
        const float lse = soften(s + r * n, attn_visible_keys(a, seq, i + r), all.lo, n);
        if (a->t->lse)
            *attn_lse_at(a, seq, h, i + r) = lse;
        if (n == 0)
            memset(attn_o_row(a, seq, h, i + r), 0, p->dv * sizeof(float));
    }
    if (n > 0)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)p->dv, (int)n, 1.0f, s, (int)n,
                    attn_v_row(a, seq, g, all.lo), (int)p->v.row, 0.0f, attn_o_row(a, seq, h, i), (int)p->o.row);
}

/* panel is 1, so a unit never crosses a head's border. */
static void run(const AttnArgs *a, AttnSpan unit, void *scratch_bytes)
{
    yardstick_one_thread();
    const AttnSequence seq = attn_sequence(a, unit.b);
    const size_t h = unit.kv_head * a->group + unit.row0 / a->p->q_len;
    const size_t first = unit.row0 % a->p->q_len, end = first + unit.row1 - unit.row0;
    for (size_t i = first; i < end; i += BLOCK)
        block(a, &seq, h, i, end - i < BLOCK ? end - i : BLOCK, scratch_bytes);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "yardstick: two sgemm of the system's BLAS and a softmax",
    .isa = 0,
    .dtypes = {ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32)},
    .features = ATTN_HAS_BAND | ATTN_HAS_LSE | ATTN_HAS_GQA | ATTN_HAS_DV | ATTN_HAS_DOT,
    .accuracy = {.u_accumulate = 0x1p-24, .u_score = 0x1p-24, .u_prob = 0x1p-24, .u_out = 0x1p-24, .exp_ulp = 1.0, .exp_exact_at_0 = true},
    .panel = 1,
    .unit_panels = BLOCK,
    .enter = attn_fp_enter,
    .leave = attn_fp_leave,
    .fits = fits,
    .scratch = scratch,
    .cost = cost,
    .run = run,
};
