/* body.h - the peak loops, written in the vocabulary of kernels/isa/. The including file includes its vector header first and defines
 *   PEAK_NAME, PEAK_NEEDS             see peak.h
 *   PEAK_CHAINS                       independent sums: at least latency (4 to 8) times units (2), and no more than stay in registers
 *   PEAK_STEP(x, y, z)                x * y + z, or x + y * z where the instruction overwrites its addend: any other way costs moves
 *   PEAK_SLEEF_EXP(x)                 SLEEF's exp2 at this width, if it is there
 *
 * fma: x <- 2 - (1 - 2^-20) x. Each chain oscillates around 1 and hardly decays within an iteration, so the multipliers see full mantissas
 * (constant data make some units faster) and nothing overflows or becomes denormal. As x <- x - 2 it runs down to -2048, no further. The
 * assembly was checked: the loop holds PEAK_CHAINS multiply-adds, a counter and a branch, and no memory access (gcc 12, clang 14, gcc 12
 * for arm64). */
#include "harness/measure/peak/peak.h"
#include "kernels/algo/exp.h"

/* A value opaque to the compiler stays in a register; otherwise clang reads constants from memory in every multiply-add. */
#if defined(__x86_64__)
#define PEAK_IN_REGISTER(x) __asm__("" : "+x"(x))
#elif defined(__aarch64__)
#define PEAK_IN_REGISTER(x) __asm__("" : "+w"(x))
#else
#define PEAK_IN_REGISTER(x) (void)(x)
#endif

enum { PEAK_READERS = 8 };

static float sum(vf x)
{
    float lane[VL], total = 0;
    vf_store(lane, x);
    for (int i = 0; i < VL; i++)
        total += lane[i];
    return total;
}

static float fma_chains(size_t iterations)
{
    float lane[VL], total = 0;
    for (int i = 0; i < VL; i++)
        lane[i] = 0.3f + 0.0423f * (float)i;
    const vf start = vf_load(lane);
    vf y = vf_set1(-0.99999905f), z = vf_set1(2.0f), acc[PEAK_CHAINS];
    PEAK_IN_REGISTER(y);
    PEAK_IN_REGISTER(z);
    for (size_t n = 0; n < iterations; n++) {
        for (int c = 0; c < PEAK_CHAINS; c++)
            acc[c] = vf_add(start, vf_set1(0.0123f * (float)c));
        for (int step = 0; step < PEAK_STEPS; step++)
#pragma GCC unroll 32
            for (int c = 0; c < PEAK_CHAINS; c++)
                acc[c] = PEAK_STEP(acc[c], y, z);
        for (int c = 0; c < PEAK_CHAINS; c++)
            total += sum(acc[c]);
    }
    return total;
}

static float read_sum(const float *x, size_t n)
{
    vf acc[PEAK_READERS];
    for (int c = 0; c < PEAK_READERS; c++)
        acc[c] = vf_set1(0.0f);
    for (size_t i = 0; i < n; i += PEAK_READERS * VL)
#pragma GCC unroll 8
        for (size_t c = 0; c < PEAK_READERS; c++)
            acc[c] = vf_add(acc[c], vf_load(x + i + c * VL));
    for (int c = 1; c < PEAK_READERS; c++)
        acc[0] = vf_add(acc[0], acc[c]);
    return sum(acc[0]);
}

/* Four vectors at a time, so that the chains of the polynomial overlap. */
static void exp_poly(float *out, const float *in, size_t n)
{
    const Exp2 *k = exp2_constants();
    for (size_t i = 0; i < n; i += 4 * VL)
#pragma GCC unroll 4
        for (size_t c = 0; c < 4; c++) {
            vf x = vf_load(in + i + c * VL);
            PEAK_IN_REGISTER(x); /* VREDUCEPS with a memory operand takes 25 cycles on Zen 5 */
            vf_store(out + i + c * VL, exp2_poly(x, k));
        }
}

#ifdef PEAK_SLEEF_EXP
static void exp_sleef(float *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i += VL)
        vf_store(out + i, PEAK_SLEEF_EXP(vf_load(in + i)));
}
#endif

extern const PeakIsa ATTN_CAT(peak_, PEAK_NAME);
const PeakIsa ATTN_CAT(peak_, PEAK_NAME) = {
    .name = ATTN_STR(PEAK_NAME),
    .needs = PEAK_NEEDS,
    .flop = 2.0 * PEAK_STEPS * PEAK_CHAINS * VL,
    .fma = fma_chains,
    .read = read_sum,
    .exp[0] = {"poly", exp_poly},
#ifdef PEAK_SLEEF_EXP
    .exp[1] = {"sleef", exp_sleef},
#endif
};
