/* linear_f32_avx512.c - y = x W^T + b with packed weights with AVX-512.
 *
 * Algorithm and cost: algo/linear.h; vectors: isa/avx512.h. */
#include "kernels/isa/avx512.h"
#include "kernels/storage/f32.h"

#define SUMMARY "y = x W^T + b, weights packed once, AVX-512"
#include "kernels/algo/linear.h"
