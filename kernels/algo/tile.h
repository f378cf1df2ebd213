/* tile.h - the two register tiles that do the work: scores S^T = K Q^T and output O += P V.
 *
 * Queries lie in lanes. A score tile is mr keys x nq vectors of queries: each step loads nq vectors of packed q, broadcasts one number of
 * each key row straight from the caller's memory, and does mr*nq multiply-adds. A value tile is pq query rows x nv vectors of columns:
 * each step loads nv vectors of a v row straight from the caller's memory and broadcasts pq weights. Neither K nor V is packed.
 *
 * mr, nq, pq, nv are compile-time constants at every call; all loops over them unroll and the sums stay in registers. On AVX-512 8*3 sums +
 * 3 + 1 fill 28 of 32 registers, 6*4 + 4 + 1 fill 29; on AVX2 4*3 + 3 + 1 and 6*2 + 2 + 1 fill 16 and 15 of 16. */
#ifndef ATTN_ALGO_TILE_H
#define ATTN_ALGO_TILE_H

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#include "kernels/algo/tanh.h"

enum { NQ = 3 }; /* vectors of queries in a panel, at most */

/* acc[r][x] = from[x] + sum_c k[r][c] q[c][x]. q: [d][nq*VL]; k: mr rows, `stride` apart; from: [nq*VL]. */
ALWAYS_INLINE void tile_scores(const int mr, const int nq, const float *q, const float *k, ptrdiff_t stride, size_t d, const float *from,
                               vf acc[MR][NQ])
{
    UNROLL for (int x = 0; x < nq; x++)
        UNROLL for (int r = 0; r < mr; r++)
            acc[r][x] = vf_load(from + x * VL);
    for (size_t c = 0; c < d; c++) {
        vf column[NQ];
        UNROLL for (int x = 0; x < nq; x++)
            column[x] = vf_load(q + x * VL);
        UNROLL for (int r = 0; r < mr; r++) {
            const vf key = vf_set1(k[r * stride + (ptrdiff_t)c]);
            UNROLL for (int x = 0; x < nq; x++)
                acc[r][x] = vf_fma(key, column[x], acc[r][x]);
        }
        q += nq * VL;
    }
}

/* acc[r][x] = from[x] + sum_c w[c][x] tanh(q[c][x] + k[r][c]), the additive score; q and w: [d][nq*VL]. */
ALWAYS_INLINE void tile_additive(const int mr, const int nq, const float *q, const float *w, const float *k, ptrdiff_t stride, size_t d,
                                 const float *from, vf acc[MR][NQ])
{
    const Exp2 *constants = exp2_constants();
    UNROLL for (int x = 0; x < nq; x++)
        UNROLL for (int r = 0; r < mr; r++)
            acc[r][x] = vf_load(from + x * VL);
    for (size_t c = 0; c < d; c++, q += nq * VL, w += nq * VL)
        UNROLL for (int r = 0; r < mr; r++) {
            const vf key = vf_set1(k[r * stride + (ptrdiff_t)c]);
            UNROLL for (int x = 0; x < nq; x++)
                acc[r][x] = vf_fma(vf_load(w + x * VL), tanh_poly(vf_add(vf_load(q + x * VL), key), constants), acc[r][x]);
        }
}

/* o[r][y] += sum_j p[j][r] v[j][y] over n keys. p: rows `ldp` apart, starting at the tile's first query; v: rows `stride` apart;
 * o: rows `ldo` apart. The sum over the n keys starts at 0 and joins o at the end, so that rounding errors grow with n plus the number of
 * calls, not with all keys. tail: the last vector of a v row has only `tail` elements; 0: it is whole. */
ALWAYS_INLINE void tile_values(const int pq, const int nv, const int has_tail, const float *p, size_t ldp, const float *v, ptrdiff_t stride,
                               size_t n, size_t tail, float *o, size_t ldo)
{
    vf acc[PQ][NV];
    UNROLL for (int r = 0; r < pq; r++)
        UNROLL for (int y = 0; y < nv; y++)
            acc[r][y] = vf_set1(0.0f);
    for (size_t j = 0; j < n; j++) {
        vf value[NV];
        UNROLL for (int y = 0; y < nv; y++)
            value[y] = has_tail && y == nv - 1 ? vf_load_tail(v + y * VL, tail) : vf_load(v + y * VL);
        UNROLL for (int r = 0; r < pq; r++) {
            const vf weight = vf_set1(p[r]);
            UNROLL for (int y = 0; y < nv; y++)
                acc[r][y] = vf_fma(weight, value[y], acc[r][y]);
        }
        p += ldp;
        v += stride;
    }
    UNROLL for (int r = 0; r < pq; r++)
        UNROLL for (int y = 0; y < nv; y++)
            vf_store(o + (size_t)r * ldo + y * VL, vf_add(vf_load(o + (size_t)r * ldo + y * VL), acc[r][y]));
}

/* All rows of one group of nv column vectors: tiles of PQ rows, then what is left by 4, 2, 1. */
ALWAYS_INLINE void values_columns(const int nv, const int has_tail, size_t rows, const float *p, size_t ldp, const float *v,
                                  ptrdiff_t stride, size_t n, size_t tail, float *o, size_t ldo)
{
    size_t r = 0;
    for (; r + PQ <= rows; r += PQ)
        tile_values(PQ, nv, has_tail, p + r, ldp, v, stride, n, tail, o + r * ldo, ldo);
    for (; PQ > 4 && r + 4 <= rows; r += 4)
        tile_values(PQ > 4 ? 4 : 1, nv, has_tail, p + r, ldp, v, stride, n, tail, o + r * ldo, ldo);
    for (; r + 2 <= rows; r += 2)
        tile_values(2, nv, has_tail, p + r, ldp, v, stride, n, tail, o + r * ldo, ldo);
    for (; r < rows; r++)
        tile_values(1, nv, has_tail, p + r, ldp, v, stride, n, tail, o + r * ldo, ldo);
}

/* o[rows][dv] += p^T v over n keys. Columns go in groups of nearly equal width: 5 vectors are 3 + 2, not 4 + 1, because a narrow tile has
 * too few independent sums to hide the latency of a multiply-add. */
static inline void values_accumulate(size_t rows, const float *p, size_t ldp, const float *v, ptrdiff_t stride, size_t n, size_t dv,
                                     float *o, size_t ldo)
{
    const size_t vectors = (dv + VL - 1) / VL, groups = (vectors + NV - 1) / NV, tail = dv % VL;
    for (size_t g = 0, done = 0; g < groups; g++) {
        const size_t width = (vectors - done + groups - g - 1) / (groups - g);
        const float *from = v + done * VL;
        float *to = o + done * VL;
        done += width;
        const int has_tail = tail != 0 && done == vectors;
#define COLUMNS(nv)                                                                                                                       \
    if (has_tail)                                                                                                                         \
        values_columns(nv, 1, rows, p, ldp, from, stride, n, tail, to, ldo);                                                              \
    else                                                                                                                                  \
        values_columns(nv, 0, rows, p, ldp, from, stride, n, 0, to, ldo);                                                                 \
    break
        switch (width) {
        case 1: COLUMNS(1);
        case 2: COLUMNS(2);
        case 3: COLUMNS(NV > 2 ? 3 : 1);
        default: COLUMNS(NV > 2 ? 4 : 1);
        }
#undef COLUMNS
    }
}

#endif
