/* vocabulary.c - each word of a vector header against plain C, lane by lane. Compiled with -DISA=<row>, -DISA_HEADER=<its
 * vector header> and that row's flags. */
#include "tests/support/vocabulary.h"

#include "kernels/kernel.h"

#include ISA_HEADER

#include "kernels/algo/exp.h"
#include "kernels/algo/tanh.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)

static void exp2_all(const float *x, float *y, size_t n)
{
    const Exp2 *constants = exp2_constants();
    for (size_t i = 0; i < n; i += VL)
        vf_store(y + i, exp2_poly(vf_load(x + i), constants));
}

static void tanh_all(const float *x, float *y, size_t n)
{
    const Tanh *constants = tanh_constants();
    for (size_t i = 0; i < n; i += VL)
        vf_store(y + i, tanh_poly(vf_load(x + i), constants));
}

static int same(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* Numbers that tell words apart: signs, equal and unequal pairs, infinities, NaN. */
static const float xs[] = {0.0f, 1.5f, -2.25f, 3.0f, -0.5f, INFINITY, -INFINITY, 7.0f, 1e-3f, -1e3f, 2.0f, -3.0f, 0.125f, 6.0f, -8.0f, 9.5f};
static const float ys[] = {1.0f, 1.5f, 4.25f, -3.0f, -0.25f, 2.0f, -INFINITY, 8.0f, 1e3f, -1e-3f, NAN, -3.0f, 0.5f, NAN, 8.0f, -9.5f};

#define CHECK(word, got, want)                                                                                                            \
    do {                                                                                                                                  \
        float out_[VL];                                                                                                                   \
        vf_store(out_, got);                                                                                                              \
        for (int i = 0; i < VL; i++)                                                                                                      \
            if (!same(out_[i], want))                                                                                                     \
                return word;                                                                                                              \
    } while (0)

static const char *check_arithmetic(const float *a, const float *b)
{
    const vf x = vf_load(a), y = vf_load(b), z = vf_set1(0.75f);
    CHECK("vf_set1", z, 0.75f);
    CHECK("vf_add", vf_add(x, y), a[i] + b[i]);
    CHECK("vf_sub", vf_sub(x, y), a[i] - b[i]);
    CHECK("vf_mul", vf_mul(x, y), a[i] * b[i]);
    CHECK("vf_div", vf_div(x, y), a[i] / b[i]);
    CHECK("vf_max", vf_max(x, y), isnan(a[i]) || isnan(b[i]) ? b[i] : a[i] > b[i] ? a[i] : b[i]);
    CHECK("vf_fma", vf_fma(x, y, z), same(fmaf(a[i], b[i], 0.75f), out_[i]) ? out_[i] : a[i] * b[i] + 0.75f);
    CHECK("vf_where_eq", vf_where_eq(x, y, vf_set1(1.0f), vf_set1(2.0f)), a[i] == b[i] ? 1.0f : 2.0f);
    CHECK("vf_where_lt", vf_where_lt(x, y, vf_set1(1.0f), vf_set1(2.0f)), a[i] < b[i] ? 1.0f : 2.0f);
    int below = 1, differs = 0;
    for (int i = 0; i < VL; i++) {
        below = below && a[i] < b[i];
        differs = differs || !(a[i] == b[i]);
    }
    if (!vf_all_below(x, y) != !below)
        return "vf_all_below";
    if (!vf_any_differs(x, y) != !differs)
        return "vf_any_differs";
    return NULL;
}

/* One lane decides: the words that look at all lanes must see every single one. */
static const char *check_each_lane(void)
{
    for (int i = 0; i < VL; i++) {
        float a[VL], b[VL];
        for (int j = 0; j < VL; j++) {
            a[j] = 1.0f;
            b[j] = 2.0f;
        }
        if (!vf_all_below(vf_load(a), vf_load(b)) || vf_any_differs(vf_load(a), vf_load(a)))
            return "vf_all_below or vf_any_differs on equal lanes";
        a[i] = NAN;
        if (vf_all_below(vf_load(a), vf_load(b)))
            return "vf_all_below with one NaN";
        if (!vf_any_differs(vf_load(a), vf_load(a)))
            return "vf_any_differs with one NaN";
        a[i] = 2.0f;
        if (vf_all_below(vf_load(a), vf_load(b)))
            return "vf_all_below with one lane equal";
    }
    return NULL;
}

/* Tails touch n elements and no more: they end at an unmapped page. */
static const char *check_tails(float *fenced)
{
    for (size_t n = 0; n <= VL; n++) {
        float *at = fenced - n, full[VL];
        for (size_t i = 0; i < n; i++)
            at[i] = (float)(i + 1);
        CHECK("vf_load_tail", vf_load_tail(at, n), (size_t)i < n ? (float)(i + 1) : 0.0f);
        for (size_t i = 0; i < VL; i++)
            full[i] = (float)(i + 17);
        if (n < VL)
            at[-1] = -5.0f;
        vf_store_tail(at, n, vf_load(full));
        for (size_t i = 0; i < n; i++)
            if (at[i] != full[i])
                return "vf_store_tail";
        if (n < VL && at[-1] != -5.0f)
            return "vf_store_tail, before the row";
    }
    return NULL;
}

static const char *check_moves(float *fenced)
{
    float square[VL][VL];
    vf rows[VL];
    for (int i = 0; i < VL; i++)
        for (int j = 0; j < VL; j++)
            square[i][j] = (float)(i * VL + j);
    for (int i = 0; i < VL; i++)
        rows[i] = vf_load(square[i]);
    vf_transpose(rows);
    for (int r = 0; r < VL; r++)
        CHECK("vf_transpose", rows[r], square[i][r]);
    /* Constants, as the header wants them: widths and bits beyond this VL fall back to one that it has. */
#define PART(w) CHECK("vf_load_part", vf_load_part(fenced - (w), (w)), fenced[i % (w) - (w)])
#define FOLD(s)                                                                                                                           \
    if ((s) < VL)                                                                                                                         \
    CHECK("vf_fold", vf_fold(vf_load(square[0]), vf_load(square[VL > 1 ? 1 : 0]), (s)),                                                   \
          i &(s) ? square[1 % VL][i] + square[1 % VL][i ^ (s)] : square[0][i] + square[0][i ^ (s)])
    PART(1);
    PART(VL > 1 ? 2 : 1);
    PART(VL > 2 ? 4 : 1);
    PART(VL > 4 ? 8 : 1);
    PART(VL);
    FOLD(VL > 1 ? 1 : VL);
    FOLD(VL > 2 ? 2 : VL);
    FOLD(VL > 4 ? 4 : VL);
    FOLD(VL > 8 ? 8 : VL);
#undef PART
#undef FOLD
    unsigned char *bytes = (unsigned char *)fenced - VL;
    for (int pattern = 0; pattern < 64; pattern++) {
        for (int i = 0; i < VL; i++)
            bytes[i] = (unsigned char)((pattern * 2654435761u >> (i % 16)) & 1 ? 1 + 253 * (i & 1) : 0);
        CHECK("vf_load_mask", vf_load_mask(bytes), bytes[i] ? 0.0f : -INFINITY);
    }
    return NULL;
}

static const char *check_exp2_edges(void)
{
    static const float in[] = {-INFINITY, NAN, 0.0f, -0.0f, -1e30f, -127.0f, -200.0f, 1.0f, -1.0f, 10.0f, -126.0f, 126.0f};
    for (size_t k = 0; k < sizeof in / sizeof *in; k++) {
        float x[16], y[16];
        for (int i = 0; i < 16; i++)
            x[i] = in[k];
        exp2_all(x, y, 16);
        const float want = isnan(in[k]) ? NAN : in[k] <= -127.0f ? 0.0f : exp2f(in[k]);
        const int vanishes = in[k] <= -127.0f && fabsf(y[0]) < 0x1p-126f; /* denormal reads as zero inside kernels */
        if (!same(y[0], want) && !vanishes)
            return "exp2 at an exact or special argument";
    }
    static const float huge[] = {127.5f, 500.0f, 1e30f, INFINITY};
    for (size_t k = 0; k < sizeof huge / sizeof *huge; k++) {
        float x[16], y[16];
        for (int i = 0; i < 16; i++)
            x[i] = huge[k];
        exp2_all(x, y, 16);
        if (!(y[0] >= 0x1p126f))
            return "exp2 of a huge argument: must not wrap";
    }
    return NULL;
}

static const char *check_tanh_edges(void)
{
    static const float in[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1e30f, -1e30f, 20.0f, -20.0f};
    static const float out[] = {0.0f, -0.0f, 1.0f, -1.0f, NAN, 1.0f, -1.0f, 1.0f, -1.0f};
    for (size_t k = 0; k < sizeof in / sizeof *in; k++) {
        float x[16], y[16];
        for (int i = 0; i < 16; i++)
            x[i] = in[k];
        tanh_all(x, y, 16);
        if (!(y[0] == out[k] || (isnan(y[0]) && isnan(out[k]))))
            return "tanh at an exact or special argument";
    }
    return NULL;
}

static const char *check(float *fenced)
{
    const char *wrong = NULL;
    for (size_t at = 0; at + VL <= 16 && !wrong; at += VL)
        wrong = check_arithmetic(xs + at, ys + at);
    wrong = wrong ? wrong : check_each_lane();
    wrong = wrong ? wrong : check_tails(fenced);
    wrong = wrong ? wrong : check_moves(fenced);
    wrong = wrong ? wrong : check_exp2_edges();
    return wrong ? wrong : check_tanh_edges();
}

extern const Vocabulary ATTN_CAT(vocabulary_, ISA);
const Vocabulary ATTN_CAT(vocabulary_, ISA) = {
    .name = STRING(ISA), .features = VF_NEEDS, .lanes = VL, .exp_ulp = EXP2_ULP, .tanh_ulp = TANH_ULP,
    .exp2 = exp2_all, .tanh = tanh_all, .check = check};
