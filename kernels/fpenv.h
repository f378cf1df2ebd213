/* fpenv.h - floating-point control inside kernels: round to nearest, no traps, denormals are zero. `enter` and `leave` of most kernels.
 *
 * Denormal probabilities are worth nothing and cost fifty times a normal multiply on some CPUs, so kernels flush them (FTZ) and read them
 * as zero (DAZ). Rounding mode and trap masks are set too: a caller's unusual choice must change neither bits nor survival. */
#ifndef ATTN_FPENV_H
#define ATTN_FPENV_H

#include <stdint.h>
#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

typedef uint64_t AttnFpState;

static inline AttnFpState attn_fp_enter(void)
{
#if defined(__SSE2__)
    const unsigned before = _mm_getcsr();
    _mm_setcsr(0x1f80u | 0x8040u); /* all exceptions masked, nearest; FTZ (bit 15), DAZ (bit 6) */
    return before;
#elif defined(__aarch64__)
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    const uint64_t inside = UINT64_C(1) << 24; /* FZ flushes inputs and outputs; nearest, no traps */
    __asm__ volatile("msr fpcr, %0" : : "r"(inside) : "memory");
    return before;
#else
    return 0;
#endif
}

/* Cleans upper register halves too, which compilers do by themselves only when they optimise. */
static inline void attn_fp_leave(AttnFpState before)
{
#if defined(__AVX__)
    _mm256_zeroupper();
#endif
#if defined(__SSE2__)
    _mm_setcsr((unsigned)before);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(before) : "memory");
#else
    (void)before;
#endif
}

#endif
