/* pack_slowed.c - blocked_f32 as after a bad commit, for a pack that regress must see through: SLOWED, each unit's first third is computed
 * twice; WRONG, the first number of each unit is off by a thousandth; CRASHING, it ends the process.
 *
 * It stands in the pack where the kernel's own object would: the linker takes this symbol first. The kernel itself is compiled once more
 * under the name `original`. */
#include "kernels/kernel.h"

extern const AttnKernel attn_kernel_original;
AttnKernel attn_kernel_blocked_f32; /* filled when the pack is loaded */

static void run(const AttnArgs *args, AttnSpan unit, void *scratch)
{
    attn_kernel_original.run(args, unit, scratch);
#ifdef SLOWED
    unit.row1 = unit.row0 + (unit.row1 - unit.row0 + 2) / 3;
    attn_kernel_original.run(args, unit, scratch);
#endif
#ifdef CRASHING
    __builtin_trap();
#endif
#ifdef WRONG
    const AttnSequence s = attn_sequence(args, unit.b);
    attn_o_row(args, &s, unit.kv_head * args->group + unit.row0 / args->p->q_len, unit.row0 % args->p->q_len)[0] += 1e-3f;
#endif
}

__attribute__((constructor)) static void fill(void)
{
    attn_kernel_blocked_f32 = attn_kernel_original;
    attn_kernel_blocked_f32.name = "blocked_f32";
    attn_kernel_blocked_f32.run = run;
}
