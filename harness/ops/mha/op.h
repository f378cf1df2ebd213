/* op.h - attention with its projections as a kind of work. */
#ifndef HARNESS_OPS_MHA_OP_H
#define HARNESS_OPS_MHA_OP_H

#include "harness/ops/op.h"

extern const Op op_mha;

#endif
