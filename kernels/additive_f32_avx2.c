/* additive_f32_avx2.c - streaming-softmax attention with additive scores with AVX2 and FMA.
 *
 * Algorithm, cost and scratch: algo/additive.h, algo/attend.h; vectors: isa/avx2.h. */
#include "kernels/isa/avx2.h"
#include "kernels/storage/f32.h"

#define SUMMARY "additive (Bahdanau) scores, streaming softmax, AVX2 and FMA"
#define MULTIPLY_ADDS 0.5
#define CYCLES_PER_EXP 1.0
#include "kernels/algo/additive.h"
