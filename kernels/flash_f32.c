/* flash_f32.c - streaming-softmax attention in plain C, one query per lane.
 *
 * The portable member of the family, and the specification that the SIMD kernels are compared with.
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/scalar.h. */
#include "kernels/isa/scalar.h"
#include "kernels/storage/f32.h"

#define SUMMARY "streaming softmax, panels of queries, plain C"
#define MULTIPLY_ADDS 1.0
#define CYCLES_PER_EXP 12.0
#include "kernels/algo/attend.h"
