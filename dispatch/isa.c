/* isa.c - the table of isa.h. */
#include "dispatch/isa.h"

#define X86_SSE4_1 (ATTN_ISA_X86 | ATTN_CPU(SSE41))
#define X86_AVX2 (X86_SSE4_1 | ATTN_CPU(AVX) | ATTN_CPU(AVX2) | ATTN_CPU(FMA) | ATTN_CPU(F16C) | ATTN_CPU(AVX_VNNI))
#define X86_AVX512                                                                                                                         \
    (X86_AVX2 | ATTN_CPU(AVX512F) | ATTN_CPU(AVX512BW) | ATTN_CPU(AVX512DQ) | ATTN_CPU(AVX512VL) | ATTN_CPU(AVX512_VNNI) |                 \
     ATTN_CPU(AVX512_BF16) | ATTN_CPU(AVX512_FP16))
#define X86_AMX (X86_AVX512 | ATTN_CPU(AMX_TILE) | ATTN_CPU(AMX_BF16) | ATTN_CPU(AMX_INT8) | ATTN_CPU(AMX_FP16))
#define ARM_NEON (ATTN_ISA_ARM64 | ATTN_CPU(ASIMDHP) | ATTN_CPU(ASIMDDP) | ATTN_CPU(BF16) | ATTN_CPU(I8MM))
#define ARM_SVE (ARM_NEON | ATTN_CPU(SVE) | ATTN_CPU(SVE2))
#define ARM_SME (ARM_SVE | ATTN_CPU(SME))

/* Both are compiled everywhere, since records of any machine are read on any other. */
static const AttnIsaLevel x86[] = {
    {"baseline", "sse2", ATTN_CPU(SSE2), ATTN_ISA_X86},
    {"sse4_1", "sse4_1", ATTN_CPU(SSE41), X86_SSE4_1},
    {"avx2", "avx2", ATTN_CPU(AVX2), X86_AVX2},
    {"avx512", "avx512", ATTN_CPU(AVX512F), X86_AVX512},
    {"amx", "avx512amx", ATTN_CPU(AVX512F) | ATTN_CPU(AMX_TILE), X86_AMX},
};
static const AttnIsaLevel arm64[] = {
    {"baseline", "neon", ATTN_CPU(NEON), ATTN_ISA_ARM64},
    {"neon", "neon", ATTN_CPU(NEON), ARM_NEON},
    {"sve", "sve", ATTN_CPU(SVE), ARM_SVE},
    {"sme", "sme", ATTN_CPU(SME), ARM_SME},
};
static const AttnIsaLevel other[] = {{"baseline", "c", 0, 0}};

static const struct {
    const AttnIsaLevel *level;
    size_t count;
} architectures[] = {
    {x86, sizeof x86 / sizeof *x86}, {arm64, sizeof arm64 / sizeof *arm64}, {other, sizeof other / sizeof *other}};
enum { ARCHITECTURES = sizeof architectures / sizeof *architectures };

#if defined(__x86_64__)
#define HERE x86
#elif defined(__aarch64__)
#define HERE arm64
#else
#define HERE other
#endif
const AttnIsaLevel *const attn_isa_levels = HERE;
const size_t attn_isa_level_count = sizeof HERE / sizeof *HERE;

const char *attn_isa_label(uint64_t features)
{
    for (size_t a = 0; a < ARCHITECTURES; a++)
        for (size_t i = architectures[a].count; i-- > 0;) {
            const AttnIsaLevel *level = &architectures[a].level[i];
            if ((features & level->tells) == level->tells)
                return level->label;
        }
    return ""; /* not reached: the last level of all asks for nothing */
}

uint64_t attn_isa_tells(const char *label)
{
    for (size_t a = 0; a < ARCHITECTURES; a++)
        for (size_t i = 0; i < architectures[a].count; i++)
            if (strcmp(architectures[a].level[i].label, label) == 0)
                return architectures[a].level[i].tells;
    return 0;
}
