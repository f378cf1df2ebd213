/* flash_f32_neon.c - streaming-softmax attention with Advanced SIMD.
 *
 * Runs on every ARMv8-A CPU.
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/neon.h. */
#include "kernels/isa/neon.h"
#include "kernels/storage/f32.h"

#define SUMMARY "streaming softmax, queries in lanes, NEON"
#define MULTIPLY_ADDS 6.5
#define CYCLES_PER_EXP 2.0
#include "kernels/algo/attend.h"
