/* linear.h - y = x W^T + b with packed weights, generic over the vector header: the projections of multi-head attention.
 *
 * It is the score tile of tile.h once more: rows of x are broadcast like keys, weights lie in lanes like queries. W is packed once, as panels of
 * LANES outputs, [inputs][LANES] each. Work goes row block by row block (its x stays in L2), panel by panel, in slices of inputs whose weights
 * stay in L1 while the rows of the block pass by; y of a block and panel stays in L1 between slices.
 * Cost: one multiply-add a weight and row; packing is one pass over W. Tails of rows go by tiles of 4, 2, 1, tails of outputs by lanes. */
#ifndef ATTN_ALGO_LINEAR_H
#define ATTN_ALGO_LINEAR_H

#include "kernels/algo/tile.h"
#include "kernels/algo/pack.h"

enum { OUTPUTS = NQ * VL, SLICE = 192, ROW_BLOCK = 128 };

static size_t linear_packed(size_t inputs, size_t outputs)
{
    return (outputs + OUTPUTS - 1) / OUTPUTS * OUTPUTS * inputs * sizeof(float);
}

static void linear_pack(size_t inputs, size_t outputs, const float *w, ptrdiff_t w_row, void *packed)
{
    float *to = packed;
    for (size_t out = 0; out < outputs; out += OUTPUTS, to += OUTPUTS * inputs) {
        const float *rows[OUTPUTS] = {0};
        for (size_t lane = 0; lane < OUTPUTS && out + lane < outputs; lane++)
            rows[lane] = w + (ptrdiff_t)(out + lane) * w_row;
        pack_queries(rows, OUTPUTS, inputs, 1.0f, to);
    }
}

/* mr rows times one slice of one panel. from: [OUTPUTS] where the sums start; add: y holds a part already; n: outputs of the panel. */
ALWAYS_INLINE void linear_tile(const int mr, const AttnLinear *l, const float *x, const float *w, size_t inputs, const float *from, bool add,
                               size_t n, float *y)
{
    vf acc[MR][NQ];
    tile_scores(mr, NQ, w, x, l->x_row, inputs, from, acc);
    UNROLL for (int r = 0; r < mr; r++) {
        float *to = y + (ptrdiff_t)r * l->y_row;
        if (n == OUTPUTS) {
            UNROLL for (int i = 0; i < NQ; i++)
                vf_store(to + i * VL, add ? vf_add(vf_load(to + i * VL), acc[r][i]) : acc[r][i]);
        } else {
            UNROLL for (int i = 0; i < NQ; i++) {
                const size_t begin = (size_t)(i * VL), tail = n <= begin ? 0 : n - begin < VL ? n - begin : VL;
                vf_store_tail(to + begin, tail, add ? vf_add(vf_load_tail(to + begin, tail), acc[r][i]) : acc[r][i]);
            }
        }
    }
}

/* Rows [row, end) of one panel from output `out` on, all inputs. */
static void linear_panel(const AttnLinear *l, size_t row, size_t end, size_t out, const float *x, const float *w, const float *bias, float *y)
{
    const size_t n = l->outputs - out < OUTPUTS ? l->outputs - out : OUTPUTS;
    float from[OUTPUTS] = {0};
    for (size_t lane = 0; bias && lane < n; lane++)
        from[lane] = bias[out + lane];
    for (size_t c = 0; c == 0 || c < l->inputs; c += SLICE) {
        const size_t inputs = l->inputs - c < SLICE ? l->inputs - c : SLICE;
        const bool add = l->accumulate || c > 0;
        size_t r = row;
#define TILES(mr)                                                                                                                         \
    for (; r + (mr) <= end; r += (mr))                                                                                                    \
    linear_tile(mr, l, x + (ptrdiff_t)r * l->x_row + c, w + c * OUTPUTS, inputs, from, add, n, y + (ptrdiff_t)r * l->y_row + out)
        TILES(MR);
        TILES(4);
        TILES(2);
        TILES(1);
#undef TILES
        memset(from, 0, sizeof from);
    }
}

static void linear_run(const AttnLinear *l, AttnLinearSpan span, const float *x, const void *packed, const float *bias, float *y)
{
    const AttnFpState fp = attn_fp_enter();
    for (size_t row = span.row0; row < span.row1; row += ROW_BLOCK) {
        const size_t end = span.row1 - row < ROW_BLOCK ? span.row1 : row + ROW_BLOCK;
        for (size_t out = span.out0; out < span.out1; out += OUTPUTS)
            linear_panel(l, row, end, out, x, (const float *)packed + out * l->inputs, bias, y);
    }
    attn_fp_leave(fp);
}

#endif
