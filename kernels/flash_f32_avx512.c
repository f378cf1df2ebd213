/* flash_f32_avx512.c - streaming-softmax attention with AVX-512.
 *
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/avx512.h. */
#include "kernels/isa/avx512.h"
#include "kernels/storage/f32.h"

#define SUMMARY "streaming softmax, queries in lanes, AVX-512"
#define MULTIPLY_ADDS 30.0
#define CYCLES_PER_EXP 0.13
#include "kernels/algo/attend.h"
