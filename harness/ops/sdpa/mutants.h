/* mutants.h - kernels that are broken on purpose: what the judges must catch. And the same kernel unbroken, which they must not. */
#ifndef HARNESS_OPS_SDPA_MUTANTS_H
#define HARNESS_OPS_SDPA_MUTANTS_H

#include "kernels/kernel.h"

extern const AttnKernel *const mutants[]; /* the first one is the unbroken base */
extern const size_t mutant_count;

/* Before `kernel` runs: if it is a mutant, switch its bug on; summary says what it is. All mutants share one run function, so one process runs one at a time. */
void mutants_arm(const AttnKernel *kernel);

#endif
