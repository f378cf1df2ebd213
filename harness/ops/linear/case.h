/* case.h - one matrix product y = x W^T + b to verify or measure: sizes, storage, options, data; and its judgement. */
#ifndef HARNESS_OPS_LINEAR_CASE_H
#define HARNESS_OPS_LINEAR_CASE_H

#include "harness/base/fence.h"
#include "harness/ops/verdict.h"
#include "kernels/kernel.h"

/* What the operands hold. */
typedef enum LinearFill {
    LINEAR_NORMAL,   /* N(0,1)                                                                            */
    LINEAR_POSITIVE, /* [1, 2): sums grow steadily, roundings have a direction                            */
    LINEAR_WIDE,     /* normal times 2^-20 to 2^20: few terms dominate a sum                              */
    LINEAR_TINY,     /* a third of x and w, and many products, are denormal                               */
    LINEAR_EXACT,    /* integers from -8 to 8: every sum is exact in any order, so every bit is known     */
    LINEAR_SPECIAL,  /* normal, with NaN and infinities in a few places of x and w                        */
    LINEAR_FILLS
} LinearFill;

typedef struct LinearCase {
    size_t rows, inputs, outputs;
    size_t x_gap, w_gap, y_gap; /* elements between rows */
    bool bias, accumulate;
    LinearFill fill;
    uint64_t seed;
    Fence fence;
    size_t threads;
} LinearCase;

/* "linear:<rows>x<inputs>x<outputs>:<fill>:<seed>:<fence>:t<threads>:<gaps x.w.y>[:b][:a]" and back. linear_case_name returns buffer. */
enum { LINEAR_NAME = 160 };
const char *linear_case_name(const LinearCase *c, char *buffer, size_t size);
bool linear_case_parse(const char *text, LinearCase *c, char *error, size_t error_size);

/* The number of cases in the smoke or full suite, and case `index`. The same seed gives the same cases. */
size_t linear_case_count(bool full);
LinearCase linear_case_at(bool full, size_t index, uint64_t seed);

/* Operands of a case. y holds what y += starts from. */
typedef struct LinearData {
    AttnLinear linear;
    Arena x, w, bias, y, start; /* start: a copy of y as it was */
} LinearData;
bool linear_data_make(LinearData *data, const LinearCase *c);
void linear_data_free(LinearData *data);

/* Pack and run on fenced operands, judge against a double reference by bound, model, exact value or NaN rule, check canaries and machine
 * state, run again on threads, in reverse and under unusual control: every bit must be the same. */
void linear_case_judge(const AttnKernel *kernel, const LinearCase *c, VerifyResult *result);

/* The same in a child process, so that a crash is a result. */
VerifyResult linear_case_judge_isolated(const AttnKernel *kernel, const LinearCase *c);

#endif
