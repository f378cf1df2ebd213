/* test_data.c - random numbers, arenas, fences, canaries. */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>

#include "harness/base/fence.h"
#include "harness/base/random.h"
#include "harness/ops/sdpa/case.h"
#include "harness/ops/sdpa/oracle.h"

static Shape small(void)
{
    return (Shape){.batch = 2, .q_heads = 4, .kv_heads = 2, .q_len = 5, .k_len = 7, .d = 3, .dv = 2, .lse = true, .mask = true,
                   .bias = true};
}

static Data make(const VerifyCase *c)
{
    Data data;
    char error[200] = "";
    cr_assert(case_data(&data, c, error, sizeof error), "%s", error);
    return data;
}

Test(data, normal_numbers_have_normal_moments)
{
    const size_t n = 200000;
    double sum = 0, square = 0, fourth = 0, beyond = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = random_normal(1, i);
        sum += x;
        square += x * x;
        fourth += x * x * x * x;
        beyond += fabs(x) > 3.0;
    }
    cr_assert_lt(fabs(sum / (double)n), 0.01);
    cr_assert_lt(fabs(square / (double)n - 1.0), 0.02);
    cr_assert_lt(fabs(fourth / (double)n - 3.0), 0.1);
    cr_assert_lt(fabs(beyond / (double)n - 0.0026998), 0.0006);
}

Test(data, same_numbers_in_any_layout_and_at_any_fence)
{
    VerifyCase a = {.shape = small(), .seed = 9, .fence = FENCE_NONE, .threads = 1}, b = a;
    b.shape.layout = SHAPE_BLHD;
    b.fence = FENCE_BEFORE;
    b.storage.stretch = 3;
    b.storage.reversed = true;
    Data x = make(&a), y = make(&b);
    const AttnProblem *p = &x.problem, *r = &y.problem;
    for (size_t i0 = 0; i0 < 2; i0++)
        for (size_t h = 0; h < 2; h++)
            for (size_t j = 0; j < 7; j++)
                for (size_t c = 0; c < 3; c++) {
                    const float u = ((const float *)x.tensors.k)[(ptrdiff_t)i0 * p->k.batch + (ptrdiff_t)h * p->k.head +
                                                                 (ptrdiff_t)j * p->k.row + (ptrdiff_t)c];
                    const float w = ((const float *)y.tensors.k)[(ptrdiff_t)i0 * r->k.batch + (ptrdiff_t)h * r->k.head +
                                                                 (ptrdiff_t)j * r->k.row + (ptrdiff_t)c];
                    cr_assert_eq(u, w, "k[%zu,%zu,%zu,%zu]", i0, h, j, c);
                    cr_assert(isfinite(u));
                }
    data_free(&x);
    data_free(&y);
}

Test(data, gaps_of_inputs_are_nan)
{
    VerifyCase c = {.shape = small(), .seed = 1, .fence = FENCE_AFTER, .threads = 1, .storage.stretch = 2};
    Data x = make(&c);
    const float *k = x.tensors.k;
    cr_assert_eq(x.problem.k.row, 6);
    for (size_t i = 0; i < 3; i++) {
        cr_assert(isfinite(k[i]));
        cr_assert(isnan(k[3 + i]));
    }
    data_free(&x);
}

Test(data, canaries_notice_one_byte)
{
    VerifyCase c = {.shape = small(), .seed = 1, .fence = FENCE_NONE, .threads = 1, .storage.stretch = 2};
    Data x = make(&c);
    float *o = x.tensors.o;
    cr_assert(data_canaries_intact(&x));
    o[1] = 7.0f; /* an element: no canary */
    cr_assert(data_canaries_intact(&x));
    ((unsigned char *)&o[2])[1] ^= 1; /* the gap behind row 0 */
    cr_assert_not(data_canaries_intact(&x));
    ((unsigned char *)&o[2])[1] ^= 1;
    x.tensors.lse[-1] = 0.0f; /* the margin in front */
    cr_assert_not(data_canaries_intact(&x));
    data_free(&x);
}

Test(data, memory_ends_where_it_should)
{
    for (int fence = FENCE_NONE; fence <= FENCE_BEFORE; fence++)
        for (size_t bytes = 0; bytes < 5000; bytes += 1237) {
            Arena arena;
            cr_assert(fence_map(&arena, bytes, (Fence)fence, 0xa5));
            cr_assert(fence_margins_intact(&arena, 0xa5));
            unsigned char *at = arena.at;
            memset(at, 1, bytes);
            cr_assert(fence_margins_intact(&arena, 0xa5), "the block is no margin");
            cr_assert_eq((uintptr_t)(fence == FENCE_AFTER ? at + bytes : fence == FENCE_BEFORE ? at : at - FENCE_MARGIN) % 4096, 0);
            if (fence == FENCE_BEFORE)
                at[bytes] = 2;
            else
                at[-1] = 2;
            cr_assert_not(fence_margins_intact(&arena, 0xa5));
            fence_unmap(&arena);
        }
}

Test(data, reading_behind_the_fence_crashes, .signal = SIGSEGV)
{
    Arena arena;
    signal(SIGSEGV, SIG_DFL); /* a sanitizer would turn it into an exit */
    cr_assert(fence_map(&arena, 100, FENCE_AFTER, 0));
    cr_assert_neq(((volatile unsigned char *)arena.at)[100], 1);
}

Test(data, reading_before_the_fence_crashes, .signal = SIGSEGV)
{
    Arena arena;
    signal(SIGSEGV, SIG_DFL);
    cr_assert(fence_map(&arena, 100, FENCE_BEFORE, 0));
    cr_assert_neq(((volatile unsigned char *)arena.at)[-1], 1);
}

Test(data, writing_a_locked_input_crashes, .signal = SIGSEGV)
{
    VerifyCase c = {.shape = small(), .seed = 1, .fence = FENCE_AFTER, .threads = 1};
    Data x = make(&c);
    data_lock_inputs(&x);
    signal(SIGSEGV, SIG_DFL);
    ((volatile float *)(uintptr_t)x.tensors.q)[0] = 1.0f;
}

Test(data, v_in_k_shares_memory)
{
    VerifyCase c = {.shape = {.batch = 1, .q_heads = 2, .kv_heads = 1, .q_len = 1, .k_len = 9, .d = 8, .dv = 4, .v_in_k = true},
                    .seed = 1, .fence = FENCE_AFTER, .threads = 1};
    Data x = make(&c);
    cr_assert_eq(x.tensors.v, x.tensors.k);
    cr_assert_eq(x.problem.v.row, 8);
    data_free(&x);
}

static Data data_of(const char *text, VerifyCase *c)
{
    char error[300] = "";
    cr_assert(case_parse(text, c, error, sizeof error), "%s", error);
    return make(c);
}

Test(data, keys_that_nobody_sees_are_nan_and_no_others)
{
    static const char *const cases[] = {
        "b3_h2_q5_k40_d4_causal-off7_win6_lse:normal:1:after:t1", "b4_h2_q6_k30_d4_pad1:normal:1:before:t1",
        "b5_h2_q8_k20_d4_br_win2r1_varlen:normal:1:after:t1", "b2_h2_q3_k33_d4_causal_win9_past21:normal:1:after:t1:x2",
        "b2_h2_q5_k9_d4_bias:normal:1:after:t1"};
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        VerifyCase c;
        Data x = data_of(cases[n], &c);
        size_t hidden = 0;
        for (size_t b = 0; b < c.shape.batch; b++) {
            const OracleEntry entry = oracle_entry(&x.problem, &x.tensors, b);
            for (size_t j = 0; j < (x.problem.varlen ? entry.k_len : x.problem.k_len); j++) {
                bool seen = false;
                for (size_t i = 0; i < entry.q_len; i++) {
                    size_t low, high;
                    oracle_range(&x.problem, &entry, i, &low, &high);
                    seen = seen || (j >= low && j < high);
                }
                hidden += !seen;
                cr_assert_eq(!isnan(operand_get(oracle_k_row(&x.problem, &x.tensors, &entry, 1, j), 3)), seen, "%s entry %zu key %zu", cases[n], b, j);
                cr_assert_eq(!isnan(operand_get(oracle_v_row(&x.problem, &x.tensors, &entry, 0, j), 0)), seen, "%s entry %zu key %zu", cases[n], b, j);
            }
        }
        cr_assert_eq(hidden > 0, n < 4, "%s", cases[n]);
        data_free(&x);
    }
}

Test(data, arrays_hold_what_the_shape_says)
{
    VerifyCase c;
    Data x = data_of("b4_h8g2_q6_k30_d5_causal-offs_additive_alibi_sink_pad0.5:normal:1:after:t1", &c);
    bool none = false;
    for (size_t b = 0; b < 4; b++) {
        cr_expect_eq(x.tensors.kv_lengths[b], (int64_t)shape_k_len(&c.shape, b));
        cr_expect_eq(x.tensors.offsets[b], shape_offset(&c.shape, b));
    }
    for (size_t h = 0; h < 8; h++) {
        cr_expect_eq(x.tensors.alibi_slopes[h], ldexpf(1.0f, -(int)h - 1));
        none = none || x.tensors.sinks[h] == -INFINITY;
        cr_expect(!isnan(x.tensors.sinks[h]) && isfinite(x.tensors.w[h * 5 + 4]));
    }
    cr_expect(none, "some sink must be none");
    data_free(&x);
    x = data_of("b4_h2_q6_k30_d5_varlen_lse:normal:1:before:t1", &c);
    for (size_t b = 0; b < 4; b++)
        cr_expect_eq(x.tensors.cu_q[b + 1] - x.tensors.cu_q[b], (int64_t)shape_q_len(&c.shape, b));
    const size_t rows = (size_t)x.tensors.cu_q[4];
    cr_expect_eq(x.arena[DATA_LSE].bytes, sizeof(float) * ((size_t)x.problem.lse.head + rows), "two heads of no more rows than there are");
    data_free(&x);
}

Test(data, the_past_continues_in_the_new_rows)
{
    VerifyCase c;
    Data x = data_of("b1_h1_q2_k40_d4_past25:rampup:1:after:t1", &c);
    const OracleEntry entry = oracle_entry(&x.problem, &x.tensors, 0);
    for (size_t j = 1; j < 40; j++)
        cr_expect_gt(operand_get(oracle_k_row(&x.problem, &x.tensors, &entry, 0, j), 0), operand_get(oracle_k_row(&x.problem, &x.tensors, &entry, 0, j - 1), 0));
    data_free(&x);
}

Test(data, names_of_cases_come_back)
{
    VerifyCase c = {.shape = small(), .dist = DIST_STAIRS, .seed = 0x123456789abcdef, .fence = FENCE_BEFORE, .threads = 3,
                    .storage = {.mask_repeat = 5, .bias_repeat = 8, .stretch = 2, .reversed = true, .shared_kv = true, .has_scale = true,
                              .scale = -1.5e-3}};
    char name[CASE_NAME], again[CASE_NAME], error[200];
    VerifyCase back;
    cr_assert(case_parse(case_name(&c, name, sizeof name), &back, error, sizeof error), "%s: %s", name, error);
    cr_assert_str_eq(case_name(&back, again, sizeof again), name);
    cr_assert_eq(back.storage.scale, -1.5e-3);
    cr_assert_eq(back.storage.mask_repeat, 5);
    cr_assert_eq(back.seed, c.seed);
}

Test(data, bad_names_of_cases_are_refused)
{
    static const char *const bad[] = {
        "", "b1_h1_q1_k1_d1", "b1_h1_q1_k1_d1:normal:1:none", "b1_h1_q1_k1_d1:odd:1:none:t1", "b1_h1_q1_k1_d1:normal:x:none:t1",
        "b1_h1_q1_k1_d1:normal:-1:none:t1", "b1_h1_q1_k1_d1:normal:1:wall:t1", "b1_h1_q1_k1_d1:normal:1:none:t0",
        "b1_h1_q1_k1_d1:normal:1:none:t1:y", "b1_h1_q1_k1_d1:normal:1:none:t1:m16", "b1_h1_q1_k1_d1:normal:1:none:t1:m",
        "b1_h1_q1_k1_d1:normal:1:none:t1:r-", "b1_h1_q1_k1_d1:normal:1:none:t1:sx", "b1_h1_q1_k{1,2}_d1:normal:1:none:t1",
        "b1_h1_q1_k1_d1:normal:1:none:t1:r:r", "h1:normal:1:none:t1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        VerifyCase c;
        char error[200] = "";
        cr_assert_not(case_parse(bad[i], &c, error, sizeof error), "%s", bad[i]);
        cr_assert_gt(strlen(error), 10, "%s", bad[i]);
    }
}
