/* linear_f32.c - y = x W^T + b with packed weights in plain C.
 *
 * Algorithm and cost: algo/linear.h; vectors: isa/scalar.h. */
#include "kernels/isa/scalar.h"
#include "kernels/storage/f32.h"

#define SUMMARY "y = x W^T + b, weights packed once, plain C"
#include "kernels/algo/linear.h"
