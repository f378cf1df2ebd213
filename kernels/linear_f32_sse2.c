/* linear_f32_sse2.c - y = x W^T + b with packed weights with SSE2.
 *
 * Algorithm and cost: algo/linear.h; vectors: isa/sse2.h. */
#include "kernels/isa/sse2.h"
#include "kernels/storage/f32.h"

#define SUMMARY "y = x W^T + b, weights packed once, SSE2"
#include "kernels/algo/linear.h"
