/* op.h - y = x W^T + b as a kind of work. */
#ifndef HARNESS_OPS_LINEAR_OP_H
#define HARNESS_OPS_LINEAR_OP_H

#include "harness/ops/op.h"

extern const Op op_linear;

#endif
