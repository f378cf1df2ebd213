/* json.h - the parts common to records of all measurements. results/README.md explains the fields. */
#ifndef HARNESS_BENCH_JSON_H
#define HARNESS_BENCH_JSON_H

#include <jansson.h>

#include "harness/measure/paired.h"

/* A ratio to `against` with its interval at this run's level. */
json_t *bench_json_ratio(const char *against, const PairedRun *run, StatsInterval r);

/* Nanoseconds by round, null where the arm was not measured, so that the pairs can be formed again. */
json_t *bench_json_samples(const PairedArm *arm, size_t rounds);

/* Trials with each of the three disturbances. */
json_t *bench_json_flags(const PairedArm *arm, size_t rounds);

/* Trials, disturbances, steal, warm-up and clock of a run. */
json_t *bench_json_noise(const PairedRun *run);

/* iters, rounds, every, unit, med, min, mad, p90, ns: an arm's own times. */
void bench_json_times(json_t *object, const PairedArm *arm, const PairedRun *run);

#endif
