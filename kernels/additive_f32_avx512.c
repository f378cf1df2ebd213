/* additive_f32_avx512.c - streaming-softmax attention with additive scores with AVX-512.
 *
 * Algorithm, cost and scratch: algo/additive.h, algo/attend.h; vectors: isa/avx512.h. */
#include "kernels/isa/avx512.h"
#include "kernels/storage/f32.h"

#define SUMMARY "additive (Bahdanau) scores, streaming softmax, AVX-512"
#define MULTIPLY_ADDS 1.0
#define CYCLES_PER_EXP 1.0
#include "kernels/algo/additive.h"
