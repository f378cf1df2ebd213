/* flash_f32_avx2.c - streaming-softmax attention with AVX2 and FMA.
 *
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/avx2.h. */
#include "kernels/isa/avx2.h"
#include "kernels/storage/f32.h"

#define SUMMARY "streaming softmax, queries in lanes, AVX2 + FMA"
#define MULTIPLY_ADDS 15.0
#define CYCLES_PER_EXP 0.3
#include "kernels/algo/attend.h"
