/* flash_f32_avx2_sleef.c - streaming-softmax attention with AVX2 and FMA and SLEEF's exp2.
 *
 * The same skeleton as flash_f32_avx2 with the accurate library exponential: a call that works on a strip of scores in L1.
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/avx2.h. */
#include <sleef.h>

#include "kernels/fpenv.h"
#include "kernels/kernel.h"
#include "kernels/scratch.h"

#include "kernels/isa/avx2.h"
#include "kernels/algo/exp.h"

#define EXP2_CONSTANTS(k) int k = 0 /* none */
#define EXP2(x, k) ((void)(k), Sleef_exp2f8_u10avx2(x))
#define EXP_ULP 1.0 /* as SLEEF states */
#define EXP2_IS_CALL 1
#define SCORE_TILE DOT_TILE
#define TILE_KEYS MR
#define KEY_BLOCK 256
#define SWIFT 1
#include "kernels/algo/tile.h"
#include "kernels/algo/pack.h"
#include "kernels/algo/attend.h"

static double cost(const AttnProblem *p)
{
    return attend_cost(p, 11.5, 2.0);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "streaming softmax, queries in lanes, AVX2 + FMA, SLEEF's exp2",
    .isa = ATTN_CPU(AVX2) | ATTN_CPU(FMA),
    .dtypes = {ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32)},
    .features = ATTN_HAS_OPTIONS | ATTN_HAS_DOT | ATTN_HAS_GAUSSIAN,
    .accuracy = {.u_accumulate = 0x1p-24, .u_score = 0x1p-24, .u_prob = 0x1p-24, .u_out = 0x1p-24, .exp_ulp = EXP_ULP,
                 .tanh_ulp = TANH_ULP, .exp_exact_at_0 = true, .chain_from_m = SWIFT},
    .panel = LANES,
    .unit_panels = UNIT_PANELS,
    .scratch = attend_scratch,
    .cost = cost,
    .run = attend,
};
