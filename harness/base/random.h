/* random.h - counter-based random numbers: SplitMix64 of (seed, index). No state: every element can be computed on its own, in any order,
 * on any machine. */
#ifndef HARNESS_BASE_RANDOM_H
#define HARNESS_BASE_RANDOM_H

#include <stdint.h>

/* Uniform bits, uniform in [0, 1), standard normal. */
uint64_t random_bits(uint64_t seed, uint64_t index);
double random_uniform(uint64_t seed, uint64_t index);
double random_normal(uint64_t seed, uint64_t index);

#endif
