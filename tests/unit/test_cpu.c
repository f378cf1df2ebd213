/* test_cpu.c - the probe's rules on CPUs that are not here: what is listed, what is withheld, and what is never asked. */
#include <criterion/criterion.h>

#include "dispatch/cpu.h"
#include "dispatch/isa.h"

/* ---- Fake x86 -------------------------------------------------------------------------------------------------------------------- */

typedef struct Fake {
    uint32_t max_leaf;
    const char *vendor; /* 12 characters                        */
    uint32_t signature; /* leaf 1 eax                           */
    uint32_t leaf1_ecx;
    uint32_t leaf7_max, leaf7_ebx, leaf7_ecx, leaf7_edx, leaf7_1_eax;
    uint64_t xcr0;
    const char *brand;  /* NULL: no extended leaves, and this:  */
    uint32_t no_leaf;   /* what the CPU says when asked for one */
    bool permission;    /* what Linux answers about tile data   */
    int xcr0_calls, permission_calls;
    uint64_t hwcap, hwcap2, midr;
} Fake;

static void fake_cpuid(void *context, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const Fake *fake = context;
    memset(out, 0, 4 * sizeof *out);
    if (leaf >= 0x80000000u) {
        char text[48] = "";
        if (!fake->brand) {
            memset(out, 'x', 4 * sizeof *out);
            out[0] = fake->no_leaf;
            return;
        }
        memcpy(text, fake->brand, strnlen(fake->brand, sizeof text));
        if (leaf == 0x80000000u)
            out[0] = 0x80000008u;
        else if (leaf >= 0x80000002u && leaf <= 0x80000004u)
            memcpy(out, text + 16 * (leaf - 0x80000002u), 16);
        return;
    }
    cr_assert_leq(leaf, fake->max_leaf, "leaf %u was asked of a CPU that ends at %u", leaf, fake->max_leaf);
    if (leaf == 0) {
        out[0] = fake->max_leaf;
        memcpy(out + 1, fake->vendor, 4);
        memcpy(out + 3, fake->vendor + 4, 4);
        memcpy(out + 2, fake->vendor + 8, 4);
    } else if (leaf == 1) {
        out[0] = fake->signature;
        out[2] = fake->leaf1_ecx;
        out[3] = 1u << 26;
    } else if (leaf == 7 && subleaf == 0) {
        out[0] = fake->leaf7_max;
        out[1] = fake->leaf7_ebx;
        out[2] = fake->leaf7_ecx;
        out[3] = fake->leaf7_edx;
    } else if (leaf == 7 && subleaf == 1) {
        cr_assert_geq(fake->leaf7_max, 1, "subleaf 7.1 was asked of a CPU without it");
        out[0] = fake->leaf7_1_eax;
    }
}

static uint64_t fake_xcr0(void *context)
{
    Fake *fake = context;
    fake->xcr0_calls++;
    return fake->xcr0;
}

static bool fake_permission(void *context)
{
    Fake *fake = context;
    fake->permission_calls++;
    return fake->permission;
}

static AttnCpu probe_x86(Fake *fake)
{
    const AttnCpuProbe probe = {.cpuid = fake_cpuid, .xcr0 = fake_xcr0, .amx_permission = fake_permission, .context = fake};
    AttnCpu cpu;
    attn_cpu_from_x86(&probe, &cpu);
    return cpu;
}

static void expect_features(const AttnCpu *cpu, const char *expected)
{
    char names[512];
    cr_expect_str_eq(attn_cpu_feature_names(cpu->features, names, sizeof names), expected);
}

/* The bits that concern us, by position as in the manuals. */
#define BIT(n) (1u << (n))
#define SSE41 BIT(19)
#define OSXSAVE BIT(27)
#define HYPERVISOR BIT(31)
#define AVX_F16C_FMA (BIT(28) | BIT(29) | BIT(12))
#define AVX512_FDQBWVL (BIT(16) | BIT(17) | BIT(30) | BIT(31))
#define AMX_TILE_INT8_BF16 (BIT(24) | BIT(25) | BIT(22))
#define XCR0_ALL 0x602e7u

static Fake nehalem(void)
{
    return (Fake){.max_leaf = 11, .vendor = "GenuineIntel", .signature = 0x106a5, .leaf1_ecx = SSE41,
                  .brand = "Intel(R) Xeon(R) CPU           X5570  @ 2.93GHz"};
}

static Fake haswell(void)
{
    return (Fake){.max_leaf = 13, .vendor = "GenuineIntel", .signature = 0x306c3, .leaf1_ecx = SSE41 | OSXSAVE | AVX_F16C_FMA,
                  .leaf7_ebx = BIT(5), .xcr0 = 7, .brand = "Intel(R) Core(TM) i7-4770 CPU @ 3.40GHz"};
}

static Fake skylake_x(void)
{
    Fake fake = haswell();
    fake.max_leaf = 22;
    fake.signature = 0x50654;
    fake.leaf7_ebx |= AVX512_FDQBWVL;
    fake.xcr0 = 0xe7;
    return fake;
}

static Fake sapphire_rapids(void)
{
    Fake fake = skylake_x();
    fake.max_leaf = 32;
    fake.signature = 0x806f8;
    fake.leaf7_max = 2;
    fake.leaf7_ecx = BIT(11);
    fake.leaf7_edx = AMX_TILE_INT8_BF16 | BIT(23);
    fake.leaf7_1_eax = BIT(4) | BIT(5);
    fake.xcr0 = XCR0_ALL;
    fake.permission = true;
    return fake;
}

static Fake zen_5(void)
{
    Fake fake = skylake_x();
    fake.max_leaf = 16;
    fake.vendor = "AuthenticAMD";
    fake.signature = 0x00b40f40;
    fake.leaf7_max = 1;
    fake.leaf7_ecx = BIT(11);
    fake.leaf7_1_eax = BIT(4) | BIT(5);
    fake.brand = "AMD Ryzen 9 9950X 16-Core Processor            ";
    return fake;
}

#define HASWELL_FEATURES "sse2 sse4_1 avx avx2 fma f16c"
#define SKYLAKE_X_FEATURES HASWELL_FEATURES " avx512f avx512bw avx512dq avx512vl"
#define SAPPHIRE_RAPIDS_FEATURES                                                                                                          \
    HASWELL_FEATURES " avx_vnni avx512f avx512bw avx512dq avx512vl avx512_vnni avx512_bf16 avx512_fp16"

Test(cpu, nehalem)
{
    Fake fake = nehalem();
    const AttnCpu cpu = probe_x86(&fake);
    expect_features(&cpu, "sse2 sse4_1");
    cr_expect_str_eq(cpu.arch, "x86_64");
    cr_expect_str_eq(cpu.vendor, "GenuineIntel");
    cr_expect_str_eq(cpu.brand, "Intel(R) Xeon(R) CPU X5570 @ 2.93GHz");
    cr_expect_eq(cpu.family, 6);
    cr_expect_eq(cpu.model, 0x1a);
    cr_expect_eq(cpu.stepping, 5);
    cr_expect_not(cpu.hypervisor);
    cr_expect_eq(fake.xcr0_calls, 0, "XGETBV traps on a CPU without OSXSAVE");
}

Test(cpu, haswell)
{
    Fake fake = haswell();
    const AttnCpu cpu = probe_x86(&fake);
    expect_features(&cpu, HASWELL_FEATURES);
    cr_expect_eq(cpu.model, 0x3c);
}

Test(cpu, haswell_whose_system_saves_no_ymm)
{
    Fake fake = haswell();
    fake.xcr0 = 3; /* x87 and SSE alone */
    AttnCpu cpu = probe_x86(&fake);
    expect_features(&cpu, "sse2 sse4_1");
    fake.xcr0 = 5; /* the YMM halves without SSE: not a state that a system sets, and not one to trust */
    cpu = probe_x86(&fake);
    expect_features(&cpu, "sse2 sse4_1");
    fake.xcr0 = 7;
    fake.leaf1_ecx &= ~OSXSAVE;
    fake.xcr0_calls = 0;
    cpu = probe_x86(&fake);
    expect_features(&cpu, "sse2 sse4_1");
    cr_expect_eq(fake.xcr0_calls, 0);
}

Test(cpu, skylake_x)
{
    Fake fake = skylake_x();
    const AttnCpu cpu = probe_x86(&fake);
    expect_features(&cpu, SKYLAKE_X_FEATURES);
    cr_expect_eq(fake.permission_calls, 0, "Linux is asked about tile data only where there are tiles");
}

Test(cpu, avx512_whose_system_saves_no_zmm)
{
    for (unsigned missing = 5; missing <= 7; missing++) {
        Fake fake = skylake_x();
        fake.xcr0 &= ~(UINT64_C(1) << missing);
        const AttnCpu cpu = probe_x86(&fake);
        expect_features(&cpu, HASWELL_FEATURES);
    }
}

Test(cpu, sapphire_rapids)
{
    Fake fake = sapphire_rapids();
    AttnCpu cpu = probe_x86(&fake);
    expect_features(&cpu, SAPPHIRE_RAPIDS_FEATURES " amx_tile amx_bf16 amx_int8");
    cr_expect_eq(fake.permission_calls, 1);

    fake.leaf7_1_eax |= BIT(21); /* Granite Rapids adds it */
    cpu = probe_x86(&fake);
    expect_features(&cpu, SAPPHIRE_RAPIDS_FEATURES " amx_tile amx_bf16 amx_int8 amx_fp16");
}

Test(cpu, sapphire_rapids_without_tiles)
{
    Fake fake = sapphire_rapids();
    fake.permission = false;
    AttnCpu cpu = probe_x86(&fake);
    expect_features(&cpu, SAPPHIRE_RAPIDS_FEATURES);

    for (unsigned missing = 17; missing <= 18; missing++) {
        fake = sapphire_rapids();
        fake.xcr0 &= ~(UINT64_C(1) << missing);
        cpu = probe_x86(&fake);
        expect_features(&cpu, SAPPHIRE_RAPIDS_FEATURES);
        cr_expect_eq(fake.permission_calls, 0);
    }

    fake = sapphire_rapids();
    const AttnCpuProbe other_system = {.cpuid = fake_cpuid, .xcr0 = fake_xcr0, .context = &fake};
    attn_cpu_from_x86(&other_system, &cpu);
    expect_features(&cpu, SAPPHIRE_RAPIDS_FEATURES);
}

Test(cpu, zen_5)
{
    Fake fake = zen_5();
    const AttnCpu cpu = probe_x86(&fake);
    expect_features(&cpu, HASWELL_FEATURES " avx_vnni avx512f avx512bw avx512dq avx512vl avx512_vnni avx512_bf16");
    cr_expect_str_eq(cpu.vendor, "AuthenticAMD");
    cr_expect_str_eq(cpu.brand, "AMD Ryzen 9 9950X 16-Core Processor");
    cr_expect_eq(cpu.family, 0x1a);
    cr_expect_eq(cpu.model, 0x44);
    cr_expect_eq(cpu.stepping, 0);
}

Test(cpu, hypervisor_that_masks_the_model)
{
    Fake fake = zen_5();
    fake.leaf1_ecx |= HYPERVISOR;
    fake.signature = 0;
    fake.brand = "  QEMU \x01\xff Virtual   CPU  ";
    const AttnCpu cpu = probe_x86(&fake);
    cr_expect(cpu.hypervisor);
    cr_expect_str_eq(cpu.brand, "QEMU ?? Virtual CPU");
    expect_features(&cpu, HASWELL_FEATURES " avx_vnni avx512f avx512bw avx512dq avx512vl avx512_vnni avx512_bf16");
}

/* A hypervisor can hide a feature and leave what stands on it. Code for AVX-512 contains AVX2 instructions, so it must go too. */
Test(cpu, hypervisor_that_hides_one_bit)
{
    Fake fake = zen_5();
    fake.leaf7_ebx &= ~BIT(5);
    AttnCpu cpu = probe_x86(&fake);
    expect_features(&cpu, "sse2 sse4_1 avx fma f16c");
    fake = sapphire_rapids();
    fake.leaf7_edx &= ~BIT(24);
    cpu = probe_x86(&fake);
    expect_features(&cpu, SAPPHIRE_RAPIDS_FEATURES);
    cr_expect_eq(fake.permission_calls, 0);
}

Test(cpu, leaves_end_early)
{
    Fake fake = skylake_x();
    fake.max_leaf = 1; /* "limit CPUID" in some firmware */
    fake.brand = NULL;
    fake.no_leaf = 0x07280202; /* as an Intel CPU does: the words of its highest basic leaf, which may be any */
    AttnCpu cpu = probe_x86(&fake);
    expect_features(&cpu, "sse2 sse4_1 avx fma f16c");
    cr_expect_str_eq(cpu.brand, "");
    fake.no_leaf = 0xffffffffu;
    cpu = probe_x86(&fake);
    cr_expect_str_eq(cpu.brand, "");
    fake.max_leaf = 0;
    cpu = probe_x86(&fake);
    expect_features(&cpu, "sse2");
    cr_expect_str_eq(cpu.vendor, "GenuineIntel");
}

Test(cpu, brand_of_48_characters_without_terminator)
{
    Fake fake = haswell();
    fake.brand = "0123456789abcdef0123456789abcdef0123456789abcdef";
    const AttnCpu cpu = probe_x86(&fake);
    cr_expect_str_eq(cpu.brand, "0123456789abcdef0123456789abcdef0123456789abcdef");
}

/* ---- Fake arm64 ------------------------------------------------------------------------------------------------------------------ */

static uint64_t fake_hwcap(void *context, int which)
{
    const Fake *fake = context;
    return which == 1 ? fake->hwcap : fake->hwcap2;
}

static uint64_t fake_midr(void *context)
{
    const Fake *fake = context;
    cr_assert(fake->hwcap & BIT(11), "MIDR_EL1 traps where HWCAP does not offer it");
    return fake->midr;
}

static AttnCpu probe_arm64(Fake *fake)
{
    const AttnCpuProbe probe = {.hwcap = fake_hwcap, .midr = fake_midr, .context = fake};
    AttnCpu cpu;
    attn_cpu_from_arm64(&probe, &cpu);
    return cpu;
}

Test(cpu, cortex_a72)
{
    Fake fake = {.hwcap = 0xff}; /* fp asimd evtstrm aes pmull sha1 sha2 crc32, and no CPUID bit */
    const AttnCpu cpu = probe_arm64(&fake);
    expect_features(&cpu, "neon");
    cr_expect_str_eq(cpu.arch, "aarch64");
    cr_expect_str_eq(cpu.vendor, "");
    cr_expect_str_eq(cpu.brand, "");
}

Test(cpu, neoverse_n1)
{
    Fake fake = {.hwcap = 0xff | BIT(9) | BIT(10) | BIT(11) | BIT(20), .midr = 0x413fd0c1};
    const AttnCpu cpu = probe_arm64(&fake);
    expect_features(&cpu, "neon asimdhp asimddp");
    cr_expect_str_eq(cpu.vendor, "ARM");
    cr_expect_str_eq(cpu.brand, "ARM part 0xd0c");
    cr_expect_eq(cpu.family, 3);
    cr_expect_eq(cpu.model, 0xd0c);
    cr_expect_eq(cpu.stepping, 1);
}

Test(cpu, neoverse_v2_with_and_without_sve)
{
    Fake fake = {.hwcap = 0xff | BIT(10) | BIT(20) | BIT(22), .hwcap2 = BIT(1) | BIT(13) | BIT(14)};
    AttnCpu cpu = probe_arm64(&fake);
    expect_features(&cpu, "neon asimdhp asimddp bf16 i8mm sve sve2");
    fake.hwcap &= ~BIT(22); /* a kernel without SVE support; SVE2 cannot be without SVE */
    cpu = probe_arm64(&fake);
    expect_features(&cpu, "neon asimdhp asimddp bf16 i8mm");
    fake.hwcap2 |= BIT(23);
    cpu = probe_arm64(&fake);
    expect_features(&cpu, "neon asimdhp asimddp bf16 i8mm sme");
}

Test(cpu, arm64_of_an_unknown_maker)
{
    Fake fake = {.hwcap = BIT(11), .midr = 0x99000000};
    AttnCpu cpu = probe_arm64(&fake);
    cr_expect_str_eq(cpu.vendor, "implementer 99");
    const AttnCpuProbe nothing = {.context = NULL};
    attn_cpu_from_arm64(&nothing, &cpu);
    expect_features(&cpu, "neon");
}

/* ---- Names ----------------------------------------------------------------------------------------------------------------------- */

Test(cpu, names_go_both_ways)
{
    for (unsigned bit = 0; bit < ATTN_CPU_BITS; bit++) {
        const char *name = attn_cpu_feature_name(bit);
        cr_assert_not_null(name);
        cr_expect_eq(attn_cpu_feature(name, strlen(name)), UINT64_C(1) << bit);
        cr_expect_eq(attn_cpu_feature(name, strlen(name) - 1) & UINT64_C(1) << bit, 0, "a prefix of %s is not %s", name, name);
    }
    cr_expect_null(attn_cpu_feature_name(ATTN_CPU_BITS));
    cr_expect_eq(attn_cpu_feature("avx3", 4), 0);
    cr_expect_eq(attn_cpu_feature("", 0), 0);
    cr_expect_eq(attn_cpu_feature("avx2,fma", 4), ATTN_CPU(AVX2));
}

Test(cpu, lists_of_names_fit_their_buffer)
{
    char names[16];
    cr_expect_str_eq(attn_cpu_feature_names(0, names, sizeof names), "");
    cr_expect_str_eq(attn_cpu_feature_names(ATTN_CPU(SSE2) | ATTN_CPU(AVX2), names, sizeof names), "sse2 avx2");
    cr_expect_str_eq(attn_cpu_feature_names(ATTN_CPU(SSE2) | ATTN_CPU(AVX2), names, 10), "sse2 avx2");
    cr_expect_str_eq(attn_cpu_feature_names(ATTN_CPU(SSE2) | ATTN_CPU(AVX2), names, 9), "sse2");
    cr_expect_str_eq(attn_cpu_feature_names(ATTN_CPU(SSE2), names, 1), "");
}

Test(cpu, consistent_features_stay)
{
    const uint64_t all = (UINT64_C(1) << ATTN_CPU_BITS) - 1;
    cr_expect_eq(attn_cpu_consistent(all), all);
    cr_expect_eq(attn_cpu_consistent(0), 0);
    cr_expect_eq(attn_cpu_consistent(all & ~ATTN_CPU(FMA)), all & ~ATTN_CPU(FMA));
    const uint64_t no_sse2 = attn_cpu_consistent(all & ~ATTN_CPU(SSE2));
    cr_expect_not(no_sse2 & (ATTN_CPU(SSE41) | ATTN_CPU(AVX2) | ATTN_CPU(AVX512_FP16)), "the chain is followed to its end");
    cr_expect(no_sse2 & ATTN_CPU(NEON));
}

Test(cpu, levels_rise)
{
    cr_assert_gt(attn_isa_level_count, 0);
    cr_expect_str_eq(attn_isa_levels[0].name, "baseline");
    for (size_t i = 0; i < attn_isa_level_count; i++) {
        cr_expect_eq(attn_cpu_consistent(attn_isa_levels[i].features), attn_isa_levels[i].features, "%s", attn_isa_levels[i].name);
        if (i > 0)
            cr_expect_eq(attn_isa_levels[i - 1].features & ~attn_isa_levels[i].features, 0, "%s", attn_isa_levels[i].name);
    }
}

/* Machine keys hold these labels, and records of old runs are found by them. Any architecture's, on any machine. */
Test(cpu, labels_of_levels_stay)
{
    const struct {
        uint64_t features;
        const char *label;
    } known[] = {
        {0, "c"},
        {ATTN_CPU(SSE2), "sse2"},
        {ATTN_CPU(SSE2) | ATTN_CPU(SSE41), "sse4_1"},
        {ATTN_CPU(SSE2) | ATTN_CPU(SSE41) | ATTN_CPU(AVX), "sse4_1"},
        {ATTN_CPU(SSE2) | ATTN_CPU(SSE41) | ATTN_CPU(AVX) | ATTN_CPU(AVX2) | ATTN_CPU(FMA) | ATTN_CPU(AVX_VNNI), "avx2"},
        {ATTN_CPU(SSE41) | ATTN_CPU(AVX2) | ATTN_CPU(AVX512F), "avx512"},
        {ATTN_CPU(AVX2) | ATTN_CPU(AVX512F) | ATTN_CPU(AMX_TILE), "avx512amx"},
        {ATTN_CPU(AVX2) | ATTN_CPU(AMX_TILE), "avx2"},
        {ATTN_CPU(NEON), "neon"},
        {ATTN_CPU(NEON) | ATTN_CPU(ASIMDHP) | ATTN_CPU(BF16), "neon"},
        {ATTN_CPU(NEON) | ATTN_CPU(SVE), "sve"},
        {ATTN_CPU(NEON) | ATTN_CPU(SVE) | ATTN_CPU(SME), "sme"},
        {ATTN_CPU(NEON) | ATTN_CPU(SME), "sme"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        cr_expect_str_eq(attn_isa_label(known[i].features), known[i].label, "%zu: %s, not %s", i, attn_isa_label(known[i].features),
                         known[i].label);
}

Test(cpu, labels_tell_their_level)
{
    static const char *const labels[] = {"sse2", "sse4_1", "avx2", "avx512", "avx512amx", "neon", "sve", "sme"};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        cr_expect_str_eq(attn_isa_label(attn_isa_tells(labels[i])), labels[i]);
    cr_expect_eq(attn_isa_tells("avx2"), ATTN_CPU(AVX2));
    cr_expect_eq(attn_isa_tells("portable"), 0);
    for (size_t i = 0; i < attn_isa_level_count; i++)
        cr_expect_eq(attn_isa_levels[i].tells & ~attn_isa_levels[i].features, 0, "%s", attn_isa_levels[i].name);
}

/* ---- This machine ---------------------------------------------------------------------------------------------------------------- */

Test(cpu, this_machine)
{
    const AttnCpu *cpu = attn_cpu_this();
    cr_assert_not_null(cpu);
    cr_expect_eq(cpu, attn_cpu_this());
#if defined(__x86_64__)
    cr_expect(cpu->features & ATTN_CPU(SSE2));
    cr_expect_eq(!(cpu->features & ATTN_CPU(AVX2)), !__builtin_cpu_supports("avx2"), "the compiler's own probe disagrees");
    cr_expect_eq(!(cpu->features & ATTN_CPU(AVX512F)), !__builtin_cpu_supports("avx512f"), "the compiler's own probe disagrees");
    cr_expect_eq(!(cpu->features & ATTN_CPU(FMA)), !__builtin_cpu_supports("fma"), "the compiler's own probe disagrees");
    cr_expect_neq(cpu->vendor[0], '\0');
#elif defined(__aarch64__)
    cr_expect(cpu->features & ATTN_CPU(NEON));
#endif
}

Test(cpu, query)
{
    AttnCpuInfo info = {.size = sizeof info};
    cr_assert_eq(attn_cpu_query(&info), ATTN_OK);
    cr_expect_eq(info.size, sizeof info);
    cr_expect_str_eq(info.arch, attn_cpu_this()->arch);
    cr_expect_str_eq(info.brand, attn_cpu_this()->brand);
    char names[512];
    cr_expect_str_eq(info.features, attn_cpu_feature_names(attn_cpu_this()->features, names, sizeof names));
}

Test(cpu, query_of_other_ages_and_of_none)
{
    struct {
        AttnCpuInfo info;
        char younger[32];
        char beyond;
    } caller;
    memset(&caller, 0x5a, sizeof caller);
    caller.info.size = sizeof caller.info + sizeof caller.younger;
    cr_assert_eq(attn_cpu_query(&caller.info), ATTN_OK);
    cr_expect_str_eq(caller.info.arch, attn_cpu_this()->arch);
    for (size_t i = 0; i < sizeof caller.younger; i++)
        cr_expect_eq(caller.younger[i], 0, "what this library does not know is 0, not what lay there");
    cr_expect_eq(caller.beyond, 0x5a);

    const size_t wrong[] = {0, sizeof(size_t), offsetof(AttnCpuInfo, hypervisor), SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        caller.info.size = wrong[i];
        cr_expect_eq(attn_cpu_query(&caller.info), ATTN_ERROR_STRUCT, "size %zu", wrong[i]);
        cr_expect_not_null(strstr(attn_last_error(), "info.size is "));
    }
    cr_expect_eq(attn_cpu_query(NULL), ATTN_ERROR_NULL);
    cr_expect_not_null(strstr(attn_last_error(), "info is NULL"));
}
