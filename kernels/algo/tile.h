/* tile.h - the two register tiles that do the work: scores S^T = K Q^T and output O += P V.
 *
 * Queries lie in lanes. A score tile is mr keys x nq vectors of queries: each step loads nq vectors of packed q, broadcasts one number of
 * each key row straight from the caller's memory, and does mr*nq multiply-adds. A value tile is pq query rows x nv vectors of columns:
 * each step loads nv vectors of a v row straight from the caller's memory and broadcasts pq weights. Neither K nor V is packed.
 *
 * mr, nq, pq, nv are compile-time constants at every call; all loops over them unroll and the sums stay in registers. On AVX-512 8*3 sums +
 * 3 + 1 fill 28 of 32 registers, 6*4 + 4 + 1 fill 29; on AVX2 4*3 + 3 + 1 and 6*2 + 2 + 1 fill 16 and 15 of 16.
 *
 * A multiply-add takes 4 cycles and two begin in one, so a tile needs 8 sums to keep the unit busy. Hence narrow tiles are higher than wide
 * ones, and rows are shared out evenly: 8 rows are 4 + 4 and not 6 + 2. */
#ifndef ATTN_ALGO_TILE_H
#define ATTN_ALGO_TILE_H

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#include "kernels/algo/ahead.h"
#include "kernels/algo/tanh.h"

/* Vectors of queries in a panel, and rows in a value tile, at most; harness/bench/micro/tiles.c has other numbers, to compare tiles. */
#ifndef PANEL_VECTORS
#define PANEL_VECTORS 3
#define VALUE_ROWS 8
#endif
enum { NQ = PANEL_VECTORS, HIGH_VALUES = VALUE_ROWS };

/* Keys in a score tile of nq vectors: MR where nq is NQ; two vectors take half as many again, one twice as many. */
#define HIGH_TILE (2 * MR)
#define KEYS_OF(nq) ((nq) == NQ ? MR : (nq) == 2 ? 3 * MR / 2 : HIGH_TILE)

/* What is prefetched while score tiles are computed: two stretches side by side, `lines` of each every PREFETCH_COLUMNS columns. */
typedef struct Prefetch {
    Stretch of[2];
    size_t lines;
} Prefetch;
enum { PREFETCH_COLUMNS = 8 };

ALWAYS_INLINE void prefetch_some(Prefetch *prefetch)
{
    for (int n = 0; n < 2; n++)
        for (size_t i = prefetch->lines; i > 0 && prefetch->of[n].left > 0; i--)
            stretch_prefetch(&prefetch->of[n]);
}

/* Columns [c, end) of a score tile; *q moves on. */
ALWAYS_INLINE void tile_columns(const int mr, const int nq, const int pitch, const float **q, const kv_stored *k, ptrdiff_t stride,
                                size_t c, size_t end, vf acc[HIGH_TILE][NQ])
{
    for (; c < end; c++) {
        vf column[NQ];
        UNROLL for (int x = 0; x < nq; x++)
            column[x] = vf_load(*q + x * VL);
        UNROLL for (int r = 0; r < mr; r++) {
            const vf key = kv_set1(kv_at(k, r * stride) + c);
            UNROLL for (int x = 0; x < nq; x++)
                acc[r][x] = vf_fma(key, column[x], acc[r][x]);
        }
        *q += pitch * VL;
    }
}

/* acc[r][x] = from[x] + sum_c k[r][c] q[c][x]. q: d rows of nq vectors, `pitch` vectors apart; k: mr rows, `stride` bytes apart; from:
 * [nq*VL], NULL: 0; prefetch: NULL as a constant, or what to prefetch meanwhile. */
ALWAYS_INLINE void tile_scores(const int mr, const int nq, const int pitch, const float *q, const kv_stored *k, ptrdiff_t stride,
                               size_t d, const float *from, Prefetch *prefetch, vf acc[HIGH_TILE][NQ])
{
    UNROLL for (int x = 0; x < nq; x++)
        UNROLL for (int r = 0; r < mr; r++)
            acc[r][x] = from ? vf_load(from + x * VL) : vf_set1(0.0f);
    if (!prefetch) {
        tile_columns(mr, nq, pitch, &q, k, stride, 0, d, acc);
        return;
    }
    for (size_t c = 0; c < d; c += PREFETCH_COLUMNS) {
        prefetch_some(prefetch);
        tile_columns(mr, nq, pitch, &q, k, stride, c, d - c < PREFETCH_COLUMNS ? d : c + PREFETCH_COLUMNS, acc);
    }
}

/* acc[r][x] = from[x] + sum_c w[c][x] tanh(q[c][x] + k[r][c]), the additive score; q and w as q above. */
ALWAYS_INLINE void tile_additive(const int mr, const int nq, const int pitch, const float *q, const float *w, const kv_stored *k,
                                 ptrdiff_t stride, size_t d, const float *from, vf acc[HIGH_TILE][NQ])
{
    const Tanh *constants = tanh_constants();
    UNROLL for (int x = 0; x < nq; x++)
        UNROLL for (int r = 0; r < mr; r++)
            acc[r][x] = from ? vf_load(from + x * VL) : vf_set1(0.0f);
    for (size_t c = 0; c < d; c++, q += pitch * VL, w += pitch * VL)
        UNROLL for (int r = 0; r < mr; r++) {
            const vf key = kv_set1(kv_at(k, r * stride) + c);
            UNROLL for (int x = 0; x < nq; x++)
                acc[r][x] = vf_fma(vf_load(w + x * VL), tanh_poly(vf_add(vf_load(q + x * VL), key), constants), acc[r][x]);
        }
}

/* Rows in a value tile of nv vectors. */
#define HEIGHT_OF(nv) ((nv) == NV ? (int)PQ : (int)HIGH_VALUES)

/* o[r][y] += sum_j p[j][r] v[j][y] over n keys; fresh: o = the sum, whatever was there. p: rows `ldp` apart, starting at the tile's first
 * query; v: rows `stride` bytes apart; o: rows `ldo` apart. The sum over the n keys starts at 0 and joins o at the end, so that rounding
 * errors grow with n plus the number of calls, not with all keys. tail: the last vector of a v row has only `tail` elements; 0: it is whole. */
ALWAYS_INLINE void tile_values(const int pq, const int nv, const int has_tail, const float *p, size_t ldp, const kv_stored *v,
                               ptrdiff_t stride, size_t n, size_t tail, bool fresh, float *o, size_t ldo)
{
    vf acc[HIGH_VALUES][NV];
    UNROLL for (int r = 0; r < pq; r++)
        UNROLL for (int y = 0; y < nv; y++)
            acc[r][y] = vf_set1(0.0f);
    for (size_t j = 0; j < n; j++) {
        vf value[NV];
        UNROLL for (int y = 0; y < nv; y++)
            value[y] = has_tail && y == nv - 1 ? kv_load_tail(v + y * VL, tail) : kv_load(v + y * VL);
        UNROLL for (int r = 0; r < pq; r++) {
            const vf weight = vf_set1(p[r]);
            UNROLL for (int y = 0; y < nv; y++)
                acc[r][y] = vf_fma(weight, value[y], acc[r][y]);
        }
        p += ldp;
        v = kv_at(v, stride);
    }
    if (!fresh)
        UNROLL for (int r = 0; r < pq; r++)
            UNROLL for (int y = 0; y < nv; y++)
                acc[r][y] = vf_add(vf_load(o + (size_t)r * ldo + y * VL), acc[r][y]);
    UNROLL for (int r = 0; r < pq; r++)
        UNROLL for (int y = 0; y < nv; y++)
            vf_store(o + (size_t)r * ldo + y * VL, acc[r][y]);
}

/* Keys [lo[r], hi[r]) of each row, both rising along the rows; NULL: every key. */
typedef struct RowKeys {
    const size_t *lo, *hi;
} RowKeys;

/* All rows of one group of nv column vectors, in tiles of nearly equal height. j: the first of the n keys. */
ALWAYS_INLINE void values_columns(const int nv, const int has_tail, size_t rows, RowKeys seen, const float *p, size_t ldp, size_t j,
                                  const kv_stored *v, ptrdiff_t stride, size_t n, size_t tail, bool fresh, float *o, size_t ldo)
{
    const size_t most = HEIGHT_OF(nv);
    for (size_t r = 0, tiles = (rows + most - 1) / most; tiles > 0; tiles--) {
        const size_t height = (rows - r + tiles - 1) / tiles;
        size_t from = 0, to = n;
        if (seen.lo) {
            const size_t lo = seen.lo[r], hi = seen.hi[r + height - 1];
            from = lo > j ? lo - j : 0;
            to = hi < j + n ? hi > j ? hi - j : 0 : n;
            to = to < from ? from : to;
        }
        const float *weight = p + from * ldp + r;
        const kv_stored *value = kv_at(v, (ptrdiff_t)from * stride);
        float *sum = o + r * ldo;
        if (from < to || fresh)
            switch (height) {
#define ROWS(pq)                                                                                                                          \
    case pq: tile_values(pq <= HEIGHT_OF(nv) ? pq : 1, nv, has_tail, weight, ldp, value, stride, to - from, tail, fresh, sum, ldo); break
                ROWS(1);
                ROWS(2);
                ROWS(3);
                ROWS(4);
                ROWS(5);
                ROWS(6);
                ROWS(7);
                ROWS(8);
#undef ROWS
            }
        r += height;
    }
}

/* o[rows][dv] += p^T v over the keys of [j, j + n) that each row sees; fresh: as in tile_values. p, v: of key j. Columns go in groups of
 * nearly equal width: 5 vectors are 3 + 2, not 4 + 1, because a narrow tile has too few independent sums to hide the latency of a
 * multiply-add. */
static inline void values_accumulate(size_t rows, RowKeys seen, const float *p, size_t ldp, size_t j, const kv_stored *v,
                                     ptrdiff_t stride, size_t n, size_t dv, bool fresh, float *o, size_t ldo)
{
    const size_t vectors = (dv + VL - 1) / VL, groups = (vectors + NV - 1) / NV, tail = dv % VL;
    for (size_t g = 0, done = 0; g < groups; g++) {
        const size_t width = (vectors - done + groups - g - 1) / (groups - g);
        const kv_stored *from = v + done * VL;
        float *to = o + done * VL;
        done += width;
        const int has_tail = tail != 0 && done == vectors;
#define COLUMNS(nv)                                                                                                                       \
    if (has_tail)                                                                                                                         \
        values_columns(nv, 1, rows, seen, p, ldp, j, from, stride, n, tail, fresh, to, ldo);                                              \
    else                                                                                                                                  \
        values_columns(nv, 0, rows, seen, p, ldp, j, from, stride, n, 0, fresh, to, ldo);                                                 \
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
