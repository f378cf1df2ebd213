/* mutants.h - kernels broken on purpose, which the judges must catch; and the same kernel intact, which must pass. */
#ifndef HARNESS_OPS_SDPA_MUTANTS_H
#define HARNESS_OPS_SDPA_MUTANTS_H

#include "kernels/kernel.h"

extern const AttnKernel *const mutants[]; /* the first one is the unbroken base */
extern const size_t mutant_count;

/* Before `kernel` runs: if it is a mutant, switch its bug on; summary says what it is. All mutants share one run function, so one process
 * runs one at a time. */
void mutants_arm(const AttnKernel *kernel);

#endif
