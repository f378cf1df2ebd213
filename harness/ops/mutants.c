/* mutants.c - see mutants.h. */
#include "harness/ops/mutants.h"

void mutants_arm(const Mutants *family, const AttnKernel *kernel)
{
    for (size_t i = 0; i < family->count; i++)
        if (kernel == &family->at[i])
            *family->bug = (int)i;
}

size_t mutants_list(const Mutants *family, const Op *op, OpKernel *to)
{
    for (size_t i = 0; to && i < family->count; i++)
        (void)op->kernel(&family->at[i], &to[i]);
    return family->count;
}
