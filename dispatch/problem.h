/* problem.h - is a problem well formed? Copies a caller's struct of any known size and checks every field. */
#ifndef ATTN_PROBLEM_H
#define ATTN_PROBLEM_H

#include "attnzoo.h"

/* Validate `problem` and copy it, missing members at their defaults, to `out`. */
AttnStatus attn_problem_read(const AttnProblem *problem, AttnProblem *out);

/* Copy tensors of any known size and check pointers, presence and overlap against a validated problem. */
AttnStatus attn_tensors_read(const AttnProblem *problem, const AttnTensors *tensors, AttnTensors *out);

/* Lowest and one-past-highest byte that a layout [batch, heads, rows, cols] touches, relative to its base; empty tensors give 0, 0.
 * false if they are too far apart for ptrdiff_t arithmetic (dispatch/overlap.h). */
bool attn_layout_extent(const AttnLayout *layout, size_t batch, size_t heads, size_t rows, size_t cols, size_t element,
                        ptrdiff_t *low, ptrdiff_t *high);

#endif
