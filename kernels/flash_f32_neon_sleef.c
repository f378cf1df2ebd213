/* flash_f32_neon_sleef.c - streaming-softmax attention with Advanced SIMD and SLEEF's exp2.
 *
 * The same skeleton as flash_f32_neon with the accurate library exponential: a call that works on a strip of scores in L1.
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/neon.h. */
#include <sleef.h>

#include "kernels/isa/neon.h"
#include "kernels/storage/f32.h"

#define SLEEF_EXP2 Sleef_exp2f4_u10advsimd
#include "kernels/algo/sleef.h"

#define SUMMARY "streaming softmax, queries in lanes, NEON, SLEEF's exp2"
#define MULTIPLY_ADDS 6.0
#define CYCLES_PER_EXP 4.0
#include "kernels/algo/attend.h"
