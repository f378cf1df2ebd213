/* linear_f32_avx2.c - y = x W^T + b with packed weights with AVX2 and FMA.
 *
 * Algorithm and cost: algo/linear.h; vectors: isa/avx2.h. */
#include "kernels/isa/avx2.h"
#include "kernels/storage/f32.h"

#define SUMMARY "y = x W^T + b, weights packed once, AVX2 and FMA"
#include "kernels/algo/linear.h"
