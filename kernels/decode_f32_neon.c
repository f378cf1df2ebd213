/* decode_f32_neon.c - few query rows over many keys, as fast as keys and values can be read: NEON.
 *
 * Algorithm, cost and scratch: algo/decode.h; vectors: isa/neon.h. */
#include "kernels/isa/neon.h"
#define DECODE_PANEL 32
#include "kernels/algo/decode.h"

static double cost(const AttnProblem *p)
{
    return decode_cost(p, 5.5);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "few query rows, a group of heads at once, keys and values streamed, NEON",
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
