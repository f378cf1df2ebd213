/* additive_f32.c - streaming-softmax attention with additive scores in plain C.
 *
 * Algorithm, cost and scratch: algo/additive.h, algo/attend.h; vectors: isa/scalar.h. */
#include "kernels/isa/scalar.h"
#include "kernels/storage/f32.h"

#define SUMMARY "additive (Bahdanau) scores, streaming softmax, plain C"
#define MULTIPLY_ADDS 0.02
#define CYCLES_PER_EXP 1.0
#include "kernels/algo/additive.h"
