/* dot_avx512_fp16.c - VFMADDPH: 32 half-precision multiply-adds. The sums go x <- x + a b, x <- x - a b. */
#include <immintrin.h>
#include <string.h>

#include "harness/measure/peak/dot.h"

enum { CHAINS = 24 };

static float run(size_t iterations)
{
    uint16_t bits[3][32];
    float total = 0;
    __m512i words[3];
    for (uint32_t i = 0; i < 32; i++) {
        bits[0][i] = dot_f16(i);
        bits[1][i] = dot_f16(100 + i);
        bits[2][i] = bits[1][i] ^ 0x8000u;
    }
    memcpy(words, bits, sizeof words);
    for (int i = 0; i < 3; i++)
        __asm__("" : "+v"(words[i])); /* kept in registers, unknown to the compiler */
    for (size_t n = 0; n < iterations; n++) {
        __m512h acc[CHAINS];
        for (int c = 0; c < CHAINS; c++)
            acc[c] = (__m512h)_mm512_set1_epi16((short)(0x3c00 + 12 * c)) /* from 1 upwards */;
        for (int step = 0; step < DOT_STEPS; step++)
#pragma GCC unroll 2
            for (int half = 1; half <= 2; half++)
#pragma GCC unroll 24
                for (int c = 0; c < CHAINS; c++)
                    acc[c] = _mm512_fmadd_ph((__m512h)words[0], (__m512h)words[half], acc[c]);
        for (int c = 0; c < CHAINS; c++)
            total += (float)_mm512_reduce_add_ph(acc[c]);
    }
    return total;
}

extern const PeakDot peak_dot_avx512_fp16[];
const PeakDot peak_dot_avx512_fp16[] = {
    {"f16.avx512_fp16", ATTN_CPU(AVX512F) | ATTN_CPU(AVX512BW) | ATTN_CPU(AVX512_FP16), 2.0 * DOT_STEPS * CHAINS * 64, run},
    {NULL, 0, 0, NULL},
};
