/* flash_f32_neon_sleef.c - streaming-softmax attention with Advanced SIMD and SLEEF's exp2.
 *
 * The same skeleton as flash_f32_neon with the accurate library exponential: a call that works on a strip of scores in L1.
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/neon.h. */
#include <sleef.h>

#include "kernels/isa/neon.h"

#define EXP2_CONSTANTS(k) int k = 0 /* none */
#define EXP2(x, k) ((void)(k), Sleef_exp2f4_u10advsimd(x))
#define EXP_ULP 1.0 /* as SLEEF states */
#define EXP2_IS_CALL 1
#include "kernels/algo/attend.h"

static double cost(const AttnProblem *p)
{
    return attend_cost(p, 6.0, 4.0);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "streaming softmax, queries in lanes, NEON, SLEEF's exp2",
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
