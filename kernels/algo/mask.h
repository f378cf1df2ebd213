/* mask.h - the score stage: everything between q.k and the exponential that is not a plain problem.
 *
 * It acts on a strip of scores [n keys][lanes], where queries lie in lanes, in the order of include/attnzoo.h: norms of the
 * Gaussian score, soft-cap, bias, ALiBi, then visibility: boolean mask and each row's range of keys. Hiding is a select to -inf, never an
 * addition, so that hidden scores may be NaN. Strips that none of it touches are never brought here: a plain problem pays nothing, and a
 * structural option (causal, window, lengths) costs only at the border of what a row sees. */
#ifndef ATTN_ALGO_MASK_H
#define ATTN_ALGO_MASK_H

#include <float.h>

#include "kernels/algo/tile.h"

#define LOG2E 1.44269504088896340736
#define LN2 0.69314718055994530942

enum { LANES = NQ * VL, STRIP = VL > MR ? VL : MR };

/* What the stage must know of the query row in each lane. Lanes without a row repeat the last one. */
typedef struct Lanes {
    size_t h[LANES], i[LANES];              /* query head and row                                                  */
    size_t lo[LANES], hi[LANES];            /* keys [lo, hi) that the structure leaves visible                      */
    size_t key0, key1;                      /* the unit's keys; set by the caller, as is `always`                   */
    bool plain[LANES];                      /* rows that are done again the plain way (plain.h)                             */
    bool banded;                            /* rows may differ in [lo, hi); set by the caller too                   */
    bool rising;                            /* lo and hi rise along the lanes and no key between is hidden from all */
    float from[LANES], to[LANES];           /* if rising: lo - max_lo, hi - min_hi                                  */
    size_t min_lo, max_lo, min_hi, max_hi;  /* over the lanes that see anything: [min_lo, max_hi) is worth visiting;
                                               in [max_lo, min_hi) every lane sees every key                        */
    bool always;                            /* some option touches every score; else the members below are unset   */
    const unsigned char *mask[LANES];       /* address of the mask at key 0; NULL without a mask                    */
    const float *bias[LANES];               /* address of the bias at key 0; NULL without a bias                    */
    bool same_mask, same_bias;              /* all lanes share one address                                          */
    bool next_mask[NQ], next_bias[NQ];      /* of a vector of lanes: each address follows the one before, as in a
                                               transposed tensor                                                    */
    int64_t at[LANES];                      /* position among the keys, i + offset                                  */
    float slope[LANES];                     /* ALiBi, in the unit of the scores                                      */
    float norm[LANES];                      /* -scale/2 |q|^2, for the Gaussian score                               */
} Lanes;

/* Does some option touch every score? */
static bool lanes_always(const AttnProblem *p)
{
    return p->mask.dtype != ATTN_NONE || p->bias.dtype != ATTN_NONE || p->alibi || p->softcap > 0.0 || p->score == ATTN_SCORE_GAUSSIAN;
}

/* Half a norm that f32 does not hold says nothing of a distance: NaN, which sends the rows that meet it the plain way (plain.h). */
static inline float in_range(float half_norm)
{
    return fabsf(half_norm) <= FLT_MAX ? half_norm : NAN;
}

/* Lane `lane` holds query row i of head h. score_scale: of natural scores, 1 or log2(e). lanes->always is set. */
static void lanes_set(Lanes *lanes, size_t lane, const AttnArgs *a, const AttnSequence *seq, float score_scale, size_t h, size_t i)
{
    const AttnProblem *p = a->p;
    lanes->h[lane] = h;
    lanes->i[lane] = i;
    if (lane > 0 && !lanes->banded) {
        lanes->lo[lane] = lanes->lo[0];
        lanes->hi[lane] = lanes->hi[0];
    } else {
        const AttnKeys keys = attn_visible_keys(a, seq, i);
        lanes->lo[lane] = keys.lo > lanes->key0 ? keys.lo : lanes->key0;
        lanes->hi[lane] = keys.hi < lanes->key1 ? keys.hi : lanes->key1;
        if (lanes->lo[lane] >= lanes->hi[lane])
            lanes->lo[lane] = lanes->hi[lane] = 0;
    }
    if (!lanes->always)
        return;
    lanes->mask[lane] = a->t->mask ? (const unsigned char *)a->t->mask + attn_score_at(&p->mask, seq->b, h, i, 0) : NULL;
    lanes->bias[lane] = a->t->bias ? a->t->bias + attn_score_at(&p->bias, seq->b, h, i, 0) : NULL;
    lanes->at[lane] = (int64_t)i + seq->offset;
    lanes->slope[lane] = p->alibi ? a->t->alibi_slopes[h] * score_scale : 0.0f;
    lanes->norm[lane] = 0.0f;
    if (p->score == ATTN_SCORE_GAUSSIAN) {
        const q_stored *q = attn_q_at(a, seq, h, i, sizeof *q);
        double sum = 0.0;
        for (size_t c = 0; c < p->d; c++)
            sum += (double)q_get(q + c) * (double)q_get(q + c);
        lanes->norm[lane] = in_range((float)(-0.5 * p->scale * (double)score_scale * sum));
    }
}

/* Which keys all lanes see, and which any; whether the ranges rise. */
static void lanes_extremes(Lanes *lanes, size_t count)
{
    lanes->min_lo = lanes->min_hi = SIZE_MAX;
    lanes->max_lo = lanes->max_hi = 0;
    lanes->rising = true;
    for (size_t lane = 0; lane < (lanes->banded ? count : 1); lane++) {
        const size_t lo = lanes->lo[lane], hi = lanes->hi[lane], before = lane > 0 ? lane - 1 : 0;
        if (lo < hi && lo < lanes->min_lo)
            lanes->min_lo = lo;
        lanes->max_hi = hi > lanes->max_hi ? hi : lanes->max_hi;
        lanes->max_lo = lo > lanes->max_lo ? lo : lanes->max_lo;
        lanes->min_hi = hi < lanes->min_hi ? hi : lanes->min_hi;
        lanes->rising = lanes->rising && lo < hi && lo >= lanes->lo[before] && hi >= lanes->hi[before] && lo <= lanes->hi[before];
    }
    const size_t exact = (size_t)1 << 24; /* integers up to here are exact as float */
    lanes->rising = lanes->rising && lanes->banded && lanes->max_lo - lanes->min_lo < exact && lanes->max_hi - lanes->min_hi < exact;
    for (size_t lane = 0; lanes->rising && lane < count; lane++) {
        lanes->from[lane] = -(float)(lanes->max_lo - lanes->lo[lane]);
        lanes->to[lane] = (float)(lanes->hi[lane] - lanes->min_hi);
    }
}

/* Repeat the last of `rows` lanes up to `count`, and find what classifies strips. */
static void lanes_finish(Lanes *lanes, size_t rows, size_t count)
{
    for (size_t lane = rows; lane < count; lane++) {
        lanes->lo[lane] = lanes->lo[rows - 1];
        lanes->hi[lane] = lanes->hi[rows - 1];
    }
    lanes_extremes(lanes, count);
    if (!lanes->always)
        return;
    for (size_t lane = rows; lane < count; lane++) {
        lanes->mask[lane] = lanes->mask[rows - 1];
        lanes->bias[lane] = lanes->bias[rows - 1];
        lanes->at[lane] = lanes->at[rows - 1];
        lanes->slope[lane] = lanes->slope[rows - 1];
        lanes->norm[lane] = lanes->norm[rows - 1];
    }
    lanes->same_mask = lanes->same_bias = true;
    for (size_t lane = 1; lane < count; lane++) {
        lanes->same_mask = lanes->same_mask && lanes->mask[lane] == lanes->mask[0];
        lanes->same_bias = lanes->same_bias && lanes->bias[lane] == lanes->bias[0];
    }
    for (size_t x = 0; x < count / VL; x++) {
        lanes->next_mask[x] = lanes->mask[0] != NULL;
        lanes->next_bias[x] = lanes->bias[0] != NULL;
        for (size_t lane = x * VL + 1; lane < x * VL + VL; lane++) {
            lanes->next_mask[x] = lanes->next_mask[x] && lanes->mask[lane] == lanes->mask[lane - 1] + 1;
            lanes->next_bias[x] = lanes->next_bias[x] && lanes->bias[lane] == lanes->bias[lane - 1] + 1;
        }
    }
}

/* Does strip [j, j + n) need the stage? */
static inline bool lanes_partial(const Lanes *lanes, size_t j, size_t n)
{
    return lanes->always || j < lanes->max_lo || j + n > lanes->min_hi;
}

/* ---- Values of scores ------------------------------------------------------------------------------------------------------------ */

/* |k|^2 of one key row. */
static float key_norm(const kv_stored *k, size_t d)
{
    vf sum = vf_set1(0.0f);
    size_t c = 0;
    for (; c + VL <= d; c += VL)
        sum = vf_fma(kv_load(k + c), kv_load(k + c), sum);
    if (c < d) {
        const vf rest = kv_load_tail(k + c, d - c);
        sum = vf_fma(rest, rest, sum);
    }
    float lane[VL], total = 0.0f;
    vf_store(lane, sum);
    for (int i = 0; i < VL; i++)
        total += lane[i];
    return total;
}

/* s += -scale/2 (|q|^2 + |k|^2): makes of scale q.k the Gaussian's exponent. k: the strip's first key row. */
static void strip_gaussian(const Lanes *lanes, const AttnProblem *p, float score_scale, size_t count, size_t n, const kv_stored *k,
                           ptrdiff_t stride, float *s)
{
    for (size_t t = 0; t < n; t++) {
        const double norm = (double)key_norm(kv_at(k, (ptrdiff_t)t * stride), p->d);
        const vf key = vf_set1(in_range((float)(-0.5 * p->scale * (double)score_scale * norm)));
        for (size_t lane = 0; lane < count; lane += VL) {
            float *at = s + t * count + lane;
            vf_store(at, vf_add(vf_load(at), vf_add(key, vf_load(lanes->norm + lane))));
        }
    }
}

static void strip_softcap(double softcap, float score_scale, size_t count, size_t n, float *s)
{
    const Tanh *constants = tanh_constants();
    const vf cap = vf_set1((float)(softcap * (double)score_scale)), inverse = vf_set1((float)(1.0 / (softcap * (double)score_scale)));
    for (size_t at = 0; at < n * count; at += VL) {
        const vf x = vf_load(s + at), same = vf_sub(x, x); /* 0; NaN where x is infinite, as the cap would hide that x left the range */
        vf_store(s + at, vf_mul(cap, tanh_poly(vf_fma(x, inverse, same), constants)));
    }
}

/* s -= slope |at - j|. Distances below 2^24 are exact. */
static void strip_alibi(const Lanes *lanes, size_t count, size_t j, size_t n, float *s)
{
    float distance[LANES];
    for (size_t t = 0; t < n; t++) {
        for (size_t lane = 0; lane < count; lane++) {
            const int64_t steps = lanes->at[lane] - (int64_t)(j + t);
            distance[lane] = (float)(steps < 0 ? steps : -steps);
        }
        for (size_t lane = 0; lane < count; lane += VL) {
            float *at = s + t * count + lane;
            vf_store(at, vf_fma(vf_load(lanes->slope + lane), vf_load(distance + lane), vf_load(at)));
        }
    }
}

/* ---- Tensors over scores --------------------------------------------------------------------------------------------------------- */

/* to[t * count + lane] = what each of VL lanes' own rows says of the n keys from `at` on, `step` elements apart. Bytes of a mask become
 * numbers as vectors: a branch on each would depend on data. */
ALWAYS_INLINE void gather_mask(const unsigned char *const *rows, ptrdiff_t at, ptrdiff_t step, size_t n, size_t count, float *to)
{
    unsigned char bytes[STRIP * VL];
    for (size_t lane = 0; lane < VL; lane++)
        for (size_t t = 0; t < n; t++)
            bytes[t * VL + lane] = rows[lane][at + (ptrdiff_t)t * step];
    for (size_t t = 0; t < n; t++)
        vf_store(to + t * count, vf_load_mask(bytes + t * VL));
}

ALWAYS_INLINE void gather_bias(const float *const *rows, ptrdiff_t at, ptrdiff_t step, size_t n, size_t count, float *to)
{
    for (size_t lane = 0; lane < VL; lane++)
        for (size_t t = 0; t < n; t++)
            to[t * count + lane] = rows[lane][at + (ptrdiff_t)t * step];
}

/* add[t][lane] = what the boolean mask (0 or -inf), else the bias, says of key j + t. `step` is the tensor's column stride. Rows usually
 * lie along keys, lanes across them, so whole blocks turn in registers; a tensor without rows (key padding) is a broadcast. In a
 * transposed tensor lanes lie side by side already; with any other strides numbers come one by one. Inlined, so that `is_mask` is gone
 * before any code is made. */
ALWAYS_INLINE void strip_tensor(const Lanes *lanes, bool is_mask, size_t count, ptrdiff_t step, size_t j, size_t n, float *add)
{
    const ptrdiff_t at = (ptrdiff_t)j * step;
    if (is_mask ? lanes->same_mask : lanes->same_bias) {
        for (size_t t = 0; t < n; t++) {
            const ptrdiff_t key = at + (ptrdiff_t)t * step;
            unsigned char bytes[VL];
            if (is_mask)
                memset(bytes, lanes->mask[0][key], sizeof bytes);
            const vf number = is_mask ? vf_load_mask(bytes) : vf_set1(lanes->bias[0][key]);
            for (size_t lane = 0; lane < count; lane += VL)
                vf_store(add + t * count + lane, number);
        }
        return;
    }
    const size_t whole = step == 1 ? n / VL * VL : 0; /* keys in whole blocks */
    for (size_t t = 0; t < whole; t += VL) {
        const ptrdiff_t key = at + (ptrdiff_t)t;
        for (size_t lane = 0; lane < count; lane += VL) {
            vf block[VL];
            for (size_t i = 0; i < VL; i++)
                block[i] = is_mask ? vf_load_mask(lanes->mask[lane + i] + key) : vf_load(lanes->bias[lane + i] + key);
            vf_transpose(block);
            for (size_t i = 0; i < VL; i++)
                vf_store(add + (t + i) * count + lane, block[i]);
        }
    }
    const ptrdiff_t rest = at + (ptrdiff_t)whole * step;
    for (size_t lane = 0; whole < n && lane < count; lane += VL) {
        float *to = add + whole * count + lane;
        if ((is_mask ? lanes->next_mask : lanes->next_bias)[lane / VL])
            for (size_t t = 0; t < n - whole; t++) {
                const ptrdiff_t key = rest + (ptrdiff_t)t * step;
                vf_store(to + t * count, is_mask ? vf_load_mask(lanes->mask[lane] + key) : vf_load(lanes->bias[lane] + key));
            }
        else if (is_mask)
            gather_mask(lanes->mask + lane, rest, step, n - whole, count, to);
        else
            gather_bias(lanes->bias + lane, rest, step, n - whole, count, to);
    }
}

static void strip_mask(const Lanes *lanes, size_t count, ptrdiff_t step, size_t j, size_t n, float *add)
{
    strip_tensor(lanes, true, count, step, j, n, add);
}

static void strip_bias(const Lanes *lanes, size_t count, ptrdiff_t step, size_t j, size_t n, float *add)
{
    strip_tensor(lanes, false, count, step, j, n, add);
}

/* s += add, hidden where add is -inf. */
static void strip_add(size_t count, size_t n, const float *add, float *s)
{
    const vf hidden = vf_set1(-INFINITY);
    for (size_t at = 0; at < n * count; at += VL) {
        const vf more = vf_load(add + at);
        vf_store(s + at, vf_where_eq(more, hidden, hidden, vf_add(vf_load(s + at), more)));
    }
}

/* ---- Visibility ------------------------------------------------------------------------------------------------------------------ */

/* Hide keys outside each lane's [lo, hi). Positions are compared relative to j, clamped to the strip. */
static void strip_range(const Lanes *lanes, size_t count, size_t j, size_t n, float *s)
{
    float lo[LANES], hi[LANES];
    for (size_t lane = 0; lane < count; lane++) {
        lo[lane] = lanes->lo[lane] <= j ? 0.0f : lanes->lo[lane] - j < n ? (float)(lanes->lo[lane] - j) : (float)n;
        hi[lane] = lanes->hi[lane] <= j ? 0.0f : lanes->hi[lane] - j < n ? (float)(lanes->hi[lane] - j) : (float)n;
    }
    const vf hidden = vf_set1(-INFINITY);
    for (size_t t = 0; t < n; t++) {
        const vf at = vf_set1((float)t);
        for (size_t lane = 0; lane < count; lane += VL) {
            vf x = vf_load(s + t * count + lane);
            x = vf_where_lt(at, vf_load(hi + lane), x, hidden);
            x = vf_where_lt(at, vf_load(lo + lane), hidden, x);
            vf_store(s + t * count + lane, x);
        }
    }
}

/* live[t] = some lane sees key j + t. What no lane sees must not reach the value tile, where 0 * NaN would be NaN. */
static void strip_live(size_t count, size_t n, const float *s, unsigned char *live)
{
    const vf hidden = vf_set1(-INFINITY);
    for (size_t t = 0; t < n; t++) {
        int any = 0;
        for (size_t lane = 0; lane < count; lane += VL)
            any |= vf_any_differs(vf_load(s + t * count + lane), hidden);
        live[t] = (unsigned char)any;
    }
}

/* The stage on one strip of n <= STRIP keys from j on, as far as `upto`: ATTN_STAGE_RAW, _CAPPED or _BIASED. s: [n][count] in place;
 * k: its first key row, stride: bytes to the next; live: [n], set by _BIASED; add: room for [STRIP][count]. */
static void strip_stage(const AttnProblem *p, const Lanes *lanes, AttnStage upto, float score_scale, size_t count, size_t j, size_t n,
                        const kv_stored *k, ptrdiff_t stride, float *s, unsigned char *live, float *add)
{
    if (p->score == ATTN_SCORE_GAUSSIAN)
        strip_gaussian(lanes, p, score_scale, count, n, k, stride, s);
    if (upto == ATTN_STAGE_RAW)
        return;
    if (p->softcap > 0.0)
        strip_softcap(p->softcap, score_scale, count, n, s);
    if (upto == ATTN_STAGE_CAPPED)
        return;
    if (p->alibi)
        strip_alibi(lanes, count, j, n, s);
    if (p->bias.dtype != ATTN_NONE) {
        strip_bias(lanes, count, p->bias.col, j, n, add);
        strip_add(count, n, add, s);
    }
    if (p->mask.dtype != ATTN_NONE) {
        strip_mask(lanes, count, p->mask.col, j, n, add);
        strip_add(count, n, add, s);
    }
    if (j < lanes->max_lo || j + n > lanes->min_hi)
        strip_range(lanes, count, j, n, s);
    strip_live(count, n, s, live);
}

#endif
