/* additive_f32_neon.c - streaming-softmax attention with additive scores with Advanced SIMD.
 *
 * Algorithm, cost and scratch: algo/additive.h, algo/attend.h; vectors: isa/neon.h. */
#include "kernels/isa/neon.h"
#include "kernels/storage/f32.h"

#define SUMMARY "additive (Bahdanau) scores, streaming softmax, Advanced SIMD"
#define MULTIPLY_ADDS 0.2
#define CYCLES_PER_EXP 1.0
#include "kernels/algo/additive.h"
