/* blocked_f32.c - blocked attention in plain C, whole rows of scores in memory.
 *
 * Algorithm, cost and scratch: algo/blocked.h, algo/attend.h; vectors: isa/scalar.h. */
#include "kernels/isa/scalar.h"
#include "kernels/storage/f32.h"

#define SUMMARY "whole score rows of a panel, then softmax, then values, plain C"
#define MULTIPLY_ADDS 0.9
#define CYCLES_PER_EXP 12.0
#include "kernels/algo/blocked.h"
