/* dot.h - multiply-adds of narrow types in registers or tiles, one file each, compiled with its own flags.
 *
 * Operands are drawn once and fill mantissas (constant data make some units faster, zeros most of all); b and its negative alternate, so
 * that float sums oscillate around their start and neither overflow nor become denormal; integers wrap. The assembly of each loop was
 * checked: sums, a counter and a branch, no memory access (gcc 12, clang 14). */
#ifndef HARNESS_MEASURE_PEAK_DOT_H
#define HARNESS_MEASURE_PEAK_DOT_H

#include "kernels/kernel.h"

enum { DOT_STEPS = 512 /* loop turns per iteration, each a step with b and one with its negative    */, DOT_LOOPS = 3 };

typedef struct PeakDot {
    const char *name; /* "bf16.avx512_bf16": type of the operands, then the feature that has the instruction; NULL: no more */
    uint64_t needs;
    double flop;      /* multiplications and additions of one iteration */
    float (*run)(size_t iterations);
} PeakDot;

/* Up to DOT_LOOPS of a file, then one with a NULL name. */
extern const PeakDot *const peak_dots[];
extern const size_t peak_dot_files;

/* Numbers with full mantissas and both signs; the same on every machine. */
static inline uint32_t dot_bits(uint32_t i)
{
    uint32_t z = (i + 1) * 0x9e3779b9u;
    z = (z ^ (z >> 16)) * 0x85ebca6bu;
    return z ^ (z >> 13);
}

/* bf16 in [1, 2) with a random sign; its negative has bit 15 flipped. */
static inline uint16_t dot_bf16(uint32_t i)
{
    return (uint16_t)(0x3f80u | (dot_bits(i) & 0x807fu));
}

/* f16 in [1, 2) with a random sign. */
static inline uint16_t dot_f16(uint32_t i)
{
    return (uint16_t)(0x3c00u | (dot_bits(i) & 0x83ffu));
}

#endif
