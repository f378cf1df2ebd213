/* test_verify.c - isolation, suites, and that a repro line repeats what it names. */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dispatch/registry.h"
#include "harness/base/isolate.h"
#include "harness/ops/sdpa/exact.h"
#include "harness/base/random.h"
#include "harness/ops/sdpa/mutants.h"
#include "harness/ops/sdpa/op.h"
#include "harness/ops/sdpa/session.h"
#include "harness/ops/sdpa/special.h"
#include "harness/ops/sdpa/suite.h"
#include "harness/ops/sdpa/verify.h"
#include "harness/suite/scoreboard.h"
#include "harness/suite/suites.h"

/* ---- Isolation ---- */

enum { ITEMS = 40 };

typedef struct Collected {
    int results[ITEMS], crashes[ITEMS];
    char words[ITEMS][80];
    size_t total, stop_after;
} Collected;

static void misbehave(void *context, size_t item, void *result)
{
    (void)context;
    volatile int zero = 0;
    if (item % 7 == 3)
        *(volatile int *)(uintptr_t)(8 + (size_t)zero) = 1;
    if (item == 5)
        raise(SIGILL);
    if (item == 6)
        raise(SIGFPE);
    if (item == 8)
        _exit(3);
    if (item == 9)
        for (;;)
            pause();
    *(int *)result = (int)item * 11;
}

static bool note(void *context, size_t item, const void *result, const char *crash)
{
    Collected *collected = context;
    if (result) {
        cr_assert_eq(*(const int *)result, (int)item * 11);
        collected->results[item]++;
    } else {
        collected->crashes[item]++;
        snprintf(collected->words[item], sizeof collected->words[item], "%s", crash);
    }
    return ++collected->total != collected->stop_after;
}

static IsolateJob job_of(Collected *collected, size_t workers, size_t group)
{
    return (IsolateJob){.items = ITEMS, .group = group, .workers = workers, .result_size = sizeof(int), .timeout = 1, .context = collected,
                        .work = misbehave, .done = note};
}

Test(verify, crashes_are_results_and_the_rest_goes_on)
{
    for (size_t workers = 1; workers <= 3; workers++)
        for (size_t group = 1; group <= 8; group += 7) {
            Collected collected = {0};
            const char *error;
            const IsolateJob job = job_of(&collected, workers, group);
            cr_assert(isolate_run(&job, &error), "%s", error);
            for (size_t i = 0; i < ITEMS; i++) {
                const bool bad = i % 7 == 3 || i == 5 || i == 6 || i == 8 || i == 9;
                cr_expect_eq(collected.results[i], !bad, "item %zu, %zu workers, groups of %zu", i, workers, group);
                cr_expect_eq(collected.crashes[i], bad, "item %zu, %zu workers, groups of %zu", i, workers, group);
            }
            cr_expect_not_null(strstr(collected.words[3], "signal 11"), "%s", collected.words[3]);
            cr_expect_not_null(strstr(collected.words[5], "signal 4"), "%s", collected.words[5]);
            cr_expect_not_null(strstr(collected.words[6], "signal 8"), "%s", collected.words[6]);
            cr_expect_not_null(strstr(collected.words[8], "exit code 3"), "%s", collected.words[8]);
            cr_expect_not_null(strstr(collected.words[9], "time-out"), "%s", collected.words[9]);
        }
}

Test(verify, isolation_stops_when_told)
{
    Collected collected = {.stop_after = 4};
    const char *error;
    IsolateJob job = job_of(&collected, 2, 1);
    cr_assert_not(isolate_run(&job, &error));
    cr_assert_null(error);
    cr_assert_eq(collected.total, 4);
    const volatile sig_atomic_t stop = 1;
    Collected none = {0};
    job = job_of(&none, 1, 1);
    job.stop = &stop;
    cr_assert_not(isolate_run(&job, &error));
    cr_assert_lt(none.total, ITEMS);
}

/* ---- One case ---- */

static const AttnKernel *mutant(const char *name)
{
    for (size_t i = 0; i < sdpa_mutants.count; i++)
        if (strcmp(sdpa_mutants.at[i].name, name) == 0)
            return &sdpa_mutants.at[i];
    cr_assert(false, "no mutant %s", name);
    return NULL;
}

static const Shape shape = {.batch = 1, .q_heads = 2, .kv_heads = 1, .q_len = 9, .k_len = 30, .d = 16, .dv = 16, .lse = true};

Test(verify, a_case_passes_and_says_how_well)
{
    const AttnKernel *naive = attn_registry_find("naive_f32");
    cr_assert_not_null(naive);
    const VerifyResult r = verify_case_isolated(naive, &shape, DIST_NORMAL, 5, FENCE_AFTER, 1);
    cr_assert_eq(r.status, VERIFY_PASS, "%s", r.why);
    cr_assert_eq(r.rows, 18);
    cr_assert(r.eta > 0.0 && r.eta < 1.0 && r.z > 0.0 && r.z < 12.0 && r.max_abs > 0.0 && r.max_ulp > 0.0 && r.rel_l2 > 0.0);
    cr_assert_str_eq(r.repro, "attnzoo verify --repro v1:naive_f32:b1_h2g1_q9_k30_d16_lse:normal:0x5:after:t1");
}

Test(verify, threads_of_its_own_change_nothing)
{
    const AttnKernel *naive = attn_registry_find("naive_f32");
    const VerifyResult a = verify_case_isolated(naive, &shape, DIST_NORMAL, 5, FENCE_AFTER, 1);
    const VerifyResult b = verify_case_isolated(naive, &shape, DIST_NORMAL, 5, FENCE_BEFORE, 3);
    cr_assert_eq(b.status, VERIFY_PASS, "%s", b.why);
    cr_assert_eq(a.eta, b.eta);
}

Test(verify, a_crash_is_a_result)
{
    const AttnKernel *past = mutant("read_past");
    mutants_arm(&sdpa_mutants, past);
    const VerifyResult r = verify_case_isolated(past, &shape, DIST_NORMAL, 5, FENCE_AFTER, 1);
    cr_assert_eq(r.status, VERIFY_CRASH);
    cr_assert_eq(r.judge, JUDGE_CRASH);
    cr_assert_not_null(strstr(r.why, "signal 11"), "%s", r.why);
    cr_assert_not_null(strstr(r.repro, "read_past"));
}

Test(verify, a_kernel_that_does_not_take_the_problem_is_skipped)
{
    AttnKernel picky = sdpa_mutants.at[0];
    picky.features = ATTN_HAS_LSE;
    const VerifyResult r = verify_case_isolated(&picky, &shape, DIST_NORMAL, 5, FENCE_AFTER, 1);
    cr_assert_eq(r.status, VERIFY_SKIP);
    cr_assert_gt(strlen(r.why), 3);
}

/* ---- Suites ---- */

static bool same(const Suite *a, const Suite *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->at[i].name, b->at[i].name) != 0)
            return false;
    return true;
}

Test(verify, suites_depend_on_their_seed_alone)
{
    static const SuiteName names[] = {SUITE_SMOKE, SUITE_FULL, SUITE_ADVERSARIAL};
    for (size_t n = 0; n < 3; n++) {
        Suite a = {0}, b = {0}, c = {0};
        cr_assert(op_sdpa.suite(&a, names[n], 1) && op_sdpa.suite(&b, names[n], 1) && op_sdpa.suite(&c, names[n], 2));
        cr_assert_gt(a.count, 50);
        cr_assert(same(&a, &b));
        cr_assert_not(same(&a, &c));
        suite_free(&a);
        suite_free(&b);
        suite_free(&c);
    }
}

/* Every job's name, read back, is the same job: what a repro line relies on, and all judging. Every problem is one that the library
 * accepts. */
Test(verify, every_job_can_be_named_and_read_back)
{
    Suite suite = {0};
    cr_assert(suites_add(&suite, SUITE_FULL, 3) && suites_add(&suite, SUITE_SMOKE, 4));
    for (size_t i = 0; i < suite.count; i++) {
        Suite back = {0};
        const char *name = suite.at[i].name;
        char error[300] = "";
        cr_assert(suites_add_job(&back, name, error, sizeof error), "%s: %s", name, error);
        cr_assert_str_eq(back.at[0].name, name);
        cr_assert_eq(back.at[0].op, suite.at[i].op);
        cr_assert_eq(back.at[0].kind, suite.at[i].kind);
        if (suite.at[i].op == &op_sdpa && suite.at[i].kind == JOB_CASE) {
            VerifyCase c;
            cr_assert(case_parse(name, &c, error, sizeof error), "%s: %s", name, error);
            const AttnProblem p = case_problem(&c);
            cr_assert_eq(attn_problem_check(&p), ATTN_OK, "%s: %s", name, attn_last_error());
        }
        suite_free(&back);
    }
    suite_free(&suite);
}

/* A name says everything: also of cases that nobody has written down. */
Test(verify, a_drawn_case_reads_back_as_it_was_drawn)
{
    for (uint64_t n = 0; n < 20000; n++) {
        const VerifyCase c = sdpa_suite_draw(random_bits(7, n) >> 16);
        VerifyCase back;
        char name[CASE_NAME], error[300] = "";
        cr_assert(case_parse(case_name(&c, name, sizeof name), &back, error, sizeof error), "%s: %s", name, error);
        const AttnProblem p = case_problem(&c), q = case_problem(&back);
        cr_assert_eq(memcmp(&p, &q, sizeof p), 0, "%s", name);
        cr_assert(c.dist == back.dist && c.seed == back.seed && c.fence == back.fence && c.threads == back.threads, "%s", name);
        for (size_t b = 0; b < c.shape.batch; b++)
            cr_assert(shape_q_len(&c.shape, b) == shape_q_len(&back.shape, b) && shape_k_len(&c.shape, b) == shape_k_len(&back.shape, b) &&
                          shape_offset(&c.shape, b) == shape_offset(&back.shape, b),
                      "%s", name);
    }
}

/* Storage types stand before the shape, with a colon of their own. */
Test(verify, a_case_with_storage_types_reads_back)
{
    VerifyCase c, plain;
    char name[CASE_NAME], error[300] = "";
    cr_assert(case_parse("f32/f32/f32/f32:b1_h1_q3_k5_d8:peaky:7:before:t2:x2", &c, error, sizeof error), "%s", error);
    cr_assert(case_parse("b1_h1_q3_k5_d8:peaky:7:before:t2:x2", &plain, error, sizeof error), "%s", error);
    cr_expect(c.shape.k_len == 5 && c.dist == DIST_PEAKY && c.seed == 7 && c.fence == FENCE_BEFORE && c.threads == 2);
    cr_expect_eq(c.storage.stretch, 2);
    cr_expect_str_eq(case_name(&c, name, sizeof name), "b1_h1_q3_k5_d8:peaky:0x7:before:t2:x2");
    cr_expect_not(case_parse("f32:b1_h1_q3_k5_d8", &c, error, sizeof error));
}

Test(verify, the_full_suite_covers_what_it_says)
{
    static const size_t widths[] = {1, 2, 3, 5, 8, 16, 17, 40, 64, 65, 72, 80, 96, 128, 192, 256, 576};
    Suite suite = {0};
    bool q[66] = {0}, k[66] = {0}, width[577] = {0}, mask[16] = {0}, bias[16] = {0}, dist[DIST_COUNT] = {0}, layout[3] = {0};
    bool causal[2 + ATTN_ALIGN_OFFSETS] = {0}, behind = false, wide_v = false, narrow_v = false, shared_v = false, long_k = false, more_q = false;
    cr_assert(op_sdpa.suite(&suite, SUITE_FULL, 0x5eed));
    for (size_t i = 0; i < suite.count; i++) {
        VerifyCase read;
        char error[300] = "";
        if (suite.at[i].kind != JOB_CASE)
            continue;
        cr_assert(case_parse(suite.at[i].name, &read, error, sizeof error), "%s", error);
        const VerifyCase *c = &read;
        const Shape *s = &c->shape;
        q[s->q_len < 66 ? s->q_len : 0] = k[s->k_len < 66 ? s->k_len : 0] = width[s->d] = dist[c->dist] = layout[s->layout] = true;
        causal[s->causal ? 1 + s->align : 0] = true;
        mask[s->mask ? c->storage.mask_repeat : 0] |= s->mask;
        bias[s->bias ? c->storage.bias_repeat : 0] |= s->bias;
        behind |= s->causal && s->align == ATTN_ALIGN_OFFSET && s->offset < 0;
        wide_v |= s->dv > s->d;
        narrow_v |= s->dv < s->d;
        shared_v |= s->v_in_k;
        long_k |= s->k_len == 65537;
        more_q |= s->q_len > s->k_len && s->causal && s->align == ATTN_ALIGN_BOTTOM_RIGHT;
    }
    for (size_t n = 1; n <= 65; n++)
        cr_expect(q[n] && k[n], "length %zu", n);
    for (size_t n = 0; n < sizeof widths / sizeof *widths; n++)
        cr_expect(width[widths[n]], "width %zu", widths[n]);
    for (size_t n = 0; n < 16; n++)
        cr_expect(mask[n] && bias[n], "repeat pattern %zu", n);
    for (size_t n = 0; n < DIST_COUNT; n++)
        cr_expect(dist[n], "dist %zu", n);
    for (size_t n = 0; n < sizeof causal / sizeof *causal; n++)
        cr_expect(causal[n], "causal %zu", n);
    for (size_t n = 0; n < 3; n++)
        cr_expect(layout[n], "layout %zu", n);
    cr_expect(behind && wide_v && narrow_v && shared_v && long_k && more_q);
    suite_free(&suite);
}

Test(verify, bad_job_names_are_refused)
{
    static const char *const bad[] = {"", "exact:", "exact:count/none", "special:nan", "exact", "b1_h1_q1_k1_d1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Suite suite = {0};
        char error[300] = "";
        cr_expect_not(suites_add_job(&suite, bad[i], error, sizeof error), "%s", bad[i]);
        cr_expect_gt(strlen(error), 10);
        suite_free(&suite);
    }
}

/* A kernel that declares too little skips what would find it out. That is no pass. */
Test(verify, a_kernel_that_no_job_of_a_kind_was_for_fails)
{
    Score scores[] = {{.ran = {3, 2, 1}, .passed = {3, 2, 1}, .skipped = 1},
                      {.ran = {3, 0, 1}, .passed = {3, 0, 1}, .skipped = 3, .why = "does not do dot scores"},
                      {.skipped = 7, .why = "does not do any"},
                      {.ran = {1, 0, 0}, .passed = {1, 0, 0}}};
    for (size_t k = 0; k < sizeof scores / sizeof *scores; k++) {
        const size_t due[] = {4, 2, 1};
        memcpy(scores[k].due, due, sizeof due);
        cr_assert(op_sdpa.kernel(attn_registry[k], &scores[k].who));
        scores[k].runnable = true;
    }
    Scoreboard board = {.scores = scores, .count = sizeof scores / sizeof *scores, .notes = stderr};
    scoreboard_demand_all(&board);
    cr_expect_eq(scores[0].caught[JUDGE_ERROR], 0, "all kinds ran");
    cr_expect_eq(scores[1].caught[JUDGE_ERROR], 1, "exact did not run");
    cr_expect_eq(scores[2].caught[JUDGE_ERROR], 3, "nothing ran");
    cr_expect_eq(scores[3].caught[JUDGE_ERROR], 0, "stopped, which is another verdict");
}
