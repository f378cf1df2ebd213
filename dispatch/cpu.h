/* cpu.h - what this CPU can do, as far as the operating system lets us use it.
 *
 * A feature counts only if CPUID (or HWCAP) names it and the operating system saves its registers (XCR0; for AMX also Linux's permission
 * for tile data). Model names are recorded but never decide anything: hypervisors mask them. The probe is a table of functions, so tests
 * can simulate any CPU. */
#ifndef ATTN_CPU_H
#define ATTN_CPU_H

#include "kernels/kernel.h"

struct AttnCpu {
    const char *arch;       /* "x86_64", "aarch64", "generic"                          */
    uint64_t features;      /* ATTN_CPU(...) bits, usable ones only                    */
    char vendor[16];        /* "GenuineIntel", "AuthenticAMD", implementer on arm64    */
    char brand[64];         /* brand string, trimmed                                   */
    unsigned family, model, stepping;
    bool hypervisor;        /* CPUID leaf 1 ecx bit 31; false where unknown            */
};

/* Sources of facts; any member may be NULL where the architecture has no such thing. */
typedef struct AttnCpuProbe {
    void (*cpuid)(void *context, uint32_t leaf, uint32_t subleaf, uint32_t out[4]); /* eax ebx ecx edx            */
    uint64_t (*xcr0)(void *context);                                                /* XGETBV(0)                   */
    bool (*amx_permission)(void *context);                                          /* arch_prctl(XTILEDATA) asked */
    uint64_t (*hwcap)(void *context, int which);                                    /* 1: AT_HWCAP, 2: AT_HWCAP2   */
    void *context;
    uint64_t (*midr)(void *context);                                                /* MIDR_EL1, arm64's CPU model */
} AttnCpuProbe;

/* x86 rules over a probe, arm64 rules over a probe: both compiled everywhere, so both are tested everywhere. */
void attn_cpu_from_x86(const AttnCpuProbe *probe, AttnCpu *cpu);
void attn_cpu_from_arm64(const AttnCpuProbe *probe, AttnCpu *cpu);

/* This machine; probed once, then shared. */
const AttnCpu *attn_cpu_this(void);

/* "avx2" -> ATTN_CPU(AVX2); 0 if unknown. The name of one bit; NULL if out of range. */
uint64_t attn_cpu_feature(const char *name, size_t length);
const char *attn_cpu_feature_name(unsigned bit);

/* The features without those that stand on one that is missing: no AVX-512 without AVX2, no AVX2 without AVX. Code compiled for a feature
 * contains what the feature stands on, so a missing or disabled one takes its dependants along. */
uint64_t attn_cpu_consistent(uint64_t features);

/* Names of all set bits, separated by spaces, in table order; always terminated. Returns buffer. */
const char *attn_cpu_feature_names(uint64_t features, char *buffer, size_t size);

#endif
