/* mutants.c - a small streaming attention in scalar C with a switch for each classic mistake.
 *
 * It works as a tile kernel does (blocks of keys, running maximum, rescaling, a tail, and the plain way for rows whose numbers left the
 * range), so that each mistake is one that a tile kernel can make. Nothing here is registered, selected or timed. */
#include "harness/ops/sdpa/mutants.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/algo/plain.h"
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
    X(LSE_LOG2, "lse_log2", "log-sum-exp in powers of two")                                                                               \
    X(WINDOW_LEFT_LATE, "window_left_late", "window begins one key late")                                                                 \
    X(WINDOW_LEFT_EARLY, "window_left_early", "window begins one key early")                                                              \
    X(WINDOW_RIGHT_EXCLUSIVE, "window_right_exclusive", "window ends before its last key")                                                \
    X(WINDOW_RIGHT_LATE, "window_right_late", "window ends one key late")                                                                 \
    X(WINDOW_AT_0, "window_at_0", "window around the row's number, without the offset")                                                   \
    X(WINDOW_UNCAUSAL, "window_uncausal", "a window switches the causal frontier off")                                                    \
    X(CAP_IGNORED, "cap_ignored", "no soft-cap")                                                                                          \
    X(CAP_LATE, "cap_late", "soft-cap after bias and ALiBi")                                                                              \
    X(SINK_SCALED, "sink_scaled", "scales the sink too")                                                                                  \
    X(SINK_HEAD_0, "sink_head_0", "every head has the sink of head 0")                                                                    \
    X(SINK_NOT_IN_LSE, "sink_not_in_lse", "the sink takes weight but does not count in the log-sum-exp")                                  \
    X(SINK_DEAD, "sink_dead", "a row that sees nothing but a sink has lse -inf")                                                          \
    X(LENGTH_LATE, "length_late", "lengths ignored within the last block of keys")                                                        \
    X(LENGTH_IGNORED, "length_ignored", "lengths ignored where a frontier stands")                                                        \
    X(ALIGN_FULL, "align_full", "bottom-right from k_len instead of the entry's length")                                                  \
    X(OFFSET_BATCH_0, "offset_batch_0", "every batch entry has the offset of entry 0")                                                    \
    X(ALIBI_SIGNED, "alibi_signed", "ALiBi rewards keys ahead: the distance keeps its sign")                                              \
    X(ALIBI_KV_HEAD, "alibi_kv_head", "slope of the KV head")                                                                             \
    X(ALIBI_AT_0, "alibi_at_0", "distance from the row's number, without the offset")                                                     \
    X(CU_Q_FOR_K, "cu_q_for_k", "keys begin at the query's cumulative length")                                                            \
    X(VARLEN_LONGEST, "varlen_longest", "bottom-right of the longest lengths in every packed entry")                                      \
    X(PAST_BEHIND, "past_behind", "the past comes after the new keys")                                                                    \
    X(PAST_V_NEW, "past_v_new", "past keys with the values of the new rows")                                                              \
    X(SCORES_CAPPED, "scores_capped", "raw scores are shown after the soft-cap")                                                          \
    X(SCORES_UNBIASED, "scores_unbiased", "biased scores are shown before bias and ALiBi")                                                \
    X(SCORES_SHOWN, "scores_shown", "biased scores of hidden keys are shown")                                                             \
    X(WEIGHTS_RAW, "weights_raw", "weights are not divided by their sum")                                                                 \
    X(WEIGHTS_NO_SINK, "weights_no_sink", "weights are divided by a sum without the sink")                                                \
    X(GAUSS_NO_K, "gauss_no_k", "Gaussian score without |k|^2")                                                                           \
    X(GAUSS_TWICE, "gauss_twice", "Gaussian score without the half")                                                                      \
    X(ADDITIVE_W_HEAD_0, "additive_w_head_0", "every head has the additive weights of head 0")                                            \
    X(HIDDEN_SHARED, "hidden_shared", "weight 0 times V of a key that other rows see, NaN included")                                      \
    X(SCORE_LOG2, "score_log2", "keeps scores as powers of two: 3e38 is infinite")                                                        \
    X(SCALE_FIRST, "scale_first", "scale * q is infinite where scale * q.k is not")                                                       \
    X(GAUSS_NORMS, "gauss_norms", "Gaussian score by way of |q|^2 and |k|^2, which leave the range")                                      \
    X(SINK_INFINITE, "sink_infinite", "a sink of +inf makes the row NaN")                                                                 \
    X(TANH_ROUGH, "tanh_rough", "tanh with a relative error of 1e-5")

enum { BUGS(MUTANTS_NUMBER) BUG_COUNT };

static int bug = BUG_NONE;

enum { BLOCK = 16 };

typedef struct Scratch {
    float m, l;
    float s[BLOCK];
} Scratch;

static size_t scratch_bytes(const AttnProblem *p, size_t rows)
{
    (void)rows;
    (void)p;
    return (sizeof(Scratch) + 63) / 64 * 64;
}

static double cost(const AttnProblem *p)
{
    return (double)p->batch * (double)p->q_heads * (double)p->q_len * (double)p->k_len * (double)(p->d + p->dv);
}

/* ---- Position -------------------------------------------------------------------------------------------------------------------- */

static AttnSequence sequence(const AttnArgs *a, size_t b)
{
    const AttnProblem *p = a->p;
    AttnSequence s = attn_sequence(a, b);
    if (bug == BUG_CU_Q_FOR_K && p->varlen && s.q_first + s.k_len <= (size_t)a->t->cu_k[p->batch])
        s.k_first = s.q_first;
    if (p->align == ATTN_ALIGN_BOTTOM_RIGHT &&
        ((bug == BUG_ALIGN_FULL && p->kv_lengths) || (bug == BUG_VARLEN_LONGEST && p->varlen)))
        s.offset = (int64_t)p->k_len - (int64_t)p->q_len;
    if (bug == BUG_OFFSET_BATCH_0)
        s.offset = attn_sequence(a, 0).offset;
    if (bug == BUG_LENGTH_IGNORED && p->kv_lengths && p->causal)
        s.k_len = p->k_len;
    if (bug == BUG_LENGTH_LATE && p->kv_lengths)
        s.k_len = (s.k_len + BLOCK - 1) / BLOCK * BLOCK < p->k_len ? (s.k_len + BLOCK - 1) / BLOCK * BLOCK : p->k_len;
    return s;
}

static AttnKeys visible(const AttnArgs *a, const AttnSequence *seq, size_t i)
{
    AttnProblem p = *a->p;
    AttnArgs changed = *a;
    AttnSequence s = *seq;
    changed.p = &p;
    p.causal = p.causal && !(bug == BUG_WINDOW_UNCAUSAL && p.window);
    if (p.causal && !p.window)
        s.offset = (bug == BUG_OFFSET_IGNORED ? 0 : s.offset) + (bug == BUG_CAUSAL_LATE) - (bug == BUG_CAUSAL_EARLY);
    if (p.window && bug == BUG_WINDOW_AT_0)
        s.offset = 0;
    if (p.window && p.window_left >= 0)
        p.window_left += (bug == BUG_WINDOW_LEFT_EARLY) - (bug == BUG_WINDOW_LEFT_LATE);
    if (p.window && p.window_right >= 0)
        p.window_right += (bug == BUG_WINDOW_RIGHT_LATE) - (bug == BUG_WINDOW_RIGHT_EXCLUSIVE);
    return attn_visible_keys(&changed, &s, i);
}

/* Row j among past and new keys. */
static size_t key_number(const AttnArgs *a, size_t j)
{
    const size_t past = a->p->past_len, now = a->p->k_len - past;
    if (bug != BUG_PAST_BEHIND || past == 0)
        return j;
    return j < now ? past + j : j - now;
}

static bool masked(const AttnArgs *a, size_t b, size_t h, size_t i, size_t j)
{
    if (!a->t->mask)
        return false;
    const size_t b_used = bug == BUG_MASK_BATCH_0 ? 0 : b, h_used = bug == BUG_MASK_HEAD_0 ? 0 : h;
    const unsigned char x = ((const unsigned char *)a->t->mask)[attn_score_at(&a->p->mask, b_used, h_used, i, j)];
    const bool takes_part = bug == BUG_MASK_ONE ? x == 1 : x != 0;
    return takes_part == (bug == BUG_MASK_INVERTED);
}

static float bias_of(const AttnArgs *a, size_t b, size_t h, size_t i, size_t j)
{
    if (!a->t->bias || bug == BUG_BIAS_IGNORED)
        return 0.0f;
    const float x = a->t->bias[attn_score_at(&a->p->bias, b, bug == BUG_BIAS_HEAD_0 ? 0 : h, i, j)];
    return bug == BUG_BIAS_CLAMPED && x < -1e4f ? -INFINITY : x;
}

/* ---- Range ----------------------------------------------------------------------------------------------------------------------- */

/* Kernels do again, the plain way, what is not finite, and so does this one, unless the mistake alone made it so: that would mend it. */
static _Thread_local bool spoilt;

/* `x` where a mistake left the range that the numbers it was made from keep to. */
static float spoil(int mistake, bool in_range, float x)
{
    spoilt = spoilt || (bug == mistake && in_range && !isfinite(x));
    return x;
}

/* ---- Scores ---------------------------------------------------------------------------------------------------------------------- */

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

static float hyperbolic(float x)
{
    return tanhf(x) * (bug == BUG_TANH_ROUGH ? 1.0f + 1e-5f * sinf(1000.0f * x) : 1.0f);
}

static float raw(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t g, size_t i, size_t j)
{
    const float *q = attn_q_row(a, seq, h, i), *k = attn_k_row(a, seq, g, key_number(a, j));
    const float *w = a->t->w ? a->t->w + (bug == BUG_ADDITIVE_W_HEAD_0 ? 0 : h) * a->p->d : NULL;
    double sum = 0.0; /* has the range that a sum on the way to an f32 may need */
    for (size_t c = 0; c < a->p->d; c++) {
        const double x = (double)q[c], y = (double)k[c];
        if (a->p->score == ATTN_SCORE_DOT && bug == BUG_SCALE_FIRST)
            sum += (double)spoil(BUG_SCALE_FIRST, isfinite(q[c]), q[c] * scale_of(a)) * y;
        else if (a->p->score == ATTN_SCORE_DOT)
            sum += x * y;
        else if (a->p->score == ATTN_SCORE_ADDITIVE)
            sum += (double)(w[c] * hyperbolic(q[c] + k[c]));
        else if (bug == BUG_GAUSS_NO_K)
            sum += x * y - 0.5 * x * x;
        else if (bug == BUG_GAUSS_NORMS)
            sum += (double)spoil(BUG_GAUSS_NORMS, isfinite(q[c]) && isfinite(k[c]), q[c] * k[c] - 0.5f * q[c] * q[c] - 0.5f * k[c] * k[c]);
        else
            sum += (bug == BUG_GAUSS_TWICE ? -1.0 : -0.5) * (x - y) * (x - y);
    }
    return (float)(bug == BUG_SCALE_FIRST && a->p->score == ATTN_SCORE_DOT ? sum : sum * (double)scale_of(a));
}

static float capped(const AttnArgs *a, float s)
{
    const float cap = (float)a->p->softcap;
    return cap > 0.0f && bug != BUG_CAP_IGNORED ? cap * hyperbolic(s / cap) : s;
}

static float alibi(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t g, size_t i, size_t j)
{
    const int64_t steps = (int64_t)i + (bug == BUG_ALIBI_AT_0 ? 0 : seq->offset) - (int64_t)j;
    if (!a->p->alibi)
        return 0.0f;
    return a->t->alibi_slopes[bug == BUG_ALIBI_KV_HEAD ? g : h] * (float)(steps < 0 && bug != BUG_ALIBI_SIGNED ? -steps : steps);
}

/* What is added behind the soft-cap; -inf: hidden. */
static float added(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t g, size_t i, size_t j)
{
    const float bias = bias_of(a, seq->b, h, i, j);
    if (masked(a, seq->b, h, i, j) || bias == -INFINITY)
        return -INFINITY;
    return (bug == BUG_BIAS_SCALED ? bias * scale_of(a) : bias) - alibi(a, seq, h, g, i, j);
}

static float score(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t g, size_t i, size_t j)
{
    const float more = added(a, seq, h, g, i, j);
    if (more == -INFINITY)
        return -INFINITY;
    const float s0 = raw(a, seq, h, g, i, j), s = bug == BUG_CAP_LATE ? capped(a, s0 + more) : capped(a, s0) + more;
    if (bug == BUG_SCORE_LOG2)
        return spoil(BUG_SCORE_LOG2, isfinite(s), s * 1.44269504f / 1.44269504f);
    return bug == BUG_NAN_SWALLOWED && isnan(s) ? -INFINITY : s;
}

static float sink_of(const AttnArgs *a, size_t h)
{
    if (!a->t->sinks)
        return -INFINITY;
    return a->t->sinks[bug == BUG_SINK_HEAD_0 ? 0 : h] * (bug == BUG_SINK_SCALED ? scale_of(a) : 1.0f);
}

/* ---- Weights --------------------------------------------------------------------------------------------------------------------- */

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
    if (bug == BUG_PAST_V_NEW && j < a->p->past_len && a->p->past_len < a->p->k_len)
        return attn_v_row(a, seq, g, a->p->past_len + j % (a->p->k_len - a->p->past_len));
    return attn_v_row(a, seq, g, key_number(a, j));
}

/* Does some row of the head see the key? */
static bool seen_by_any(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t g, size_t j)
{
    for (size_t i = 0; i < seq->q_len; i++) {
        const AttnKeys keys = visible(a, seq, i);
        if (j >= keys.lo && j < keys.hi && added(a, seq, h, g, i, j) != -INFINITY)
            return true;
    }
    return false;
}

/* Take the keys [j0, j0 + n) into m, l and o. */
static void block(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t g, size_t i, size_t j0, size_t n, Scratch *x, float *o)
{
    const size_t dv = a->p->dv;
    float m = x->m;
    bool any = false;
    for (size_t j = 0; j < n; j++) {
        x->s[j] = score(a, seq, h, g, i, j0 + j);
        any = any || x->s[j] != -INFINITY;
        m = x->s[j] > m || isnan(x->s[j]) ? x->s[j] : m;
    }
    if (m == -INFINITY || (isnan(m) && !any)) /* a sink of NaN makes nothing of a row without keys */
        return;
    const bool same = x->m == m && bug != BUG_SINK_INFINITE; /* an infinite sink too */
    const float history = x->m == -INFINITY ? 0.0f : same ? 1.0f : spoil(BUG_SINK_INFINITE, x->m == m, expf(x->m - m));
    x->m = m;
    x->l *= bug == BUG_RESCALE_MISSED ? 1.0f : history;
    for (size_t c = 0; c < dv; c++)
        o[c] *= bug == BUG_RESCALE_MISSED || bug == BUG_RESCALE_L_ONLY ? 1.0f : history;
    for (size_t j = 0; j < n; j++) {
        const bool hidden = x->s[j] == -INFINITY;
        if (hidden && bug != BUG_HIDDEN_READ && !(bug == BUG_HIDDEN_SHARED && seen_by_any(a, seq, h, g, j0 + j)))
            continue;
        float p = weight(x->s[j] - m);
        if (bug == BUG_TAIL_DOUBLED && n < BLOCK && j == n - 1)
            p *= 2.0f;
        const float *v = v_row(a, seq, g, j0 + j);
        x->l += p;
        for (size_t c = 0; c < dv; c++)
            o[c] += spoil(bug, hidden, p * v[c]);
    }
}

static void dead_row(const AttnArgs *a, const AttnSequence *seq, size_t g, float *o)
{
    const size_t n = a->p->k_len;
    for (size_t c = 0; c < a->p->dv; c++) {
        o[c] = spoil(BUG_DEAD_NAN, true, bug == BUG_DEAD_NAN ? NAN : 0.0f);
        for (size_t j = 0; bug == BUG_DEAD_MEAN && j < n; j++)
            o[c] += attn_v_row(a, seq, g, j)[c] / (float)n;
    }
}

/* The optional scores of a row whose weights are exp(s - m) / l. */
static void emit(const AttnPlainRow *plain, size_t g, float m, float l)
{
    const AttnArgs *a = plain->a;
    const AttnSequence *seq = plain->seq;
    const AttnProblem *p = a->p;
    const size_t h = plain->h, i = plain->i;
    const AttnKeys keys = visible(a, seq, i);
    for (size_t j = 0; j < p->k_len; j++) {
        float *to = a->t->scores + attn_score_at(&p->scores, seq->b, h, i, j);
        const bool seen = j >= keys.lo && j < keys.hi;
        spoilt = false;
        const float s0 = raw(a, seq, h, g, i, j), s1 = capped(a, s0);
        const float s = seen ? score(a, seq, h, g, i, j) : -INFINITY;
        switch (p->scores_stage) {
        case ATTN_STAGE_RAW: *to = bug == BUG_SCORES_CAPPED ? s1 : s0; break;
        case ATTN_STAGE_CAPPED: *to = s1; break;
        case ATTN_STAGE_BIASED:
            *to = s == -INFINITY ? bug == BUG_SCORES_SHOWN ? s1 : s : bug == BUG_SCORES_UNBIASED ? s1 : s;
            break;
        case ATTN_STAGE_WEIGHTS: *to = s == -INFINITY ? 0.0f : expf(s - m) / (bug == BUG_WEIGHTS_RAW ? 1.0f : l); break;
        case ATTN_STAGE_MAX_ENUM: break;
        }
        if (!(fabsf(*to) <= FLT_MAX) && !spoilt && (seen || p->scores_stage < ATTN_STAGE_BIASED))
            *to = attn_plain_score(plain, j, p->scores_stage);
    }
}

static float lse_of(const AttnArgs *a, size_t h, float m, float l)
{
    const float sink = sink_of(a, h), alone = sink == -INFINITY ? 0.0f : expf(sink - m);
    if (m == -INFINITY)
        return -INFINITY;
    switch (bug) {
    case BUG_LSE_NO_LOG:
        return m;
    case BUG_LSE_LOG2:
        return (m + logf(l)) * 1.44269504f;
    case BUG_SINK_NOT_IN_LSE:
        return l == alone ? -INFINITY : m + logf(l - alone);
    case BUG_SINK_DEAD:
        return l == alone ? -INFINITY : m + logf(l);
    default:
        return m + logf(l);
    }
}

static bool is_finite(const Scratch *x, const float *o, size_t dv)
{
    bool finite = x->m == -INFINITY || (fabsf(x->m) <= FLT_MAX && x->l <= FLT_MAX);
    for (size_t c = 0; c < dv && finite; c++)
        finite = fabsf(o[c]) <= FLT_MAX;
    return finite;
}

static void row(const AttnArgs *a, const AttnSequence *seq, size_t h, size_t i, Scratch *x)
{
    const size_t dv = a->p->dv, g = bug == BUG_GQA_MODULO ? h % a->p->kv_heads : h / a->group;
    const AttnKeys keys = visible(a, seq, i);
    const float sink = sink_of(a, h);
    float *o = attn_o_row(a, seq, h, i);
    spoilt = false;
    x->m = sink != -INFINITY                                                             ? sink
           : bug == BUG_STALE_MAXIMUM && isfinite(x->m) && fabsf(x->m) < 16.0f ? x->m
                                                                                         : -INFINITY;
    const float start = x->m;
    x->l = bug == BUG_STALE_SUM ? x->l : sink != -INFINITY ? 1.0f : 0.0f;
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
        *attn_lse_at(a, seq, h, i) = lse_of(a, h, x->m, x->l);
    const AttnPlainRow plain = {a, seq, h, i, {0, a->p->k_len}};
    const bool again = !spoilt && !is_finite(x, o, dv);
    if (again)
        attn_plain_row(&plain);
    if (a->t->scores && again)
        attn_plain_scores(&plain);
    else if (a->t->scores)
        emit(&plain, g, x->m, bug == BUG_WEIGHTS_NO_SINK && sink != -INFINITY ? x->l - expf(sink - x->m) : x->l);
}

static uint64_t enter(void)
{
    return bug == BUG_CONTROL_TRUSTED ? 0 : attn_fp_enter();
}

static void leave(uint64_t entered)
{
    if (bug != BUG_CONTROL_TRUSTED && bug != BUG_FTZ_LEFT)
        attn_fp_leave(entered);
}

static void run(const AttnArgs *a, AttnSpan unit, void *scratch)
{
    const AttnSequence seq = sequence(a, unit.b);
    for (size_t r = unit.row0; r < unit.row1; r++)
        if (r % a->p->q_len < seq.q_len)
            row(a, &seq, unit.kv_head * a->group + r / a->p->q_len, r % a->p->q_len, scratch);
}

/* clang-format off */
#define F32 ATTN_DTYPE_BIT(ATTN_F32)
#define ACCURACY {0x1p-24, 0x1p-24, 0x1p-24, 0x1p-24, .exp_ulp = 1.0, .tanh_ulp = 2.2, .exp_exact_at_0 = true}
#define FEATURES (ATTN_HAS_OPTIONS | ATTN_HAS_DOT | ATTN_HAS_GAUSSIAN | ATTN_HAS_ADDITIVE)
#define X(id, id_name, what) {.name = id_name, .summary = what, .dtypes = {F32, F32, F32}, .features = FEATURES, .accuracy = ACCURACY, \
                              .panel = 2, .unit_panels = 2, .enter = enter, .leave = leave, .scratch = scratch_bytes, .cost = cost, .run = run},
static const AttnKernel kernels[] = { BUGS(X) };
#undef X
/* clang-format on */

const Mutants sdpa_mutants = {kernels, BUG_COUNT, &bug};
