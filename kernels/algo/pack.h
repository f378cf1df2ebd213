/* pack.h - query rows into lanes: q[c][lane] = factor * row[lane][c]. The only packing that the tile kernels do.
 *
 * VL x VL blocks turn in registers. Cost: one pass over the panel's q, under 1 % of a panel's work from 256 keys on. */
#ifndef ATTN_ALGO_PACK_H
#define ATTN_ALGO_PACK_H

/* One block of n <= VL columns of VL rows; whole: n is VL and every row is there. */
ALWAYS_INLINE void pack_block(const int whole, const q_stored *const *rows, size_t lanes, size_t c, size_t n, vf times, float *to)
{
    vf block[VL];
    UNROLL for (int i = 0; i < VL; i++) {
        const q_stored *row = rows[i];
        const vf x = whole ? q_load(row + c) : row ? q_load_tail(row + c, n) : vf_set1(0.0f);
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
static inline void pack_queries(const q_stored *const *rows, size_t lanes, size_t d, float factor, float *to)
{
    const vf times = vf_set1(factor);
    for (size_t lane = 0; lane < lanes; lane += VL) {
        bool all = true;
        for (size_t i = 0; i < VL; i++)
            all = all && rows[lane + i];
        size_t c = 0;
        for (; all && c + VL <= d; c += VL)
            pack_block(1, rows + lane, lanes, c, VL, times, to + c * lanes + lane);
        for (; c < d; c += VL)
            pack_block(0, rows + lane, lanes, c, d - c < VL ? d - c : VL, times, to + c * lanes + lane);
    }
}

#endif
