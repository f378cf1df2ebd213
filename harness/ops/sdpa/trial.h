/* trial.h - one run of one kernel on given operands, with all guards enabled. */
#ifndef HARNESS_OPS_SDPA_TRIAL_H
#define HARNESS_OPS_SDPA_TRIAL_H

#include "harness/ops/sdpa/case.h"
#include "harness/ops/sdpa/verify.h"

typedef struct Trial {
    size_t threads;          /* >= 1                                                                    */
    AttnParallelFor loop;    /* NULL: the library's own                                                 */
    unsigned char dirt;      /* every byte of the workspace before the run                              */
    bool backwards;          /* units from the last to the first, on one thread                         */
    const size_t *unusual;   /* NULL, or which unusual floating-point control (cpu_state.h) the caller has */
} Trial;

/* Begin a judgement: an empty result, and the operands of the case, for the judge to change and data_free to free. false: result says why
 * there is nothing to judge, a skip where the kernel does not take the case. */
bool trial_open(const AttnKernel *kernel, const VerifyCase *c, Data *data, VerifyResult *result);

/* Poison the output, run, check canaries and machine state. The workspace is exactly attn_plan_workspace bytes between unmapped pages.
 * false: result has status, judge and why. */
bool trial_run(const AttnKernel *kernel, Data *data, const Trial *trial, VerifyResult *result);

/* Can the kernel run this problem on this CPU? false: why[] says why not. */
bool trial_fits(const AttnKernel *kernel, const AttnProblem *problem, char *why, size_t size);

#endif
