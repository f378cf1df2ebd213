/* cpu_state.c - floating-point control and register state, per architecture.
 *
 * x86: MXCSR bits 6-15 (DAZ, exception masks, rounding, FTZ), the x87 control word, and XGETBV(1) where CPUID leaf 13 offers it. Only YMM
 * and ZMM upper halves of registers 0-15 and tiles count there: live mask registers and ZMM16-31 cost no speed. arm64: FPCR. */
#include "harness/machine/cpu_state.h"

#include <stdio.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#if defined(__x86_64__)

#define CONTROL_BITS 0xffc0u
#define UPPER_BITS 0x60044u /* AVX upper halves, ZMM_Hi256, TILECFG, TILEDATA */

static bool has_xgetbv1(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27)))
        return false; /* no OSXSAVE */
    return __get_cpuid_count(13, 1, &a, &b, &c, &d) && (a & (1u << 2));
}

static uint64_t live_upper(void)
{
    if (!has_xgetbv1())
        return 0;
    uint32_t low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(1)); /* xgetbv */
    return (low | (uint64_t)high << 32) & UPPER_BITS;
}

static uint64_t control(void)
{
    uint16_t x87;
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    return (_mm_getcsr() & CONTROL_BITS) | (uint64_t)x87 << 32;
}

void state_clear_upper(void)
{
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) && (c & (1u << 27)) && (c & (1u << 28)))
        __asm__ volatile(".byte 0xc5, 0xf8, 0x77" ::: "memory"); /* vzeroupper; we keep nothing in upper halves */
}

static const struct {
    const char *name;
    unsigned mxcsr;
} unusual[] = {
    {"round toward zero", 0x1f80u | 0x6000u},
    {"round down", 0x1f80u | 0x2000u},
    {"exceptions unmasked", 0x0000u},
    {"denormals already zero", 0x1f80u | 0x8040u},
};

uint64_t state_unusual_set(size_t index)
{
    const uint64_t before = _mm_getcsr();
    _mm_setcsr(unusual[index].mxcsr);
    return before;
}

void state_restore(uint64_t before)
{
    _mm_setcsr((unsigned)before);
}

#elif defined(__aarch64__)

static uint64_t live_upper(void)
{
    return 0;
}

static uint64_t control(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
}

void state_clear_upper(void)
{
}

static const struct {
    const char *name;
    uint64_t fpcr;
} unusual[] = {
    {"round toward zero", UINT64_C(3) << 22},
    {"round down", UINT64_C(2) << 22},
    {"exceptions unmasked", UINT64_C(0x1f) << 8}, /* ignored by CPUs without traps */
    {"denormals already zero", UINT64_C(1) << 24},
};

void state_restore(uint64_t before)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(before) : "memory");
}

uint64_t state_unusual_set(size_t index)
{
    const uint64_t before = control();
    state_restore(unusual[index].fpcr);
    return before;
}

#else

static uint64_t live_upper(void)
{
    return 0;
}

static uint64_t control(void)
{
    return 0;
}

void state_clear_upper(void)
{
}

static const struct {
    const char *name;
} unusual[] = {{"as it is"}};

uint64_t state_unusual_set(size_t index)
{
    (void)index;
    return 0;
}

void state_restore(uint64_t before)
{
    (void)before;
}

#endif

const char *state_unusual_name(size_t index)
{
    return index < sizeof unusual / sizeof *unusual ? unusual[index].name : NULL;
}

MachineState state_read(void)
{
    return (MachineState){control(), live_upper()};
}

bool state_changed(const MachineState *before, const MachineState *after, char *why, size_t size)
{
    if (before->control != after->control) {
        snprintf(why, size, "floating-point control was 0x%llx before and is 0x%llx after the run", (unsigned long long)before->control,
                 (unsigned long long)after->control);
        return true;
    }
    if (after->upper & ~before->upper) {
        snprintf(why, size, "XGETBV(1) shows live state 0x%llx after the run that was clean before: no vzeroupper or tilerelease",
                 (unsigned long long)(after->upper & ~before->upper));
        return true;
    }
    return false;
}
