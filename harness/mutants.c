/* mutants.c - a small streaming attention in scalar C with a switch for each classic mistake.
 *
 * It works as a tile kernel does (blocks of keys, running maximum, rescaling, a tail), so that each mistake is one that a tile kernel can
 * make. Nothing here is registered, selected or timed. */
#include "harness/mutants.h"

#include <math.h>
#include <string.h>

#include "kernels/fpenv.h"

/* name, what is broken */
#define BUGS(X)                                                                                                                           \
    X(NONE, "base", "")                                                                                                                   \
    X(CAUSAL_LATE, "causal_late", "sees one key beyond the frontier")                                                                     \
    X(CAUSAL_EARLY, "causal_early", "misses the key on the frontier")                                                                     \
    X(OFFSET_IGNORED, "offset_ignored", "bottom-right and offset frontiers taken for top-left")                                           \
    X(LAST_DROPPED, "last_dropped", "drops the last key of an incomplete block")                                                          \
    X(TAIL_DOUBLED, "tail_doubled", "counts the last key of an incomplete block twice")                                                   \
    X(GQA_MODULO, "gqa_modulo", "KV head is h % kv_heads")                                                                                \
    X(SCALE_SQUARED, "scale_squared", "scales q and k")                                                                                   \
    X(SCALE_DV, "scale_dv", "scale 1/sqrt(dv) instead of the given one")                                                                  \
    X(SCALE_0_DEFAULT, "scale_0_default", "takes scale 0 for \"not given\"")                                                              \
    X(RESCALE_MISSED, "rescale_missed", "a new maximum does not rescale")                                                                 \
    X(RESCALE_L_ONLY, "rescale_l_only", "a new maximum rescales l but not o")                                                             \
    X(MASK_INVERTED, "mask_inverted", "true hides")                                                                                       \
    X(MASK_HEAD_0, "mask_head_0", "every head has the mask of head 0")                                                                    \
    X(MASK_BATCH_0, "mask_batch_0", "every batch entry has the mask of entry 0")                                                          \
    X(MASK_ONE, "mask_one", "only the byte 1 counts as true")                                                                             \
    X(BIAS_IGNORED, "bias_ignored", "no bias")                                                                                            \
    X(BIAS_HEAD_0, "bias_head_0", "every head has the bias of head 0")                                                                    \
    X(BIAS_SCALED, "bias_scaled", "scales the bias too")                                                                                  \
    X(BIAS_CLAMPED, "bias_clamped", "a bias below -1e4 hides")                                                                            \
    X(DEAD_NAN, "dead_nan", "a row with nothing visible is 0/0")                                                                          \
    X(DEAD_MEAN, "dead_mean", "a row with nothing visible is the mean of V")                                                              \
    X(HIDDEN_READ, "hidden_read", "weight 0 times V of a hidden key, NaN included")                                                       \
    X(NAN_SWALLOWED, "nan_swallowed", "a NaN score counts as hidden")                                                                     \
    X(P_BF16, "p_bf16", "weights rounded to bfloat16")                                                                                    \
    X(EXP_ROUGH, "exp_rough", "exponential with a relative error of 3e-6")                                                                \
    X(V_DENSE, "v_dense", "takes rows of V to be dv apart")                                                                               \
    X(WRITE_PAST, "write_past", "writes one float past an output row")                                                                    \
    X(READ_PAST, "read_past", "reads one key past the end")                                                                               \
    X(FTZ_LEFT, "ftz_left", "leaves denormals-are-zero on")                                                                               \
    X(CONTROL_TRUSTED, "control_trusted", "runs under the caller's floating-point control")                                               \
    X(STALE_SUM, "stale_sum", "l starts from old scratch")                                                                                \
    X(STALE_MAXIMUM, "stale_maximum", "m starts where the last row ended: right, but bits depend on order")                               \
    X(LSE_NO_LOG, "lse_no_log", "log-sum-exp without the logarithm of the sum")                                                           \
    X(LSE_LOG2, "lse_log2", "log-sum-exp in powers of two")

enum {
#define X(id, name, what) BUG_##id,
    BUGS(X)
#undef X
    BUG_COUNT
};

static int bug = BUG_NONE;

enum { BLOCK = 16 };

typedef struct Scratch {
    float m, l;
    float s[BLOCK];
} Scratch;

static size_t scratch_bytes(const AttnProblem *p)
{
    (void)p;
    return (sizeof(Scratch) + 63) / 64 * 64;
}

static double cost(const AttnProblem *p)
{
    return (double)p->batch * (double)p->q_heads * (double)p->q_len * (double)p->k_len * (double)(p->d + p->dv);
}

static AttnKeys visible(const AttnArgs *a, const AttnSequence *seq, size_t i)
{
    AttnSequence changed = *seq;
    if (a->p->causal)
        changed.offset = (bug == BUG_OFFSET_IGNORED ? 0 : seq->offset) + (bug == BUG_CAUSAL_LATE) - (bug == BUG_CAUSAL_EARLY);
    return attn_visible_keys(a, &changed, i);
}

static bool masked(const AttnArgs *a, size_t b, size_t h, size_t i, size_t j)
{
    const AttnScoreLayout *l = &a->p->mask;
    if (!a->t->mask)
        return false;
    const size_t b_used = bug == BUG_MASK_BATCH_0 ? 0 : b, h_used = bug == BUG_MASK_HEAD_0 ? 0 : h;
    const unsigned char x = ((const unsigned char *)a->t->mask)[(ptrdiff_t)b_used * l->batch + (ptrdiff_t)h_used * l->head +
                                                                (ptrdiff_t)i * l->row + (ptrdiff_t)j * l->col];
    const bool takes_part = bug == BUG_MASK_ONE ? x == 1 : x != 0;
    return takes_part == (bug == BUG_MASK_INVERTED);
}

static float bias_of(const AttnArgs *a, size_t b, size_t h, size_t i, size_t j)
{
    const AttnScoreLayout *l = &a->p->bias;
    if (!a->t->bias || bug == BUG_BIAS_IGNORED)
        return 0.0f;
    const size_t h_used = bug == BUG_BIAS_HEAD_0 ? 0 : h;
    const float x =
        a->t->bias[(ptrdiff_t)b * l->batch + (ptrdiff_t)h_used * l->head + (ptrdiff_t)i * l->row + (ptrdiff_t)j * l->col];
    return bug == BUG_BIAS_CLAMPED && x < -1e4f ? -INFINITY : x;
}

static float scale_of(const AttnArgs *a)
{
    const float scale = (float)a->p->scale;
    switch (bug) {
    case BUG_SCALE_SQUARED:
        return scale * scale;
    case BUG_SCALE_DV:
        return 1.0f / sqrtf((float)a->p->dv);
    case BUG_SCALE_0_DEFAULT:
        return scale == 0.0f ? 1.0f / sqrtf((float)a->p->d) : scale;
    default:
        return scale;
    }
}

static float score(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t g, size_t i, size_t j)
{
    const size_t b = seq->b;
    if (masked(a, b, h, i, j))
        return -INFINITY;
    const float bias = bias_of(a, b, h, i, j), scale = scale_of(a);
    if (bias == -INFINITY)
        return -INFINITY;
    const float *q = attn_q_row(a, seq, h, i), *k = attn_k_row(a, seq, g, j);
    float sum = 0.0f;
    for (size_t c = 0; c < a->p->d; c++)
        sum += q[c] * k[c];
    const float s = sum * scale + (bug == BUG_BIAS_SCALED ? bias * scale : bias);
    return bug == BUG_NAN_SWALLOWED && isnan(s) ? -INFINITY : s;
}

static float weight(float x)
{
    float p = expf(x);
    if (bug == BUG_EXP_ROUGH)
        p *= 1.0f + 3e-6f * sinf(1000.0f * x);
    if (bug == BUG_P_BF16) {
        uint32_t bits;
        memcpy(&bits, &p, sizeof bits);
        bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
        memcpy(&p, &bits, sizeof bits);
    }
    return p;
}

static const float *v_row(const AttnArgs *a, const AttnSequence *seq, size_t g, size_t j)
{
    if (bug == BUG_V_DENSE)
        return attn_v_row(a, seq, g, 0) + j * a->p->dv;
    return attn_v_row(a, seq, g, j);
}

/* Take the keys [j0, j0 + n) into m, l and o. */
static void block(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t g, size_t i, size_t j0, size_t n, Scratch *x, float *o)
{
    const size_t dv = a->p->dv;
    float m = x->m;
    for (size_t j = 0; j < n; j++) {
        x->s[j] = score(a, seq, h, g, i, j0 + j);
        m = x->s[j] > m || isnan(x->s[j]) ? x->s[j] : m;
    }
    if (m == -INFINITY)
        return;
    const float history = x->m == -INFINITY ? 0.0f : expf(x->m - m);
    x->m = m;
    x->l *= bug == BUG_RESCALE_MISSED ? 1.0f : history;
    for (size_t c = 0; c < dv; c++)
        o[c] *= bug == BUG_RESCALE_MISSED || bug == BUG_RESCALE_L_ONLY ? 1.0f : history;
    for (size_t j = 0; j < n; j++) {
        if (x->s[j] == -INFINITY && bug != BUG_HIDDEN_READ)
            continue;
        float p = weight(x->s[j] - m);
        if (bug == BUG_TAIL_DOUBLED && n < BLOCK && j == n - 1)
            p *= 2.0f;
        const float *v = v_row(a, seq, g, j0 + j);
        x->l += p;
        for (size_t c = 0; c < dv; c++)
            o[c] += p * v[c];
    }
}

static void dead_row(const AttnArgs *a, const AttnSequence *seq, size_t g, float *o)
{
    const size_t n = a->p->k_len;
    for (size_t c = 0; c < a->p->dv; c++) {
        o[c] = bug == BUG_DEAD_NAN ? NAN : 0.0f;
        for (size_t j = 0; bug == BUG_DEAD_MEAN && j < n; j++)
            o[c] += attn_v_row(a, seq, g, j)[c] / (float)n;
    }
}

static void row(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t i, Scratch *x)
{
    const size_t dv = a->p->dv, g = bug == BUG_GQA_MODULO ? h % a->p->kv_heads : h / a->group;
    const AttnKeys keys = visible(a, seq, i);
    float *o = attn_o_row(a, seq, h, i);
    x->m = bug == BUG_STALE_MAXIMUM && isfinite(x->m) && fabsf(x->m) < 16.0f ? x->m : -INFINITY;
    const float start = x->m;
    x->l = bug == BUG_STALE_SUM ? x->l : 0.0f;
    for (size_t c = 0; c < dv; c++)
        o[c] = 0.0f;
    for (size_t j = keys.lo; j < keys.hi; j += BLOCK) {
        const size_t left = keys.hi - j, n = left < BLOCK ? left : BLOCK;
        block(a, seq, h, g, i, j, bug == BUG_LAST_DROPPED && n < BLOCK ? n - 1 : n, x, o);
    }
    if (bug == BUG_READ_PAST && keys.hi > 0) {
        volatile float beyond = attn_k_row(a, seq, g, keys.hi)[0];
        (void)beyond;
    }
    if (x->l == 0.0f && (x->m == start || x->m == -INFINITY)) {
        dead_row(a, seq, g, o);
        x->m = -INFINITY;
    } else
        for (size_t c = 0; c < dv; c++)
            o[c] /= x->l;
    if (bug == BUG_WRITE_PAST)
        o[dv] = 1.0f;
    if (a->t->lse)
        *attn_lse_at(a, seq, h, i) = x->m == -INFINITY         ? -INFINITY
                                   : bug == BUG_LSE_NO_LOG ? x->m
                                   : bug == BUG_LSE_LOG2   ? (x->m + logf(x->l)) * 1.44269504f
                                                             : x->m + logf(x->l);
}

static void run(const AttnArgs *a, AttnSpan unit, void *scratch)
{
    const AttnFpState fp = bug == BUG_CONTROL_TRUSTED ? 0 : attn_fp_enter();
    const AttnSequence seq = attn_sequence(a, unit.b);
    for (size_t r = unit.row0; r < unit.row1; r++)
        row(a, &seq, unit.kv_head * a->group + r / a->p->q_len, r % a->p->q_len, scratch);
    if (bug != BUG_CONTROL_TRUSTED && bug != BUG_FTZ_LEFT)
        attn_fp_leave(fp);
}

/* clang-format off */
#define F32 ATTN_DTYPE_BIT(ATTN_F32)
#define ACCURACY {0x1p-24, 0x1p-24, 0x1p-24, 0x1p-24, .exp_ulp = 1.0, .exp_exact_at_0 = true}
#define X(id, id_name, what) {.name = id_name, .summary = what, .dtypes = {F32, F32, F32}, .features = ATTN_HAS_BAND | ATTN_HAS_MASK | ATTN_HAS_BIAS | ATTN_HAS_LSE | ATTN_HAS_GQA | ATTN_HAS_DV | ATTN_HAS_DOT, .accuracy = ACCURACY, \
                              .panel = 2, .unit_panels = 2, .scratch = scratch_bytes, .cost = cost, .run = run},
static const AttnKernel kernels[] = { BUGS(X) };
#undef X
#define X(id, name, what) &kernels[BUG_##id],
const AttnKernel *const mutants[] = { BUGS(X) };
#undef X
/* clang-format on */
const size_t mutant_count = BUG_COUNT;

const char *mutant_bug(size_t index)
{
    return kernels[index].summary;
}

void mutants_arm(const AttnKernel *kernel)
{
    for (int i = 0; i < BUG_COUNT; i++)
        if (kernel == &kernels[i])
            bug = i;
}
