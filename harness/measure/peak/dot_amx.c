/* dot_amx.c - TDPBF16PS and TDPBSSD: tiles of 16 rows of 64 bytes, four sums, two tiles per operand, so that each product depends on the
 * fourth one before it (latency 52, one every 16 cycles: Intel's optimization manual, chapter on AMX).
 *
 * The whole life of the tiles is one block of assembly: gcc 12 takes eight of the 64 bytes of a tile configuration for its input and drops
 * the stores of the rest. Permission to use tiles is in the CPU's features (dispatch/cpu.c). */
#include <string.h>

#include "harness/measure/peak/dot.h"

enum { ROWS = 16, ROW_BYTES = 64, TILE = ROWS * ROW_BYTES };

typedef struct Tiles {
    uint8_t config[64];
    uint8_t a[2][TILE], b[2][TILE], sum[4][TILE];
} Tiles;

static void configure(Tiles *t)
{
    memset(t, 0, sizeof *t);
    t->config[0] = 1; /* palette */
    for (int tile = 0; tile < 8; tile++) {
        t->config[16 + 2 * tile] = ROW_BYTES;
        t->config[48 + tile] = ROWS;
    }
}

/* Sums in 0 to 3, a in 4 and 5, b in 6 and 7; b[1] is -b[0]. */
#define LOOP(instruction)                                                                                                                    \
    __asm__ volatile("ldtilecfg (%[t])\n\t"                                                                                                  \
                     "tileloadd 64(%[t],%[row],1), %%tmm4\n\t"                                                                               \
                     "tileloadd 1088(%[t],%[row],1), %%tmm5\n\t"                                                                             \
                     "tileloadd 2112(%[t],%[row],1), %%tmm6\n\t"                                                                             \
                     "tileloadd 3136(%[t],%[row],1), %%tmm7\n\t"                                                                             \
                     "tilezero %%tmm0\n\t"                                                                                                   \
                     "tilezero %%tmm1\n\t"                                                                                                   \
                     "tilezero %%tmm2\n\t"                                                                                                   \
                     "tilezero %%tmm3\n\t"                                                                                                   \
                     "1:\n\t" instruction " %%tmm6, %%tmm4, %%tmm0\n\t" instruction " %%tmm6, %%tmm5, %%tmm1\n\t" instruction                \
                     " %%tmm7, %%tmm4, %%tmm2\n\t" instruction " %%tmm7, %%tmm5, %%tmm3\n\t" instruction                                     \
                     " %%tmm7, %%tmm4, %%tmm0\n\t" instruction " %%tmm7, %%tmm5, %%tmm1\n\t" instruction                                     \
                     " %%tmm6, %%tmm4, %%tmm2\n\t" instruction " %%tmm6, %%tmm5, %%tmm3\n\t"                                                 \
                     "dec %[n]\n\t"                                                                                                          \
                     "jnz 1b\n\t"                                                                                                            \
                     "tilestored %%tmm0, 4160(%[t],%[row],1)\n\t"                                                                            \
                     "tilestored %%tmm1, 5184(%[t],%[row],1)\n\t"                                                                            \
                     "tilestored %%tmm2, 6208(%[t],%[row],1)\n\t"                                                                            \
                     "tilestored %%tmm3, 7232(%[t],%[row],1)\n\t"                                                                            \
                     "tilerelease"                                                                                                           \
                     : [n] "+r"(turns)                                                                                                       \
                     : [t] "r"(&t), [row] "r"((size_t)ROW_BYTES)                                                                             \
                     : "memory", "cc")

static float run_bf16(size_t iterations)
{
    Tiles t;
    float sum, total = 0;
    configure(&t);
    for (uint32_t i = 0; i < TILE; i += 2) {
        const uint16_t a0 = dot_bf16(i), a1 = dot_bf16(5000 + i), b = dot_bf16(10000 + i), minus = b ^ 0x8000u;
        memcpy(&t.a[0][i], &a0, 2);
        memcpy(&t.a[1][i], &a1, 2);
        memcpy(&t.b[0][i], &b, 2);
        memcpy(&t.b[1][i], &minus, 2);
    }
    for (size_t n = 0; n < iterations; n++) {
        size_t turns = DOT_STEPS;
        LOOP("tdpbf16ps");
        memcpy(&sum, t.sum[0], sizeof sum);
        total += 1 + sum; /* a b - a b is 0, or its rounding errors */
    }
    return total;
}

static float run_i8(size_t iterations)
{
    Tiles t;
    int32_t sum;
    float total = 0;
    configure(&t);
    for (uint32_t i = 0; i < TILE; i++) {
        t.a[0][i] = (uint8_t)dot_bits(i);
        t.a[1][i] = (uint8_t)dot_bits(5000 + i);
        t.b[0][i] = (uint8_t)((int)(dot_bits(10000 + i) % 255) - 127);
        t.b[1][i] = (uint8_t)-t.b[0][i];
    }
    for (size_t n = 0; n < iterations; n++) {
        size_t turns = DOT_STEPS;
        LOOP("tdpbssd");
        memcpy(&sum, t.sum[0], sizeof sum);
        total += (float)(1 + sum);
    }
    return total;
}

extern const PeakDot peak_dot_amx[];
const PeakDot peak_dot_amx[] = {
    {"bf16.amx_bf16", ATTN_CPU(AMX_TILE) | ATTN_CPU(AMX_BF16), 8.0 * DOT_STEPS * ROWS * 16 * 32 * 2, run_bf16},
    {"i8.amx_int8", ATTN_CPU(AMX_TILE) | ATTN_CPU(AMX_INT8), 8.0 * DOT_STEPS * ROWS * 16 * 64 * 2, run_i8},
    {NULL, 0, 0, NULL},
};
