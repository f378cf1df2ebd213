/* portable.c - the peaks of plain C: one float at a time, or what the compiler makes of 12 sums. */
#include "kernels/isa/scalar.h"

#define PEAK_NAME portable
#define PEAK_NEEDS 0
#define PEAK_CHAINS 12
#define PEAK_STEP(x, y, z) vf_fma(x, y, z)
#include "harness/measure/peak/body.h"
