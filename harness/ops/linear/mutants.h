/* mutants.h - matrix products broken on purpose, and the same one intact. */
#ifndef HARNESS_OPS_LINEAR_MUTANTS_H
#define HARNESS_OPS_LINEAR_MUTANTS_H

#include "harness/ops/mutants.h"

extern const Mutants linear_mutants;

#endif
