/* cpu.c - CPUID and XCR0, or HWCAP, to feature bits.
 *
 * x86: Intel SDM volume 1 chapters 13 to 18 and volume 2 "CPUID"; AMD APM volume 3 appendix E. A feature needs its CPUID bit and the XCR0
 * bits of every register it touches, else an interrupt would lose them (or the first use would trap). AMX tile data further needs a
 * permission from Linux, asked for only where CPUID has AMX, because asking enlarges the signal frame.
 * arm64: HWCAP words of the Linux kernel; on macOS the same words are put together from sysctl names.
 *
 * The rules know nothing of the machine they run on: they see a probe, and each is compiled on every architecture. */
#include "dispatch/cpu.h"
#include "dispatch/fork.h"
#include "dispatch/isa.h"
#include "dispatch/structs.h"

#include <stdio.h>
#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

/* ---- Names ----------------------------------------------------------------------------------------------------------------------- */

static const char *const feature_name[ATTN_CPU_BITS] = {
#define X(id, name) [ATTN_CPU_BIT_##id] = name,
    ATTN_FEATURES(X)
#undef X
};
_Static_assert(ATTN_CPU_BITS < 64, "features are bits of a uint64_t");

uint64_t attn_cpu_feature(const char *name, size_t length)
{
    for (unsigned bit = 0; bit < ATTN_CPU_BITS; bit++)
        if (strlen(feature_name[bit]) == length && memcmp(feature_name[bit], name, length) == 0)
            return UINT64_C(1) << bit;
    return 0;
}

const char *attn_cpu_feature_name(unsigned bit)
{
    return bit < ATTN_CPU_BITS ? feature_name[bit] : NULL;
}

const char *attn_cpu_feature_names(uint64_t features, char *buffer, size_t size)
{
    size_t used = 0;
    for (unsigned bit = 0; bit < ATTN_CPU_BITS; bit++) {
        const size_t length = strlen(feature_name[bit]), space = used > 0;
        if (!(features >> bit & 1) || used + space + length + 1 > size)
            continue;
        if (space)
            buffer[used++] = ' ';
        memcpy(buffer + used, feature_name[bit], length);
        used += length;
    }
    if (size > 0)
        buffer[used] = '\0';
    return buffer;
}

/* ---- Dependencies ------------------------------------------------------------------------------------------------------------------ */

/* What each feature stands on: code compiled for the one may contain the other. */
static const uint64_t stands_on[ATTN_CPU_BITS] = {
    [ATTN_CPU_BIT_SSE41] = ATTN_CPU(SSE2),
    [ATTN_CPU_BIT_AVX] = ATTN_CPU(SSE41),
    [ATTN_CPU_BIT_AVX2] = ATTN_CPU(AVX),
    [ATTN_CPU_BIT_FMA] = ATTN_CPU(AVX),
    [ATTN_CPU_BIT_F16C] = ATTN_CPU(AVX),
    [ATTN_CPU_BIT_AVX_VNNI] = ATTN_CPU(AVX2),
    [ATTN_CPU_BIT_AVX512F] = ATTN_CPU(AVX2),
    [ATTN_CPU_BIT_AVX512BW] = ATTN_CPU(AVX512F),
    [ATTN_CPU_BIT_AVX512DQ] = ATTN_CPU(AVX512F),
    [ATTN_CPU_BIT_AVX512VL] = ATTN_CPU(AVX512F),
    [ATTN_CPU_BIT_AVX512_VNNI] = ATTN_CPU(AVX512F),
    [ATTN_CPU_BIT_AVX512_BF16] = ATTN_CPU(AVX512BW),
    [ATTN_CPU_BIT_AVX512_FP16] = ATTN_CPU(AVX512BW),
    [ATTN_CPU_BIT_AMX_BF16] = ATTN_CPU(AMX_TILE),
    [ATTN_CPU_BIT_AMX_INT8] = ATTN_CPU(AMX_TILE),
    [ATTN_CPU_BIT_AMX_FP16] = ATTN_CPU(AMX_TILE),
    [ATTN_CPU_BIT_ASIMDHP] = ATTN_CPU(NEON),
    [ATTN_CPU_BIT_ASIMDDP] = ATTN_CPU(NEON),
    [ATTN_CPU_BIT_BF16] = ATTN_CPU(NEON),
    [ATTN_CPU_BIT_I8MM] = ATTN_CPU(NEON),
    [ATTN_CPU_BIT_SVE] = ATTN_CPU(NEON),
    [ATTN_CPU_BIT_SVE2] = ATTN_CPU(SVE),
};

uint64_t attn_cpu_consistent(uint64_t features)
{
    for (uint64_t before = 0; before != features;) {
        before = features;
        for (unsigned bit = 0; bit < ATTN_CPU_BITS; bit++)
            if (stands_on[bit] & ~features)
                features &= ~(UINT64_C(1) << bit);
    }
    return features;
}

/* ---- x86 ------------------------------------------------------------------------------------------------------------------------- */

#define XCR0_AVX 0x6u      /* XMM and upper YMM halves              */
#define XCR0_AVX512 0xe6u  /* those, opmask, ZMM halves, ZMM16-31   */
#define XCR0_AMX 0x60000u  /* tile configuration and tile data      */
#define LEAF1_ECX_OSXSAVE (1u << 27)
#define LEAF1_ECX_HYPERVISOR (1u << 31)

typedef enum Word { LEAF1_ECX, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX, LEAF7_1_EAX, WORDS } Word;

static const struct {
    unsigned feature; /* ATTN_CPU_BIT_*                  */
    Word word;        /* where CPUID says so             */
    unsigned bit;     /* … and in which bit              */
    uint32_t xcr0;    /* register state that it needs    */
} x86_rule[] = {
    {ATTN_CPU_BIT_SSE41, LEAF1_ECX, 19, 0},
    {ATTN_CPU_BIT_AVX, LEAF1_ECX, 28, XCR0_AVX},
    {ATTN_CPU_BIT_FMA, LEAF1_ECX, 12, XCR0_AVX},
    {ATTN_CPU_BIT_F16C, LEAF1_ECX, 29, XCR0_AVX},
    {ATTN_CPU_BIT_AVX2, LEAF7_EBX, 5, XCR0_AVX},
    {ATTN_CPU_BIT_AVX_VNNI, LEAF7_1_EAX, 4, XCR0_AVX},
    {ATTN_CPU_BIT_AVX512F, LEAF7_EBX, 16, XCR0_AVX512},
    {ATTN_CPU_BIT_AVX512DQ, LEAF7_EBX, 17, XCR0_AVX512},
    {ATTN_CPU_BIT_AVX512BW, LEAF7_EBX, 30, XCR0_AVX512},
    {ATTN_CPU_BIT_AVX512VL, LEAF7_EBX, 31, XCR0_AVX512},
    {ATTN_CPU_BIT_AVX512_VNNI, LEAF7_ECX, 11, XCR0_AVX512},
    {ATTN_CPU_BIT_AVX512_BF16, LEAF7_1_EAX, 5, XCR0_AVX512},
    {ATTN_CPU_BIT_AVX512_FP16, LEAF7_EDX, 23, XCR0_AVX512},
    {ATTN_CPU_BIT_AMX_TILE, LEAF7_EDX, 24, XCR0_AMX},
    {ATTN_CPU_BIT_AMX_INT8, LEAF7_EDX, 25, XCR0_AMX},
    {ATTN_CPU_BIT_AMX_BF16, LEAF7_EDX, 22, XCR0_AMX},
    {ATTN_CPU_BIT_AMX_FP16, LEAF7_1_EAX, 21, XCR0_AMX},
};

/* A CPU's own text, fit to print: other than printable ASCII becomes '?', runs of spaces one, none at the ends. */
static void copy_text(char *to, size_t size, const char *from, size_t length)
{
    size_t used = 0;
    for (size_t i = 0; i < length && from[i] != '\0' && used + 1 < size; i++) {
        const char c = from[i] < ' ' || from[i] > '~' ? '?' : from[i];
        if (c != ' ' || (used > 0 && to[used - 1] != ' '))
            to[used++] = c;
    }
    while (used > 0 && to[used - 1] == ' ')
        used--;
    to[used] = '\0';
}

static void read_x86_names(const AttnCpuProbe *probe, AttnCpu *cpu, const uint32_t leaf0[4], uint32_t signature)
{
    uint32_t out[4], text[12];
    const uint32_t vendor[3] = {leaf0[1], leaf0[3], leaf0[2]};
    copy_text(cpu->vendor, sizeof cpu->vendor, (const char *)vendor, sizeof vendor);

    cpu->family = signature >> 8 & 15;
    cpu->model = signature >> 4 & 15;
    cpu->stepping = signature & 15;
    if (cpu->family == 6 || cpu->family == 15)
        cpu->model |= signature >> 12 & 0xf0;
    if (cpu->family == 15)
        cpu->family += signature >> 20 & 255;

    /* A CPU without extended leaves answers with those of its highest basic leaf: then the first word is no leaf number. */
    probe->cpuid(probe->context, 0x80000000u, 0, out);
    if (out[0] < 0x80000004u || out[0] > 0x8000ffffu)
        return;
    for (uint32_t i = 0; i < 3; i++)
        probe->cpuid(probe->context, 0x80000002u + i, 0, text + 4 * i);
    copy_text(cpu->brand, sizeof cpu->brand, (const char *)text, sizeof text);
}

void attn_cpu_from_x86(const AttnCpuProbe *probe, AttnCpu *cpu)
{
    uint32_t leaf0[4], leaf1[4] = {0}, leaf7[4] = {0}, leaf7_1[4] = {0};
    memset(cpu, 0, sizeof *cpu);
    cpu->arch = "x86_64";
    cpu->features = ATTN_ISA_X86; /* part of the architecture, whatever a hypervisor masks */

    /* Leaves beyond the highest are never asked for: Intel CPUs answer them with another leaf's words. */
    probe->cpuid(probe->context, 0, 0, leaf0);
    if (leaf0[0] >= 1)
        probe->cpuid(probe->context, 1, 0, leaf1);
    if (leaf0[0] >= 7) {
        probe->cpuid(probe->context, 7, 0, leaf7);
        if (leaf7[0] >= 1)
            probe->cpuid(probe->context, 7, 1, leaf7_1);
    }
    read_x86_names(probe, cpu, leaf0, leaf1[0]);
    cpu->hypervisor = (leaf1[2] & LEAF1_ECX_HYPERVISOR) != 0;

    const uint32_t words[WORDS] = {leaf1[2], leaf7[1], leaf7[2], leaf7[3], leaf7_1[0]};
    const uint64_t saved = leaf1[2] & LEAF1_ECX_OSXSAVE && probe->xcr0 ? probe->xcr0(probe->context) : 0;
    for (size_t i = 0; i < sizeof x86_rule / sizeof *x86_rule; i++)
        if (words[x86_rule[i].word] >> x86_rule[i].bit & 1 && (x86_rule[i].xcr0 & ~saved) == 0)
            cpu->features |= UINT64_C(1) << x86_rule[i].feature;
    if (cpu->features & ATTN_CPU(AMX_TILE) && !(probe->amx_permission && probe->amx_permission(probe->context)))
        cpu->features &= ~ATTN_CPU(AMX_TILE);
    cpu->features = attn_cpu_consistent(cpu->features);
}

/* ---- arm64 ----------------------------------------------------------------------------------------------------------------------- */

/* Linux arch/arm64/include/uapi/asm/hwcap.h; numbers of the kernel's ABI, written out so that every machine compiles and tests them. */
#define ARM_HWCAP_ASIMDHP (UINT64_C(1) << 10)
#define ARM_HWCAP_CPUID (UINT64_C(1) << 11)
#define ARM_HWCAP_ASIMDDP (UINT64_C(1) << 20)
#define ARM_HWCAP_SVE (UINT64_C(1) << 22)
#define ARM_HWCAP2_SVE2 (UINT64_C(1) << 1)
#define ARM_HWCAP2_I8MM (UINT64_C(1) << 13)
#define ARM_HWCAP2_BF16 (UINT64_C(1) << 14)
#define ARM_HWCAP2_SME (UINT64_C(1) << 23)

static const struct {
    unsigned feature; /* ATTN_CPU_BIT_*            */
    int which;        /* 1: HWCAP, 2: HWCAP2       */
    uint64_t bit;
} arm_rule[] = {
    {ATTN_CPU_BIT_ASIMDHP, 1, ARM_HWCAP_ASIMDHP}, {ATTN_CPU_BIT_ASIMDDP, 1, ARM_HWCAP_ASIMDDP}, {ATTN_CPU_BIT_SVE, 1, ARM_HWCAP_SVE},
    {ATTN_CPU_BIT_SVE2, 2, ARM_HWCAP2_SVE2},      {ATTN_CPU_BIT_I8MM, 2, ARM_HWCAP2_I8MM},      {ATTN_CPU_BIT_BF16, 2, ARM_HWCAP2_BF16},
    {ATTN_CPU_BIT_SME, 2, ARM_HWCAP2_SME},
};

/* Implementer codes of MIDR_EL1, Arm Architecture Reference Manual (DDI 0487), "MIDR_EL1". */
static const struct {
    unsigned code;
    const char *name;
} arm_implementer[] = {
    {0x41, "ARM"},    {0x42, "Broadcom"}, {0x43, "Cavium"},   {0x46, "Fujitsu"}, {0x48, "HiSilicon"},
    {0x4e, "NVIDIA"}, {0x50, "APM"},      {0x51, "Qualcomm"}, {0x61, "Apple"},   {0xc0, "Ampere"},
};

void attn_cpu_from_arm64(const AttnCpuProbe *probe, AttnCpu *cpu)
{
    const uint64_t words[2] = {probe->hwcap ? probe->hwcap(probe->context, 1) : 0, probe->hwcap ? probe->hwcap(probe->context, 2) : 0};
    memset(cpu, 0, sizeof *cpu);
    cpu->arch = "aarch64";
    cpu->features = ATTN_ISA_ARM64; /* part of ARMv8-A */
    for (size_t i = 0; i < sizeof arm_rule / sizeof *arm_rule; i++)
        if (words[arm_rule[i].which - 1] & arm_rule[i].bit)
            cpu->features |= UINT64_C(1) << arm_rule[i].feature;
    cpu->features = attn_cpu_consistent(cpu->features);

    /* Linux lets a program read MIDR_EL1 exactly where HWCAP says so; elsewhere the instruction traps. */
    if (!(words[0] & ARM_HWCAP_CPUID) || !probe->midr)
        return;
    const uint64_t midr = probe->midr(probe->context);
    const unsigned implementer = midr >> 24 & 255;
    cpu->family = midr >> 20 & 15; /* "variant" in Arm's words */
    cpu->model = midr >> 4 & 0xfff;
    cpu->stepping = midr & 15;
    snprintf(cpu->vendor, sizeof cpu->vendor, "implementer %02x", implementer);
    for (size_t i = 0; i < sizeof arm_implementer / sizeof *arm_implementer; i++)
        if (arm_implementer[i].code == implementer)
            snprintf(cpu->vendor, sizeof cpu->vendor, "%s", arm_implementer[i].name);
    snprintf(cpu->brand, sizeof cpu->brand, "%s part 0x%03x", cpu->vendor, cpu->model);
}

/* ---- This machine ---------------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
static void real_cpuid(void *context, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    (void)context;
    __cpuid_count(leaf, subleaf, out[0], out[1], out[2], out[3]);
}

static uint64_t real_xcr0(void *context)
{
    uint32_t low, high;
    (void)context;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0)); /* the intrinsic would need -mxsave */
    return (uint64_t)high << 32 | low;
}

#if defined(__linux__)
/* Linux Documentation/arch/x86/xstate.rst: tile data (state component 18) is off until a process asks. */
static bool real_amx_permission(void *context)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    (void)context;
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#endif
#elif defined(__aarch64__) && defined(__linux__)
static uint64_t real_hwcap(void *context, int which)
{
    (void)context;
    return getauxval(which == 1 ? AT_HWCAP : AT_HWCAP2);
}

static uint64_t real_midr(void *context)
{
    uint64_t midr;
    (void)context;
    __asm__ volatile("mrs %0, midr_el1" : "=r"(midr));
    return midr;
}
#elif defined(__aarch64__) && defined(__APPLE__)
static uint64_t real_hwcap(void *context, int which)
{
    static const struct {
        const char *name;
        int which;
        uint64_t bit;
    } known[] = {
        {"hw.optional.arm.FEAT_FP16", 1, ARM_HWCAP_ASIMDHP}, {"hw.optional.arm.FEAT_DotProd", 1, ARM_HWCAP_ASIMDDP},
        {"hw.optional.arm.FEAT_I8MM", 2, ARM_HWCAP2_I8MM},   {"hw.optional.arm.FEAT_BF16", 2, ARM_HWCAP2_BF16},
        {"hw.optional.arm.FEAT_SME", 2, ARM_HWCAP2_SME},
    };
    uint64_t word = 0;
    (void)context;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        int present = 0;
        size_t size = sizeof present;
        if (known[i].which == which && sysctlbyname(known[i].name, &present, &size, NULL, 0) == 0 && present)
            word |= known[i].bit;
    }
    return word;
}
#endif

static AttnCpu this_cpu;
static char this_features[ATTN_CPU_BITS * 16];

static void probe_this(void)
{
#if defined(__x86_64__)
    const AttnCpuProbe probe = {
        .cpuid = real_cpuid,
        .xcr0 = real_xcr0,
#if defined(__linux__)
        .amx_permission = real_amx_permission,
#endif
    };
    attn_cpu_from_x86(&probe, &this_cpu);
#elif defined(__aarch64__) && defined(__linux__)
    const AttnCpuProbe probe = {.hwcap = real_hwcap, .midr = real_midr};
    attn_cpu_from_arm64(&probe, &this_cpu);
#elif defined(__aarch64__) && defined(__APPLE__)
    const AttnCpuProbe probe = {.hwcap = real_hwcap};
    char brand[sizeof this_cpu.brand] = "";
    size_t size = sizeof brand - 1;
    attn_cpu_from_arm64(&probe, &this_cpu);
    snprintf(this_cpu.vendor, sizeof this_cpu.vendor, "Apple");
    if (sysctlbyname("machdep.cpu.brand_string", brand, &size, NULL, 0) == 0)
        copy_text(this_cpu.brand, sizeof this_cpu.brand, brand, sizeof brand);
#else
    this_cpu.arch = "generic";
#endif
    attn_cpu_feature_names(this_cpu.features, this_features, sizeof this_features);
}

static void probe_once(void)
{
    static AttnOnce once;
    attn_once(&once, probe_this);
}

const AttnCpu *attn_cpu_this(void)
{
    probe_once();
    return &this_cpu;
}

AttnStatus attn_cpu_query(AttnCpuInfo *info)
{
    if (!info)
        return attn_fail(ATTN_ERROR_NULL, "info is NULL; allowed: an AttnCpuInfo whose size is set");
    probe_once();
    const AttnCpuInfo ours = {
        .size = sizeof ours,
        .arch = this_cpu.arch,
        .vendor = this_cpu.vendor,
        .brand = this_cpu.brand,
        .features = this_features,
        .hypervisor = this_cpu.hypervisor,
    };
    return attn_struct_write(&attn_struct_cpu_info, info, &ours);
}
