/* decode_f32_sse2.c - few query rows over many keys, as fast as keys and values can be read: SSE2.
 *
 * Algorithm, cost and scratch: algo/decode.h; vectors: isa/sse2.h. */
#include "kernels/isa/sse2.h"
#define DECODE_PANEL 32
#include "kernels/algo/decode.h"

static double cost(const AttnProblem *p)
{
    return decode_cost(p, 2.8);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = "few query rows, a group of heads at once, keys and values streamed, SSE2",
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
