/* flash_f32_sse2.c - streaming-softmax attention with SSE2.
 *
 * Runs on every x86-64 CPU.
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/sse2.h. */
#include "kernels/isa/sse2.h"
#include "kernels/algo/attend.h"

static double cost(const AttnProblem *p)
{
    return attend_cost(p, 3.2, 3.0);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "streaming softmax, queries in lanes, SSE2",
    .isa = VF_NEEDS,
    .dtypes = ATTN_F32_TENSORS,
    .features = ATTN_HAS_OPTIONS | ATTN_HAS_DOT | ATTN_HAS_GAUSSIAN,
    .accuracy = ATTEND_ACCURACY,
    .panel = LANES,
    .unit_panels = UNIT_PANELS,
    .splits = true,
    .scratch = attend_scratch,
    .cost = cost,
    .run = attend,
};
