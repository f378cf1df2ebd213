/* op.h - attention as a kind of work. */
#ifndef HARNESS_OPS_SDPA_OP_H
#define HARNESS_OPS_SDPA_OP_H

#include "harness/ops/op.h"
#include "harness/ops/sdpa/shape.h"

extern const Op op_sdpa;

/* A shape of attention as a word, and back; the word is canonical, so it reads back. */
void sdpa_word(OpShape *to, const Shape *shape);
Shape sdpa_shape(const OpShape *word);

#endif
