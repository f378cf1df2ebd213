/* test_shape.c - names of shapes: round trip, ranges, presets, refusals, strides, counted work. */
#include "dispatch/choose.h"
#include "harness/base/random.h"
#include "harness/ops/sdpa/data.h"
#include "harness/ops/sdpa/shape.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

static char error[2048];

static Shape parsed(const char *text)
{
    Shape shape;
    error[0] = '\0';
    cr_assert(shape_parse(&shape, text, error, sizeof error), "%s", error);
    return shape;
}

/* The text is refused, and the sentence holds each of the two words. */
static void refused(const char *text, const char *word, const char *other)
{
    Shapes list = {0};
    error[0] = '\0';
    cr_assert(!shapes_parse(&list, text, error, sizeof error), "'%s' was accepted", text);
    cr_assert(strstr(error, word) && strstr(error, other), "'%s': message '%s' lacks '%s' or '%s'", text, error, word, other);
    cr_assert_eq(list.count, 0);
    shapes_free(&list);
}

static size_t counted(const char *text)
{
    Shapes list = {0};
    cr_assert(shapes_parse(&list, text, error, sizeof error), "'%s': %s", text, error);
    const size_t count = list.count;
    shapes_free(&list);
    return count;
}

static bool same(const Shape *a, const Shape *b)
{
    return a->batch == b->batch && a->q_heads == b->q_heads && a->kv_heads == b->kv_heads && a->q_len == b->q_len && a->k_len == b->k_len &&
           a->d == b->d && a->dv == b->dv && a->causal == b->causal && a->align == b->align && a->offset == b->offset &&
           a->window == b->window && a->window_left == b->window_left && a->window_right == b->window_right && a->score == b->score &&
           a->softcap == b->softcap && a->alibi == b->alibi && a->sinks == b->sinks && a->mask == b->mask && a->bias == b->bias &&
           a->kv_lengths == b->kv_lengths && a->pad == b->pad && a->varlen == b->varlen && a->past_len == b->past_len && a->lse == b->lse &&
           a->scores == b->scores && a->scores_stage == b->scores_stage && a->v_in_k == b->v_in_k && a->layout == b->layout;
}

static Shape random_shape(uint64_t seed)
{
    uint64_t draw = 0;
#define PICK(n) (random_bits(seed, draw++) % (n))
    Shape s = {0};
    s.batch = PICK(4);
    s.kv_heads = 1 + PICK(8);
    s.q_heads = s.kv_heads * (1 + PICK(4));
    s.q_len = PICK(70000);
    s.k_len = PICK(70000);
    s.d = 1 + PICK(600);
    s.dv = PICK(2) ? s.d : 1 + PICK(600);
    s.causal = PICK(2);
    s.align = (AttnAlign)PICK(4);
    s.offset = s.align == ATTN_ALIGN_OFFSET ? (int64_t)PICK(200) - 100 : 0;
    s.window = PICK(2);
    s.window_left = s.window ? (int64_t)PICK(30) - 1 : 0;
    s.window_right = s.window ? (int64_t)PICK(30) - 1 : 0;
    s.score = (AttnScore)PICK(3);
    s.softcap = PICK(2) ? ldexp(0.5 + random_uniform(seed, 1000), (int)PICK(100) - 50) : 0;
    s.alibi = PICK(2);
    s.sinks = PICK(2);
    s.mask = PICK(2);
    s.bias = PICK(2);
    s.kv_lengths = PICK(2);
    s.pad = s.kv_lengths ? random_uniform(seed, 1001) : 0;
    s.varlen = !s.kv_lengths && PICK(2);
    s.past_len = !s.varlen && s.k_len > 0 && PICK(2) ? 1 + PICK(s.k_len) : 0;
    s.lse = PICK(2);
    s.scores = !s.varlen && PICK(2);
    s.scores_stage = s.scores ? (AttnStage)PICK(4) : 0;
    s.v_in_k = PICK(2) && s.dv <= s.d;
    s.layout = (ShapeLayout)PICK(3);
    if (s.layout == SHAPE_INTERLEAVED) {
        s.k_len = s.q_len + s.past_len;
        s.dv = s.d;
        s.v_in_k = false;
    }
    return s;
#undef PICK
}

Test(shape, names_round_trip)
{
    for (uint64_t seed = 0; seed < 20000; seed++) {
        const Shape shape = random_shape(seed);
        char name[SHAPE_NAME], again[SHAPE_NAME];
        shape_name(&shape, name, sizeof name);
        const Shape back = parsed(name);
        cr_assert(same(&shape, &back), "%s", name);
        cr_assert_str_eq(shape_name(&back, again, sizeof again), name);
    }
}

Test(shape, spells_out_what_it_reads)
{
    const Shape s = parsed("f32:b2_h32g8_q512_k4096_d128v64_causal-off-7_maskbool_bias_blhd_lse");
    cr_assert(s.batch == 2 && s.q_heads == 32 && s.kv_heads == 8 && s.q_len == 512 && s.k_len == 4096 && s.d == 128 && s.dv == 64);
    cr_assert(s.causal && s.align == ATTN_ALIGN_OFFSET && s.offset == -7 && s.mask && s.bias && s.lse && !s.v_in_k && s.layout == SHAPE_BLHD);
    char name[SHAPE_NAME];
    const Shape plain = parsed("b1_h8g8_q1_k2_d3v3_bhld");
    cr_assert_str_eq(shape_name(&plain, name, sizeof name), "b1_h8_q1_k2_d3");
    cr_assert_eq(parsed("b1_h8_q1_k2_d3_causal").align, ATTN_ALIGN_BOTTOM_RIGHT);
    cr_assert_eq(parsed("b1_h8_q1_k2_d3_causal-tl").align, ATTN_ALIGN_TOP_LEFT);
}

Test(shape, refuses_with_a_sentence)
{
    refused("", "no shape", "b1_h32");
    refused("b1_h8_q1_k1", "_d", "head width");
    refused("b1h8q1k1d8", "_h", "query heads");
    refused("b1_h0_q1_k1_d8", "query heads", "from 1");
    refused("b1_h8_q1_k1_d0", "head width", "from 1");
    refused("b1_h8_q-1_k1_d8", "query length", "'-1'");
    refused("b1_h8_qnan_k1_d8", "query length", "'nan'");
    refused("b1_h8_q1e3_k1_d8", "_k", "'e3_k1_d8'");
    refused("b1_h8_q1_k99999999999999999999999_d8", "key length", "99999999999999999999999");
    refused("b1_h8_q1_k2000000000_d8", "key length", "1073741824");
    refused("b1_h8g3_q1_k1_d8", "h is 8", "g is 3");
    refused("b1_h8_q1_k1_d8_bias_causal", "causal", "order");
    refused("b1_h8_q1_k1_d8_bias_bias", "bias", "twice");
    refused("b1_h8_q1_k1_d8_bhld_packed", "packed", "contradicts");
    refused("b1_h8_q1_k1_d8_causal-off", "offset", "''");
    refused("b1_h8_q1_k1_d8_causal-off1x", "offset", "'1x'");
    refused("b1_h8_q1_k1_d8_casual", "unknown option", "'casual'");
    refused("b1_h8_q1_k1_d8_", "unknown option", "''");
    refused("b1_h8_q1_k1_d8v9_vk", "vk", "9");
    refused("b1_h8_q1_k2_d8_packed", "packed", "equal");
    refused("b1000000000_h1000000000_q1000000000_k1_d8", "address space", "b1000000000");
    refused("b1_h1_q1000000000_k1000000000_d8_bias b1_h1073741824_q1073741824_k1_d8_bias", "address space", "h1073741824");
}

Test(shape, every_option_has_its_word)
{
    const Shape s = parsed("b2_h4g2_q8_k16_d8_off-3_win12r5_gauss_cap0.5_alibi_sink_pad0.25_past9_vk_scoresbiased");
    cr_assert(!s.causal && s.align == ATTN_ALIGN_OFFSET && s.offset == -3 && s.window && s.window_left == 12 && s.window_right == 5);
    cr_assert(s.score == ATTN_SCORE_GAUSSIAN && s.softcap == 0.5 && s.alibi && s.sinks && s.kv_lengths && s.pad == 0.25 && s.past_len == 9);
    cr_assert(s.scores && s.scores_stage == ATTN_STAGE_BIASED && s.v_in_k && !s.varlen);
    const Shape left = parsed("b1_h1_q1_k1_d8_causal_win4095"), right = parsed("b1_h1_q1_k1_d8_winr0"), both = parsed("b1_h1_q1_k1_d8_win");
    cr_assert(left.window && left.window_left == 4095 && left.window_right == -1);
    cr_assert(right.window && right.window_left == -1 && right.window_right == 0);
    cr_assert(both.window && both.window_left == -1 && both.window_right == -1);
    cr_assert_eq(parsed("b1_h1_q1_k1_d8_br_win4").align, ATTN_ALIGN_BOTTOM_RIGHT);
    cr_assert_eq(parsed("b1_h1_q1_k1_d8_offs_win4").align, ATTN_ALIGN_OFFSETS);
    const Shape ragged = parsed("b3_h1_q9_k9_d8_causal-offs_additive_varlen_lse");
    cr_assert(ragged.causal && ragged.align == ATTN_ALIGN_OFFSETS && ragged.score == ATTN_SCORE_ADDITIVE && ragged.varlen);
}

/* Each word makes a problem that asks for the option that its row says, and no other; each option has a word, or a size. The words are in
 * records: they stay, and so does their order. */
Test(shape, words_ask_for_their_options)
{
    static const struct {
        const char *text;
        bool value;
        uint32_t option;
        const char *example;
    } words[] = {
#define WORD(id, text, rank, value, option, example, meaning) {text, value, option, example},
#include "harness/ops/sdpa/shape_words.def"
    };
    static const char known[] = "causal causal-tl causal-offs causal-off br offs off win gauss additive cap alibi sink maskbool bias pad varlen "
                                "past bhld blhd packed vk lse scoresraw scorescapped scoresbiased scoresweights ";
    const uint32_t scores = ATTN_HAS_DOT | ATTN_HAS_GAUSSIAN | ATTN_HAS_ADDITIVE;
    uint32_t asked = ATTN_HAS_GQA | ATTN_HAS_DV | ATTN_HAS_DOT; /* by sizes, and by no word */
    char all[sizeof known] = "";
    for (size_t n = 0; n < sizeof words / sizeof *words; n++) {
        char text[SHAPE_NAME];
        const char *word = words[n].example ? words[n].example + 1 : words[n].text;
        snprintf(text, sizeof text, "b1_h1_q600_k600_d8_%s%s", word, words[n].value && !words[n].example ? "7" : "");
        cr_expect_eq(strncmp(word, words[n].text, strlen(words[n].text)), 0, "%s is no example of %s", word, words[n].text);
        const Shape s = parsed(text);
        const AttnProblem p = shape_problem(&s);
        const uint32_t wants = words[n].option & scores ? words[n].option : words[n].option | ATTN_HAS_DOT;
        cr_expect_eq(attn_problem_needs(&p), wants, "%s needs 0x%x, expected 0x%x", text, (unsigned)attn_problem_needs(&p), (unsigned)wants);
        asked |= words[n].option;
        strncat(all, words[n].text, sizeof all - strlen(all) - 1);
        strncat(all, " ", sizeof all - strlen(all) - 1);
    }
    cr_expect_eq(asked, (1u << ATTN_OPTION_BITS) - 1, "some option has no word");
    cr_expect_str_eq(all, known);
}

Test(shape, refuses_bad_options)
{
    refused("b1_h8_q1_k1_d8_win-1", "window is '-1'", "from 0");
    refused("b1_h8_q1_k1_d8_win5r", "window is '5r'", "r<right>");
    refused("b1_h8_q1_k1_d8_win5r3x", "window is '5r3x'", "r<right>");
    refused("b1_h8_q1_k1_d8_win2000000000", "window is", "1073741824");
    refused("b1_h8_q1_k1_d8_cap0", "soft-cap is '0'", "2^-60");
    refused("b1_h8_q1_k1_d8_cap", "soft-cap is ''", "2^-60");
    refused("b1_h8_q1_k1_d8_capnan", "soft-cap is 'nan'", "2^-60");
    refused("b1_h8_q1_k1_d8_cap0x5", "soft-cap is '0x5'", "2^-60");
    refused("b1_h8_q1_k1_d8_cap1e30", "soft-cap is '1e30'", "2^60");
    refused("b1_h8_q1_k1_d8_pad1.5", "padding is '1.5'", "0 to 1");
    refused("b1_h8_q1_k1_d8_pad", "padding is ''", "0 to 1");
    refused("b1_h8_q1_k9_d8_past10", "past is '10'", "1 to 9");
    refused("b1_h8_q1_k9_d8_past0", "past is '0'", "1 to 9");
    refused("b1_h8_q1_k1_d8_pad0.5_varlen", "varlen", "contradicts");
    refused("b1_h8_q1_k9_d8_varlen_past5", "varlen", "past");
    refused("b1_h8_q1_k1_d8_varlen_scoresraw", "varlen", "scores");
    refused("b1_h8_q1_k1_d8_gauss_additive", "additive", "contradicts");
    refused("b1_h8_q1_k1_d8_cap5_win5", "win5", "too late");
    refused("b1_h8_q1_k1_d8_scores", "unknown option", "'scores'");
    refused("b1_h8_q1_k1_d8_window", "window is 'dow'", "from 0");
    refused("b1_h8_q1_k1_d8_br_causal", "causal", "contradicts");
    refused("b1_h8_q9_k9_d8_past2_packed", "packed", "equal");
    refused("b1_h8_q1_k1_d8_paged", "paged", "not in the interface yet");
    refused("linear:5x4x3", "attention", "b<batch>");
    refused("bf16:b1_h8_q1_k1_d8", "'bf16'", "not in the interface yet");
}

/* What shape_problem makes, the library takes, if the shape has any words that go together. */
Test(shape, problems_are_valid)
{
    for (uint64_t seed = 0; seed < 5000; seed++) {
        Shape s = random_shape(seed);
        char name[SHAPE_NAME];
        s.q_len %= 200;
        s.k_len = s.layout == SHAPE_INTERLEAVED ? s.q_len + s.past_len : s.k_len < s.past_len ? s.past_len : s.k_len;
        const AttnProblem p = shape_problem(&s);
        cr_assert(attn_problem_check(&p) == ATTN_OK, "%s: %s", shape_name(&s, name, sizeof name), attn_last_error());
    }
}

Test(shape, lengths_of_entries)
{
    const Shape pad = parsed("b100_h1_q3_k1000_d8_pad0.25"), ragged = parsed("b100_h1_q40_k1000_d8_causal_varlen");
    size_t least = 1000, most = 0, last = 0;
    for (size_t b = 0; b < 100; b++) {
        const size_t keys = shape_k_len(&pad, b);
        least = keys < least ? keys : least;
        most = keys > most ? keys : most;
        cr_assert(keys != last);
        last = keys;
        cr_assert(shape_q_len(&ragged, b) <= 40 && shape_k_len(&ragged, b) <= 1000);
        cr_assert_eq(shape_offset(&ragged, b), (int64_t)shape_k_len(&ragged, b) - (int64_t)shape_q_len(&ragged, b));
    }
    cr_assert(least >= 750 && least < 760 && most > 990 && most <= 1000, "%zu to %zu", least, most);
    cr_assert(shape_q_len(&ragged, 0) == 40 && shape_k_len(&ragged, 0) == 1000);
}

Test(shape, ranges_and_lists_multiply)
{
    cr_assert_eq(counted("b1_h1_q{1..65+1}_k{512..32768*2}_d{64,128}"), 65 * 7 * 2);
    cr_assert_eq(counted("b1_h1_q{1..10}_k1_d8, b1_h1_q{1,2..4,9}_k1_d8"), 10 + 5);
    cr_assert_eq(counted("b1_h1_q1_k{1..10*3}_d8"), 3);
    cr_assert_eq(counted("b1_h1_q1_k1_d8_causal-off{-2..2}"), 5);
    Shapes list = {0};
    cr_assert(shapes_parse(&list, "b1_h1_q{1,2}_k{3,4}_d8", error, sizeof error));
    cr_assert(list.at[0].q_len == 1 && list.at[0].k_len == 3 && list.at[1].k_len == 4 && list.at[2].q_len == 2 && list.at[2].k_len == 3);
    cr_assert(!shapes_parse(&list, "b1_h1_q7_k7_d8 b1_h1_q{1..9}_k1_dx", error, sizeof error));
    cr_assert_eq(list.count, 4, "a failed parse must leave the list alone");
    shapes_free(&list);
}

Test(shape, ranges_that_make_no_sense)
{
    refused("b1_h1_q{5..1}_k1_d8", "'5..1'", "a..b");
    refused("b1_h1_q{1..8*1}_k1_d8", "'1..8*1'", "factor");
    refused("b1_h1_q{0..8*2}_k1_d8", "'0..8*2'", "factor");
    refused("b1_h1_q{1..8+0}_k1_d8", "'1..8+0'", "step");
    refused("b1_h1_q{1..}_k1_d8", "'1..'", "a..b");
    refused("b1_h1_q{1..8/2}_k1_d8", "'1..8/2'", "a..b");
    refused("b1_h1_q{}_k1_d8", "''", "value");
    refused("b1_h1_q{1,{2}}_k1_d8", "braces", "nested");
    refused("b1_h1_q{1_k1_d8", "braces", "closed");
    refused("b1_h1_q1}_k1_d8", "braces", "closed");
    refused("b1_h1_q{1..1000000}_k{1..1000000}_d8", "100000", "narrow");
    refused("b1_h1_q{1..400}_k{1..400}_d8", "100000", "narrow");
    refused("b1_h1_q{1..300}_k{1..300}_d8 b1_h1_q{1..300}_k{1..300}_d8", "100000", "fewer");
}

Test(shape, every_preset_is_what_it_says)
{
    for (size_t i = 0; i < preset_count; i++) {
        Shape shape;
        char name[SHAPE_NAME];
        cr_assert(preset_parse(&shape, presets[i].name, error, sizeof error), "%s: %s", presets[i].name, error);
        cr_assert_str_eq(shape_name(&shape, name, sizeof name), presets[i].shape, "%s", presets[i].name);
        cr_assert_str_eq(shape.name, presets[i].name);
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(presets[i].name, presets[j].name);
    }
}

Test(shape, presets_take_other_lengths)
{
    static const char *const pairs[][2] = {
        {"llama3-8b/prefill@777", "b1_h32g8_q777_k777_d128_causal"},
        {"bert-base/encoder@33", "b1_h12_q33_k33_d64"},
        {"llama3-70b/decode@5", "b1_h64g8_q1_k5_d128_causal"},
        {"qwen2-7b/chunk@q3,k9", "b1_h28g4_q3_k9_d128_causal"},
        {"phi3-mini/batchdecode@b5", "b5_h32_q1_k4096_d96_causal"},
        {"mistral-7b/decode@9999", "b1_h32g8_q1_k9999_d128_causal_win4095"},
        {"gemma2-9b/prefill@9", "b1_h16g8_q9_k9_d256_causal_cap50"},
        {"gemma2-9b-local/prefill@9", "b1_h16g8_q9_k9_d256_causal_win4095_cap50"},
        {"gpt-oss-local/chunk@q3,k300", "b1_h64g8_q3_k300_d64_causal_win127_sink"},
        {"bloom-7b1/batchdecode@b2", "b2_h32_q1_k4096_d128_causal_alibi"},
        {"deepseek-mla/decode@77", "b1_h128g1_q1_k77_d576v512_causal_vk"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        Shapes list = {0};
        char name[SHAPE_NAME];
        cr_assert(shapes_parse(&list, pairs[i][0], error, sizeof error), "%s", error);
        cr_assert_eq(list.count, 1);
        cr_assert_str_eq(shape_name(&list.at[0], name, sizeof name), pairs[i][1]);
        cr_assert_str_eq(list.at[0].name, pairs[i][0]);
        shapes_free(&list);
    }
    cr_assert_eq(counted("llama3-8b/chunk@q512,k8192,llama3-8b/decode@1 vit-b16/encoder"), 3);
    cr_assert_eq(counted("llama3-8b/prefill@{128,512..2048*2}"), 4);
    cr_assert_eq(counted("llama3-8b/chunk@q{1..3},k{4,5}"), 6);
    cr_assert_eq(counted("vit-*/encoder"), 2);
}

Test(shape, presets_refuse)
{
    refused("llama9/prefill@5", "unknown preset", "llama3-8b");
    refused("llama3-8b/prefil@5", "this model has", "prefill@512");
    refused("llama3-8b/prefill", "this model has", "prefill@512");
    refused("llama3-8b/prefill@", "length", "prefill@512");
    refused("llama3-8b/prefill@0", "length", "from 1");
    refused("llama3-8b/prefill@5x", "length", "'5x'");
    refused("llama3-8b/prefill@99999999999999999999999", "length", "1073741824");
    refused("llama3-8b/chunk@q5", "length", "chunk@q512,k8192");
    refused("llama3-8b/chunk@q5k6", "length", "chunk@q512,k8192");
    refused("vit-b16/encoder@5", "fixed", "@");
    refused("nothing*/x", "no preset matches", "nothing");
}

/* Strides against the plain meaning of each layout, at every element of small shapes. */
Test(shape, layouts)
{
    const Shape s = parsed("b2_h4g2_q3_k5_d6v7_blhd");
    const AttnProblem p = shape_problem(&s);
    cr_assert(p.q.row == 24 && p.q.head == 6 && p.q.batch == 72 && p.k.row == 12 && p.k.batch == 60 && p.v.row == 14 && p.v.head == 7);
    cr_assert(p.o.row == 28 && p.o.head == 7 && p.o.batch == 84);
    const Shape interleaved = parsed("b2_h4g2_q3_k3_d6_packed");
    const AttnProblem pp = shape_problem(&interleaved);
    cr_assert(pp.q.row == 48 && pp.k.row == 48 && pp.v.row == 48 && pp.q.batch == 144 && pp.o.row == 24);
    const Shape vk = parsed("b1_h4g1_q3_k3_d6v4_vk_lse");
    const AttnProblem vp = shape_problem(&vk);
    cr_assert(vp.v.row == 6 && vp.lse.dtype == ATTN_F32 && vp.lse.head == 3);
    const Shape scored = parsed("b2_h4_q3_k5_d6_maskbool_bias");
    const AttnProblem sp = shape_problem(&scored);
    cr_assert(sp.mask.dtype == ATTN_BOOL && sp.mask.row == 5 && sp.mask.head == 15 && sp.mask.batch == 60 && sp.bias.dtype == ATTN_F32);
}

/* The closed form against counting. */
Test(shape, work)
{
    for (uint64_t seed = 0; seed < 20000; seed++) {
        Shape s = random_shape(seed);
        s.q_len %= 20;
        s.k_len %= 20;
        s.past_len = 0;
        s.offset %= 30;
        size_t pairs = 0;
        for (size_t b = 0; b < s.batch; b++)
            for (size_t i = 0; i < shape_q_len(&s, b); i++)
                for (size_t j = 0; j < shape_k_len(&s, b); j++) {
                    const int64_t at = (int64_t)i + shape_offset(&s, b), key = (int64_t)j;
                    pairs += (!s.causal || key <= at) && (!s.window || s.window_left < 0 || key >= at - s.window_left) &&
                             (!s.window || s.window_right < 0 || key <= at + s.window_right);
                }
        char name[SHAPE_NAME];
        cr_assert_eq(shape_visible_pairs(&s), (double)(pairs * s.q_heads), "%s", shape_name(&s, name, sizeof name));
        cr_assert_eq(shape_flop(&s), 2.0 * (double)(pairs * s.q_heads * (s.d + s.dv)));
    }
    const Shape window = parsed("b1_h8g2_q1_k32768_d128_causal_win4095"), past = parsed("b1_h1_q8_k100_d4_causal_win9");
    cr_assert_eq(shape_visible_pairs(&window), 8.0 * 4096);
    cr_assert_eq(shape_bytes(&window), 4.0 * (8 * 256 + 2 * 4096 * 256)); /* keys before the window need not be read */
    cr_assert_eq(shape_bytes(&past), 4.0 * (8 * 8 + 17 * 8));            /* rows 92 .. 99 see keys 83 .. 99 */
    const Shape s = parsed("b2_h4g2_q3_k5_d6v7_maskbool_bias_lse");
    cr_assert_eq(shape_bytes(&s), 4.0 * (2 * 4 * 3 * 13 + 2 * 2 * 5 * 13) + 5.0 * (2 * 4 * 3 * 5) + 4.0 * 2 * 4 * 3);
    const Shape vk = parsed("b1_h8g1_q1_k10_d6v4_vk");
    cr_assert_eq(shape_bytes(&vk), 4.0 * (8 * 10 + 10 * 6));
}

Test(shape, carries_its_storage_types)
{
    static const char *const same[] = {"b1_h2_q3_k4_d5", "f32:b1_h2_q3_k4_d5", "f32/f32/f32/f32:b1_h2_q3_k4_d5"};
    static const char *const refused[] = {"f32/f32:b1_h2_q3_k4_d5", "f32/f32/f32/f32/f32:b1_h2_q3_k4_d5", "f3:b1_h2_q3_k4_d5", ":b1_h2_q3_k4_d5",
                                          "f32/:b1_h2_q3_k4_d5", "f32/f32/f32/nan:b1_h2_q3_k4_d5"};
    Shape shape;
    char text[SHAPE_TYPES];
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        cr_assert(shape_parse(&shape, same[i], error, sizeof error), "%s", error);
        const AttnProblem p = shape_problem(&shape);
        cr_expect_str_eq(shape_types(&shape, text, sizeof text), "f32");
        cr_expect(p.q.dtype == ATTN_F32 && p.k.dtype == ATTN_F32 && p.v.dtype == ATTN_F32 && p.o.dtype == ATTN_F32, "%s", same[i]);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        cr_expect(!shape_parse(&shape, refused[i], error, sizeof error), "%s is taken", refused[i]);
    shape.k_type = shape.v_type = ATTN_BF16;
    cr_expect_str_eq(shape_types(&shape, text, sizeof text), "f32/bf16/bf16/f32");
    cr_expect_eq(shape_problem(&shape).v.dtype, ATTN_BF16);
    char name[SHAPE_NAME];
    cr_assert(shape_parse(&shape, same[1], error, sizeof error));
    cr_expect_str_eq(shape_name(&shape, name, sizeof name), same[0]);
    shape.k_type = shape.v_type = ATTN_BF16;
    cr_expect_str_eq(shape_name(&shape, name, sizeof name), "f32/bf16/bf16/f32:b1_h2_q3_k4_d5");
    cr_expect_str_eq(op_types(name, text, sizeof text), "f32/bf16/bf16/f32");
}
