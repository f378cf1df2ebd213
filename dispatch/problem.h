/* problem.h - is a problem well formed? Copies a caller's struct of any known size and checks every field. */
#ifndef ATTN_PROBLEM_H
#define ATTN_PROBLEM_H

#include "attnzoo.h"

/* Validate `problem` and copy it, missing members at their defaults, to `out`. */
AttnStatus attn_problem_read(const AttnProblem *problem, AttnProblem *out);

/* Copy tensors of any known size and check pointers, presence and overlap against a validated problem. */
AttnStatus attn_tensors_read(const AttnProblem *problem, const AttnTensors *tensors, AttnTensors *out);

#endif
