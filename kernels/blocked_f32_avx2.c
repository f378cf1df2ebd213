/* blocked_f32_avx2.c - blocked attention with AVX2 and FMA, whole rows of scores in memory.
 *
 * The design before streaming softmax: exact maximum known before the first exponential, at the price of k_len scores a row.
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/avx2.h. */
#include "kernels/fpenv.h"
#include "kernels/kernel.h"
#include "kernels/scratch.h"

#include "kernels/isa/avx2.h"

#include "kernels/algo/exp.h"

#define EXP2_CONSTANTS(k) Exp2 *k = exp2_constants()
#define EXP2(x, k) exp2_poly(x, k)
#define EXP_ULP EXP2_ULP
#define EXP2_IS_CALL 0
#define SCORE_TILE DOT_TILE
#define TILE_KEYS MR
#define KEY_BLOCK 0
#define SWIFT 0
#include "kernels/algo/tile.h"
#include "kernels/algo/pack.h"
#include "kernels/algo/attend.h"

static double cost(const AttnProblem *p)
{
    return attend_cost(p, 11.0, 1.2);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "whole score rows of a panel, then softmax, then values, AVX2",
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
