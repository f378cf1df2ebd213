/* decode_f32_avx512.c - few query rows over many keys, as fast as keys and values can be read: AVX-512.
 *
 * Algorithm, cost and scratch: algo/decode.h; vectors: isa/avx512.h. */
#include "kernels/isa/avx512.h"
#define DECODE_PANEL 32
#include "kernels/algo/decode.h"

static double cost(const AttnProblem *p)
{
    return decode_cost(p, 23.7);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "few query rows, a group of heads at once, keys and values streamed, AVX-512",
    .isa = VF_NEEDS,
    .dtypes = ATTN_F32_TENSORS,
    .features = (ATTN_HAS_OPTIONS & ~ATTN_HAS_SCORES) | ATTN_HAS_DOT | ATTN_HAS_GAUSSIAN,
    .accuracy = DECODE_ACCURACY,
    .panel = DECODE_PANEL,
    .unit_panels = 2,
    .splits = true,
    .scratch = decode_scratch,
    .cost = cost,
    .run = decode,
};
