/* pack_slowed.c - a kernel as after a bad commit, for a pack that regress must see through. Of blocked_f32: SLOWED, each unit's first third is
 * computed twice; WRONG, the first number of each unit is off by a thousandth; CRASHING, it ends the process. Of naive_f32: CHEAP, its cost is
 * a millionth of what it was, so that dispatch takes it.
 *
 * It stands in the pack where the kernel's own object would: the linker takes this symbol first. The kernel itself is compiled once more
 * under the name `original`. */
#include "kernels/kernel.h"

#ifdef CHEAP
#define SPOILT naive_f32
#else
#define SPOILT blocked_f32
#endif
#define SPOILT_KERNEL ATTN_CAT(attn_kernel_, SPOILT)

extern const AttnKernel attn_kernel_original;
AttnKernel SPOILT_KERNEL; /* filled when the pack is loaded */

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

#ifdef CHEAP
static double cost(const AttnProblem *p)
{
    return 1e-6 * attn_kernel_original.cost(p);
}
#endif

__attribute__((constructor)) static void fill(void)
{
    SPOILT_KERNEL = attn_kernel_original;
    SPOILT_KERNEL.name = ATTN_STR(SPOILT);
    SPOILT_KERNEL.run = run;
#ifdef CHEAP
    SPOILT_KERNEL.cost = cost;
#endif
}
