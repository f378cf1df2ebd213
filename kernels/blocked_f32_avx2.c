/* blocked_f32_avx2.c - blocked attention with AVX2 and FMA, whole rows of scores in memory.
 *
 * Algorithm, cost and scratch: algo/blocked.h, algo/attend.h; vectors: isa/avx2.h. */
#include "kernels/isa/avx2.h"
#include "kernels/storage/f32.h"

#define SUMMARY "whole score rows of a panel, then softmax, then values, AVX2"
#define MULTIPLY_ADDS 11.0
#define CYCLES_PER_EXP 1.2
#include "kernels/algo/blocked.h"
