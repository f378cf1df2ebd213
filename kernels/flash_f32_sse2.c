/* flash_f32_sse2.c - streaming-softmax attention with SSE2.
 *
 * Runs on every x86-64 CPU.
 * Algorithm, cost and scratch: algo/attend.h; vectors: isa/sse2.h. */
#include "kernels/isa/sse2.h"
#include "kernels/storage/f32.h"

#define SUMMARY "streaming softmax, queries in lanes, SSE2"
#define MULTIPLY_ADDS 3.2
#define CYCLES_PER_EXP 3.0
#include "kernels/algo/attend.h"
