/* linear_f32_neon.c - y = x W^T + b with packed weights with Advanced SIMD.
 *
 * Algorithm and cost: algo/linear.h; vectors: isa/neon.h. */
#include "kernels/isa/neon.h"
#include "kernels/storage/f32.h"

#define SUMMARY "y = x W^T + b, weights packed once, Advanced SIMD"
#include "kernels/algo/linear.h"
