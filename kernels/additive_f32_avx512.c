/* additive_f32_avx512.c - streaming-softmax attention with additive scores with AVX-512.
 *
 * score = scale * w . tanh(q + k) (Bahdanau, Cho, Bengio 2014). The tanh costs far more than everything else, so tiles are small.
 * Algorithm and scratch: algo/attend.h; tanh: algo/tanh.h; vectors: isa/avx512.h. */
#include "kernels/isa/avx512.h"

#define SCORE_TILE ADDITIVE_TILE
#define TILE_KEYS(nq) 2
#include "kernels/algo/attend.h"

static double cost(const AttnProblem *p)
{
    return attend_cost(p, 1.0, 1.0);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "additive (Bahdanau) scores, streaming softmax, AVX-512",
    .isa = VF_NEEDS,
    .dtypes = ATTN_F32_TENSORS,
    .features = ATTN_HAS_OPTIONS | ATTN_HAS_ADDITIVE,
    .accuracy = ATTEND_ACCURACY,
    .panel = LANES,
    .unit_panels = UNIT_PANELS,
    .scratch = attend_scratch,
    .cost = cost,
    .run = attend,
};
