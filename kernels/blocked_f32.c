/* blocked_f32.c - blocked attention in plain C, whole rows of scores in memory.
 *
 * The design before streaming softmax: exact maximum known before the first exponential, at the price of k_len scores a row.
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/scalar.h. */
#include "kernels/isa/scalar.h"

#define KEY_BLOCK 0
#define SWIFT 0
#include "kernels/algo/attend.h"

static double cost(const AttnProblem *p)
{
    return attend_cost(p, 0.9, 12.0);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "whole score rows of a panel, then softmax, then values, plain C",
    .isa = VF_NEEDS,
    .dtypes = ATTN_F32_TENSORS,
    .features = ATTN_HAS_OPTIONS | ATTN_HAS_DOT | ATTN_HAS_GAUSSIAN,
    .accuracy = ATTEND_ACCURACY,
    .panel = LANES,
    .unit_panels = UNIT_PANELS,
    .scratch = attend_scratch,
    .cost = cost,
    .run = attend,
};
