/* additive_f32.c - streaming-softmax attention with additive scores in plain C.
 *
 * score = scale * w . tanh(q + k) (Bahdanau, Cho, Bengio 2014). The tanh costs far more than everything else, so tiles are small.
 * Algorithm and scratch: algo/attend.h; tanh: algo/tanh.h; vectors: isa/scalar.h. */
#include "kernels/fpenv.h"
#include "kernels/kernel.h"
#include "kernels/scratch.h"

#include "kernels/isa/scalar.h"

#include "kernels/algo/exp.h"

#define EXP2_CONSTANTS(k) Exp2 *k = exp2_constants()
#define EXP2(x, k) exp2_poly(x, k)
#define EXP_ULP EXP2_ULP
#define EXP2_IS_CALL 0
#define SCORE_TILE ADDITIVE_TILE
#define TILE_KEYS 2
#define KEY_BLOCK 256
#define SWIFT 1
#include "kernels/algo/tile.h"
#include "kernels/algo/pack.h"
#include "kernels/algo/attend.h"

static double cost(const AttnProblem *p)
{
    return attend_cost(p, 0.02, 1.0);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "additive (Bahdanau) scores, streaming softmax, plaC",
    .isa = 0,
    .dtypes = {ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32), ATTN_DTYPE_BIT(ATTN_F32)},
    .features = ATTN_HAS_OPTIONS | ATTN_HAS_ADDITIVE,
    .accuracy = {.u_accumulate = 0x1p-24, .u_score = 0x1p-24, .u_prob = 0x1p-24, .u_out = 0x1p-24, .exp_ulp = EXP_ULP,
                 .tanh_ulp = TANH_ULP, .exp_exact_at_0 = true, .chain_from_m = SWIFT},
    .panel = LANES,
    .unit_panels = UNIT_PANELS,
    .scratch = attend_scratch,
    .cost = cost,
    .run = attend,
};
