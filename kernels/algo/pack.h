/* pack.h - query rows into lanes: q[c][lane] = factor * row[lane][c]. The only packing that the tile kernels do.
 *
 * VL x VL blocks turn in registers. Cost: one pass over the panel's q, under 1 % of a panel's work from 256 keys on. */
#ifndef ATTN_ALGO_PACK_H
#define ATTN_ALGO_PACK_H

/* rows[lane] for lane < lanes (a multiple of VL), NULL where there is no row: its lane becomes 0. to: [d][lanes]. */
static inline void pack_queries(const float *const *rows, size_t lanes, size_t d, float factor, float *to)
{
    const vf times = vf_set1(factor);
    for (size_t lane = 0; lane < lanes; lane += VL)
        for (size_t c = 0; c < d; c += VL) {
            const size_t n = d - c < VL ? d - c : VL;
            vf block[VL];
            for (int i = 0; i < VL; i++) {
                const float *row = rows[lane + (size_t)i];
                const vf x = !row ? vf_set1(0.0f) : n == VL ? vf_load(row + c) : vf_load_tail(row + c, n);
                block[i] = vf_mul(x, times);
            }
            vf_transpose(block);
            for (size_t i = 0; i < n; i++)
                vf_store(to + (c + i) * lanes + lane, block[i]);
        }
}

#endif
