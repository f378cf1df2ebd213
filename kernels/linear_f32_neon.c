/* linear_f32_neon.c - y = x W^T + b with packed weights with Advanced SIMD.
 *
 * Algorithm and cost: algo/linear.h; vectors: isa/neon.h. */
#include "kernels/fpenv.h"
#include "kernels/kernel.h"

#include "kernels/isa/neon.h"

#include "kernels/algo/exp.h"
#include "kernels/algo/linear.h"

static const AttnLinearKernel linear = {.packed = linear_packed, .pack = linear_pack, .run = linear_run};

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "y = x W^T + b, weights packed once, Advanced SIMD",
    .isa = VF_NEEDS,
    .dtypes = ATTN_F32_TENSORS,
    .accuracy = {ATTN_F32_ROUNDING, .exp_ulp = 0.0, .exp_exact_at_0 = true},
    .panel = OUTPUTS,
    .unit_panels = 1,
    .linear = &linear,
};
