/* flash_f32_avx2_sleef.c - streaming-softmax attention with AVX2 and FMA and SLEEF's exp2.
 *
 * The same skeleton as flash_f32_avx2 with the accurate library exponential: a call that works on a strip of scores in L1.
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/avx2.h. */
#include <sleef.h>

#include "kernels/isa/avx2.h"
#include "kernels/storage/f32.h"

#define SLEEF_EXP2 Sleef_exp2f8_u10avx2
#include "kernels/algo/sleef.h"

#define SUMMARY "streaming softmax, queries in lanes, AVX2 + FMA, SLEEF's exp2"
#define MULTIPLY_ADDS 11.5
#define CYCLES_PER_EXP 2.0
#include "kernels/algo/attend.h"
