/* choose.c - judges kernels one clause at a time and takes the cheapest that passes. */
#include "dispatch/choose.h"

#include <stdio.h>

uint32_t attn_problem_needs(const AttnProblem *p)
{
    return (p->causal != ATTN_CAUSAL_NONE ? ATTN_HAS_CAUSAL : 0) | (p->mask.dtype != ATTN_NONE ? ATTN_HAS_MASK : 0) |
           (p->bias.dtype != ATTN_NONE ? ATTN_HAS_BIAS : 0) | (p->lse.dtype != ATTN_NONE ? ATTN_HAS_LSE : 0) |
           (p->q_heads != p->kv_heads ? ATTN_HAS_GQA : 0) | (p->d != p->dv ? ATTN_HAS_DV : 0);
}

static const char *const need_names[] = {"causal", "boolean mask", "additive bias", "log-sum-exp output", "grouped heads", "dv != d"};

static const char *dtype_name(AttnDtype dtype)
{
    static const char *const names[] = {"none", "f32", "f64", "f16", "bf16", "bool"};
    return (size_t)dtype < sizeof names / sizeof *names ? names[dtype] : "unknown";
}

/* Writes the first clause that rejects; true if none does. */
static bool accepts(const AttnKernel *k, const AttnProblem *p, const AttnCpu *cpu, const AttnSettings *settings, char *why, size_t size)
{
    char names[96];
    if (settings && settings->kernel && settings->kernel != k) {
        snprintf(why, size, "%s asks for %s", settings->kernel_from, settings->kernel->name);
        return false;
    }
    if (cpu && (k->isa & ~cpu->features) != 0) {
        snprintf(why, size, "this CPU lacks %s", attn_cpu_feature_names(k->isa & ~cpu->features, names, sizeof names));
        return false;
    }
    if (settings && (k->isa & ~settings->allowed) != 0) {
        snprintf(why, size, "max_isa or disable forbids %s", attn_cpu_feature_names(k->isa & ~settings->allowed, names, sizeof names));
        return false;
    }
    const struct {
        const char *tensor;
        AttnDtype has;
        uint32_t takes;
    } types[] = {{"q", p->q.dtype, k->dtypes.q}, {"k", p->k.dtype, k->dtypes.kv}, {"v", p->v.dtype, k->dtypes.kv}, {"o", p->o.dtype, k->dtypes.o}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!(types[i].takes & ATTN_DTYPE_BIT(types[i].has))) {
            snprintf(why, size, "does not take %s as %s", types[i].tensor, dtype_name(types[i].has));
            return false;
        }
    const uint32_t missing = attn_problem_needs(p) & ~k->features;
    for (size_t i = 0; i < sizeof need_names / sizeof *need_names; i++)
        if (missing & (1u << i)) {
            snprintf(why, size, "does not do %s", need_names[i]);
            return false;
        }
    const char *reason = NULL;
    if (k->fits && !k->fits(p, &reason)) {
        snprintf(why, size, "%s", reason);
        return false;
    }
    return true;
}

AttnVerdict attn_choose_judge(const AttnKernel *kernel, const AttnProblem *problem, const AttnCpu *cpu, const AttnSettings *settings)
{
    AttnVerdict verdict = {.kernel = kernel};
    verdict.accepted = accepts(kernel, problem, cpu, settings, verdict.why, sizeof verdict.why);
    if (verdict.accepted)
        verdict.cost = kernel->cost(problem);
    return verdict;
}

size_t attn_choose(const AttnKernel *const *kernels, size_t count, const AttnProblem *problem, const AttnCpu *cpu,
                   const AttnSettings *settings, AttnVerdict *verdicts)
{
    size_t best = count;
    for (size_t i = 0; i < count; i++) {
        verdicts[i] = attn_choose_judge(kernels[i], problem, cpu, settings);
        if (verdicts[i].accepted && (best == count || verdicts[i].cost < verdicts[best].cost))
            best = i;
    }
    return best;
}
