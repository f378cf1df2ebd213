/* blocks.c - the skeleton of kernels/algo/attend.h with the length of its key blocks as a variable, to see the effect of blocks and units.
 * Compiled with -DISA=<row> and that row's flags; the kernel is the row's flash kernel otherwise. */
#include ISA_HEADER

static size_t keys_in_block = 256; /* read when a plan is made and at each run */
#define KEY_BLOCK keys_in_block
#define SPLITS false
#define ATTN_KERNEL_NAME ATTN_CAT(micro_flash_f32_, ISA)
#define SUMMARY "the tile kernel with blocks as a variable"
#define MULTIPLY_ADDS 1.0
#define CYCLES_PER_EXP 1.0
#include "kernels/storage/f32.h"

#include "kernels/algo/attend.h"

#include "harness/bench/micro/micro_isa.h"

static void set_block(size_t keys)
{
    keys_in_block = keys;
}

extern const MicroKernel ATTN_CAT(micro_kernel_, ISA);
const MicroKernel ATTN_CAT(micro_kernel_, ISA) = {
    .name = ATTN_STR(ISA),
    .mr = MR,
    .nq = NQ,
    .pq = PQ,
    .nv = NV,
    .unit_panels = UNIT_PANELS,
    .set_block = set_block,
    .kernel = &ATTN_KERNEL_ID,
};
