/* linear_f32.c - y = x W^T + b with packed weights in plain C.
 *
 * Algorithm and cost: algo/linear.h; vectors: isa/scalar.h. */
#include "kernels/fpenv.h"
#include "kernels/kernel.h"

#include "kernels/isa/scalar.h"

#include "kernels/algo/exp.h"
#include "kernels/algo/linear.h"

static const AttnLinearKernel linear = {.packed = linear_packed, .pack = linear_pack, .run = linear_run};

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "y = x W^T + b, weights packed once, plain C",
    .isa = 0,
    .dtypes = {ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32)},
    .accuracy = {.u_accumulate = 0x1p-24, .u_score = 0x1p-24, .u_prob = 0x1p-24, .u_out = 0x1p-24, .exp_ulp = 0.0, .exp_exact_at_0 = true},
    .panel = OUTPUTS,
    .unit_panels = 1,
    .linear = &linear,
};
