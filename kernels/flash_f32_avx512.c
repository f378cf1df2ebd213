/* flash_f32_avx512.c - streaming-softmax attention with AVX-512.
 *
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/avx512.h. */
#include "kernels/isa/avx512.h"
#include "kernels/algo/attend.h"

static double cost(const AttnProblem *p)
{
    return attend_cost(p, 30.0, 0.13);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "streaming softmax, queries in lanes, AVX-512",
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
