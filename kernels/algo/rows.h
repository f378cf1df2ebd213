/* rows.h - query rows on their way into a tile kernel's lanes and out again: what the skeletons (attend.h, decode.h) have in common. */
#ifndef ATTN_ALGO_ROWS_H
#define ATTN_ALGO_ROWS_H

#include <float.h>

#include "kernels/kernel.h"

#include "kernels/algo/cost.h"
#include "kernels/algo/mask.h"
#include "kernels/algo/plain.h"

/* Do all products of q, or of the additive score's weights, with the factor that they are packed with stay in range? Not so, scores are
 * infinite that need not be. They show in the finished row: as NaN, or all of them are -inf and so is m. Only a sink hides the latter. */
static bool row_fits(const q_stored *q, const float *weights, size_t d, float factor)
{
    bool fits = true;
    for (size_t c = 0; c < d; c++)
        fits = fits && fabsf((weights ? weights[c] : q_get(q + c)) * factor) <= FLT_MAX;
    return fits;
}

/* The next rows of a unit that exist, at most `most` of them: from *row on, which moves behind the last one taken, and before `end`. Sets
 * each one's lane, its q row and, for the additive score, its weights. lanes->key0 and key1 are set. Returns how many were taken. */
static size_t lanes_take(Lanes *lanes, const AttnArgs *a, const AttnSequence *seq, size_t kv_head, float score_scale, size_t *row,
                         size_t end, size_t most, const void **q, const void **weights)
{
    size_t rows = 0, h = kv_head * a->group + *row / a->p->q_len, i = *row % a->p->q_len;
    const float factor = (float)(a->p->scale * (double)score_scale);
    lanes->always = lanes_always(a->p);
    lanes->banded = a->p->causal || a->p->window;
    for (; *row < end && rows < most; ++*row, ++i) {
        if (i == a->p->q_len) {
            i = 0;
            h++;
        }
        if (i >= seq->q_len)
            continue;
        q[rows] = attn_q_at(a, seq, h, i, sizeof(q_stored));
        if (weights)
            weights[rows] = a->t->w ? a->t->w + h * a->p->d : NULL;
        lanes->plain[rows] = a->t->sinks && !row_fits(q[rows], a->t->w ? a->t->w + h * a->p->d : NULL, a->p->d, factor);
        lanes_set(lanes, rows++, a, seq, score_scale, h, i);
    }
    return rows;
}

/* The sink of a row in the unit of its scores; -inf where it has none, or where it belongs to another part of the keys. */
static inline float lane_sink(const Lanes *lanes, size_t lane, const AttnArgs *a, float score_scale)
{
    return a->t->sinks && lanes->key0 == 0 ? a->t->sinks[lanes->h[lane]] * score_scale : -INFINITY;
}

static inline AttnPlainRow lane_plain(const Lanes *lanes, size_t lane, const AttnArgs *a, const AttnSequence *seq)
{
    const AttnPlainRow row = {a, seq, lanes->h[lane], lanes->i[lane], {lanes->key0, lanes->key1}};
    return row;
}

/* Is o a part of a result, f32 whatever o is? */
static inline bool o_is_part(const AttnArgs *a)
{
    return STORED_O != ATTN_F32 && a->p->o.dtype == ATTN_F32;
}

/* o = sum / l and lse = m + ln l of the row in a lane. natural_scale: what a score is multiplied by to be in natural units. x * 0 is
 * NaN where x is not finite: *wrong is no longer 0 where some o is not, or the number of some other row that shares it. Returns whether m or l leave
 * something to ask, see rows_mend. */
static inline bool row_finish(const Lanes *lanes, size_t lane, const AttnArgs *a, const AttnSequence *seq, const float *sum, float m,
                              float l, float natural_scale, vf *wrong)
{
    const size_t h = lanes->h[lane], i = lanes->i[lane], dv = a->p->dv;
    const vf share = vf_set1(l == 0.0f ? 1.0f : 1.0f / l), zero = vf_set1(0.0f);
    const bool part = o_is_part(a);
    void *row = attn_o_at(a, seq, h, i, part ? sizeof(float) : sizeof(o_stored));
    o_stored *to = row;
    for (size_t c = 0; c < dv; c += VL) {
        const vf x = vf_mul(vf_load(sum + c), share);
        *wrong = vf_fma(x, zero, *wrong);
        if (part)
            vf_store_tail((float *)row + c, dv - c < VL ? dv - c : VL, x);
        else if (dv - c >= VL)
            o_store(to + c, x);
        else
            o_store_tail(to + c, dv - c, x);
    }
    if (a->t->lse)
        *attn_lse_at(a, seq, h, i) = l == 0.0f ? -INFINITY : m * natural_scale + logf(l);
    return !((fabsf(m) <= FLT_MAX) & (l <= FLT_MAX)) | lanes->plain[lane];
}

/* Is some number of a finished row not what it should be? m and l are those of its softmax. */
static bool row_is_odd(const Lanes *lanes, size_t lane, const AttnArgs *a, const AttnSequence *seq, float m, float l)
{
    const bool part = o_is_part(a);
    const void *o = attn_o_at(a, seq, lanes->h[lane], lanes->i[lane], part ? sizeof(float) : sizeof(o_stored));
    const bool sees = lanes->lo[lane] < lanes->hi[lane] || lane_sink(lanes, lane, a, 1.0f) != -INFINITY;
    bool finite = !sees || (fabsf(m) <= FLT_MAX && l <= FLT_MAX);
    for (size_t c = 0; c < a->p->dv && finite; c++)
        finite = fabsf(part ? ((const float *)o)[c] : o_get((const o_stored *)o + c)) <= FLT_MAX;
    return !finite;
}

/* Those of the first `rows` rows that are not finite, or cannot be trusted, are done again the plain way, and lanes->plain says which. m, l:
 * one number a row, `step` apart. For a panel of which row_finish found something. */
static __attribute__((noinline, cold)) void rows_mend(Lanes *lanes, size_t rows, const AttnArgs *a, const AttnSequence *seq, const float *m,
                                                      const float *l, size_t step)
{
    for (size_t lane = 0; lane < rows; lane++) {
        lanes->plain[lane] = lanes->plain[lane] || row_is_odd(lanes, lane, a, seq, m[lane * step], l[lane * step]);
        if (lanes->plain[lane]) {
            const AttnPlainRow row = lane_plain(lanes, lane, a, seq);
            attn_plain_row(&row);
        }
    }
}

#endif
