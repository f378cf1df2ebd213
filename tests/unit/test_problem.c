/* test_problem.c - what a problem and its tensors may be: each field at and beyond its limits, overlap against a count of bytes. */
#include <criterion/criterion.h>

#include "dispatch/overlap.h"
#include "dispatch/problem.h"
#include "dispatch/structs.h"
#include "harness/base/random.h"
#include "harness/ops/sdpa/data.h"

static AttnProblem plain(void)
{
    return attn_problem(2, 6, 2, 5, 7, 8, 4);
}

static void expect_ok(const AttnProblem *p, const char *what)
{
    cr_expect_eq(attn_problem_check(p), ATTN_OK, "%s: %s", what, attn_last_error());
}

/* Refused with `status` and a sentence that says `field` and what is allowed. */
static void expect_refused(const AttnProblem *p, AttnStatus status, const char *field)
{
    cr_expect_eq(attn_problem_check(p), status, "%s: status %s", field, attn_status_string(attn_problem_check(p)));
    cr_expect_not_null(strstr(attn_last_error(), field), "\"%s\" is not in: %s", field, attn_last_error());
    cr_expect_not_null(strstr(attn_last_error(), "allowed: "), "no \"allowed\" in: %s", attn_last_error());
}

/* ---- Problem --------------------------------------------------------------------------------------------------------------------- */

Test(problem, plain_ones_pass)
{
    AttnProblem p = plain();
    expect_ok(&p, "plain");
    attn_problem_want_lse(&p);
    expect_ok(&p, "with lse");
    p = attn_problem(0, 1, 1, 0, 0, 1, 1);
    expect_ok(&p, "empty");
    p = attn_problem(1, 32, 1, 1, 1 << 20, 128, 128);
    expect_ok(&p, "decode");
}

Test(problem, sizes_at_and_beyond_their_limits)
{
    static const struct {
        const char *name;
        size_t offset, least;
    } field[] = {
        {"problem.batch", offsetof(AttnProblem, batch), 0},       {"problem.q_heads", offsetof(AttnProblem, q_heads), 1},
        {"problem.kv_heads", offsetof(AttnProblem, kv_heads), 1}, {"problem.q_len", offsetof(AttnProblem, q_len), 0},
        {"problem.k_len", offsetof(AttnProblem, k_len), 0},       {"problem.d is", offsetof(AttnProblem, d), 1},
        {"problem.dv", offsetof(AttnProblem, dv), 1},
    };
    for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
        AttnProblem p = attn_problem(1, 1, 1, 1, 1, 1, 1);
        size_t *value = (size_t *)((char *)&p + field[i].offset);
        const size_t bad[] = {ATTN_MAX_SIZE + 1, (size_t)-1, (size_t)1 << 63, 0};
        for (size_t j = 0; j < (field[i].least > 0 ? 4 : 3); j++) {
            *value = bad[j];
            expect_refused(&p, ATTN_ERROR_VALUE, field[i].name);
        }
        *value = field[i].least;
        expect_ok(&p, field[i].name);
        *value = ATTN_MAX_SIZE;
        if (value == &p.kv_heads)
            p.q_heads = ATTN_MAX_SIZE;
        p.o.batch = p.o.head = p.o.row = (ptrdiff_t)p.dv; /* only one axis at a time is longer than 1 */
        expect_ok(&p, field[i].name);
    }
}

Test(problem, query_heads_are_a_multiple)
{
    AttnProblem p = attn_problem(1, 6, 4, 2, 2, 8, 8);
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.q_heads is 6");
    cr_expect_not_null(strstr(attn_last_error(), "which is 4"));
    p = attn_problem(1, 2, 4, 2, 2, 8, 8);
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.q_heads is 2");
}

Test(problem, dtypes)
{
    static const AttnDtype numbers[] = {ATTN_F32, ATTN_F64, ATTN_F16, ATTN_BF16};
    AttnProblem p = plain();
    for (size_t i = 0; i < 4; i++) {
        p.q.dtype = p.k.dtype = p.v.dtype = p.o.dtype = numbers[i];
        expect_ok(&p, "a dtype of numbers is well formed, whether or not a kernel takes it");
    }
    static const struct {
        const char *name;
        size_t offset;
    } field[] = {{"problem.q.dtype", offsetof(AttnProblem, q.dtype)},
                 {"problem.k.dtype", offsetof(AttnProblem, k.dtype)},
                 {"problem.v.dtype", offsetof(AttnProblem, v.dtype)},
                 {"problem.o.dtype", offsetof(AttnProblem, o.dtype)}};
    static const int bad[] = {ATTN_NONE, ATTN_BOOL, ATTN_BOOL + 1, -1, 1 << 20};
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < sizeof bad / sizeof *bad; j++) {
            p = plain();
            memcpy((char *)&p + field[i].offset, &bad[j], sizeof bad[j]);
            expect_refused(&p, ATTN_ERROR_VALUE, field[i].name);
        }
    }
    p = plain();
    p.mask.dtype = ATTN_BOOL;
    p.bias.dtype = ATTN_F32;
    expect_ok(&p, "broadcast mask and bias");
    p.mask.dtype = ATTN_F32;
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.mask.dtype is 1");
    p = plain();
    p.bias.dtype = ATTN_BOOL;
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.bias.dtype is 5");
    p = plain();
    attn_problem_want_lse(&p);
    p.lse.dtype = ATTN_F64;
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.lse.dtype is 2");
}

Test(problem, scale)
{
    static const double good[] = {0.0, -0.0, -1.0, 0x1p126, -0x1p126, 1e-300}, bad[] = {NAN, INFINITY, -INFINITY, 0x1.1p126, -1e300};
    AttnProblem p = plain();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        p.scale = good[i];
        expect_ok(&p, "scale");
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        p.scale = bad[i];
        expect_refused(&p, ATTN_ERROR_VALUE, "problem.scale is ");
    }
}

Test(problem, position)
{
    AttnProblem p = plain();
    p.causal = true;
    for (int align = ATTN_ALIGN_TOP_LEFT; align <= ATTN_ALIGN_OFFSET; align++) {
        p.align = (AttnAlign)align;
        p.offset = 0;
        expect_ok(&p, "align");
        p.offset = -3;
        if (p.align == ATTN_ALIGN_OFFSET)
            expect_ok(&p, "offset");
        else
            expect_refused(&p, ATTN_ERROR_VALUE, "problem.offset is -3");
    }
    const int64_t most = (int64_t)ATTN_MAX_SIZE;
    p.offset = most;
    expect_ok(&p, "offset");
    p.offset = -most;
    expect_ok(&p, "offset");
    const int64_t bad[] = {most + 1, -most - 1, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        p.offset = bad[i];
        expect_refused(&p, ATTN_ERROR_VALUE, "problem.offset is ");
    }
    static const int unknown[] = {-1, ATTN_ALIGN_OFFSETS + 1, 1000};
    for (size_t i = 0; i < 3; i++) {
        p = plain();
        memcpy(&p.align, &unknown[i], sizeof p.align);
        expect_refused(&p, ATTN_ERROR_VALUE, "problem.align is ");
    }
}

Test(problem, windows)
{
    const int64_t most = (int64_t)ATTN_MAX_SIZE, good[] = {-1, 0, 5, most}, bad[] = {-2, INT64_MIN, most + 1, INT64_MAX};
    AttnProblem p = plain();
    p.window = true;
    for (size_t i = 0; i < 4; i++) {
        p.window_left = good[i];
        p.window_right = good[3 - i];
        expect_ok(&p, "window");
    }
    for (size_t i = 0; i < 4; i++) {
        p.window_left = bad[i];
        p.window_right = 0;
        expect_refused(&p, ATTN_ERROR_VALUE, "problem.window_left is ");
        p.window_left = 0;
        p.window_right = bad[i];
        expect_refused(&p, ATTN_ERROR_VALUE, "problem.window_right is ");
    }
    p = plain();
    p.window_right = 3;
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.window_right is 3");
}

Test(problem, soft_cap_score_and_stage)
{
    static const double good[] = {0.0, 0x1p-60, 50.0, 0x1p60}, bad[] = {-1.0, NAN, INFINITY, 0x1p-61, 0x1.1p60};
    AttnProblem p = plain();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        p.softcap = good[i];
        expect_ok(&p, "softcap");
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        p.softcap = bad[i];
        expect_refused(&p, ATTN_ERROR_VALUE, "problem.softcap is ");
    }
    static const int unknown[] = {-1, 1000};
    for (size_t i = 0; i < 2; i++) {
        p = plain();
        memcpy(&p.score, &unknown[i], sizeof p.score);
        expect_refused(&p, ATTN_ERROR_VALUE, "problem.score is ");
        p = plain();
        p.scores = (AttnScoreLayout){ATTN_F32, 210, 35, 7, 1};
        memcpy(&p.scores_stage, &unknown[i], sizeof p.scores_stage);
        expect_refused(&p, ATTN_ERROR_VALUE, "problem.scores_stage is ");
    }
    p = plain();
    p.scores_stage = ATTN_STAGE_WEIGHTS;
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.scores_stage is 3");
}

Test(problem, options_that_exclude_each_other)
{
    AttnProblem p = plain();
    p.past_len = 8;
    p.k_past = p.k;
    p.v_past = p.v;
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.past_len is 8");
    p.k_past = p.v_past = (AttnLayout){0};
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.past_len is 8; allowed: 0 to problem.k_len, which is 7");
    p.varlen = true;
    p.past_len = 3;
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.past_len is set together with problem.varlen");
    p.varlen = false;
    p.k_past = p.k;
    p.v_past = p.v;
    p.past_len = 7;
    expect_ok(&p, "past");
    p.past_len = 0;
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.k_past.dtype is ");
    p = plain();
    p.past_len = 3;
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.k_past.dtype is ");
    p = plain();
    p.varlen = true;
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.q.batch is ");
    p.q.batch = p.k.batch = p.v.batch = p.o.batch = 0;
    p.o.head = 10 * p.o.row; /* room for two entries of 5 rows */
    expect_ok(&p, "varlen");
    p.kv_lengths = true;
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.kv_lengths is set together with problem.varlen");
    p.kv_lengths = false;
    p.scores = (AttnScoreLayout){ATTN_F32, 210, 35, 7, 1};
    expect_refused(&p, ATTN_ERROR_VALUE, "problem.scores is set together with problem.varlen");
    p = plain();
    p.scores = (AttnScoreLayout){ATTN_F32, 210, 35, 0, 1};
    expect_refused(&p, ATTN_ERROR_OVERLAP, "problem.scores is ");
}

Test(problem, products_that_wrap_around)
{
    const size_t huge = ATTN_MAX_SIZE;
    AttnProblem p = attn_problem(1, huge, huge, huge, 1, huge, 1); /* every product of these is 0 modulo 2^64 */
    cr_assert_eq(p.q.batch, 0);
    expect_refused(&p, ATTN_ERROR_OVERFLOW, "problem.q is [B,Hq,Sq,d]");
    p = attn_problem(huge / 4, huge, huge, huge, 1, 1, 1); /* 2^60 bytes of q before the last factor, 0 after it */
    p.q.batch = p.q.head = p.q.row = 0;
    expect_refused(&p, ATTN_ERROR_OVERFLOW, "problem.q is [B,Hq,Sq,d]");
    p = attn_problem(huge, 1, 1, 1, huge, 1, huge);
    expect_refused(&p, ATTN_ERROR_OVERFLOW, "problem.k is [B,Hkv,Sk,d]");
}

Test(problem, strides_that_leave_the_address_space)
{
    static const ptrdiff_t wild[] = {PTRDIFF_MAX, PTRDIFF_MIN, PTRDIFF_MAX / 4, PTRDIFF_MIN / 4 - 1};
    for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
        AttnProblem p = plain();
        p.q.head = wild[i];
        expect_refused(&p, ATTN_ERROR_OVERFLOW, "problem.q is ");
        p = plain();
        p.o.row = wild[i];
        expect_refused(&p, ATTN_ERROR_OVERFLOW, "problem.o is ");
        p = plain();
        p.bias.dtype = ATTN_F32;
        p.bias.col = wild[i];
        expect_refused(&p, ATTN_ERROR_OVERFLOW, "problem.bias is [B,Hq,Sq,Sk]");
        p = attn_problem(0, 6, 2, 5, 7, 8, 4);
        p.q.head = p.o.row = p.o.head = wild[i];
        expect_ok(&p, "a tensor without elements has no strides that matter");
        p = attn_problem(1, 1, 1, 5, 7, 8, 4);
        p.q.head = p.q.batch = p.o.head = wild[i];
        expect_ok(&p, "nor has an axis of 1");
    }
}

Test(problem, inputs_may_have_any_strides)
{
    AttnProblem p = plain();
    p.q = (AttnLayout){ATTN_F32, 0, 0, 0};
    p.k = (AttnLayout){ATTN_F32, -100, 3, -1};
    p.v = (AttnLayout){ATTN_F32, 1, 1, 1};
    p.mask = (AttnScoreLayout){ATTN_BOOL, 0, 0, -7, 0};
    p.bias = (AttnScoreLayout){ATTN_F32, 0, 0, 0, -1};
    expect_ok(&p, "inputs");
}

Test(problem, outputs_lie_apart)
{
    static const struct {
        ptrdiff_t batch, head, row;
        bool apart;
    } layout[] = {
        /* o [2,6,5,4] */
        {120, 20, 4, true},    {120, 4, 24, true},   {-120, 20, -4, true}, {1000, 100, 10, true}, {24, 4, 48, true},
        {119, 20, 4, false},   {120, 19, 4, false},  {120, 20, 3, false},  {0, 20, 4, false},     {120, 0, 4, false},
        {120, 20, 0, false},   {20, 20, 4, false},   {120, 20, -3, false}, {120, 20, 1, false},
    };
    for (size_t i = 0; i < sizeof layout / sizeof *layout; i++) {
        AttnProblem p = plain();
        p.o.batch = layout[i].batch;
        p.o.head = layout[i].head;
        p.o.row = layout[i].row;
        if (layout[i].apart)
            expect_ok(&p, "o apart");
        else
            expect_refused(&p, ATTN_ERROR_OVERLAP, "problem.o is [B,Hq,Sq,dv] = [2,6,5,4]");
    }
    AttnProblem p = plain();
    attn_problem_want_lse(&p);
    p.lse.row = 6;
    p.lse.head = 1;
    expect_ok(&p, "lse [B,Sq,Hq]");
    p.lse.row = 5;
    expect_refused(&p, ATTN_ERROR_OVERLAP, "problem.lse is [B,Hq,Sq]");
    p.lse.dtype = ATTN_NONE;
    expect_ok(&p, "the strides of an absent tensor do not matter");
}

Test(problem, structs_of_other_ages)
{
    struct {
        AttnProblem problem;
        char younger[40];
    } caller;
    memset(&caller, 0, sizeof caller);
    caller.problem = plain();
    caller.problem.size = sizeof caller;
    expect_ok(&caller.problem, "a younger struct whose new fields are 0");
    caller.younger[17] = 1;
    cr_expect_eq(attn_problem_check(&caller.problem), ATTN_ERROR_STRUCT);
    cr_expect_not_null(strstr(attn_last_error(), "does not know"));
    caller.problem.size = ATTN_STRUCT_UP_TO(AttnProblem, bias);
    caller.problem.softcap = -1.0;
    expect_ok(&caller.problem, "an older struct, which has no soft-cap");
    const size_t wrong[] = {0, sizeof(size_t), ATTN_STRUCT_UP_TO(AttnProblem, bias) - 1, 1u << 30, SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        caller.problem.size = wrong[i];
        expect_refused(&caller.problem, ATTN_ERROR_STRUCT, "problem.size is ");
        cr_expect_not_null(strstr(attn_last_error(), "attn_problem()"));
    }
    expect_refused(NULL, ATTN_ERROR_NULL, "problem is NULL");
}

Test(problem, what_a_strided_tensor_spans)
{
    ptrdiff_t stride[4] = {100, -20, 5, 1}, low, high;
    cr_assert(attn_span((const size_t[]){2, 3, 4, 5}, stride, 4, &low, &high));
    cr_expect_eq(low, -2 * 20 * 4);
    cr_expect_eq(high, (100 + 3 * 5 + 4 + 1) * 4);
    cr_assert(attn_span((const size_t[]){2, 0, 4, 5}, stride, 4, &low, &high));
    cr_expect(low == 0 && high == 0);
    stride[2] = PTRDIFF_MAX;
    cr_expect_not(attn_span((const size_t[]){2, 3, 4, 5}, stride, 4, &low, &high));
    cr_expect(attn_span((const size_t[]){2, 3, 1, 5}, stride, 4, &low, &high));
}

/* ---- Tensors --------------------------------------------------------------------------------------------------------------------- */

static float room[6][4096];
static unsigned char bytes[4096];

static AttnTensors plain_tensors(void)
{
    return attn_tensors(room[0], room[1], room[2], room[3]);
}

static void expect_tensors(const AttnProblem *problem, const AttnTensors *tensors, AttnStatus status, const char *sentence)
{
    AttnProblem p;
    AttnTensors copy;
    cr_assert_eq(attn_problem_read(problem, &p), ATTN_OK, "%s", attn_last_error());
    cr_expect_eq(attn_tensors_read(&p, tensors, &copy), status, "expected \"%s\", last error: %s", sentence, attn_last_error());
    if (status != ATTN_OK)
        cr_expect_not_null(strstr(attn_last_error(), sentence), "\"%s\" is not in: %s", sentence, attn_last_error());
}

Test(tensors, plain_ones_pass)
{
    AttnProblem p = plain();
    AttnTensors t = plain_tensors(), copy;
    cr_assert_eq(attn_tensors_read(&p, &t, &copy), ATTN_OK);
    cr_expect_eq(copy.o, (void *)room[3]);
    t.k = t.v = t.q; /* inputs may be one and the same */
    expect_tensors(&p, &t, ATTN_OK, "");
}

Test(tensors, missing_and_superfluous)
{
    AttnProblem p = plain();
    cr_expect_eq(attn_tensors_read(&p, NULL, &(AttnTensors){0}), ATTN_ERROR_NULL);
    AttnTensors t = plain_tensors();
    t.q = NULL;
    expect_tensors(&p, &t, ATTN_ERROR_NULL, "tensors.q is NULL");
    t = plain_tensors();
    t.k = NULL;
    expect_tensors(&p, &t, ATTN_ERROR_NULL, "tensors.k is NULL");
    t = plain_tensors();
    t.v = NULL;
    expect_tensors(&p, &t, ATTN_ERROR_NULL, "tensors.v is NULL");
    t = plain_tensors();
    t.o = NULL;
    expect_tensors(&p, &t, ATTN_ERROR_NULL, "tensors.o is NULL");

    t = plain_tensors();
    t.lse = room[4];
    expect_tensors(&p, &t, ATTN_ERROR_VALUE, "tensors.lse is ");
    t = plain_tensors();
    t.mask = bytes;
    expect_tensors(&p, &t, ATTN_ERROR_VALUE, "tensors.mask is ");
    t = plain_tensors();
    t.bias = room[4];
    expect_tensors(&p, &t, ATTN_ERROR_VALUE, "tensors.bias is ");

    attn_problem_want_lse(&p);
    p.mask.dtype = ATTN_BOOL;
    p.bias.dtype = ATTN_F32;
    t = plain_tensors();
    expect_tensors(&p, &t, ATTN_ERROR_NULL, "tensors.lse is NULL");
    t.lse = room[4];
    expect_tensors(&p, &t, ATTN_ERROR_NULL, "tensors.mask is NULL");
    t.mask = bytes + 1;
    expect_tensors(&p, &t, ATTN_ERROR_NULL, "tensors.bias is NULL");
    t.bias = room[5];
    expect_tensors(&p, &t, ATTN_OK, "");
}

Test(tensors, numbers_of_the_entries)
{
    static const int64_t bad_lengths[][2] = {{3, 8}, {-1, 3}, {INT64_MAX, 0}};
    int64_t two[2] = {7, 0};
    AttnProblem p = plain();
    AttnTensors t = plain_tensors();
    p.kv_lengths = true;
    expect_tensors(&p, &t, ATTN_ERROR_NULL, "tensors.kv_lengths is NULL");
    t.kv_lengths = two;
    expect_tensors(&p, &t, ATTN_OK, "");
    for (size_t i = 0; i < 3; i++) {
        t.kv_lengths = bad_lengths[i];
        expect_tensors(&p, &t, ATTN_ERROR_VALUE, "tensors.kv_lengths[");
    }
    p = plain();
    t = plain_tensors();
    p.align = ATTN_ALIGN_OFFSETS;
    expect_tensors(&p, &t, ATTN_ERROR_NULL, "tensors.offsets is NULL");
    two[1] = -(int64_t)ATTN_MAX_SIZE - 1;
    t.offsets = two;
    expect_tensors(&p, &t, ATTN_ERROR_VALUE, "tensors.offsets[1] is ");
}

Test(tensors, cumulative_lengths)
{
    static const int64_t good[] = {0, 5, 7}, keys[] = {0, 0, 7};
    static const int64_t bad[][3] = {{1, 5, 7}, {0, 5, 4}, {0, 6, 7}, {0, 3, INT64_MAX}};
    AttnProblem p = plain();
    AttnTensors t = plain_tensors();
    p.varlen = true;
    p.q.batch = p.k.batch = p.v.batch = p.o.batch = 0;
    p.o.head = 10 * p.o.row; /* room for two entries of 5 rows */
    expect_tensors(&p, &t, ATTN_ERROR_NULL, "tensors.cu_q is NULL");
    t.cu_q = good;
    expect_tensors(&p, &t, ATTN_ERROR_NULL, "tensors.cu_k is NULL");
    t.cu_k = keys;
    expect_tensors(&p, &t, ATTN_OK, "");
    for (size_t i = 0; i < 4; i++) {
        t.cu_q = bad[i];
        expect_tensors(&p, &t, ATTN_ERROR_VALUE, "tensors.cu_q[");
    }
}

Test(tensors, without_elements_may_be_null)
{
    AttnTensors none = attn_tensors(NULL, NULL, NULL, NULL);
    AttnProblem p = attn_problem(0, 6, 2, 5, 7, 8, 4);
    attn_problem_want_lse(&p);
    p.mask.dtype = ATTN_BOOL;
    expect_tensors(&p, &none, ATTN_OK, "");
    p = attn_problem(2, 6, 2, 0, 7, 8, 4);
    none.k = room[0];
    none.v = room[0];
    expect_tensors(&p, &none, ATTN_OK, "");
    p = attn_problem(2, 6, 2, 5, 0, 8, 4);
    p.bias.dtype = ATTN_F32;
    AttnTensors t = attn_tensors(room[0], NULL, NULL, room[3]);
    expect_tensors(&p, &t, ATTN_OK, "");
    t.k = room[3]; /* no elements, so nothing that o could touch */
    expect_tensors(&p, &t, ATTN_OK, "");
}

Test(tensors, structs_of_other_ages)
{
    AttnProblem p = plain();
    AttnTensors t = plain_tensors();
    const size_t wrong[] = {0, ATTN_STRUCT_UP_TO(AttnTensors, bias) - 1, SIZE_MAX};
    for (size_t i = 0; i < 3; i++) {
        t.size = wrong[i];
        expect_tensors(&p, &t, ATTN_ERROR_STRUCT, "tensors.size is ");
    }
    t.size = ATTN_STRUCT_UP_TO(AttnTensors, bias);
    t.sinks = room[4];
    expect_tensors(&p, &t, ATTN_OK, "");
    struct {
        AttnTensors tensors;
        void *younger;
    } caller = {plain_tensors(), NULL};
    caller.tensors.size = sizeof caller;
    expect_tensors(&p, &caller.tensors, ATTN_OK, "");
    caller.younger = room[4];
    expect_tensors(&p, &caller.tensors, ATTN_ERROR_STRUCT, "does not know");
}

Test(tensors, alignment)
{
    AttnProblem p = plain();
    for (size_t i = 1; i < 4; i++) {
        AttnTensors t = plain_tensors();
        t.q = (const char *)room[0] + i;
        expect_tensors(&p, &t, ATTN_ERROR_VALUE, "tensors.q is ");
        cr_expect_not_null(strstr(attn_last_error(), "multiples of 4"));
    }
}

Test(tensors, addresses_that_wrap_around)
{
    AttnProblem p = plain();
    AttnTensors t = plain_tensors();
    t.k = (const void *)(UINTPTR_MAX - 63);
    expect_tensors(&p, &t, ATTN_ERROR_OVERFLOW, "tensors.k is ");
    p.k.row = -p.k.row;
    p.k.head = -p.k.head;
    p.k.batch = -p.k.batch;
    expect_tensors(&p, &t, ATTN_OK, "");
    t.k = (const void *)64;
    expect_tensors(&p, &t, ATTN_ERROR_OVERFLOW, "tensors.k is ");
}

Test(tensors, outputs_touch_nothing)
{
    AttnProblem p = attn_problem(1, 2, 2, 3, 3, 4, 4); /* every tensor is 24 floats */
    attn_problem_want_lse(&p);                         /* … and lse 6 */
    p.bias = (AttnScoreLayout){ATTN_F32, 0, 0, 3, 1};  /* … and bias 9 */
    float *const base = room[0] + 100;
    AttnTensors t = attn_tensors(room[1], room[2], room[3], base);
    t.lse = room[4];
    t.bias = room[5];
    expect_tensors(&p, &t, ATTN_OK, "");
    for (int shift = -30; shift <= 30; shift++) {
        const bool meet = shift > -24 && shift < 24;
        AttnTensors moved = t;
        moved.q = base + shift;
        expect_tensors(&p, &moved, meet ? ATTN_ERROR_OVERLAP : ATTN_OK, "overlaps tensors.q");
        moved = t;
        moved.v = base + shift;
        expect_tensors(&p, &moved, meet ? ATTN_ERROR_OVERLAP : ATTN_OK, "tensors.o (from");
        moved = t;
        moved.lse = base + shift;
        expect_tensors(&p, &moved, shift > -6 && shift < 24 ? ATTN_ERROR_OVERLAP : ATTN_OK, "tensors.o (from");
        moved = t;
        moved.bias = base + shift;
        expect_tensors(&p, &moved, shift > -9 && shift < 24 ? ATTN_ERROR_OVERLAP : ATTN_OK, "overlaps tensors.bias");
        moved = t;
        moved.k = room[4] + 100 + shift;
        moved.lse = room[4] + 100;
        expect_tensors(&p, &moved, shift > -24 && shift < 6 ? ATTN_ERROR_OVERLAP : ATTN_OK, "tensors.lse (from");
    }
}

/* Rows of interleaved q, k, v and o, side by side: [B, S, (Hq + Hkv + Hkv + Hq) * d]. The spans intersect, the bytes do not. */
Test(tensors, interleaved_rows_that_hold_the_output_too)
{
    enum { B = 2, S = 5, HQ = 4, HKV = 2, D = 3, ROW = (2 * HQ + 2 * HKV) * D };
    AttnProblem p = attn_problem(B, HQ, HKV, S, S, D, D);
    p.q = p.k = p.v = p.o = (AttnLayout){ATTN_F32, S * ROW, D, ROW};
    float *const base = room[0];
    AttnTensors t = attn_tensors(base, base + HQ * D, base + (HQ + HKV) * D, base + (HQ + 2 * HKV) * D);
    expect_tensors(&p, &t, ATTN_OK, "");
    t.o = base + (HQ + 2 * HKV) * D - 1;
    expect_tensors(&p, &t, ATTN_ERROR_OVERLAP, "overlaps tensors.v");
    t.o = base + (HQ + 2 * HKV) * D + 1; /* its last column is the first of the next row */
    expect_tensors(&p, &t, ATTN_ERROR_OVERLAP, "overlaps tensors.q");

    /* A log-sum-exp column at the end of each row of o, [B, S, Hq, d + 1]. */
    p = attn_problem(B, HQ, HKV, S, S, D, D);
    p.o = (AttnLayout){ATTN_F32, S * HQ * (D + 1), D + 1, HQ * (D + 1)};
    p.lse = p.o;
    t = attn_tensors(room[1], room[2], room[3], room[0]);
    t.lse = room[0] + D;
    expect_tensors(&p, &t, ATTN_OK, "");
    t.lse = room[0] + D - 1;
    expect_tensors(&p, &t, ATTN_ERROR_OVERLAP, "overlaps tensors.lse");

    /* Two halves of the batch in turn: o takes the odd rows of a buffer whose even rows are k. */
    p = attn_problem(1, 1, 1, 6, 6, D, D);
    p.o.row = p.k.row = 2 * D;
    t = attn_tensors(room[1], room[0], room[2], room[0] + D);
    expect_tensors(&p, &t, ATTN_OK, "");
    p.k.row = 4 * D; /* every other of those */
    expect_tensors(&p, &t, ATTN_OK, "");
    p.k.row = 3 * D; /* rows 0, 3, 6 … meet the odd rows */
    expect_tensors(&p, &t, ATTN_ERROR_OVERLAP, "overlaps tensors.k");
}

/* Through the public door: each refusal leaves every output as it was, on both ways to run. */
Test(tensors, a_refused_run_writes_nothing)
{
    AttnProblem p = plain();
    attn_problem_want_lse(&p);
    AttnPlan *plan;
    cr_assert_eq(attn_plan_create(&p, NULL, &plan), ATTN_OK, "%s", attn_last_error());
    const size_t size = attn_plan_workspace(plan);
    void *workspace = aligned_alloc(64, size);
    AttnTensors good = plain_tensors();
    good.lse = room[4];
    AttnTensors bad[8];
    for (size_t i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].q = NULL;
    bad[1].o = NULL;
    bad[2].lse = NULL;
    bad[3].bias = room[5];
    bad[4].k = (const char *)room[1] + 2;
    bad[5].v = room[3] + 7;
    bad[6].lse = room[3];
    bad[7].size = 12;
    for (size_t i = 0; i < sizeof room[3] / sizeof *room[3]; i++)
        room[3][i] = room[4][i] = 1234.5f;
    for (size_t i = 0; i < 8; i++) {
        cr_expect_neq(attn_run(plan, &bad[i], workspace, size), ATTN_OK, "tensors %zu", i);
        cr_expect_neq(attn_sdpa(&p, &bad[i]), ATTN_OK, "tensors %zu", i);
    }
    for (size_t i = 0; i < sizeof room[3] / sizeof *room[3]; i++)
        cr_assert(room[3][i] == 1234.5f && room[4][i] == 1234.5f, "element %zu was written", i);
    cr_expect_eq(attn_run(plan, &good, workspace, size), ATTN_OK, "%s", attn_last_error());
    cr_expect_neq(room[3][0], 1234.5f);
    free(workspace);
    attn_plan_destroy(plan);
}

/* Numbers are not read from where no number can lie. */
Test(tensors, numbers_are_aligned)
{
    static int64_t room_for[8];
    const int64_t *const askew = (const int64_t *)(const void *)((const char *)room_for + 4);
    AttnProblem p = plain();
    AttnTensors t = plain_tensors();
    memset(room_for, 0x7f, sizeof room_for); /* whoever reads them complains of their values */
    p.kv_lengths = true;
    t.kv_lengths = askew;
    expect_tensors(&p, &t, ATTN_ERROR_VALUE, "tensors.kv_lengths is ");
    cr_expect_not_null(strstr(attn_last_error(), "multiples of 8"), "%s", attn_last_error());
    p = plain();
    t = plain_tensors();
    p.align = ATTN_ALIGN_OFFSETS;
    t.offsets = askew;
    expect_tensors(&p, &t, ATTN_ERROR_VALUE, "tensors.offsets is ");
    p = plain();
    t = plain_tensors();
    p.varlen = true;
    p.q.batch = p.k.batch = p.v.batch = p.o.batch = 0;
    t.cu_q = askew;
    t.cu_k = room_for;
    expect_tensors(&p, &t, ATTN_ERROR_VALUE, "tensors.cu_q is ");
    memset(room_for, 0, sizeof room_for);
    t.cu_q = room_for;
    t.cu_k = askew;
    expect_tensors(&p, &t, ATTN_ERROR_VALUE, "tensors.cu_k is ");
}

/* Ragged entries with heads outside, [H, rows, d] as FlashAttention keeps them: the rows there are say whether heads lie apart. */
Test(tensors, ragged_rows_under_each_head)
{
    enum { HQ = 4, HKV = 2, ROWS = 6, D = 8 };
    static const int64_t cu[] = {0, 5, 6}, more[] = {0, 5, 7}, none[] = {0, 0, 0};
    AttnProblem p = attn_problem(2, HQ, HKV, 5, 5, D, D);
    p.varlen = true;
    p.q = p.o = (AttnLayout){ATTN_F32, 0, ROWS * D, D};
    p.k = p.v = (AttnLayout){ATTN_F32, 0, ROWS * D, D};
    p.lse = (AttnLayout){ATTN_F32, 0, ROWS, 1};
    expect_ok(&p, "heads outside");
    AttnTensors t = plain_tensors();
    t.lse = room[4];
    t.cu_q = t.cu_k = cu;
    for (size_t i = 0; i < HQ * ROWS * D; i++)
        for (size_t n = 0; n < 3; n++)
            room[n][i] = (float)random_normal(n, i);
    expect_tensors(&p, &t, ATTN_OK, "");
    cr_assert_eq(attn_sdpa(&p, &t), ATTN_OK, "%s", attn_last_error());

    /* The same with heads inside. */
    static float q[ROWS * HQ * D], k[ROWS * HKV * D], v[ROWS * HKV * D], o[ROWS * HQ * D], lse[ROWS * HQ];
    for (size_t i = 0; i < ROWS * D; i++) {
        for (size_t h = 0; h < HQ; h++)
            q[(i / D * HQ + h) * D + i % D] = room[0][h * ROWS * D + i];
        for (size_t h = 0; h < HKV; h++) {
            k[(i / D * HKV + h) * D + i % D] = room[1][h * ROWS * D + i];
            v[(i / D * HKV + h) * D + i % D] = room[2][h * ROWS * D + i];
        }
    }
    AttnProblem inside = p;
    inside.q = inside.o = (AttnLayout){ATTN_F32, 0, D, HQ * D};
    inside.k = inside.v = (AttnLayout){ATTN_F32, 0, D, HKV * D};
    inside.lse = (AttnLayout){ATTN_F32, 0, 1, HQ};
    AttnTensors same = attn_tensors(q, k, v, o);
    same.lse = lse;
    same.cu_q = same.cu_k = cu;
    cr_assert_eq(attn_sdpa(&inside, &same), ATTN_OK, "%s", attn_last_error());
    for (size_t h = 0; h < HQ; h++)
        for (size_t i = 0; i < ROWS; i++) {
            cr_expect(memcmp(&room[3][(h * ROWS + i) * D], &o[(i * HQ + h) * D], D * sizeof *o) == 0, "o of head %zu, row %zu", h, i);
            cr_expect(room[4][h * ROWS + i] == lse[i * HQ + h], "lse of head %zu, row %zu", h, i);
        }

    /* One row more than there is room for under each head, and none at all. */
    t.cu_q = more;
    t.lse[HQ * ROWS] = room[3][0] = 7.5f;
    expect_tensors(&p, &t, ATTN_ERROR_OVERLAP, "problem.o is [B,Hq,Sq,dv] = [1,4,7,8]");
    cr_expect_eq(attn_sdpa(&p, &t), ATTN_ERROR_OVERLAP);
    cr_expect_eq(room[3][0], 7.5f, "a refused run writes nothing");
    t.cu_q = none;
    expect_tensors(&p, &t, ATTN_OK, "");
    p.o = (AttnLayout){ATTN_F32, 0, D, HQ * D};
    t.cu_q = more;
    expect_tensors(&p, &t, ATTN_ERROR_OVERLAP, "problem.lse is ");
    /* Heads that overlap whatever the rows are need no tensors to be refused. */
    p.o.head = D - 1;
    expect_refused(&p, ATTN_ERROR_OVERLAP, "problem.o is ");
}

/* ---- Overlap against a count of bytes -------------------------------------------------------------------------------------------- */

typedef struct Strided {
    size_t count[4], element;
    ptrdiff_t stride[4], at;
} Strided;

enum { FIELD = 1 << 14 };

static void mark(const Strided *s, unsigned char *field, unsigned char bit)
{
    for (size_t a = 0; a < s->count[0]; a++)
        for (size_t b = 0; b < s->count[1]; b++)
            for (size_t c = 0; c < s->count[2]; c++)
                for (size_t d = 0; d < s->count[3]; d++) {
                    const ptrdiff_t index = (ptrdiff_t)a * s->stride[0] + (ptrdiff_t)b * s->stride[1] + (ptrdiff_t)c * s->stride[2] +
                                            (ptrdiff_t)d * s->stride[3];
                    for (size_t byte = 0; byte < s->element; byte++)
                        field[FIELD / 2 + s->at + index * (ptrdiff_t)s->element + (ptrdiff_t)byte] |= bit;
                }
}

static ptrdiff_t draw(uint64_t *state, ptrdiff_t low, ptrdiff_t high)
{
    return low + (ptrdiff_t)(random_bits(0x5eed, (*state)++) % (uint64_t)(high - low + 1));
}

static Strided draw_strided(uint64_t *state, bool nested)
{
    Strided s = {.element = draw(state, 0, 1) ? 4 : 1, .at = draw(state, -600, 600)};
    ptrdiff_t reach = 1;
    for (size_t k = 4; k-- > 0;) {
        s.count[k] = (size_t)draw(state, draw(state, 0, 9) == 0 ? 0 : 1, 4);
        s.stride[k] = nested ? reach + draw(state, 0, 3) : draw(state, -40, 40);
        reach = (ptrdiff_t)(s.count[k] > 0 ? s.count[k] : 1) * s.stride[k];
        if (nested && draw(state, 0, 1))
            s.stride[k] = -s.stride[k];
    }
    return s;
}

static Strided draw_sibling(uint64_t *state, const Strided *of)
{
    Strided s = *of;
    s.at += draw(state, -40, 40) * (ptrdiff_t)s.element;
    for (size_t k = 0; k < 4; k++)
        s.count[k] = (size_t)draw(state, 1, 4);
    return s;
}

Test(overlap, agrees_with_a_count_of_bytes)
{
    static unsigned char field[FIELD];
    uint64_t state = 0;
    int met = 0, interleaved = 0;
    for (int round = 0; round < 20000; round++) {
        const Strided a = draw_strided(&state, round % 2);
        const Strided b = round % 4 < 2 ? draw_strided(&state, round % 2) : draw_sibling(&state, &a);
        AttnRegion x, y;
        memset(field, 0, sizeof field);
        cr_assert(attn_region(field + FIELD / 2 + a.at, a.count, a.stride, a.element, &x));
        cr_assert(attn_region(field + FIELD / 2 + b.at, b.count, b.stride, b.element, &y));
        mark(&a, field, 1);
        mark(&b, field, 2);
        cr_assert_eq(memchr(field, 3, sizeof field) != NULL, attn_regions_overlap(&x, &y), "round %d of seed 0x5eed", round);
        cr_assert_eq(attn_regions_overlap(&y, &x), attn_regions_overlap(&x, &y), "round %d of seed 0x5eed", round);
        met += attn_regions_overlap(&x, &y);
        interleaved += !attn_regions_overlap(&x, &y) && x.low < y.end && y.low < x.end && x.low < x.end && y.low < y.end;
    }
    cr_expect_gt(met, 1000, "%d of the rounds met", met);
    cr_expect_gt(interleaved, 1000, "%d of the rounds were interleaved", interleaved);
}

/* Sizes of real models, where a search over elements would never end. */
Test(overlap, large_interleaved_tensors_take_no_time, .timeout = HANG_SECONDS)
{
    const size_t count[4] = {64, 128, 1 << 20, 128};
    const ptrdiff_t row = 4 * 128 * 128, stride[4] = {row << 20, 128, row, 1};
    const uintptr_t base = (uintptr_t)1 << 56;
    for (uintptr_t part = 0; part < 4; part++) {
        AttnRegion x, y;
        cr_assert(attn_region((const void *)base, count, stride, 4, &x));
        cr_assert(attn_region((const void *)(base + part * 128 * 128 * 4), count, stride, 4, &y));
        for (int i = 0; i < 10000; i++)
            cr_assert_eq(attn_regions_overlap(&x, &y), part == 0);
    }
}

/* Strides without any order: the answer may be the cautious one, and it comes soon. */
Test(overlap, unrelated_strides_end, .timeout = HANG_SECONDS)
{
    const size_t count[4] = {1000003, 999983, 1, 1};
    const ptrdiff_t a_stride[4] = {2 * 1000033, 2 * 1000037, 1, 1}, b_stride[4] = {2 * 1000039, 2 * 1000081, 1, 1};
    AttnRegion x, y;
    cr_assert(attn_region((const void *)((uintptr_t)1 << 56), count, a_stride, 1, &x));
    for (uintptr_t i = 0; i < 100; i++) {
        cr_assert(attn_region((const void *)(((uintptr_t)1 << 56) + 4 * i), count, b_stride, 1, &y));
        cr_expect(attn_regions_overlap(&x, &y));
        cr_assert(attn_region((const void *)(((uintptr_t)1 << 56) + 4 * i + 1), count, b_stride, 1, &y));
        cr_expect_not(attn_regions_overlap(&x, &y), "all of x is even, all of y odd");
    }
}
