/* linear_f32_blas.c - y = x W^T + b by cblas_sgemm, what a C programmer would call today: a yardstick for the linear kernels.
 *
 * Weights are kept as they are, [outputs][inputs]; BLAS packs them anew in every call. The bias is laid into y first, and sgemm adds to it.
 * The whole product is one unit (unit_panels), so BLAS sees it at once, on one thread (yardstick.h).
 *
 * Outside the contract of kernels/kernel.h: BLAS allocates its buffers inside the call. */
#include <cblas.h>

#include "harness/ops/yardstick/yardstick.h"
#include "kernels/fpenv.h"

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
    yardstick_one_thread();
    const size_t rows = span.row1 - span.row0, outputs = span.out1 - span.out0;
    float *to = y + (ptrdiff_t)span.row0 * l->y_row + (ptrdiff_t)span.out0;
    for (size_t r = 0; r < rows; r++)
        for (size_t out = 0; out < outputs; out++) {
            float *at = to + (ptrdiff_t)r * l->y_row + (ptrdiff_t)out;
            const float b = bias ? bias[span.out0 + out] : 0.0f;
            *at = l->accumulate ? *at + b : b;
        }
    if (l->inputs > 0)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)outputs, (int)l->inputs, 1.0f,
                    x + (ptrdiff_t)span.row0 * l->x_row, (int)l->x_row, (const float *)w + span.out0 * l->inputs, (int)l->inputs, 1.0f, to,
                    (int)l->y_row);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "yardstick: y = x W^T + b by the system's BLAS",
    .kind = ATTN_KIND_PRODUCT,
    .isa = 0,
    .dtypes = {ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32)},
    .accuracy = {.u_accumulate = 0x1p-24, .u_score = 0x1p-24, .u_prob = 0x1p-24, .u_out = 0x1p-24, .exp_ulp = 0.0, .exp_exact_at_0 = true},
    .panel = (size_t)1 << 20,
    .unit_panels = (size_t)1 << 20,
    .enter = attn_fp_enter,
    .leave = attn_fp_leave,
    .product = {.packed = packed, .pack = pack, .run = run},
};
