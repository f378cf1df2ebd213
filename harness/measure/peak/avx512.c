/* avx512.c - the peaks for kernels that need AVX-512. */
#include "kernels/isa/avx512.h"

#define PEAK_NAME avx512
#define PEAK_NEEDS \
    (ATTN_CPU(AVX512F) | ATTN_CPU(AVX512BW) | ATTN_CPU(AVX512DQ) | ATTN_CPU(AVX512VL) | ATTN_CPU(AVX2) | ATTN_CPU(FMA))
#define PEAK_CHAINS 24
#define PEAK_STEP(x, y, z) vf_fma(x, y, z)
#ifdef PEAK_SLEEF
#include <sleef.h>
#define PEAK_SLEEF_EXP(x) Sleef_exp2f16_u10avx512f(x)
#endif
#include "harness/measure/peak/body.h"
