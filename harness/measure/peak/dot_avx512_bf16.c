/* dot_avx512_bf16.c - VDPBF16PS: 16 sums of two products each. */
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
        bits[0][i] = dot_bf16(i);
        bits[1][i] = dot_bf16(100 + i);
        bits[2][i] = bits[1][i] ^ 0x8000u;
    }
    memcpy(words, bits, sizeof words);
    for (int i = 0; i < 3; i++)
        __asm__("" : "+v"(words[i])); /* kept in registers, unknown to the compiler */
    for (size_t n = 0; n < iterations; n++) {
        __m512 acc[CHAINS];
        for (int c = 0; c < CHAINS; c++)
            acc[c] = _mm512_set1_ps(1.0f + 0.0123f * (float)c);
        for (int step = 0; step < DOT_STEPS; step++)
#pragma GCC unroll 2
            for (int half = 1; half <= 2; half++)
#pragma GCC unroll 24
                for (int c = 0; c < CHAINS; c++)
                    acc[c] = _mm512_dpbf16_ps(acc[c], (__m512bh)words[0], (__m512bh)words[half]);
        for (int c = 0; c < CHAINS; c++)
            total += _mm512_reduce_add_ps(acc[c]);
    }
    return total;
}

extern const PeakDot peak_dot_avx512_bf16[];
const PeakDot peak_dot_avx512_bf16[] = {
    {"bf16.avx512_bf16", ATTN_CPU(AVX512F) | ATTN_CPU(AVX512BW) | ATTN_CPU(AVX512_BF16), 2.0 * DOT_STEPS * CHAINS * 64, run},
    {NULL, 0, 0, NULL},
};
