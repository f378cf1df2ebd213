/* avx2.c - the peaks for kernels that need AVX2. */
#include "kernels/isa/avx2.h"

#define PEAK_NAME avx2
#define PEAK_NEEDS (ATTN_CPU(AVX2) | ATTN_CPU(FMA))
#define PEAK_CHAINS 12
#define PEAK_STEP(x, y, z) vf_fma(x, y, z)
#ifdef PEAK_SLEEF
#include <sleef.h>
#define PEAK_SLEEF_EXP(x) Sleef_exp2f8_u10avx2(x)
#endif
#include "harness/measure/peak/body.h"
