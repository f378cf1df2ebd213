/* mutants.h - attention broken on purpose, and the same one intact. */
#ifndef HARNESS_OPS_SDPA_MUTANTS_H
#define HARNESS_OPS_SDPA_MUTANTS_H

#include "harness/ops/mutants.h"

extern const Mutants sdpa_mutants;

#endif
