/* test_oracle.c - the truth against numbers worked out by hand, and against its second implementation. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/ops/sdpa/case.h"
#include "harness/ops/sdpa/oracle.h"

/* Two queries, two keys, d = 1, dv = 2, scale 1: scores (0 ln 3; 0 0), so weights (1/4 3/4; 1/2 1/2). */
Test(oracle, two_by_two_by_hand)
{
    const float q[2] = {1.0f, 0.0f}, k[2] = {0.0f, 1.0986122886681098f}, v[4] = {1.0f, -4.0f, 5.0f, 8.0f};
    AttnProblem p = attn_problem(1, 1, 1, 2, 2, 1, 2);
    p.scale = 1.0;
    const AttnTensors t = attn_tensors(q, k, v, NULL);
    for (int longdouble = 0; longdouble < 2; longdouble++) {
        Oracle oracle;
        cr_assert(oracle_open(&oracle, &p, &t, longdouble));
        const OracleRow *row = oracle_row(&oracle, 0, 0, 0);
        cr_assert_eq(row->n, 2);
        cr_assert_lt(fabs(row->keys[0].p - 0.25), 1e-7);
        cr_assert_lt(fabs(row->o[0] - 4.0), 1e-6);
        cr_assert_lt(fabs(row->o[1] - 5.0), 1e-6);
        cr_assert_lt(fabs(row->lse - log(4.0)), 1e-7);
        row = oracle_row(&oracle, 0, 0, 1);
        cr_assert_eq(row->o[0], 3.0);
        cr_assert_eq(row->o[1], 2.0);
        cr_assert_lt(fabs(row->lse - log(2.0)), 1e-15);
        oracle_close(&oracle);
    }
}

/* Which keys, by hand: Sq 3, Sk 5, each frontier. */
Test(oracle, frontiers_by_hand)
{
    static const struct {
        bool causal;
        AttnAlign align;
        int64_t offset;
        size_t visible[3];
    } cases[] = {
        {false, ATTN_ALIGN_TOP_LEFT, 0, {5, 5, 5}}, {true, ATTN_ALIGN_TOP_LEFT, 0, {1, 2, 3}},
        {true, ATTN_ALIGN_BOTTOM_RIGHT, 0, {3, 4, 5}},
        {true, ATTN_ALIGN_OFFSET, -2, {0, 0, 1}},   {true, ATTN_ALIGN_OFFSET, 3, {4, 5, 5}},    {true, ATTN_ALIGN_OFFSET, -100, {0, 0, 0}},
        {true, ATTN_ALIGN_OFFSET, 1000, {5, 5, 5}},
    };
    const float q[3] = {1, 1, 1}, k[5] = {0, 0, 0, 0, 0}, v[5] = {1, 2, 3, 4, 5};
    AttnProblem p = attn_problem(1, 1, 1, 3, 5, 1, 1);
    const AttnTensors t = attn_tensors(q, k, v, NULL);
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        p.causal = cases[n].causal;
        p.align = cases[n].align;
        p.offset = cases[n].offset;
        Oracle oracle;
        cr_assert(oracle_open(&oracle, &p, &t, false));
        for (size_t i = 0; i < 3; i++) {
            const OracleRow *row = oracle_row(&oracle, 0, 0, i);
            cr_assert_eq(row->n, cases[n].visible[i], "case %zu row %zu: %zu visible", n, i, row->n);
            cr_assert_lt(fabs(row->o[0] - (row->n ? 0.5 * (double)(row->n + 1) : 0.0)), 1e-15);
            if (row->n == 0)
                cr_assert_eq(row->lse, -INFINITY);
        }
        oracle_close(&oracle);
    }
}

/* Heads 0-2 read KV head 0, heads 3-5 KV head 1. */
Test(oracle, heads_share_in_blocks)
{
    const float q[6] = {1, 1, 1, 1, 1, 1}, k[2] = {0, 0}, v[2] = {10, 20};
    const AttnProblem p = attn_problem(1, 6, 2, 1, 1, 1, 1);
    const AttnTensors t = attn_tensors(q, k, v, NULL);
    Oracle oracle;
    cr_assert(oracle_open(&oracle, &p, &t, false));
    for (size_t h = 0; h < 6; h++)
        cr_assert_eq(oracle_row(&oracle, 0, h, 0)->o[0], h < 3 ? 10.0 : 20.0);
    oracle_close(&oracle);
}

Test(oracle, hidden_keys_are_never_read)
{
    const float q[1] = {1}, k[4] = {0, NAN, INFINITY, 0}, v[4] = {1, NAN, INFINITY, 3}, bias[4] = {0, NAN, -INFINITY, 0};
    const unsigned char mask[4] = {7, 0, 1, 255};
    AttnProblem p = attn_problem(1, 1, 1, 1, 4, 1, 1);
    p.mask = (AttnScoreLayout){ATTN_BOOL, 0, 0, 0, 1};
    p.bias = (AttnScoreLayout){ATTN_F32, 0, 0, 0, 1};
    AttnTensors t = attn_tensors(q, k, v, NULL);
    t.mask = mask;
    t.bias = bias;
    Oracle oracle;
    cr_assert(oracle_open(&oracle, &p, &t, false));
    cr_assert_eq(oracle_row(&oracle, 0, 0, 0)->o[0], 2.0);
    oracle_close(&oracle);
}

Test(oracle, second_implementation_agrees)
{
    static const char *const cases[] = {
        "b1_h2_q33_k300_d64_lse:normal:7:after:t1", "b2_h4g2_q9_k70_d40_causal_maskbool_bias_lse:peaky:8:after:t1:m5-b2",
        "b1_h1_q5_k4000_d8_lse:rampup:9:after:t1",  "b1_h1_q6_k90_d16_bias_lse:large:10:after:t1",
        "b1_h1_q6_k90_d16_lse:denormal:11:after:t1",
        "b1_h2_q9_k80_d24_causal_win30_gauss_cap3_alibi_sink_bias_past60_lse:normal:12:after:t1",
        "b1_h2_q9_k40_d24_additive_cap2_sink_maskbool_lse:normal:13:after:t1"};
    double worst = 0.0;
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        VerifyCase c;
        Data data;
        Oracle a, b;
        char error[200];
        cr_assert(case_parse(cases[n], &c, error, sizeof error), "%s", error);
        cr_assert(case_data(&data, &c, error, sizeof error));
        cr_assert(oracle_open(&a, &data.problem, &data.tensors, false));
        cr_assert(oracle_open(&b, &data.problem, &data.tensors, true));
        for (size_t h = 0; h < c.shape.q_heads; h++)
            for (size_t i = 0; i < c.shape.q_len; i++) {
                const OracleRow *x = oracle_row(&a, 0, h, i), *y = oracle_row(&b, 0, h, i);
                cr_assert_eq(x->n, y->n);
                for (size_t col = 0; col < c.shape.dv; col++) {
                    const double difference = fabs(x->o[col] - y->o[col]);
                    worst = difference > worst ? difference : worst;
                }
                if (x->n)
                    cr_assert_lt(fabs(x->lse - y->lse), 1e-12 * (1.0 + fabs(y->lse)), "%s", cases[n]);
            }
        oracle_close(&a);
        oracle_close(&b);
        data_free(&data);
    }
    cr_assert_lt(worst, 1e-11, "the two differ by %g, and f32 rounds at 6e-8", worst);
    cr_assert_gt(worst, 0.0, "two implementations never agree to the last bit");
}

Test(oracle, rows_are_all_or_a_sample_with_the_edges)
{
    const AttnProblem small = attn_problem(2, 3, 3, 50, 10, 4, 4), large = attn_problem(1, 32, 8, 4096, 4096, 128, 128);
    size_t count;
    size_t *rows = oracle_pick_rows(&small, NULL, 1, ORACLE_FLOP_LIMIT, &count);
    cr_assert_eq(count, 300);
    free(rows);
    rows = oracle_pick_rows(&large, NULL, 1, ORACLE_FLOP_LIMIT, &count);
    cr_assert_gt(count, 64);
    cr_assert_lt(count, 200);
    cr_assert_eq(rows[0], 0);
    cr_assert_eq(rows[1], 1);
    cr_assert_eq(rows[count - 1], 32 * 4096 - 1);
    bool edge = false;
    for (size_t i = 0; i < count; i++) {
        edge = edge || rows[i] == 64;
        cr_assert(i == 0 || rows[i] > rows[i - 1]);
    }
    cr_assert(edge);
    free(rows);
}

/* ---- The score stage by hand ------------------------------------------------------------------------------------------------------ */

enum { MOST = 8 };

/* One head, keys of width 1; k[j] = j. */
typedef struct Hand {
    AttnProblem p;
    AttnTensors t;
    float q[MOST], k[MOST], v[MOST];
    Oracle oracle;
} Hand;

static void by_hand(Hand *x, size_t q_len, size_t k_len)
{
    memset(x, 0, sizeof *x);
    x->p = attn_problem(1, 1, 1, q_len, k_len, 1, 1);
    x->p.scale = 1.0;
    for (size_t j = 0; j < MOST; j++) {
        x->q[j] = 1.0f;
        x->k[j] = x->v[j] = (float)j;
    }
    x->t = attn_tensors(x->q, x->k, x->v, NULL);
}

static const OracleRow *hand_row(Hand *x, size_t b, size_t i)
{
    if (x->oracle.work)
        oracle_close(&x->oracle);
    cr_assert(oracle_open(&x->oracle, &x->p, &x->t, false));
    return oracle_row(&x->oracle, b, 0, i);
}

static void near(double got, double want)
{
    cr_expect(fabs(got - want) <= 1e-14 * (1.0 + fabs(want)), "%.17g, must be %.17g", got, want);
}

Test(oracle, windows_are_inclusive)
{
    static const struct {
        int64_t left, right, offset;
        size_t first[2], count[2]; /* of rows 0 and 3 */
    } cases[] = {
        {1, 1, 0, {0, 2}, {2, 3}}, {0, 0, 2, {2, 5}, {1, 1}}, {2, -1, 1, {0, 2}, {6, 4}}, {-1, 0, -1, {0, 0}, {0, 3}},
        {-1, -1, 9, {0, 0}, {6, 6}}, {1, 1, 4, {3, 0}, {3, 0}},
    };
    Hand x;
    by_hand(&x, 4, 6);
    x.p.window = true;
    x.p.align = ATTN_ALIGN_OFFSET;
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++)
        for (size_t at = 0; at < 2; at++) {
            x.p.window_left = cases[n].left;
            x.p.window_right = cases[n].right;
            x.p.offset = cases[n].offset;
            const OracleRow *row = hand_row(&x, 0, at ? 3 : 0);
            cr_assert_eq(row->n, cases[n].count[at], "case %zu row %zu: %zu", n, at ? 3 : (size_t)0, row->n);
            if (row->n)
                cr_assert_eq(row->keys[0].j, cases[n].first[at]);
        }
    oracle_close(&x.oracle);
}

Test(oracle, soft_cap_then_alibi_then_bias)
{
    const float bias[3] = {0.0f, 4.0f, -1.0f}, slope[1] = {0.5f};
    Hand x;
    by_hand(&x, 1, 3);
    x.p.softcap = 2.0;
    x.p.alibi = true;
    x.p.bias = (AttnScoreLayout){ATTN_F32, 0, 0, 0, 1};
    x.p.align = ATTN_ALIGN_OFFSET;
    x.p.offset = 1;
    x.t.bias = bias;
    x.t.alibi_slopes = slope;
    const OracleRow *row = hand_row(&x, 0, 0);
    near(row->keys[2].s0, 2.0);
    near(row->keys[2].s1, 2.0 * tanh(1.0));
    near(row->keys[0].s, -0.5);
    near(row->keys[1].s, 2.0 * tanh(0.5) + 4.0);
    near(row->keys[2].s, 2.0 * tanh(1.0) - 1.0 - 0.5); /* a key ahead is as far as one behind */
    oracle_close(&x.oracle);
}

Test(oracle, scores_of_the_field)
{
    const float w[1] = {3.0f};
    Hand x;
    by_hand(&x, 1, 4);
    x.p.scale = 0.5;
    x.p.score = ATTN_SCORE_GAUSSIAN;
    near(hand_row(&x, 0, 0)->keys[3].s0, -0.25 * 4.0);
    x.p.score = ATTN_SCORE_ADDITIVE;
    x.t.w = w;
    near(hand_row(&x, 0, 0)->keys[3].s0, 1.5 * tanh(4.0));
    oracle_close(&x.oracle);
}

Test(oracle, a_sink_takes_weight_and_gives_no_value)
{
    float sink[1] = {0.0f};
    Hand x;
    by_hand(&x, 1, 2);
    x.p.scale = 0.0; /* both keys score 0, like the sink */
    x.p.sinks = true;
    x.t.sinks = sink;
    const OracleRow *row = hand_row(&x, 0, 0);
    near(row->o[0], 1.0 / 3.0);
    near(row->lse, log(3.0));
    sink[0] = -INFINITY;
    row = hand_row(&x, 0, 0);
    near(row->o[0], 0.5);
    near(row->lse, log(2.0));
    sink[0] = 7.5f;
    x.p.causal = true;
    x.p.align = ATTN_ALIGN_OFFSET;
    x.p.offset = -5;
    row = hand_row(&x, 0, 0);
    near(row->o[0], 0.0);
    near(row->lse, 7.5);
    oracle_close(&x.oracle);
}

Test(oracle, lengths_and_offsets_of_each_entry)
{
    const int64_t lengths[3] = {4, 0, 1}, offsets[3] = {0, 2, -1};
    Hand x;
    by_hand(&x, 2, 4);
    x.p.batch = 3;
    x.p.q.batch = x.p.k.batch = x.p.v.batch = 0;
    x.p.kv_lengths = true;
    x.t.kv_lengths = lengths;
    x.p.causal = true;
    x.p.align = ATTN_ALIGN_BOTTOM_RIGHT; /* offsets 2, -2, -1 */
    cr_expect_eq(hand_row(&x, 0, 0)->n, 3);
    cr_expect_eq(hand_row(&x, 1, 1)->n, 0);
    cr_expect_eq(hand_row(&x, 2, 0)->n, 0);
    cr_expect_eq(hand_row(&x, 2, 1)->n, 1);
    x.p.kv_lengths = false;
    x.p.align = ATTN_ALIGN_OFFSETS;
    x.t.offsets = offsets;
    cr_expect_eq(hand_row(&x, 0, 0)->n, 1);
    cr_expect_eq(hand_row(&x, 1, 0)->n, 3);
    cr_expect_eq(hand_row(&x, 2, 0)->n, 0);
    oracle_close(&x.oracle);
}

Test(oracle, ragged_entries_and_two_segments)
{
    const int64_t cu_q[4] = {0, 2, 2, 3}, cu_k[4] = {0, 3, 4, 4};
    const float past_k[2] = {0, 0}, past_v[2] = {10, 20};
    Hand x;
    by_hand(&x, 2, 3);
    x.p.batch = 3;
    x.p.q.batch = x.p.k.batch = x.p.v.batch = x.p.o.batch = 0;
    x.p.varlen = true;
    x.p.scale = 0.0;
    x.t.cu_q = cu_q;
    x.t.cu_k = cu_k;
    near(hand_row(&x, 0, 1)->o[0], 1.0);     /* v 0, 1, 2 */
    cr_expect_eq(hand_row(&x, 2, 0)->n, 0);  /* no keys   */
    size_t count;
    size_t *rows = oracle_pick_rows(&x.p, &x.t, 1, INFINITY, &count);
    cr_assert_eq(count, 3);
    cr_expect(rows[0] == 0 && rows[1] == 1 && rows[2] == 4);
    free(rows);
    oracle_close(&x.oracle);
    by_hand(&x, 1, 4);
    x.p.scale = 0.0;
    x.p.past_len = 2;
    x.p.k_past = x.p.v_past = x.p.k;
    x.t.k_past = past_k;
    x.t.v_past = past_v;
    near(hand_row(&x, 0, 0)->o[0], (10.0 + 20.0 + 0.0 + 1.0) / 4.0);
    oracle_close(&x.oracle);
}
