/* test_ops.c - every kind of work keeps the interface that suites, verify, bench, records and lists of shapes ask. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "harness/ops/all/all.h"
#include "harness/ops/zoo.h"
#include "harness/records/verdict.h"
#include "harness/suite/suites.h"
#include "harness/suite/words.h"

/* A small shape of each kind. */
static const char small[] = "b1_h2_q3_k5_d4 linear:3x5x7 mha:b1_h2_q3_d4_e8";

Test(ops, a_word_belongs_to_the_kind_before_its_colon)
{
    for (size_t o = 1; o < op_count; o++) {
        char word[64];
        snprintf(word, sizeof word, "%s:1", ops[o]->name);
        cr_expect_eq(op_of(word), ops[o], "%s", word);
        snprintf(word, sizeof word, "%s", ops[o]->name);
        cr_expect_eq(op_of(word), ops[0], "%s without a colon", word);
    }
    cr_expect_eq(op_of("b1_h1_q1_k1_d1"), ops[0]);
    cr_expect_eq(op_of("f32:b1_h1_q1_k1_d1"), ops[0]);
    cr_expect_eq(op_of(""), ops[0]);
}

Test(ops, a_word_says_its_types)
{
    static const struct { const char *alias, *word, *types, *title; } cases[] = {
        {"", "b1_h1_q1_k1_d1", "f32", "f32:b1_h1_q1_k1_d1"},
        {"gpt2/prefill@8", "b1_h12_q8_k8_d64_causal", "f32", "gpt2/prefill@8  f32:b1_h12_q8_k8_d64_causal"},
        {"", "linear:1x2x3", "f32", "f32:linear:1x2x3"},
        {"", "mha:b1_h2_q3_d4_e8", "f32", "f32:mha:b1_h2_q3_d4_e8"},
        {"", "bf16:b1_h1_q1_k1_d1", "bf16", "bf16:b1_h1_q1_k1_d1"},
        {"gpt2/decode", "f32/bf16/bf16/f32:b1_h1_q1_k1_d1", "f32/bf16/bf16/f32", "gpt2/decode  f32/bf16/bf16/f32:b1_h1_q1_k1_d1"},
        {"", "linear:bf16:1x2x3", "bf16", "linear:bf16:1x2x3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char types[SHAPE_TYPES], title[SHAPE_TITLE];
        cr_expect_str_eq(op_types(cases[i].word, types, sizeof types), cases[i].types);
        cr_expect_str_eq(op_title(cases[i].alias, cases[i].word, title, sizeof title), cases[i].title);
    }
}

Test(ops, shapes_of_one_kind_stand_together)
{
    char error[400] = "";
    OpShapes list = {0};
    const char *text = "mha:b1_h2_q3_d4_e8 linear:{1,2}x3x4 b1_h1_q1_k1_d1 linear:5x6x7 gpt2/prefill@8";
    cr_assert(words_split(&list, NULL, text, error, sizeof error), "%s", error);
    static const char *const names[] = {"b1_h1_q1_k1_d1", "b1_h12_q8_k8_d64_causal", "linear:1x3x4", "linear:2x3x4", "linear:5x6x7",
                                        "mha:b1_h2_q3_d4_e8"};
    cr_assert_eq(list.count, sizeof names / sizeof *names);
    for (size_t i = 0; i < list.count; i++)
        cr_expect_str_eq(list.at[i].name, names[i]);
    cr_expect_str_eq(list.at[0].alias, "");
    cr_expect_str_eq(list.at[1].alias, "gpt2/prefill@8");
    op_shapes_free(&list);
}

static bool none(const Op *op)
{
    return op == ops[0];
}

Test(ops, a_kind_that_is_not_wanted_is_refused)
{
    char error[400] = "";
    OpShapes list = {0};
    cr_expect_not(words_split(&list, none, "b1_h1_q1_k1_d1 linear:1x2x3", error, sizeof error));
    cr_expect(strstr(error, "'linear:1x2x3'") && strstr(error, "attention"), "%s", error);
    op_shapes_free(&list);
}

Test(ops, the_first_mutant_alone_is_unbroken)
{
    for (size_t o = 0; o < op_count; o++) {
        OpKernel mutants[256];
        const size_t count = ops[o]->mutants(NULL);
        cr_assert(count >= 2 && count <= 256, "%s: %zu mutants", ops[o]->name, count);
        cr_assert_eq(ops[o]->mutants(mutants), count);
        for (size_t i = 0; i < count; i++) {
            cr_expect_eq(mutants[i].op, ops[o]);
            cr_expect_eq(mutants[i].summary[0] == '\0', i == 0, "%s", mutants[i].name);
        }
    }
}

/* Each kernel does one kind of work alone, and every kind has somebody who does it. */
Test(ops, every_kernel_has_a_kind)
{
    size_t doers[16] = {0};
    for (size_t i = 0; i < zoo_count(); i++) {
        size_t alone = 0;
        for (size_t o = 0; o < op_count; o++) {
            OpKernel who;
            if (!ops[o]->kernel(zoo_at(i), &who))
                continue;
            cr_expect(who.op == ops[o] && who.kernel == zoo_at(i) && who.name[0] && op_isa_name(&who)[0]);
            alone += who.inner == NULL;
            doers[o]++;
        }
        cr_expect_eq(alone, 1, "%s", zoo_at(i)->name);
    }
    for (size_t o = 0; o < op_count; o++)
        cr_expect_gt(doers[o], 0, "%s", ops[o]->name);
}

/* What bench does with a shape, for the first kernel of each kind. */
Test(ops, an_opened_shape_is_judged_and_called)
{
    const AttnSettings settings = {.allowed = UINT64_MAX};
    const OpSettings around = {.dist = "normal", .seed = 3, .threads = 1};
    char error[400] = "", why[240] = "";
    OpShapes list = {0};
    cr_assert(words_split(&list, NULL, small, error, sizeof error), "%s", error);
    cr_assert_eq(list.count, op_count, "one shape of each kind");
    for (size_t n = 0; n < list.count; n++) {
        const Op *op = list.at[n].op;
        OpKernel who;
        OpReady ready;
        size_t k = 0;
        while (k < zoo_count() && !(op->kernel(zoo_at(k), &who) && who.isa == 0 && !zoo_is_yardstick(zoo_at(k))))
            k++;
        cr_assert_lt(k, zoo_count(), "%s", op->name);
        void *operands = op->open(list.at[n].name, &around, error, sizeof error);
        cr_assert(operands, "%s: %s", op->name, error);
        cr_assert(op->takes(operands, &who, &settings, why, sizeof why), "%s: %s", op->name, why);
        const VerifyResult result = op->verify(operands, &who);
        cr_expect(result.status == VERIFY_PASS && result.rows > 0, "%s: %s", op->name, result.why);
        cr_assert(op->ready(&ready, operands, &who, why, sizeof why), "%s: %s", op->name, why);
        cr_expect_eq(ready.call(&ready), ATTN_OK);
        op->done(&ready);
        op->close(operands);
        cr_expect(op->work(list.at[n].name).flop > 0 && op->work(list.at[n].name).bytes > 0);
    }
    op_shapes_free(&list);
}

/* Settings that force another kernel leave it out, with a sentence. */
Test(ops, a_forced_kernel_leaves_the_others_out)
{
    const AttnSettings settings = {.allowed = UINT64_MAX, .kernel = zoo_find("linear_f32"), .kernel_from = "ATTNZOO_KERNEL"};
    const OpSettings around = {.dist = "normal", .seed = 3, .threads = 1};
    const Op *op = op_of("linear:1x1x1");
    char why[240] = "";
    OpKernel naive, forced;
    cr_assert(op->kernel(zoo_find("linear_f32_naive"), &naive) && op->kernel(zoo_find("linear_f32"), &forced));
    void *operands = op->open("linear:3x5x7", &around, why, sizeof why);
    cr_assert(operands);
    cr_expect(op->takes(operands, &forced, &settings, why, sizeof why));
    cr_expect_not(op->takes(operands, &naive, &settings, why, sizeof why));
    cr_expect_str_eq(why, "ATTNZOO_KERNEL asks for linear_f32");
    op->close(operands);
}

Test(ops, suites_of_all_kinds)
{
    static const SuiteName names[] = {SUITE_FULL, SUITE_SMOKE, SUITE_FUZZ, SUITE_MUTANTS};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        Suite suite = {0};
        size_t jobs[16] = {0};
        cr_assert(suites_add(&suite, names[n], 5));
        for (size_t i = 0; i < suite.count; i++) {
            cr_assert_eq(op_of(suite.at[i].name), suite.at[i].op, "%s", suite.at[i].name);
            jobs[op_number(suite.at[i].name)]++;
        }
        for (size_t o = 0; o < op_count; o++)
            cr_expect_gt(jobs[o], 0, "suite %zu, %s", n, ops[o]->name);
        suite_free(&suite);
    }
}

/* One writer: verify, bench and serve say the same of the same result, and nothing where nothing was compared. */
Test(ops, a_verdict_is_null_where_nothing_was_compared)
{
    OpKernel who;
    VerifyResult r = {.status = VERIFY_SKIP, .eta = 0.5};
    cr_assert(ops[0]->kernel(zoo_find("naive_f32"), &who));
    json_t *skipped = verdict_record("c1", &who, &r, "double", "does not do it");
    r = (VerifyResult){.status = VERIFY_PASS, .rows = 3, .eta = 0.5, .z = INFINITY, .repro = "attnzoo verify"};
    json_t *passed = verdict_record("c1", &who, &r, "longdouble", "");
    cr_assert(skipped && passed);
    cr_expect(json_is_null(json_object_get(skipped, "eta")) && json_is_null(json_object_get(skipped, "repro")));
    cr_expect_str_eq(json_string_value(json_object_get(skipped, "why")), "does not do it");
    cr_expect_str_eq(json_string_value(json_object_get(skipped, "status")), "skip");
    cr_expect_str_eq(json_string_value(json_object_get(passed, "isa")), "portable");
    cr_expect_str_eq(json_string_value(json_object_get(passed, "ref")), "longdouble");
    cr_expect_str_eq(json_string_value(json_object_get(passed, "repro")), "attnzoo verify");
    cr_expect_eq(json_real_value(json_object_get(passed, "eta")), 0.5);
    cr_expect(json_is_null(json_object_get(passed, "z")), "what is not finite is null");
    cr_expect(json_is_null(json_object_get(passed, "why")));
    json_decref(skipped);
    json_decref(passed);
}
