/* flash_f32_avx512_sleef.c - streaming-softmax attention with AVX-512 and SLEEF's exp2.
 *
 * The same skeleton as flash_f32_avx512 with the accurate library exponential: a call that works on a strip of scores in L1.
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/avx512.h. */
#include <sleef.h>

#include "kernels/isa/avx512.h"
#include "kernels/storage/f32.h"

#define SLEEF_EXP2 Sleef_exp2f16_u10avx512f
#include "kernels/algo/sleef.h"

#define SUMMARY "streaming softmax, queries in lanes, AVX-512, SLEEF's exp2"
#define MULTIPLY_ADDS 21.0
#define CYCLES_PER_EXP 1.1
#include "kernels/algo/attend.h"
