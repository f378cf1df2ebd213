/* cost.h - estimates of cycles, from sizes and options alone: what the skeletons (attend.h, decode.h) have in common.
 *
 * An estimate decides which kernel dispatch takes, so it must order kernels; its unit is a core cycle, and it is off by a third for some
 * problems. It counts what grows with the problem: multiply-adds in the registers' shape, exponentials, the score stage where an option makes
 * a strip go through it, and what tiles, units and rows cost besides. Lengths that come with the tensors are not known: capacities count.
 * tests/by_hand/choice.c measures how often the order is right; docs/measuring.md says how to fit the numbers to another CPU. */
#ifndef ATTN_ALGO_COST_H
#define ATTN_ALGO_COST_H

#include <math.h>

#include "kernels/kernel.h"

/* Bytes a cycle that one core streams from memory: 41 GB/s at 4.2 GHz (Zen 5), 18 at 3.5 (Sapphire Rapids). */
#define READ_PER_CYCLE 8.0

/* Work and reading at once: the longer of the two, and a quarter of the other, which does not hide quite (measured: kernels of wider
 * vectors read 2 to 15 % faster). */
static inline double overlapped(double work, double read)
{
    return work > read ? work + 0.25 * read : read + 0.25 * work;
}

/* Keys that a panel of `rows` successive query rows visits, and those of them that some row of it does not see: means over the panels of a
 * head. */
typedef struct Visited {
    double keys, partial;
} Visited;

static Visited visited_keys(const AttnProblem *p, size_t rows)
{
    enum { SAMPLES = 4 };
    const double len = (double)p->k_len, n = (double)(rows < p->q_len ? rows : p->q_len), last = (double)p->q_len - n;
    const double offset = p->align == ATTN_ALIGN_TOP_LEFT ? 0.0 : p->align == ATTN_ALIGN_OFFSET ? (double)p->offset : len - (double)p->q_len;
    const bool right = p->causal || (p->window && p->window_right >= 0), left = p->window && p->window_left >= 0;
    const double ahead = p->causal ? 0.0 : (double)p->window_right, behind = (double)p->window_left;
    Visited mean = {0.0, 0.0};
    if (!right && !left)
        return (Visited){len, 0.0};
    for (int i = 0; i < SAMPLES; i++) {
        const double first = offset + last * ((double)i + 0.5) / SAMPLES, end = first + n - 1.0;
        const double lo = left ? fmax(0.0, first - behind) : 0.0, hi = right ? fmin(len, end + ahead + 1.0) : len;
        const double whole_lo = left ? fmax(0.0, end - behind) : 0.0, whole_hi = right ? fmin(len, first + ahead + 1.0) : len;
        const double keys = fmax(0.0, hi - lo), whole = fmax(0.0, whole_hi - whole_lo);
        mean.keys += keys / SAMPLES;
        mean.partial += fmax(0.0, keys - whole) / SAMPLES;
    }
    return mean;
}

/* What the score stage costs per vector of scores: to go there and back, and each option. */
static double stage_cycles(const AttnProblem *p, double vectors_of_d)
{
    double cycles = 3.0;
    cycles += p->mask.dtype != ATTN_NONE ? 3.0 : 0.0;
    cycles += p->bias.dtype != ATTN_NONE ? 3.0 : 0.0;
    cycles += p->alibi ? 3.0 : 0.0;
    cycles += p->softcap > 0.0 ? 14.0 : 0.0;
    cycles += p->score == ATTN_SCORE_GAUSSIAN ? 2.0 + vectors_of_d : 0.0;
    return cycles;
}

#endif
