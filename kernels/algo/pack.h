/* pack.h - query rows into lanes: q[c][lane] = factor * row[lane][c]. The only packing that the tile kernels do.
 *
 * VL x VL blocks turn in registers. Cost: one pass over the panel's q, under 1 % of a panel's work from 256 keys on. */
#ifndef ATTN_ALGO_PACK_H
#define ATTN_ALGO_PACK_H

/* What rows consist of: elements of q, or f32 whatever q is (weights). */
enum { PACK_Q, PACK_F32 };

ALWAYS_INLINE vf pack_load(const int what, const int whole, const void *row, size_t c, size_t n)
{
    if (what == PACK_F32)
        return whole ? vf_load((const float *)row + c) : vf_load_tail((const float *)row + c, n);
    return whole ? q_load((const q_stored *)row + c) : q_load_tail((const q_stored *)row + c, n);
}

/* One block of n <= VL columns of VL rows; whole: n is VL and every row is there. */
ALWAYS_INLINE void pack_block(const int what, const int whole, const void *const *rows, size_t lanes, size_t c, size_t n, vf times, float *to)
{
    vf block[VL];
    UNROLL for (int i = 0; i < VL; i++) {
        const vf x = whole || rows[i] ? pack_load(what, whole, rows[i], c, n) : vf_set1(0.0f);
        block[i] = vf_mul(x, times);
    }
    vf_transpose(block);
    if (whole)
        UNROLL for (int i = 0; i < VL; i++)
            vf_store(to + (size_t)i * lanes, block[i]);
    else
        for (size_t i = 0; i < n; i++)
            vf_store(to + i * lanes, block[i]);
}

/* rows[lane] for lane < lanes (a multiple of VL), NULL where there is no row: its lane becomes 0. to: [d][lanes]. */
static inline void pack_rows(const int what, const void *const *rows, size_t lanes, size_t d, float factor, float *to)
{
    const vf times = vf_set1(factor);
    for (size_t lane = 0; lane < lanes; lane += VL) {
        bool all = true;
        for (size_t i = 0; i < VL; i++)
            all = all && rows[lane + i];
        size_t c = 0;
        for (; all && c + VL <= d; c += VL)
            pack_block(what, 1, rows + lane, lanes, c, VL, times, to + c * lanes + lane);
        for (; c < d; c += VL)
            pack_block(what, 0, rows + lane, lanes, c, d - c < VL ? d - c : VL, times, to + c * lanes + lane);
    }
}

#endif
