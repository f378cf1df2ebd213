/* linear_f32_naive.c - y = x W^T + b as in a textbook: for each row and each output, a sum over the inputs.
 *
 * The simplest kernel of its kind, with which the others are compared. Weights are copied unchanged, [outputs][inputs], since each output
 * reads its own row. One sum at a time: each addition waits for the previous one, so a core does one multiply-add in about four cycles. */
#include "kernels/fpenv.h"
#include "kernels/kernel.h"

static size_t packed(size_t inputs, size_t outputs)
{
    return outputs * inputs * sizeof(float);
}

static void pack(size_t inputs, size_t outputs, const float *w, ptrdiff_t w_row, void *to)
{
    for (size_t out = 0; out < outputs; out++)
        memcpy((float *)to + out * inputs, w + (ptrdiff_t)out * w_row, inputs * sizeof(float));
}

static void run(const AttnLinear *l, AttnLinearSpan span, const float *x, const void *w, const float *bias, float *y)
{
    for (size_t row = span.row0; row < span.row1; row++)
        for (size_t out = span.out0; out < span.out1; out++) {
            const float *from = x + (ptrdiff_t)row * l->x_row, *weights = (const float *)w + out * l->inputs;
            float *to = y + (ptrdiff_t)row * l->y_row + out;
            float sum = bias ? bias[out] : 0.0f;
            for (size_t c = 0; c < l->inputs; c++)
                sum += from[c] * weights[c];
            *to = l->accumulate ? *to + sum : sum;
        }
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "y = x W^T + b as three loops, plain C",
    .kind = ATTN_KIND_PRODUCT,
    .isa = 0,
    .dtypes = ATTN_F32_TENSORS,
    .accuracy = {ATTN_F32_ROUNDING, .exp_ulp = 0.0, .exp_exact_at_0 = true},
    .panel = 1,
    .unit_panels = 1,
    .enter = attn_fp_enter,
    .leave = attn_fp_leave,
    .product = {.packed = packed, .pack = pack, .run = run},
};
