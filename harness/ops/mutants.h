/* mutants.h - kernels broken on purpose, which the judges must catch, in families: one small kernel, and a number that says which mistake
 * it makes. The first of a family makes none, and must pass.
 *
 * A family lists its mistakes as BUGS(X) of X(ID, name, what is wrong) and numbers them by `enum { BUGS(MUTANTS_NUMBER) BUG_COUNT };`. */
#ifndef HARNESS_OPS_MUTANTS_H
#define HARNESS_OPS_MUTANTS_H

#include "harness/ops/op.h"

#define MUTANTS_NUMBER(id, name, what) BUG_##id,

typedef struct Mutants {
    const AttnKernel *at; /* summary says what is wrong with it */
    size_t count;
    int *bug;             /* the mistake that is being made     */
} Mutants;

/* Before `kernel` packs or runs: if it is one of the family, make its mistake. A family shares its functions, so a process runs one of it
 * at a time. */
void mutants_arm(const Mutants *family, const AttnKernel *kernel);

/* Op.mutants of the kind `op`, all of which its `kernel` knows. */
size_t mutants_list(const Mutants *family, const Op *op, OpKernel *to);

#endif
