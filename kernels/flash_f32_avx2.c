/* flash_f32_avx2.c - streaming-softmax attention with AVX2 and FMA.
 *
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/avx2.h. */
#include "kernels/isa/avx2.h"
#include "kernels/algo/attend.h"

static double cost(const AttnProblem *p)
{
    return attend_cost(p, 15.0, 0.3);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "streaming softmax, queries in lanes, AVX2 + FMA",
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
