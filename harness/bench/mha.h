/* mha.h - multi-head attention with its projections, one arm for each level of instructions: verified, then measured by the engine of
 * bench_case.h. */
#ifndef HARNESS_BENCH_MHA_H
#define HARNESS_BENCH_MHA_H

#include "harness/bench/case.h"
#include "harness/ops/mha/case.h"

/* As bench_case_run. `pairs` must outlive the case. Weights are packed before the clock starts, as they are in a model. */
bool bench_mha_run(BenchCase *bench, const MhaShape *shape, const MhaPair *pairs, size_t count, const BenchOptions *options,
                   const AttnSettings *settings, const Topology *topology, char *error, size_t error_size);

#endif
