/* dot_avx512_vnni.c - VPDPBUSD at 512 bits: 16 sums of four products of an unsigned and a signed byte. */
#include <immintrin.h>
#include <string.h>

#include "harness/measure/peak/dot.h"

enum { CHAINS = 12 };

static float run(size_t iterations)
{
    int8_t bytes[3][64];
    int total = 0;
    __m512i words[3];
    for (uint32_t i = 0; i < 64; i++) {
        bytes[0][i] = (int8_t)(dot_bits(i) & 127);
        bytes[1][i] = (int8_t)((int)(dot_bits(100 + i) % 255) - 127);
        bytes[2][i] = (int8_t)-bytes[1][i];
    }
    memcpy(words, bytes, sizeof words);
    for (int i = 0; i < 3; i++)
        __asm__("" : "+v"(words[i])); /* kept in registers, unknown to the compiler */
    for (size_t n = 0; n < iterations; n++) {
        __m512i acc[CHAINS];
        for (int c = 0; c < CHAINS; c++)
            acc[c] = _mm512_set1_epi32(1 + c);
        for (int step = 0; step < DOT_STEPS; step++)
#pragma GCC unroll 2
            for (int half = 1; half <= 2; half++)
#pragma GCC unroll 24
                for (int c = 0; c < CHAINS; c++)
                    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc[c]) : "v"(words[0]), "v"(words[half])); /* gcc 12 spills half of 24 intrinsics */
        for (int c = 0; c < CHAINS; c++)
            total += _mm512_reduce_add_epi32(acc[c]);
    }
    return (float)total;
}

extern const PeakDot peak_dot_avx512_vnni[];
const PeakDot peak_dot_avx512_vnni[] = {
    {"i8.avx512_vnni", ATTN_CPU(AVX512F) | ATTN_CPU(AVX512BW) | ATTN_CPU(AVX512_VNNI), 2.0 * DOT_STEPS * CHAINS * 128, run},
    {NULL, 0, 0, NULL},
};
