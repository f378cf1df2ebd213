/* neon.c - the ARMv8-A baseline: 4 floats, fused. The peaks for the portable kernels and the NEON ones. */
#include "kernels/isa/neon.h"

#define PEAK_NAME neon
#define PEAK_NEEDS ATTN_CPU(NEON)
#define PEAK_CHAINS 16
#define PEAK_STEP(x, y, z) vf_fma(y, z, x)
#ifdef PEAK_SLEEF
#include <sleef.h>
#define PEAK_SLEEF_EXP(x) Sleef_exp2f4_u10advsimd(x)
#endif
#include "harness/measure/peak/body.h"
