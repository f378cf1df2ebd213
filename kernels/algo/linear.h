/* linear.h - y = x W^T + b with packed weights, generic over the vector header: the projections of multi-head attention.
 *
 * It is the score tile of tile.h once more: rows of x are broadcast like keys, weights lie in lanes like queries. W is packed once, as
 * panels of OUTPUTS outputs, [inputs][OUTPUTS] each, the last one filled up with zeros. Work goes row block by row block (its x stays in
 * L2), panel by panel, in slices of inputs whose weights stay in L1 (24 KiB with AVX-512) while the rows of the block pass by; y of a block
 * and panel stays in L1 between slices. A slice's sum starts at 0, the first one's at the bias, and joins y at its end, so rounding errors
 * grow with SLICE plus the number of slices. Tails of rows go by tiles of 4, 2, 1.
 *
 * A variant file includes the vector header and that of f32 storage, defines SUMMARY (one line for `attnzoo list`) and includes this, which
 * ends with its descriptor. x is read in the words of k, W is f32.
 * Cost: one multiply-add a weight and row; packing is one pass over W. Slices of 64 to 256 and blocks of 64 to 256 rows are equally fast at
 * 512x1024x1024, within 1 %. */
#ifndef ATTN_ALGO_LINEAR_H
#define ATTN_ALGO_LINEAR_H

#include "kernels/fpenv.h"
#include "kernels/kernel.h"

#include "kernels/algo/exp.h"
#include "kernels/algo/tile.h"
#include "kernels/algo/pack.h"

enum { OUTPUTS = NQ * VL, SLICE = 128, ROW_BLOCK = 128 };

static size_t linear_packed(size_t inputs, size_t outputs)
{
    return (outputs + OUTPUTS - 1) / OUTPUTS * OUTPUTS * inputs * sizeof(float);
}

static void linear_pack(size_t inputs, size_t outputs, const float *w, ptrdiff_t w_row, void *packed)
{
    const AttnFpState fp = attn_fp_enter();
    float *to = packed;
    for (size_t out = 0; out < outputs; out += OUTPUTS, to += OUTPUTS * inputs) {
        const void *rows[OUTPUTS] = {0};
        for (size_t lane = 0; lane < OUTPUTS && out + lane < outputs; lane++)
            rows[lane] = w + (ptrdiff_t)(out + lane) * w_row;
        pack_rows(PACK_F32, rows, OUTPUTS, inputs, 1.0f, to);
    }
    attn_fp_leave(fp);
}

/* to[r][0 .. OUTPUTS) = or += the products of mr rows of x, x_row bytes apart, with `inputs` rows of one panel, the sums started
 * at from. */
ALWAYS_INLINE void linear_tile(const int mr, const float *x, ptrdiff_t x_row, const float *w, size_t inputs, const float *from, bool add,
                               float *to, ptrdiff_t to_row)
{
    vf acc[HIGH_TILE][NQ];
    tile_scores(mr, NQ, NQ, w, x, x_row, inputs, from, NULL, acc);
    if (add)
        UNROLL for (int r = 0; r < mr; r++)
            UNROLL for (int i = 0; i < NQ; i++)
                acc[r][i] = vf_add(vf_load(to + r * to_row + i * VL), acc[r][i]);
    UNROLL for (int r = 0; r < mr; r++)
        UNROLL for (int i = 0; i < NQ; i++)
            vf_store(to + r * to_row + i * VL, acc[r][i]);
}

/* The tile that does nearly all the work, out of line: among the others gcc 12 keeps a part of it in memory, and AVX-512 falls from 92 % of
 * its peak to 87 %. Tails of outputs in the same function cost it half of the speed. */
static __attribute__((noinline)) void linear_tile_full(const float *x, ptrdiff_t x_row, const float *w, size_t inputs, const float *from,
                                                       bool add, float *to, ptrdiff_t to_row)
{
    linear_tile(MR, x, x_row, w, inputs, from, add, to, to_row);
}

/* One tile of at most `rows` rows, as high as there is one. Returns how many rows it took. */
static size_t linear_rows(size_t rows, const float *x, ptrdiff_t x_row, const float *w, size_t inputs, const float *from, bool add,
                          float *to, ptrdiff_t to_row)
{
    if (rows >= MR) {
        linear_tile_full(x, x_row, w, inputs, from, add, to, to_row);
        return MR;
    }
#define TILE(mr)                                                                                                                          \
    if (MR > (mr) && rows >= (mr)) {                                                                                                      \
        linear_tile(MR > (mr) ? (mr) : 1, x, x_row, w, inputs, from, add, to, to_row);                                                    \
        return mr;                                                                                                                        \
    }
    TILE(4)
    TILE(2)
#undef TILE
    linear_tile(1, x, x_row, w, inputs, from, add, to, to_row);
    return 1;
}

/* Rows [row, end) of one panel from output `out` on, all inputs. A panel that is not full is computed beside y and copied. */
static void linear_panel(const AttnLinear *l, size_t row, size_t end, size_t out, const float *x, const float *w, const float *bias,
                         float *y)
{
    const size_t n = l->outputs - out < OUTPUTS ? l->outputs - out : OUTPUTS;
    const ptrdiff_t x_row = l->x_row * (ptrdiff_t)sizeof *x;
    float from[OUTPUTS] = {0}, beside[MR * OUTPUTS];
    for (size_t lane = 0; bias && lane < n; lane++)
        from[lane] = bias[out + lane];
    for (size_t c = 0; c == 0 || c < l->inputs; c += SLICE) {
        const size_t inputs = l->inputs - c < SLICE ? l->inputs - c : SLICE;
        const bool add = l->accumulate || c > 0;
        for (size_t r = row, done; r < end; r += done) {
            const float *from_x = x + (ptrdiff_t)r * l->x_row + (ptrdiff_t)c, *panel = w + c * OUTPUTS;
            float *to = y + (ptrdiff_t)r * l->y_row + (ptrdiff_t)out;
            if (n == OUTPUTS) {
                done = linear_rows(end - r, from_x, x_row, panel, inputs, from, add, to, l->y_row);
                continue;
            }
            done = linear_rows(end - r, from_x, x_row, panel, inputs, from, false, beside, OUTPUTS);
            for (size_t i = 0; i < done; i++, to += l->y_row)
                for (size_t lane = 0; lane < n; lane++)
                    to[lane] = add ? to[lane] + beside[i * OUTPUTS + lane] : beside[i * OUTPUTS + lane];
        }
        memset(from, 0, sizeof from);
    }
}

static void linear_run(const AttnLinear *l, AttnLinearSpan span, const float *x, const void *packed, const float *bias, float *y)
{
    for (size_t row = span.row0; row < span.row1; row += ROW_BLOCK) {
        const size_t end = span.row1 - row < ROW_BLOCK ? span.row1 : row + ROW_BLOCK;
        for (size_t out = span.out0; out < span.out1; out += OUTPUTS)
            linear_panel(l, row, end, out, x, (const float *)packed + out * l->inputs, bias, y);
    }
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = SUMMARY,
    .kind = ATTN_KIND_PRODUCT,
    .isa = VF_NEEDS,
    .dtypes = ATTN_F32_TENSORS,
    .accuracy = {ATTN_F32_ROUNDING, .exp_ulp = 0.0, .exp_exact_at_0 = true},
    .panel = OUTPUTS,
    .unit_panels = 1,
    .enter = attn_fp_enter,
    .leave = attn_fp_leave,
    .product = {.packed = linear_packed, .pack = linear_pack, .run = linear_run},
};

#endif
