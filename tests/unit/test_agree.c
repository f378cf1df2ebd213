/* test_agree.c - is the judge calibrated? Correct kernels stay far from its limits on many problems; small errors reach them. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "dispatch/cpu.h"
#include "dispatch/registry.h"
#include "harness/ops/sdpa/case.h"
#include "harness/ops/sdpa/session.h"
#include "harness/ops/sdpa/suite.h"
#include "harness/ops/sdpa/trial.h"

static const JudgeOptions options = {.flop_limit = INFINITY};

/* 120 random problems with normal data, every kernel: z stays below 6 and eta below 1/2, as it did when the limits were chosen. */
Test(agree, correct_kernels_stay_far_below_the_limits)
{
    double worst_z = 0.0, worst_eta = 0.0;
    for (uint64_t n = 0; n < 120; n++) {
        Suite suite = {0};
        Session session;
        VerifyCase c;
        char error[300] = "";
        cr_assert(sdpa_suite_random(&suite, 1, 100 + n));
        cr_assert(case_parse(suite.at[0].name, &c, error, sizeof error), "%s", error);
        c.dist = DIST_NORMAL;
        c.shape.k_len = c.shape.layout == SHAPE_INTERLEAVED || c.shape.k_len < 300 ? c.shape.k_len : 300;
        c.shape.past_len = c.shape.past_len < c.shape.k_len ? c.shape.past_len : c.shape.k_len;
        cr_assert(session_open(&session, &c, &options), "%s", session.error);
        for (size_t k = 0; k < attn_registry_count; k++) {
            VerifyResult result;
            if (attn_registry[k]->isa & ~attn_cpu_this()->features)
                continue;
            session_judge(&session, attn_registry[k], &result);
            char name[CASE_NAME];
            cr_expect(result.status != VERIFY_FAIL, "%s %s: %s", attn_registry[k]->name, case_name(&c, name, sizeof name), result.why);
            worst_z = result.z > worst_z ? result.z : worst_z;
            worst_eta = result.eta > worst_eta ? result.eta : worst_eta;
        }
        session_close(&session);
        suite_free(&suite);
    }
    cr_expect_lt(worst_z, 6.0, "worst z %.2f", worst_z);
    cr_expect_gt(worst_z, 1.0, "worst z %.2f: the model expects more error than there is", worst_z);
    cr_expect_lt(worst_eta, 0.5, "worst eta %.3f", worst_eta);
}

/* A judged problem whose output the test itself writes. */
typedef struct Bench {
    Data data;
    Agree agree;
    VerifyResult result;
} Bench;

static void set_up(Bench *x, const char *text)
{
    VerifyCase c;
    char error[200];
    const AttnAccuracy f32 = {0x1p-24, 0x1p-24, 0x1p-24, 0x1p-24, .exp_ulp = 1.0, .tanh_ulp = 2.2, .exp_exact_at_0 = true};
    memset(x, 0, sizeof *x);
    cr_assert(case_parse(text, &c, error, sizeof error), "%s", error);
    cr_assert(case_data(&x->data, &c, error, sizeof error), "%s", error);
    cr_assert(agree_expect(&x->agree, &x->data.problem, &x->data.tensors, &f32, 1, INFINITY, false));
    float *o = x->data.tensors.o; /* contiguous here */
    for (size_t n = 0; n < x->agree.count * c.shape.dv; n++)
        o[n] = (float)x->agree.o[n].ref;
    for (size_t n = 0; x->data.tensors.lse && n < x->agree.count; n++)
        x->data.tensors.lse[n] = (float)x->agree.lse[n].ref;
}

static void judge(Bench *x)
{
    memset(&x->result, 0, sizeof x->result);
    agree_judge(&x->agree, 1.0, &x->data.tensors, &x->result);
}

static void tear_down(Bench *x)
{
    agree_free(&x->agree);
    data_free(&x->data);
}

Test(agree, the_rounded_truth_passes_within_half_an_ulp)
{
    Bench x;
    set_up(&x, "b1_h2_q8_k100_d32_lse:normal:3:after:t1");
    judge(&x);
    cr_assert_eq(x.result.status, VERIFY_PASS);
    cr_assert_leq(x.result.max_ulp, 0.5001);
    cr_assert_eq(x.result.rows, 16);
    cr_assert_lt(x.result.z, 1.0);
    tear_down(&x);
}

Test(agree, twenty_sigma_is_caught_and_named)
{
    Bench x;
    set_up(&x, "b1_h2_q8_k100_d32_lse:normal:3:after:t1");
    const size_t n = (1 * 8 + 5) * 32 + 17; /* head 1, row 5, column 17 */
    const AgreeNumber *number = &x.agree.o[n];
    ((float *)x.data.tensors.o)[n] += (float)(20.0 * sqrt(number->variance + 4.0 * number->variance_exp));
    judge(&x);
    cr_assert_eq(x.result.status, VERIFY_FAIL);
    cr_assert_eq(x.result.judge, JUDGE_MODEL);
    cr_assert_not_null(strstr(x.result.why, "o batch 0 head 1 row 5 col 17"), "%s", x.result.why);
    tear_down(&x);
}

Test(agree, a_number_beyond_the_bound_is_caught)
{
    Bench x;
    set_up(&x, "b1_h2_q8_k100_d32_lse:normal:3:after:t1");
    ((float *)x.data.tensors.o)[0] += (float)(3.0 * (x.agree.o[0].bound + 2.0 * x.agree.o[0].bound_exp));
    judge(&x);
    cr_assert_eq(x.result.judge, JUDGE_BOUND);
    cr_assert_gt(x.result.eta, 1.0);
    tear_down(&x);
}

Test(agree, a_wrong_log_sum_exp_is_caught)
{
    Bench x;
    set_up(&x, "b1_h2_q8_k100_d32_lse:normal:3:after:t1");
    x.data.tensors.lse[9] *= 1.0001f;
    judge(&x);
    cr_assert_eq(x.result.status, VERIFY_FAIL);
    cr_assert_not_null(strstr(x.result.why, "lse batch 0 head 1 row 1"), "%s", x.result.why);
    tear_down(&x);
}

Test(agree, nan_for_a_number_and_a_number_for_nan_are_caught)
{
    Bench x;
    set_up(&x, "b1_h1_q4_k9_d8:normal:3:after:t1");
    ((float *)x.data.tensors.o)[5] = NAN;
    judge(&x);
    cr_assert_eq(x.result.judge, JUDGE_NONFINITE);
    tear_down(&x);
    set_up(&x, "b1_h1_q4_k9_d8:normal:3:after:t1");
    x.agree.o[5].ref = NAN;
    judge(&x);
    cr_assert_eq(x.result.judge, JUDGE_NONFINITE);
    ((float *)x.data.tensors.o)[5] = NAN;
    judge(&x);
    cr_assert_eq(x.result.status, VERIFY_PASS);
    tear_down(&x);
}

/* With a constant column of V no score error can move the output, so the bound is roundings only. */
Test(agree, constant_v_has_a_narrow_bound)
{
    VerifyCase c;
    Data data;
    Agree agree;
    char error[200];
    const AttnAccuracy f32 = {0x1p-24, 0x1p-24, 0x1p-24, 0x1p-24, .exp_ulp = 1.0, .tanh_ulp = 2.2, .exp_exact_at_0 = true};
    cr_assert(case_parse("b1_h1_q4_k50_d16:large:3:after:t1", &c, error, sizeof error));
    cr_assert(case_data(&data, &c, error, sizeof error));
    float *v = (float *)(uintptr_t)data.tensors.v;
    for (size_t n = 0; n < 50 * 16; n++)
        v[n] = 3.0f;
    cr_assert(agree_expect(&agree, &data.problem, &data.tensors, &f32, 1, INFINITY, false));
    for (size_t n = 0; n < 4 * 16; n++) {
        cr_assert_lt(fabs(agree.o[n].ref - 3.0), 1e-14);
        cr_assert_lt(agree.o[n].bound, 3.0 * 120.0 * 0x1p-24);
    }
    agree_free(&agree);
    data_free(&data);
}

Test(agree, rows_without_keys_must_be_exactly_zero)
{
    Bench x;
    set_up(&x, "b1_h1_q4_k9_d8_causal-off-2_lse:normal:3:after:t1");
    judge(&x);
    cr_assert_eq(x.result.status, VERIFY_PASS);
    ((float *)x.data.tensors.o)[3] = FLT_TRUE_MIN;
    judge(&x);
    cr_assert_eq(x.result.status, VERIFY_FAIL);
    tear_down(&x);
}

/* A reference that lags 19 bits behind the maximum and then rises by more than 126: the factor is 0, and with the sums before it goes a weight
 * that is 107 bits below the largest, not 126. Its v is large enough to show: o is 0.4 or 0, and both are within what kernels promise. */
static void set_steps(Data *x)
{
    float *q = (float *)(uintptr_t)x->tensors.q, *k = (float *)(uintptr_t)x->tensors.k, *v = (float *)(uintptr_t)x->tensors.v;
    const AttnProblem *p = &x->problem;
    memset(q, 0, p->q_len * p->d * sizeof *q);
    memset(k, 0, p->k_len * p->d * sizeof *k);
    memset(v, 0, p->k_len * p->dv * sizeof *v);
    for (size_t i = 0; i < p->q_len; i++)
        q[i * p->d] = (float)(1.0 / p->scale);
    k[40 * p->d] = 13.0f;
    k[300 * p->d] = 87.6f;
    for (size_t c = 0; c < p->dv; c++)
        v[40 * p->dv + c] = 1e32f;
}

Test(agree, what_a_reference_loses_when_it_rises_is_within_the_bound)
{
    static const char *const shapes[] = {"b1_h1_q8_k600_d8_lse:normal:3:after:t1", "b1_h1_q1_k600_d8_lse:normal:3:after:t1"};
    size_t lost = 0;
    for (size_t n = 0; n < sizeof shapes / sizeof *shapes; n++) {
        Bench x;
        set_up(&x, shapes[n]);
        set_steps(&x.data);
        for (size_t k = 0; k < attn_registry_count; k++) {
            const AttnKernel *kernel = attn_registry[k];
            const Trial trial = {.threads = 1, .dirt = 0xff};
            Agree agree;
            VerifyResult result = {0};
            if (!trial_fits(kernel, &x.data.problem, result.why, sizeof result.why) || !(kernel->features & ATTN_HAS_DOT))
                continue;
            cr_assert(agree_expect(&agree, &x.data.problem, &x.data.tensors, &kernel->accuracy, 1, INFINITY, false));
            cr_expect(agree.o[0].ref > 0.3 && agree.o[0].ref < 0.5, "o should be 0.4 and is %g", agree.o[0].ref);
            cr_assert(trial_run(kernel, &x.data, &trial, &result), "%s: %s", kernel->name, result.why);
            agree_judge(&agree, kernel->accuracy.exp_ulp, &x.data.tensors, &result);
            cr_expect_eq(result.status, VERIFY_PASS, "%s on %s: %s", kernel->name, shapes[n], result.why);
            lost += ((const float *)x.data.tensors.o)[0] == 0.0f;
            agree_free(&agree);
        }
        tear_down(&x);
    }
    cr_expect_gt(lost, 0, "no kernel loses it, so this tests nothing");
}
