/* sse2.c - the x86-64 baseline: 4 floats, multiply and add separate. The peaks for the portable kernels and for those that need SSE2. */
#include "kernels/isa/sse2.h"

#define PEAK_NAME sse2
#define PEAK_NEEDS ATTN_CPU(SSE2)
#define PEAK_CHAINS 12
#define PEAK_STEP(x, y, z) vf_fma(x, y, z)
#ifdef PEAK_SLEEF
#include <sleef.h>
#define PEAK_SLEEF_EXP(x) Sleef_exp2f4_u10sse2(x)
#endif
#include "harness/measure/peak/body.h"
