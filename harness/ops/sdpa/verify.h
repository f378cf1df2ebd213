/* verify.h - is a kernel right on one case? The same judgement for `attnzoo verify`, `bench` and the tests. */
#ifndef HARNESS_OPS_SDPA_VERIFY_H
#define HARNESS_OPS_SDPA_VERIFY_H

#include "harness/ops/sdpa/data.h"
#include "harness/ops/verdict.h"
#include "kernels/kernel.h"

/* Run `kernel` on the case in a child process, so that a crash is a result (VERIFY_CRASH), and judge it against the double-precision oracle
 * by eta and z, NaN and infinity rules included, canaries, machine state. threads >= 1. */
VerifyResult verify_case_isolated(const AttnKernel *kernel, const Shape *shape, DataDist dist, uint64_t seed, Fence fence,
                                  size_t threads);

#endif
