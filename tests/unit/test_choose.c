/* test_choose.c - the chooser is a pure function: same question, same answer, on CPUs that this machine is not. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "dispatch/choose.h"

static bool odd_only(const AttnProblem *p, const char **why_not)
{
    *why_not = "only odd d";
    return p->d % 2 == 1;
}
static double cheap(const AttnProblem *p)
{
    (void)p;
    return 10.0;
}
static double dear(const AttnProblem *p)
{
    (void)p;
    return 1000.0;
}

#define F32 ATTN_DTYPE_BIT(ATTN_F32)
static const AttnKernel slow = {.name = "slow", .dtypes = {F32, F32, F32}, .features = ATTN_HAS_OPTIONS | ATTN_HAS_DOT, .cost = dear, .panel = 1};
static const AttnKernel plain = {.name = "plain", .dtypes = {F32, F32, F32}, .features = ATTN_HAS_DOT, .cost = cheap, .panel = 1};
static const AttnKernel fast = {.name = "fast", .isa = ATTN_CPU(AVX2) | ATTN_CPU(FMA), .dtypes = {F32, F32, F32}, .features = ATTN_HAS_OPTIONS | ATTN_HAS_DOT, .cost = cheap, .panel = 1};
static const AttnKernel twin = {.name = "twin", .isa = ATTN_CPU(AVX2), .dtypes = {F32, F32, F32}, .features = ATTN_HAS_OPTIONS | ATTN_HAS_DOT, .cost = cheap, .panel = 1};
static const AttnKernel half = {.name = "half", .dtypes = {ATTN_DTYPE_BIT(ATTN_F16), F32, F32}, .features = ATTN_HAS_OPTIONS | ATTN_HAS_DOT, .cost = cheap, .panel = 1};
static const AttnKernel odd = {.name = "odd", .dtypes = {F32, F32, F32}, .features = ATTN_HAS_OPTIONS | ATTN_HAS_DOT, .fits = odd_only, .cost = cheap, .panel = 1};

static const AttnCpu old = {.arch = "x86_64", .features = ATTN_CPU(SSE2)};
static const AttnCpu modern = {.arch = "x86_64", .features = ATTN_CPU(SSE2) | ATTN_CPU(AVX2) | ATTN_CPU(FMA)};

static AttnProblem problem(void)
{
    return attn_problem(1, 4, 4, 16, 16, 8, 8);
}

Test(choose, cheapest_that_the_cpu_runs)
{
    const AttnKernel *const zoo[] = {&slow, &fast, &twin};
    const AttnProblem p = problem();
    AttnVerdict v[3];
    cr_assert_eq(attn_choose(zoo, 3, &p, &modern, NULL, v), 1, "a tie goes to the earlier");
    cr_assert_eq(attn_choose(zoo, 3, &p, &old, NULL, v), 0);
    cr_assert_eq(attn_choose(zoo, 3, &p, &modern, NULL, NULL), 1, "without verdicts the same choice");
    cr_assert_eq(attn_choose(zoo, 3, &p, &old, NULL, NULL), 0, "without verdicts the same choice");
    cr_assert_not(v[1].accepted);
    cr_assert_str_eq(v[1].why, "this CPU lacks avx2 fma");
    cr_assert_str_eq(v[2].why, "this CPU lacks avx2");
}

Test(choose, each_clause_rejects_with_its_reason)
{
    AttnProblem p = problem();
    cr_assert_str_eq(attn_choose_judge(&half, &p, &modern, NULL).why, "does not take q as f32");
    cr_assert_str_eq(attn_choose_judge(&odd, &p, &modern, NULL).why, "only odd d");
    p.d = p.dv = 7;
    cr_assert(attn_choose_judge(&odd, &p, &modern, NULL).accepted);
    cr_assert(attn_choose_judge(&plain, &p, &modern, NULL).accepted);
    p.causal = true;
    cr_assert_str_eq(attn_choose_judge(&plain, &p, &modern, NULL).why, "does not do causal, window or lengths");
    p = problem();
    p.mask.dtype = ATTN_BOOL;
    cr_assert_str_eq(attn_choose_judge(&plain, &p, &modern, NULL).why, "does not do boolean mask");
    p = problem();
    p.bias.dtype = ATTN_F32;
    cr_assert_str_eq(attn_choose_judge(&plain, &p, &modern, NULL).why, "does not do additive bias");
    p = problem();
    attn_problem_want_lse(&p);
    cr_assert_str_eq(attn_choose_judge(&plain, &p, &modern, NULL).why, "does not do log-sum-exp output");
    p = attn_problem(1, 4, 2, 16, 16, 8, 8);
    cr_assert_str_eq(attn_choose_judge(&plain, &p, &modern, NULL).why, "does not do grouped heads");
    p = attn_problem(1, 4, 4, 16, 16, 8, 9);
    cr_assert_str_eq(attn_choose_judge(&plain, &p, &modern, NULL).why, "does not do dv != d");
}

Test(choose, settings_forbid_and_force)
{
    const AttnKernel *const zoo[] = {&slow, &fast};
    const AttnProblem p = problem();
    AttnVerdict v[2];
    AttnSettings settings = {.allowed = ATTN_CPU(SSE2) | ATTN_CPU(AVX2)};
    cr_assert_eq(attn_choose(zoo, 2, &p, &modern, &settings, v), 0);
    cr_assert_str_eq(v[1].why, "max_isa or disable forbids fma");
    settings = (AttnSettings){.allowed = UINT64_MAX, .kernel = &slow, .kernel_from = "ATTNZOO_KERNEL"};
    cr_assert_eq(attn_choose(zoo, 2, &p, &modern, &settings, v), 0, "forced, though dearer");
    cr_assert_str_eq(v[1].why, "ATTNZOO_KERNEL asks for slow");
    settings.kernel = &fast;
    cr_assert_eq(attn_choose(zoo, 2, &p, &old, &settings, v), 2, "forced and impossible: nothing else steps in");
    cr_assert_eq(attn_choose(zoo, 2, &p, &old, &settings, NULL), 2, "without verdicts the same");
}

/* One problem per option, in the order of the bits. The words are in answers of serve, the sentences in `list --why`: they stay. */
static AttnProblem with_option(unsigned bit)
{
    AttnProblem p = problem();
    switch (bit) {
    case ATTN_OPTION_BIT_BAND: p.causal = true; break;
    case ATTN_OPTION_BIT_MASK: p.mask.dtype = ATTN_BOOL; break;
    case ATTN_OPTION_BIT_BIAS: p.bias.dtype = ATTN_F32; break;
    case ATTN_OPTION_BIT_LSE: p.lse.dtype = ATTN_F32; break;
    case ATTN_OPTION_BIT_GQA: p.kv_heads = 2; break;
    case ATTN_OPTION_BIT_DV: p.dv = 9; break;
    case ATTN_OPTION_BIT_SOFTCAP: p.softcap = 30.0; break;
    case ATTN_OPTION_BIT_ALIBI: p.alibi = true; break;
    case ATTN_OPTION_BIT_SINKS: p.sinks = true; break;
    case ATTN_OPTION_BIT_VARLEN: p.varlen = true; break;
    case ATTN_OPTION_BIT_PAST: p.past_len = 3; break;
    case ATTN_OPTION_BIT_SCORES: p.scores.dtype = ATTN_F32; break;
    case ATTN_OPTION_BIT_GAUSSIAN: p.score = ATTN_SCORE_GAUSSIAN; break;
    case ATTN_OPTION_BIT_ADDITIVE: p.score = ATTN_SCORE_ADDITIVE; break;
    default: break; /* dot */
    }
    return p;
}

Test(choose, options_have_their_bits_words_and_sentences)
{
    static const char *const known[][2] = {
        {"band", "causal, window or lengths"}, {"mask", "boolean mask"}, {"bias", "additive bias"}, {"lse", "log-sum-exp output"},
        {"gqa", "grouped heads"}, {"dv", "dv != d"}, {"softcap", "soft-cap"}, {"alibi", "ALiBi"}, {"sinks", "sinks"},
        {"varlen", "ragged sequences"}, {"past", "past keys apart"}, {"scores", "scores output"}, {"dot", "dot scores"},
        {"gaussian", "Gaussian scores"}, {"additive", "additive scores"}};
    cr_assert_eq(sizeof known / sizeof *known, ATTN_OPTION_BITS, "a new option is pinned here, too");
    AttnKernel picky = slow;
    for (unsigned bit = 0; bit < ATTN_OPTION_BITS; bit++) {
        const AttnProblem p = with_option(bit);
        const uint32_t one = 1u << bit, dot = p.score == ATTN_SCORE_DOT ? ATTN_HAS_DOT : 0;
        char sentence[100];
        cr_expect_eq(attn_problem_needs(&p), one | dot, "%s: needs 0x%x", known[bit][0], (unsigned)attn_problem_needs(&p));
        cr_expect_str_eq(attn_option_word(bit), known[bit][0]);
        picky.features = ~one;
        snprintf(sentence, sizeof sentence, "does not do %s", known[bit][1]);
        cr_expect_str_eq(attn_choose_judge(&picky, &p, &modern, NULL).why, sentence);
        picky.features = one | dot;
        cr_expect(attn_choose_judge(&picky, &p, &modern, NULL).accepted, "%s", known[bit][0]);
    }
    cr_expect_null(attn_option_word(ATTN_OPTION_BITS));
    cr_expect_eq(ATTN_HAS_BAND, 1);
    cr_expect_eq(ATTN_HAS_OPTIONS, 0xfff, "all up to the score functions");
}

/* A band is any of three. */
Test(choose, causal_window_and_lengths_are_one_option)
{
    AttnProblem p = problem();
    p.window = true;
    cr_expect_eq(attn_problem_needs(&p), ATTN_HAS_BAND | ATTN_HAS_DOT);
    p.window = false;
    p.kv_lengths = true;
    cr_expect_eq(attn_problem_needs(&p), ATTN_HAS_BAND | ATTN_HAS_DOT);
}
