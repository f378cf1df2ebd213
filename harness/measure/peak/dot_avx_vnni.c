/* dot_avx_vnni.c - VPDPBUSD at 256 bits, for CPUs without AVX-512: 8 sums of four products of an unsigned and a signed byte. */
#include <immintrin.h>
#include <string.h>

#include "harness/measure/peak/dot.h"

enum { CHAINS = 12 };

static float run(size_t iterations)
{
    int8_t bytes[3][32];
    int lane[8], total = 0;
    __m256i words[3];
    for (uint32_t i = 0; i < 32; i++) {
        bytes[0][i] = (int8_t)(dot_bits(i) & 127);
        bytes[1][i] = (int8_t)((int)(dot_bits(100 + i) % 255) - 127);
        bytes[2][i] = (int8_t)-bytes[1][i];
    }
    memcpy(words, bytes, sizeof words);
    for (int i = 0; i < 3; i++)
        __asm__("" : "+x"(words[i])); /* kept in registers, unknown to the compiler */
    for (size_t n = 0; n < iterations; n++) {
        __m256i acc[CHAINS];
        for (int c = 0; c < CHAINS; c++)
            acc[c] = _mm256_set1_epi32(1 + c);
        for (int step = 0; step < DOT_STEPS; step++)
#pragma GCC unroll 2
            for (int half = 1; half <= 2; half++)
#pragma GCC unroll 12
                for (int c = 0; c < CHAINS; c++)
                    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc[c]) : "x"(words[0]), "x"(words[half])); /* gcc 12 spills intrinsics */
        for (int c = 0; c < CHAINS; c++) {
            memcpy(lane, &acc[c], sizeof lane);
            for (int i = 0; i < 8; i++)
                total += lane[i];
        }
    }
    return (float)total;
}

extern const PeakDot peak_dot_avx_vnni[];
const PeakDot peak_dot_avx_vnni[] = {
    {"i8.avx_vnni", ATTN_CPU(AVX2) | ATTN_CPU(AVX_VNNI), 2.0 * DOT_STEPS * CHAINS * 64, run},
    {NULL, 0, 0, NULL},
};
