/* test_mha_shape.c - names of multi-head attention; and are mistakes found at widths where the error bound is blind? */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatch/cpu.h"
#include "dispatch/registry.h"
#include "harness/ops/mha/case.h"

TestSuite(mha_shape, .fini = reference_release);

static MhaShape shape_of(const char *word)
{
    MhaShape shape;
    char error[400];
    cr_assert(mha_shape_parse(&shape, word, error, sizeof error), "%s", error);
    return shape;
}

static void same_name(const char *word, const char *name)
{
    const MhaShape shape = shape_of(word);
    char buffer[SHAPE_NAME];
    cr_expect_str_eq(mha_shape_name(&shape, buffer, sizeof buffer), name);
}

Test(mha_shape, names_read_back)
{
    static const char *const names[] = {
        "mha:b1_h12_q512_d64_e768",
        "mha:b3_h8g2_q7_d16_e100_causal_rope_nobias",
        "mha:b1_h4_q5_d8_e32_cross_k9",
        "mha:b1_h4_q5_d8_e32_cross_k9_kdim20_vdim24_rope",
        "mha:b1_h4_q5_d8_e32_cross_k9_vdim32_nobias",
        "mha:b1048576_h1_q1_d1_e1",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        same_name(names[i], names[i]);
    same_name("mha:b1_h4g4_q5_d8_e32_cross_k9_kdim32", "mha:b1_h4_q5_d8_e32_cross_k9");
}

Test(mha_shape, models)
{
    same_name("mha:bert-base/encoder@128", "mha:b1_h12_q128_d64_e768");
    same_name("mha:gpt2/prefill@77", "mha:b1_h12_q77_d64_e768_causal");
    same_name("mha:llama3-8b/prefill@512", "mha:b1_h32g8_q512_d128_e4096_causal_rope_nobias");
    same_name("mha:vit-b16/encoder", "mha:b1_h12_q197_d64_e768");
    same_name("mha:whisper-large/encoder", "mha:b1_h20_q1500_d64_e1280");
    same_name("mha:whisper-large/cross", "mha:b1_h20_q1_d64_e1280_cross_k1500");
}

Test(mha_shape, fields)
{
    const MhaShape s = shape_of("mha:b2_h6g3_q5_d8_e32_cross_k9_kdim20_vdim24_rope_nobias");
    cr_expect(s.batch == 2 && s.q_heads == 6 && s.kv_heads == 3 && s.q_len == 5 && s.k_len == 9 && s.d == 8 && s.embed == 32);
    cr_expect(s.kdim == 20 && s.vdim == 24 && s.cross && s.separate && !s.causal && s.rope && s.no_bias);
    const MhaShape self = shape_of("mha:b1_h2_q5_d8_e32");
    cr_expect(self.k_len == 5 && self.kdim == 32 && self.vdim == 32 && !self.cross && !self.separate && !self.rope && !self.no_bias);
    cr_expect(shape_of("mha:b1_h2_q5_d8_e32_cross_k4_kdim7").vdim == 7, "one memory has one width");
}

Test(mha_shape, refused)
{
    static const struct {
        const char *word, *says;
    } bad[] = {
        {"mha:", "allowed: mha:b<batch>"},
        {"mha:b1_h4_q8_d16", "cannot read ''"},
        {"mha:b0_h4_q8_d16_e64", "cannot read 'b0_"},
        {"mha:b1_h4_q08_d16_e64", "cannot read '_q08"},
        {"mha:b1_h4_q+8_d16_e64", "cannot read '_q+8"},
        {"mha:b1_h4_q8_d16_e1048577", "cannot read '_e1048577'"},
        {"mha:b1_h4_q8_d16_e99999999999999999999", "cannot read '_e999"},
        {"mha:b1_h4_q8_d16_e64_", "cannot read '_'"},
        {"mha:b1_h4_q8_d16_e64_rope_causal", "cannot read '_causal'"},
        {"mha:b1_h4_q8_d16_e64_cross", "cannot read ''"},
        {"mha:b1_h4_q8_d16_e64_kdim8", "cannot read '_kdim8'"},
        {"mha:b1_h4_q8_d16_e64_cross_k3_causal", "cannot read '_causal'"},
        {"mha:b1_h4g3_q8_d16_e64", "share 3 KV heads"},
        {"mha:b1_h4_q8_d15_e64_rope", "no pairs"},
        {"mha:b1048576_h1_q1048576_d64_e64", "too large"},
        {"mha:gpt2/prefill@1048577", "too large"},
        {"mha:gpt2/prefill@0", "length is '0'"},
        {"mha:gpt2/decode@5", "phase 'decode@5'"},
        {"mha:sd15/self-256", "model 'sd15'"},
        {"mha:vit-b16/encoder@3", "size is fixed"},
        {"linear:1x1x1", "allowed: mha:"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        MhaShape shape;
        char error[500] = "";
        cr_expect_not(mha_shape_parse(&shape, bad[i].word, error, sizeof error), "%s", bad[i].word);
        cr_expect(strstr(error, bad[i].says), "%s: %s", bad[i].word, error);
    }
}

/* ---- Judgement ------------------------------------------------------------------------------------------------------------------- */

/* The pairs that run here. */
static size_t pairs_here(OpKernel *pairs, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < attn_registry_count && count < most; i++)
        count += (attn_registry[i]->isa & ~attn_cpu_this()->features) == 0 && mha_pair(attn_registry[i], &pairs[count]);
    return count;
}

enum { PAIRS = 64 };

Test(mha_shape, every_pair_is_right)
{
    static const char *const words[] = {"mha:b1_h4_q70_d32_e200", "mha:b2_h4g2_q19_d16_e64_causal_rope_nobias",
                                        "mha:b2_h4g1_q5_d24_e40_cross_k33_kdim50_vdim31_rope", "mha:b1_h3_q1_d8_e24_cross_k40"};
    OpKernel pairs[PAIRS];
    const size_t count = pairs_here(pairs, PAIRS);
    cr_assert_gt(count, 0);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const MhaShape shape = shape_of(words[i]);
        MhaCase x;
        cr_assert(mha_case_make(&x, &shape, 5, 7));
        const Reference r = reference(&x, RIGHT);
        for (size_t n = 0; n < count; n++) {
            const VerifyResult result = mha_case_judge_isolated(&pairs[n], &x, &r, 2);
            cr_expect_eq(result.status, VERIFY_PASS, "%s of %s: %s", pairs[n].name, words[i], result.why);
            cr_expect(result.rows > 0 && result.z > 0.01, "%s of %s: z = %g over %zu rows says nothing", pairs[n].name, words[i],
                      result.z, result.rows);
        }
        reference_release();
    }
}

Test(mha_shape, mistakes_are_found)
{
    static const Mistake mistakes[] = {ROPE_PAIRS_SWAPPED, BIAS_BEFORE_PROJECTION, WRONG_HEAD_SPLIT, WRONG_KV_HEAD};
    const MhaShape shape = shape_of("mha:b1_h8g2_q40_d64_e512_causal_rope");
    OpKernel pairs[PAIRS];
    MhaCase x;
    cr_assert_gt(pairs_here(pairs, PAIRS), 0);
    cr_assert(mha_case_make(&x, &shape, 5, 4));
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        const Reference r = reference(&x, mistakes[i]);
        const VerifyResult result = mha_case_judge_isolated(&pairs[0], &x, &r, 1);
        cr_expect_eq(result.status, VERIFY_FAIL, "mistake %d passes", (int)mistakes[i]);
        cr_expect_gt(result.z, 1000.0, "mistake %d is %g sigma away", (int)mistakes[i], result.z);
    }
}
