/* linear.h - one matrix product, all kernels that do it: verified, then measured by the engine of bench_case.h. */
#ifndef HARNESS_BENCH_LINEAR_H
#define HARNESS_BENCH_LINEAR_H

#include "harness/bench/case.h"
#include "harness/ops/linear/shape.h"

/* As bench_case_run. y = x W^T + bias; weights are packed before the clock starts, as they are in a model. */
bool bench_linear_run(BenchCase *bench, const LinearShape *shape, const AttnKernel *const *kernels, size_t count,
                      const BenchOptions *options, const AttnSettings *settings, const Topology *topology, char *error, size_t error_size);

#endif
