/* naive_f32.c - attention as it is written down, one query row at a time, in plain C.
 *
 * Three passes over the visible keys: scores and their maximum, exponentials and their sum, weighted sum of V. A hidden key is never
 * read. Sums over keys go in chains of 256, so that 65537 keys do not cost three digits. Cost per score: d + dv multiply-adds by scalar code
 * and one expf of the C library; a row of k_len scores and one of dv sums in scratch. It is the
 * yardstick for speed and the kernel to read first; the truth is the oracle in harness/oracle.c, which is in double. */
#include <math.h>

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

static size_t scratch(const AttnProblem *p)
{
    Work w;
    return lay_out(p, NULL, &w);
}

/* One multiply-add a cycle at best, and expf at about 20. */
static double cost(const AttnProblem *p)
{
    return (double)p->batch * (double)p->q_heads * (double)p->q_len * (double)p->k_len * (2.0 * (double)(p->d + p->dv) + 20.0);
}

/* Scaled, biased score of query row i and key j; -inf where mask or bias hides it. */
static float score(const AttnArgs *a, size_t b, size_t h, size_t i, size_t j)
{
    const AttnProblem *p = a->p;
    if (a->t->mask) {
        const unsigned char *mask = a->t->mask;
        if (!mask[(ptrdiff_t)b * p->mask.batch + (ptrdiff_t)h * p->mask.head + (ptrdiff_t)i * p->mask.row + (ptrdiff_t)j * p->mask.col])
            return -INFINITY;
    }
    float bias = 0.0f;
    if (a->t->bias) {
        bias = a->t->bias[(ptrdiff_t)b * p->bias.batch + (ptrdiff_t)h * p->bias.head + (ptrdiff_t)i * p->bias.row +
                          (ptrdiff_t)j * p->bias.col];
        if (bias == -INFINITY)
            return -INFINITY;
    }
    const float *q = attn_q_row(a, b, h, i), *k = attn_k_row(a, b, h / a->group, j), scale = (float)a->scale;
    float sum = 0.0f;
    for (size_t c = 0; c < p->d; c++)
        sum += q[c] * scale * k[c];
    return sum + bias;
}

/* o += the sum of p v over keys [j, end), and their p to *l. s[j] becomes p. */
static void chain(const AttnArgs *a, size_t b, size_t g, size_t j, size_t end, float m, const Work *w, float *o, float *l)
{
    const size_t dv = a->p->dv;
    float sum = 0.0f;
    for (size_t c = 0; c < dv; c++)
        w->part[c] = 0.0f;
    for (; j < end; j++) {
        if (w->s[j] == -INFINITY)
            continue;
        const float p = expf(w->s[j] - m), *v = attn_v_row(a, b, g, j);
        sum += p;
        for (size_t c = 0; c < dv; c++)
            w->part[c] += p * v[c];
    }
    *l += sum;
    for (size_t c = 0; c < dv; c++)
        o[c] += w->part[c];
}

static void row(const AttnArgs *a, size_t b, size_t h, size_t i, const Work *w)
{
    const size_t dv = a->p->dv;
    const AttnKeys keys = attn_visible_keys(a, i);
    float *o = attn_o_row(a, b, h, i), *s = w->s;
    float m = -INFINITY, l = 0.0f;
    for (size_t j = keys.lo; j < keys.hi; j++) {
        s[j] = score(a, b, h, i, j);
        m = s[j] > m || isnan(s[j]) ? s[j] : m; /* once NaN, stays NaN: no comparison replaces it */
    }
    for (size_t c = 0; c < dv; c++)
        o[c] = 0.0f;
    for (size_t j = keys.lo; j < keys.hi && m != -INFINITY; j += CHAIN)
        chain(a, b, h / a->group, j, keys.hi - j < CHAIN ? keys.hi : j + CHAIN, m, w, o, &l);
    for (size_t c = 0; c < dv && l != 0.0f; c++)
        o[c] /= l;
    if (a->t->lse)
        *attn_lse_at(a, b, h, i) = m == -INFINITY ? -INFINITY : m + logf(l);
}

static void run(const AttnArgs *a, AttnSpan unit, void *scratch_bytes)
{
    const AttnFpState fp = attn_fp_enter();
    Work w;
    lay_out(a->p, scratch_bytes, &w);
    for (size_t r = unit.row0; r < unit.row1; r++)
        row(a, unit.b, unit.kv_head * a->group + r / a->p->q_len, r % a->p->q_len, &w);
    attn_fp_leave(fp);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "textbook three passes, one row at a time, plain C",
    .isa = 0,
    .dtypes = {ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32)},
    .features = ATTN_HAS_ALL,
    .accuracy = {.u_accumulate = 0x1p-24, .u_score = 0x1p-24, .u_prob = 0x1p-24, .u_out = 0x1p-24, .exp_ulp = 1.0, .exp_exact_at_0 = true},
    .panel = 1,
    .unit_panels = 16,
    .scratch = scratch,
    .cost = cost,
    .run = run,
};
