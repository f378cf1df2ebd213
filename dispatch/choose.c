/* choose.c - tests each kernel condition by condition; takes the one measured fastest (tune.h), else the cheapest estimate that passes. */
#include "dispatch/choose.h"

#include <stdarg.h>
#include <stdio.h>

#include "dispatch/dtype.h"
#include "dispatch/threads.h"
#include "dispatch/tune.h"

uint32_t attn_problem_needs(const AttnProblem *p)
{
    uint32_t needs = 0;
#define TUNED(word, condition) || (condition)
#define UNTUNED(condition) || (condition)
#define OPTION(id, word, sentence, wants) needs |= false wants ? ATTN_HAS_##id : 0;
#include "kernels/options_list.def"
    return needs;
}

const char *attn_option_word(unsigned bit)
{
    static const char *const words[ATTN_OPTION_BITS] = {
#define OPTION(id, word, sentence, wants) word,
#include "kernels/options_list.def"
    };
    return bit < ATTN_OPTION_BITS ? words[bit] : NULL;
}

static const char *const option_sentences[ATTN_OPTION_BITS] = {
#define OPTION(id, word, sentence, wants) sentence,
#include "kernels/options_list.def"
};

/* false, with the reason in words where they are wanted: forming a sentence costs as much as ten judgements. */
static bool refuse(char *why, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool refuse(char *why, size_t size, const char *format, ...)
{
    if (!why)
        return false;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, size, format, arguments);
    va_end(arguments);
    return false;
}

static bool refuse_isa(char *why, size_t size, const char *reason, uint64_t features)
{
    char names[96];
    return why ? refuse(why, size, "%s %s", reason, attn_cpu_feature_names(features, names, sizeof names)) : false;
}

/* Writes the first clause that rejects, unless why is NULL; true if none does. */
static bool accepts(const AttnKernel *k, const AttnProblem *p, const AttnCpu *cpu, const AttnSettings *settings, char *why, size_t size)
{
    if (k->kind != ATTN_KIND_ATTENTION)
        return refuse(why, size, "computes a matrix product, not attention");
    if (settings && settings->kernel && settings->kernel != k)
        return refuse(why, size, "%s asks for %s", settings->kernel_from, settings->kernel->name);
    if (cpu && (k->isa & ~cpu->features) != 0)
        return refuse_isa(why, size, "this CPU lacks", k->isa & ~cpu->features);
    if (settings && (k->isa & ~settings->allowed) != 0)
        return refuse_isa(why, size, "max_isa or disable forbids", k->isa & ~settings->allowed);
    const struct {
        const char *tensor;
        AttnDtype has;
        uint32_t takes;
    } types[] = {
        {"q", p->q.dtype, k->dtypes.q}, {"k", p->k.dtype, k->dtypes.kv}, {"v", p->v.dtype, k->dtypes.kv}, {"o", p->o.dtype, k->dtypes.o}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!(types[i].takes & ATTN_DTYPE_BIT(types[i].has)))
            return refuse(why, size, "does not take %s as %s", types[i].tensor, attn_dtype_name(types[i].has));
    const uint32_t missing = attn_problem_needs(p) & ~k->features;
    if (missing)
        return refuse(why, size, "does not do %s", option_sentences[__builtin_ctz(missing)]);
    const char *reason = NULL;
    if (k->fits && !k->fits(p, &reason))
        return refuse(why, size, "%s", reason);
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

const AttnTuneEntry *attn_tune_find(const AttnProblem *problem, const AttnSettings *settings)
{
    if (!settings || settings->kernel || !settings->tune || settings->tune->count == 0)
        return NULL;
    const AttnTuneKey key = attn_tune_key(problem, attn_threads_workers(settings));
    return attn_tune_lookup(settings->tune, &key);
}

/* Where the kernel that the tune file prefers stands, if it can run; else count. */
static size_t find_tuned(const AttnKernel *const *kernels, size_t count, const AttnProblem *problem, const AttnCpu *cpu,
                         const AttnSettings *settings)
{
    const AttnTuneEntry *entry = attn_tune_find(problem, settings);
    for (size_t i = 0; entry && i < count; i++)
        if (kernels[i] == entry->kernel && accepts(kernels[i], problem, cpu, settings, NULL, 0))
            return i;
    return count;
}

size_t attn_choose(const AttnKernel *const *kernels, size_t count, const AttnProblem *problem, const AttnCpu *cpu,
                   const AttnSettings *settings, AttnVerdict *verdicts)
{
    const size_t tuned = find_tuned(kernels, count, problem, cpu, settings);
    if (tuned < count && !verdicts)
        return tuned;
    size_t best = count;
    double least = 0.0;
    for (size_t i = 0; i < count; i++) {
        double cost = 0.0;
        bool accepted;
        if (verdicts) {
            verdicts[i] = attn_choose_judge(kernels[i], problem, cpu, settings);
            accepted = verdicts[i].accepted;
            cost = verdicts[i].cost;
        } else {
            accepted = accepts(kernels[i], problem, cpu, settings, NULL, 0);
            if (accepted)
                cost = kernels[i]->cost(problem);
        }
        if (accepted && (best == count || cost < least)) {
            best = i;
            least = cost;
        }
    }
    return tuned < count ? tuned : best;
}
