/* test_merge.c - merging partial results by log-sum-exp: the whole from its parts, dead parts, aliases, strides, bad input. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "harness/base/random.h"
#include "harness/ops/sdpa/data.h"

enum { B = 2, H = 3, S = 5, DV = 7, PARTS = 3, ROWS = B * H * S };

/* A value of part n: element c of a row, or its lse. */
static float element(size_t n, size_t row, size_t c)
{
    return (float)random_normal(100 + n, row * DV + c);
}
static float lse_of(size_t n, size_t row)
{
    return (float)(10.0 * random_normal(200 + n, row));
}

typedef struct Parts {
    float o[PARTS][ROWS * DV], lse[PARTS][ROWS];
    const float *o_at[PARTS], *lse_at[PARTS];
} Parts;

static Parts *parts(void)
{
    Parts *x = malloc(sizeof *x);
    for (size_t n = 0; n < PARTS; n++) {
        for (size_t row = 0; row < ROWS; row++) {
            x->lse[n][row] = lse_of(n, row);
            for (size_t c = 0; c < DV; c++)
                x->o[n][row * DV + c] = element(n, row, c);
        }
        x->o_at[n] = x->o[n];
        x->lse_at[n] = x->lse[n];
    }
    return x;
}

/* The definition, without subtracting a maximum: 10 normal sigmas stay far inside a double. */
static void expect_row(const float *o, float lse, size_t row, const bool dead[PARTS])
{
    double sum = 0.0, total[DV] = {0.0}, size[DV] = {0.0};
    for (size_t n = 0; n < PARTS; n++)
        for (size_t c = 0; c <= DV && !dead[n]; c++) {
            const double weight = exp((double)lse_of(n, row));
            if (c == DV)
                sum += weight;
            else
                total[c] += weight * (double)element(n, row, c), size[c] += weight * fabs((double)element(n, row, c));
        }
    for (size_t c = 0; c < DV; c++) /* one rounding of the result; the sums are in double */
        cr_expect_leq(fabs((double)o[c] - total[c] / sum), 0x1p-24 * fabs(total[c] / sum) + 0x1p-45 * size[c] / sum, "row %zu column %zu",
                      row, c);
    cr_expect_leq(fabs((double)lse - log(sum)), 0x1p-24 * fabs(log(sum)) + 0x1p-45, "row %zu", row);
}

Test(merge, the_whole_from_its_parts)
{
    Parts *x = parts();
    static float o[ROWS * DV], lse[ROWS];
    const bool dead[PARTS] = {false};
    const AttnMerge m = attn_merge_of(PARTS, B, H, S, DV);
    cr_assert_eq(attn_merge(&m, x->o_at, x->lse_at, o, lse), ATTN_OK, "%s", attn_last_error());
    for (size_t row = 0; row < ROWS; row++)
        expect_row(o + row * DV, lse[row], row, dead);
    free(x);
}

/* What a dead part holds is not read; all dead is 0 and -inf; so is no part at all. */
Test(merge, dead_parts)
{
    Parts *x = parts();
    static float o[ROWS * DV], lse[ROWS];
    const bool dead[PARTS] = {false, true, false};
    const AttnMerge m = attn_merge_of(PARTS, B, H, S, DV), none = attn_merge_of(0, B, H, S, DV);
    for (size_t row = 0; row < ROWS; row++) {
        x->lse[1][row] = -INFINITY;
        for (size_t c = 0; c < DV; c++)
            x->o[1][row * DV + c] = NAN;
    }
    for (size_t n = 0; n < PARTS; n++) {
        x->lse[n][4] = -INFINITY;
        x->o[n][4 * DV] = NAN;
    }
    cr_assert_eq(attn_merge(&m, x->o_at, x->lse_at, o, lse), ATTN_OK);
    for (size_t row = 0; row < ROWS; row++)
        if (row != 4)
            expect_row(o + row * DV, lse[row], row, dead);
    for (size_t c = 0; c < DV; c++)
        cr_expect_eq(o[4 * DV + c], 0.0f);
    cr_expect_eq(lse[4], -INFINITY);
    cr_assert_eq(attn_merge(&none, NULL, NULL, o, lse), ATTN_OK);
    for (size_t i = 0; i < ROWS * DV; i++)
        cr_expect_eq(o[i], 0.0f);
    for (size_t i = 0; i < ROWS; i++)
        cr_expect_eq(lse[i], -INFINITY);
    free(x);
}

/* FlashAttention 2 writes +inf for a row that sees nothing: such a part is dead too. Beside a NaN the row stays NaN. */
Test(merge, plus_infinity_is_dead_too)
{
    Parts *x = parts();
    static float o[ROWS * DV], lse[ROWS];
    const bool dead[PARTS] = {false, true, false};
    const AttnMerge m = attn_merge_of(PARTS, B, H, S, DV);
    for (size_t row = 0; row < ROWS; row++) {
        x->lse[1][row] = INFINITY;
        x->o[1][row * DV] = NAN;
    }
    x->lse[0][3] = -INFINITY;
    x->lse[2][3] = INFINITY;
    x->lse[2][5] = NAN;
    cr_assert_eq(attn_merge(&m, x->o_at, x->lse_at, o, lse), ATTN_OK);
    for (size_t row = 0; row < ROWS; row++)
        if (row != 3 && row != 5)
            expect_row(o + row * DV, lse[row], row, dead);
    for (size_t c = 0; c < DV; c++)
        cr_expect(o[3 * DV + c] == 0.0f && isnan(o[5 * DV + c]), "column %zu", c);
    cr_expect_eq(lse[3], -INFINITY);
    cr_expect(isnan(lse[5]));
    free(x);
}

Test(merge, a_nan_lse_poisons_its_row_only)
{
    Parts *x = parts();
    static float o[ROWS * DV], lse[ROWS];
    const bool dead[PARTS] = {false};
    const AttnMerge m = attn_merge_of(PARTS, B, H, S, DV);
    x->lse[0][2] = NAN;
    cr_assert_eq(attn_merge(&m, x->o_at, x->lse_at, o, lse), ATTN_OK);
    cr_expect(isnan(o[2 * DV]) && isnan(lse[2]));
    expect_row(o + 3 * DV, lse[3], 3, dead);
    free(x);
}

/* Each part in turn receives the result: same bits as apart. */
Test(merge, a_part_may_be_the_result)
{
    static float o[ROWS * DV], lse[ROWS];
    const AttnMerge m = attn_merge_of(PARTS, B, H, S, DV);
    for (size_t n = 0; n < PARTS; n++) {
        Parts *x = parts();
        cr_assert_eq(attn_merge(&m, x->o_at, x->lse_at, o, lse), ATTN_OK);
        cr_assert_eq(attn_merge(&m, x->o_at, x->lse_at, x->o[n], x->lse[n]), ATTN_OK, "%s", attn_last_error());
        cr_expect_arr_eq(x->o[n], o, sizeof o, "part %zu", n);
        cr_expect_arr_eq(x->lse[n], lse, sizeof lse, "part %zu", n);
        free(x);
    }
}

/* Wider than a block of columns, strides everywhere, and without lse: same bits as contiguous. */
Test(merge, strides_and_wide_rows)
{
    enum { WIDE = 600, GAP = 5, TALL = 4 };
    static float part[2][TALL * WIDE], lse[2][TALL], o[TALL * WIDE], gapped[2][TALL * (WIDE + GAP)], gapped_lse[2][TALL * 2],
        out[TALL * (WIDE + GAP)];
    const float *at[] = {part[0], part[1]}, *lse_at[] = {lse[0], lse[1]}, *gapped_at[] = {gapped[0], gapped[1]},
                *gapped_lse_at[] = {gapped_lse[0], gapped_lse[1]};
    for (size_t n = 0; n < 2; n++)
        for (size_t i = 0; i < TALL; i++) {
            lse[n][i] = gapped_lse[n][2 * i] = lse_of(n, i) / 10.0f;
            for (size_t c = 0; c < WIDE; c++)
                part[n][i * WIDE + c] = gapped[n][i * (WIDE + GAP) + c] = (float)random_normal(n, i * WIDE + c);
        }
    AttnMerge m = attn_merge_of(2, 1, 1, TALL, WIDE);
    m.lse = (AttnLayout){ATTN_NONE, 0, 0, 0};
    cr_assert_eq(attn_merge(&m, at, lse_at, o, NULL), ATTN_OK, "%s", attn_last_error());
    m.o_part.row = m.o.row = WIDE + GAP;
    m.lse_part.row = 2;
    memset(out, 0xa5, sizeof out);
    cr_assert_eq(attn_merge(&m, gapped_at, gapped_lse_at, out, NULL), ATTN_OK, "%s", attn_last_error());
    for (size_t i = 0; i < TALL; i++) {
        cr_expect_arr_eq(out + i * (WIDE + GAP), o + i * WIDE, WIDE * sizeof *o, "row %zu", i);
        for (size_t c = 0; c < GAP * sizeof *o; c++)
            cr_expect_eq(((unsigned char *)(out + i * (WIDE + GAP) + WIDE))[c], 0xa5, "the gap after row %zu", i);
    }
}

/* Attention over all keys is the merge of attention over two halves of them. */
Test(merge, halves_of_the_keys)
{
    enum { K = 40, D = 8, CUT = 17 };
    static float q[S * D], k[K * D], v[K * DV], whole[S * DV], whole_lse[S], half[2][S * DV], half_lse[2][S], o[S * DV], lse[S];
    for (size_t i = 0; i < K * D; i++) {
        q[i % (S * D)] = (float)random_normal(1, i);
        k[i] = (float)random_normal(2, i);
        v[i % (K * DV)] = (float)random_normal(3, i);
    }
    for (size_t n = 0; n < 3; n++) {
        const size_t from = n == 2 ? CUT : 0, rows = n == 0 ? K : n == 1 ? CUT : K - CUT;
        AttnProblem p = attn_problem(1, 1, 1, S, rows, D, DV);
        attn_problem_want_lse(&p);
        AttnTensors t = attn_tensors(q, k + from * D, v + from * DV, n == 0 ? whole : half[n - 1]);
        t.lse = n == 0 ? whole_lse : half_lse[n - 1];
        cr_assert_eq(attn_sdpa(&p, &t), ATTN_OK);
    }
    const AttnMerge m = attn_merge_of(2, 1, 1, S, DV);
    const float *o_at[] = {half[0], half[1]}, *lse_at[] = {half_lse[0], half_lse[1]};
    cr_assert_eq(attn_merge(&m, o_at, lse_at, o, lse), ATTN_OK);
    for (size_t i = 0; i < S * DV; i++) /* scores and v of size 1: a few dozen roundings of 2^-24 on either side */
        cr_expect_float_eq(o[i], whole[i], 64 * 0x1p-24);
    for (size_t i = 0; i < S; i++)
        cr_expect_float_eq(lse[i], whole_lse[i], 64 * 0x1p-24);
}

Test(merge, bad_input)
{
    Parts *x = parts();
    static float o[ROWS * DV], lse[ROWS];
    const AttnMerge good = attn_merge_of(PARTS, B, H, S, DV);
    AttnMerge m = good;
#define REFUSED(status, says, call)                                                                                                        \
    do {                                                                                                                                   \
        cr_expect_eq(call, status);                                                                                                        \
        cr_expect_not_null(strstr(attn_last_error(), says), "%s", attn_last_error());                                                      \
        m = good;                                                                                                                          \
    } while (0)
    memset(o, 0xa5, sizeof o);
    REFUSED(ATTN_ERROR_NULL, "merge is NULL", attn_merge(NULL, x->o_at, x->lse_at, o, lse));
    m.size = 3;
    REFUSED(ATTN_ERROR_STRUCT, "merge.size is 3", attn_merge(&m, x->o_at, x->lse_at, o, lse));
    m.dv = 0;
    REFUSED(ATTN_ERROR_VALUE, "merge.dv is 0; allowed: 1 to", attn_merge(&m, x->o_at, x->lse_at, o, lse));
    m.rows = SIZE_MAX;
    REFUSED(ATTN_ERROR_VALUE, "merge.rows is", attn_merge(&m, x->o_at, x->lse_at, o, lse));
    m.o_part.dtype = ATTN_F16;
    REFUSED(ATTN_ERROR_VALUE, "merge.o_part.dtype is 3", attn_merge(&m, x->o_at, x->lse_at, o, lse));
    m.o.row = 1;
    REFUSED(ATTN_ERROR_OVERLAP, "merge.o is", attn_merge(&m, x->o_at, x->lse_at, o, lse));
    REFUSED(ATTN_ERROR_NULL, "o_parts is NULL", attn_merge(&m, NULL, x->lse_at, o, lse));
    REFUSED(ATTN_ERROR_NULL, "lse_parts is NULL", attn_merge(&m, x->o_at, NULL, o, lse));
    REFUSED(ATTN_ERROR_NULL, "tensors.lse is NULL", attn_merge(&m, x->o_at, x->lse_at, o, NULL));
    REFUSED(ATTN_ERROR_OVERLAP, "o overlaps o_parts[1]", attn_merge(&m, x->o_at, x->lse_at, x->o[1] + 1, lse));
    REFUSED(ATTN_ERROR_OVERLAP, "overlaps lse_parts[0]", attn_merge(&m, x->o_at, x->lse_at, o, x->lse[0] + 1));
    const float *saved = x->o_at[2];
    x->o_at[2] = NULL;
    REFUSED(ATTN_ERROR_NULL, "o_parts is NULL", attn_merge(&m, x->o_at, x->lse_at, o, lse));
    x->o_at[2] = saved;
    m.lse.dtype = ATTN_NONE;
    REFUSED(ATTN_ERROR_VALUE, "tensors.lse is", attn_merge(&m, x->o_at, x->lse_at, o, lse));
    for (size_t i = 0; i < sizeof o; i++)
        cr_assert_eq(((unsigned char *)o)[i], 0xa5, "something was written");
    free(x);
}
