/* plan.h - what the harness may know about a plan in addition to the public interface. */
#ifndef ATTN_PLAN_H
#define ATTN_PLAN_H

#include "kernels/kernel.h"

/* Bind exactly this kernel, registered or not, without looking at environment or CPU: the caller answers for its running here.
 * ATTN_ERROR_UNSUPPORTED if the kernel does not take the problem. threads >= 1. parallel_for NULL: the library's threads. */
AttnStatus attn_plan_create_with(const AttnKernel *kernel, const AttnProblem *problem, size_t threads, AttnParallelFor parallel_for,
                                 void *parallel_context, AttnPlan **plan);

/* Number of work units; depends on problem and kernel only. */
size_t attn_plan_units(const AttnPlan *plan);

#endif
