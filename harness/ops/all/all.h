/* all.h - the list of kinds of work. */
#ifndef HARNESS_OPS_ALL_ALL_H
#define HARNESS_OPS_ALL_ALL_H

#include "harness/ops/op.h"

extern const Op *const ops[]; /* in the order of OPS */
extern const size_t op_count;

/* The kind that a word of a shape or a case belongs to: the one whose name stands before its colon, else the first. */
const Op *op_of(const char *word);

/* "linear: and mha:", how the words of all kinds but the first begin. Returns buffer. */
const char *ops_prefixes(char *buffer, size_t size);

#endif
