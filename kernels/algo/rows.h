/* rows.h - query rows on their way into a tile kernel's lanes and out again: what the skeletons (attend.h, decode.h) have in common. */
#ifndef ATTN_ALGO_ROWS_H
#define ATTN_ALGO_ROWS_H

#include "kernels/kernel.h"

#include "kernels/algo/mask.h"

/* The next rows of a unit that exist, at most `most` of them: from *row on, which moves behind the last one taken, and before `end`. Sets
 * each one's lane, its q row and, for the additive score, its weights. lanes->key0 and key1 are set. Returns how many were taken. */
static size_t lanes_take(Lanes *lanes, const AttnArgs *a, const AttnSequence *seq, size_t kv_head, float unit, size_t *row, size_t end,
                         size_t most, const float **q, const float **weights)
{
    size_t rows = 0, h = kv_head * a->group + *row / a->p->q_len, i = *row % a->p->q_len;
    lanes->always = lanes_always(a->p);
    lanes->banded = a->p->causal || a->p->window;
    for (; *row < end && rows < most; ++*row, ++i) {
        if (i == a->p->q_len) {
            i = 0;
            h++;
        }
        if (i >= seq->q_len)
            continue;
        q[rows] = attn_q_row(a, seq, h, i);
        if (weights)
            weights[rows] = a->t->w ? a->t->w + h * a->p->d : NULL;
        lanes_set(lanes, rows++, a, seq, unit, h, i);
    }
    return rows;
}

/* The sink of a row in the unit of its scores; -inf where it has none, or where it belongs to another part of the keys. */
static inline float lane_sink(const Lanes *lanes, size_t lane, const AttnArgs *a, float unit)
{
    return a->t->sinks && lanes->key0 == 0 ? a->t->sinks[lanes->h[lane]] * unit : -INFINITY;
}

/* o = sum / l and lse = m + ln l of the row in a lane. natural: what a score is multiplied by to be in natural units. */
static void row_finish(const Lanes *lanes, size_t lane, const AttnArgs *a, const AttnSequence *seq, const float *sum, float m, float l,
                       float natural)
{
    const size_t h = lanes->h[lane], i = lanes->i[lane], dv = a->p->dv;
    const vf share = vf_set1(l == 0.0f ? 1.0f : 1.0f / l);
    float *to = attn_o_row(a, seq, h, i);
    for (size_t c = 0; c < dv; c += VL) {
        const vf x = vf_mul(vf_load(sum + c), share);
        if (dv - c >= VL)
            vf_store(to + c, x);
        else
            vf_store_tail(to + c, dv - c, x);
    }
    if (a->t->lse)
        *attn_lse_at(a, seq, h, i) = l == 0.0f ? -INFINITY : m * natural + logf(l);
}

/* Bytes a cycle that one core streams from memory, for estimates: 41 GB/s at 4.2 GHz (Zen 5), 18 at 3.5 (Sapphire Rapids). */
#define READ_PER_CYCLE 8.0

/* Work and reading at once: the longer of the two, and a quarter of the other, which does not hide quite (measured: kernels of wider
 * vectors read 2 to 15 % faster). */
static inline double overlapped(double work, double read)
{
    return work > read ? work + 0.25 * read : read + 0.25 * work;
}

/* Share of the q_len x k_len scores that the structure leaves to compute, in strips of `panel` rows; lengths that come with the tensors
 * are not known here. */
static double visible_share(const AttnProblem *p, size_t panel)
{
    double share = p->causal ? 0.55 : 1.0;
    if (p->window && p->window_left >= 0) {
        const double right = p->window_right >= 0 && !p->causal ? (double)p->window_right : 0.0;
        const double band = (double)p->window_left + right + 1.0 + (double)panel;
        const bool open = !p->causal && p->window_right < 0;
        share = open || band > share * (double)p->k_len ? share : band / (double)p->k_len;
    }
    return share;
}

#endif
