/* flash_f32.c - streaming-softmax attention in plain C, one query a lane.
 *
 * The portable member of the family, and the specification that the SIMD ones are compared with.
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/scalar.h. */
#include "kernels/isa/scalar.h"
#include "kernels/algo/attend.h"

static double cost(const AttnProblem *p)
{
    return attend_cost(p, 1.0, 12.0);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "streaming softmax, panels of queries, plain C",
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
