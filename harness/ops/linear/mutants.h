/* mutants.h - matrix products that are broken on purpose, and the same one unbroken. See mutants.h. */
#ifndef HARNESS_OPS_LINEAR_MUTANTS_H
#define HARNESS_OPS_LINEAR_MUTANTS_H

#include "kernels/kernel.h"

extern const AttnKernel *const linear_mutants[]; /* the first one is the unbroken base */
extern const size_t linear_mutant_count;

/* Before `kernel` packs and runs: if it is a mutant, switch its bug on; summary says what it is. One process runs one at a time. */
void linear_mutants_arm(const AttnKernel *kernel);

#endif
