/* naive_f32.c - attention as it is written down, one query row at a time, in plain C.
 *
 * Three passes over the visible keys: scores and their maximum, exponentials and their sum, weighted sum of V. A hidden key is never read.
 * Keys are summed in chains of 256, so that 65537 keys do not cost three digits. Cost per score: d + dv multiply-adds by scalar code and
 * one expf of the C library. Scratch: a row of k_len scores and one of dv sums. It is the baseline for speed and the kernel to read first;
 * the reference for correctness is the oracle in harness/ops/sdpa/oracle.c, which computes in double. Scores and rows that are not finite
 * are redone in double (algo/plain.h). */
#include <float.h>
#include <math.h>

#include "kernels/algo/plain.h"
#include "kernels/fpenv.h"
#include "kernels/kernel.h"
#include "kernels/scratch.h"

enum { CHAIN = 256 };

typedef struct Work {
    float *s;    /* [k_len] scores, then weights     */
    float *part; /* [dv] sums over one chain of keys */
} Work;

static size_t lay_out(const AttnProblem *p, void *base, Work *w)
{
    AttnCarve carve = {.base = base};
    w->s = attn_carve(&carve, p->k_len, sizeof *w->s);
    w->part = attn_carve(&carve, p->dv, sizeof *w->part);
    return carve.used;
}

static size_t scratch(const AttnProblem *p, size_t rows)
{
    (void)rows;
    Work w;
    return lay_out(p, NULL, &w);
}

/* At best one multiply-add per cycle, and about 20 cycles per expf or tanhf. */
static double cost(const AttnProblem *p)
{
    const double calls = 1.0 + (p->softcap > 0 ? 1.0 : 0.0) + (p->score == ATTN_SCORE_ADDITIVE ? (double)p->d : 0.0);
    return (double)p->batch * (double)p->q_heads * (double)p->q_len * (double)p->k_len * (2.0 * (double)(p->d + p->dv) + 20.0 * calls);
}

static AttnPlainRow plain_row(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t i)
{
    const AttnPlainRow row = {a, seq, h, i, {0, a->p->k_len}};
    return row;
}

/* s0 of query row i of head h and key row j. */
static float raw_score(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t i, size_t j)
{
    const AttnProblem *p = a->p;
    const float *q = attn_q_row(a, seq, h, i), *k = attn_k_row(a, seq, h / a->group, j), scale = (float)p->scale;
    float sum = 0.0f;
    switch (p->score) {
    case ATTN_SCORE_DOT:
        for (size_t c = 0; c < p->d; c++)
            sum += q[c] * scale * k[c];
        return sum;
    case ATTN_SCORE_GAUSSIAN:
        for (size_t c = 0; c < p->d; c++)
            sum += (q[c] - k[c]) * (q[c] - k[c]);
        return -0.5f * scale * sum;
    case ATTN_SCORE_ADDITIVE:
        for (size_t c = 0; c < p->d; c++)
            sum += a->t->w[h * p->d + c] * tanhf(q[c] + k[c]);
        return scale * sum;
    case ATTN_SCORE_MAX_ENUM: break;
    }
    return sum;
}

/* s1: the soft-cap on s0. */
static float cap(const AttnProblem *p, float s)
{
    const float softcap = (float)p->softcap;
    return softcap > 0.0f ? softcap * tanhf(s / softcap) : s;
}

/* Does mask or bias hide the key? */
static bool hidden(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t i, size_t j)
{
    const unsigned char *mask = a->t->mask;
    return (mask && !mask[attn_score_at(&a->p->mask, seq->b, h, i, j)]) ||
           (a->t->bias && a->t->bias[attn_score_at(&a->p->bias, seq->b, h, i, j)] == -INFINITY);
}

/* s2: bias and ALiBi on s1. */
static float biased(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t i, size_t j, float s)
{
    const int64_t steps = (int64_t)i + seq->offset - (int64_t)j;
    if (a->t->bias)
        s += a->t->bias[attn_score_at(&a->p->bias, seq->b, h, i, j)];
    return a->p->alibi ? s - a->t->alibi_slopes[h] * (float)(steps < 0 ? -steps : steps) : s;
}

/* Recompute in double a score that left the range of f32 on the way. */
static __attribute__((noinline, cold)) float again(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t i, size_t j, AttnStage stage)
{
    const AttnPlainRow plain = plain_row(a, seq, h, i);
    return attn_plain_score(&plain, j, stage);
}

/* One score up to a stage. */
static inline float score(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t i, size_t j, AttnStage stage)
{
    const float s0 = raw_score(a, seq, h, i, j), s1 = stage >= ATTN_STAGE_CAPPED ? cap(a->p, s0) : s0;
    const float s = stage >= ATTN_STAGE_BIASED ? biased(a, seq, h, i, j, s1) : s1;
    return fabsf(s0) <= FLT_MAX && fabsf(s) <= FLT_MAX ? s : again(a, seq, h, i, j, stage);
}

/* Store the optional scores of a row; m and l are those of its softmax. */
static void emit(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t i, float m, float l)
{
    const AttnProblem *p = a->p;
    const AttnKeys keys = attn_visible_keys(a, seq, i);
    for (size_t j = 0; j < p->k_len; j++) {
        float *to = a->t->scores + attn_score_at(&p->scores, seq->b, h, i, j);
        const bool sees = j >= keys.lo && j < keys.hi && !hidden(a, seq, h, i, j);
        if (p->scores_stage >= ATTN_STAGE_BIASED && !sees) {
            *to = p->scores_stage == ATTN_STAGE_BIASED ? -INFINITY : 0.0f;
            continue;
        }
        *to = score(a, seq, h, i, j, p->scores_stage < ATTN_STAGE_BIASED ? p->scores_stage : ATTN_STAGE_BIASED);
        if (p->scores_stage == ATTN_STAGE_WEIGHTS)
            *to = *to == -INFINITY ? 0.0f : expf(*to - m) / l;
    }
}

/* Add to o the sum of p v over keys [j, end), and to *l the sum of p. */
static void chain(const AttnArgs *a, const AttnSequence *seq, size_t g, size_t j, size_t end, float m, const Work *w, float *o, float *l)
{
    const size_t dv = a->p->dv;
    float sum = 0.0f;
    for (size_t c = 0; c < dv; c++)
        w->part[c] = 0.0f;
    for (; j < end; j++) {
        if (w->s[j] == -INFINITY)
            continue;
        const float p = expf(w->s[j] - m), *v = attn_v_row(a, seq, g, j);
        sum += p;
        for (size_t c = 0; c < dv; c++)
            w->part[c] += p * v[c];
    }
    *l += sum;
    for (size_t c = 0; c < dv; c++)
        o[c] += w->part[c];
}

static void row(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t i, const Work *w)
{
    const size_t dv = a->p->dv;
    const AttnKeys keys = attn_visible_keys(a, seq, i);
    const float sink = a->t->sinks ? a->t->sinks[h] : -INFINITY;
    float *o = attn_o_row(a, seq, h, i), *s = w->s, m = sink, l = 0.0f;
    for (size_t j = keys.lo; j < keys.hi; j++) {
        s[j] = hidden(a, seq, h, i, j) ? -INFINITY : score(a, seq, h, i, j, ATTN_STAGE_BIASED);
        m = s[j] > m || isnan(s[j]) ? s[j] : m; /* once NaN, stays NaN: no comparison replaces it */
    }
    for (size_t c = 0; c < dv; c++)
        o[c] = 0.0f;
    for (size_t j = keys.lo; j < keys.hi && m != -INFINITY; j += CHAIN)
        chain(a, seq, h / a->group, j, keys.hi - j < CHAIN ? keys.hi : j + CHAIN, m, w, o, &l);
    if (sink != -INFINITY)
        l += expf(sink - m);
    bool finite = m == -INFINITY || (fabsf(m) <= FLT_MAX && l <= FLT_MAX);
    for (size_t c = 0; c < dv && l != 0.0f; c++) {
        o[c] /= l;
        finite = finite && fabsf(o[c]) <= FLT_MAX;
    }
    if (a->t->lse)
        *attn_lse_at(a, seq, h, i) = m == -INFINITY ? -INFINITY : m + logf(l);
    const AttnPlainRow plain = plain_row(a, seq, h, i);
    if (!finite)
        attn_plain_row(&plain);
    if (a->t->scores && finite)
        emit(a, seq, h, i, m, l);
    else if (a->t->scores)
        attn_plain_scores(&plain);
}

static void run(const AttnArgs *a, AttnSpan unit, void *scratch_bytes)
{
    const AttnSequence seq = attn_sequence(a, unit.b);
    Work w;
    lay_out(a->p, scratch_bytes, &w);
    for (size_t r = unit.row0; r < unit.row1; r++)
        if (r % a->p->q_len < seq.q_len)
            row(a, &seq, unit.kv_head * a->group + r / a->p->q_len, r % a->p->q_len, &w);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "textbook three passes, one row at a time, plain C",
    .kind = ATTN_KIND_ATTENTION,
    .isa = 0,
    .dtypes = ATTN_F32_TENSORS,
    .features = ATTN_HAS_OPTIONS | ATTN_HAS_DOT | ATTN_HAS_GAUSSIAN | ATTN_HAS_ADDITIVE,
    .accuracy = {ATTN_F32_ROUNDING, .exp_ulp = 1.0, .tanh_ulp = 2.2,
                 .exp_exact_at_0 = true},
    .panel = 1,
    .unit_panels = 16,
    .enter = attn_fp_enter,
    .leave = attn_fp_leave,
    .scratch = scratch,
    .cost = cost,
    .run = run,
};
