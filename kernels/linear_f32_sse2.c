/* linear_f32_sse2.c - y = x W^T + b with packed weights with SSE2.
 *
 * Algorithm and cost: algo/linear.h; vectors: isa/sse2.h. */
#include "kernels/fpenv.h"
#include "kernels/kernel.h"

#include "kernels/isa/sse2.h"

#include "kernels/algo/exp.h"
#include "kernels/algo/linear.h"

static const AttnLinearKernel linear = {.packed = linear_packed, .pack = linear_pack, .run = linear_run};

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "y = x W^T + b, weights packed once, SSE2",
    .isa = VF_NEEDS,
    .dtypes = ATTN_F32_TENSORS,
    .accuracy = {ATTN_F32_ROUNDING, .exp_ulp = 0.0, .exp_exact_at_0 = true},
    .panel = OUTPUTS,
    .unit_panels = 1,
    .linear = &linear,
};
