/* special.c - a table of rules. Each starts from ordinary data, pokes special values into it, and says what must come out.
 *
 * What must come out is the oracle's answer: it never reads what is hidden and lets IEEE arithmetic carry NaN and infinities, so a NaN that
 * a kernel loses, spreads to other rows or columns, or lets leak out of hidden keys is a disagreement. */
#include "harness/ops/sdpa/special.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "harness/ops/sdpa/agree.h"
#include "harness/ops/sdpa/oracle.h"
#include "harness/ops/sdpa/trial.h"

enum { ROWS = 21, KEYS = 75, HEADS = 4, KV_HEADS = 2, WIDTH = 24, WIDTH_V = 20 };

/* ---- Poking ----------------------------------------------------------------------------------------------------------------------- */

static Operand q_at(const Data *x, size_t b, size_t h, size_t i)
{
    return operand_row(x->tensors.q, &x->problem.q, b, h, i);
}

static Operand k_at(const Data *x, size_t b, size_t g, size_t j)
{
    return operand_row(x->tensors.k, &x->problem.k, b, g, j);
}

static Operand v_at(const Data *x, size_t b, size_t g, size_t j)
{
    return operand_row(x->tensors.v, &x->problem.v, b, g, j);
}

/* Row of a mask or bias; the problems here have no repeated axes, and columns are next to each other. */
static unsigned char *mask_at(const Data *x, size_t b, size_t h, size_t i)
{
    return (unsigned char *)(uintptr_t)x->tensors.mask + (ptrdiff_t)b * x->problem.mask.batch + (ptrdiff_t)h * x->problem.mask.head +
           (ptrdiff_t)i * x->problem.mask.row;
}

static float *bias_at(const Data *x, size_t b, size_t h, size_t i)
{
    return (float *)(uintptr_t)x->tensors.bias + (ptrdiff_t)b * x->problem.bias.batch + (ptrdiff_t)h * x->problem.bias.head +
           (ptrdiff_t)i * x->problem.bias.row;
}

static void each_row(Data *x, void (*poke)(Data *x, size_t b, size_t h, size_t i))
{
    for (size_t b = 0; b < x->problem.batch; b++)
        for (size_t h = 0; h < x->problem.q_heads; h++)
            for (size_t i = 0; i < x->problem.q_len; i++)
                poke(x, b, h, i);
}

/* Set all of k and v at key j to `value`, for every head. */
static void spoil_key(Data *x, size_t j, float value)
{
    for (size_t b = 0; b < x->problem.batch; b++)
        for (size_t g = 0; g < x->problem.kv_heads; g++) {
            for (size_t c = 0; c < x->problem.d; c++)
                operand_put(k_at(x, b, g, j), c, value);
            for (size_t c = 0; c < x->problem.dv; c++)
                operand_put(v_at(x, b, g, j), c, value);
        }
}

/* Keys that hidden-column rules hide from all rows: first, alone in the middle, a whole stretch, last. */
static bool spoiled(size_t j)
{
    return j == 0 || j == 13 || (j >= 30 && j < 52) || j == KEYS - 1;
}

static void spoil_hidden(Data *x)
{
    for (size_t j = 0; j < KEYS; j++)
        if (spoiled(j))
            spoil_key(x, j, j % 3 == 0 ? INFINITY : j % 3 == 1 ? NAN : -INFINITY);
}

/* ---- Rules ------------------------------------------------------------------------------------------------------------------------ */

static void nan_in_q(Data *x)
{
    operand_put(q_at(x, 1, 2, 7), 5, NAN);
    operand_put(q_at(x, 0, 0, 0), 0, NAN);
    operand_put(q_at(x, 0, 3, ROWS - 1), WIDTH - 1, NAN);
}

static void nan_in_k(Data *x)
{
    operand_put(k_at(x, 1, 1, 9), WIDTH - 1, NAN);
    operand_put(k_at(x, 0, 0, KEYS - 1), 0, NAN);
}

static void nan_in_v(Data *x)
{
    operand_put(v_at(x, 1, 0, 9), WIDTH_V - 1, NAN);
    operand_put(v_at(x, 0, 1, 0), 3, NAN);
}

static void inf_in_v(Data *x)
{
    operand_put(v_at(x, 1, 0, 9), WIDTH_V - 1, INFINITY);
    operand_put(v_at(x, 0, 1, 70), 3, -INFINITY);
    operand_put(v_at(x, 0, 1, 0), 0, INFINITY);
    operand_put(v_at(x, 0, 1, 64), 0, -INFINITY); /* Inf - Inf */
}

static void inf_in_k(Data *x)
{
    operand_put(k_at(x, 0, 0, 40), 2, INFINITY); /* score +Inf or -Inf by the sign of q */
    operand_put(k_at(x, 1, 1, 3), 0, -INFINITY);
}

static void inf_in_q(Data *x)
{
    operand_put(q_at(x, 0, 1, 4), 2, INFINITY);
}

static void mask_column_row(Data *x, size_t b, size_t h, size_t i)
{
    for (size_t j = 0; j < KEYS; j++)
        if (spoiled(j))
            mask_at(x, b, h, i)[j] = 0;
}

static void mask_column(Data *x)
{
    each_row(x, mask_column_row);
    spoil_hidden(x);
}

static void bias_column_row(Data *x, size_t b, size_t h, size_t i)
{
    for (size_t j = 0; j < KEYS; j++)
        if (spoiled(j))
            bias_at(x, b, h, i)[j] = -INFINITY;
}

static void bias_column(Data *x)
{
    each_row(x, bias_column_row);
    spoil_hidden(x);
}

static void beyond_frontier(Data *x)
{
    for (size_t j = 0; j < KEYS; j++) {
        bool seen = false;
        for (size_t i = 0; i < ROWS; i++)
            seen = seen || (int64_t)j <= (int64_t)i + (x->problem.offset);
        if (!seen)
            spoil_key(x, j, j % 2 ? NAN : INFINITY);
    }
}

static void dead_mask_row(Data *x, size_t b, size_t h, size_t i)
{
    if ((i + h + b) % 3 == 0)
        memset(mask_at(x, b, h, i), 0, KEYS);
}

static void dead_mask(Data *x)
{
    each_row(x, dead_mask_row);
}

static void dead_mask_nan_q(Data *x)
{
    dead_mask(x);
    for (size_t c = 0; c < WIDTH; c++)
        operand_put(q_at(x, 0, 0, 0), c, NAN), operand_put(q_at(x, 1, 2, 3), c, NAN); /* both rows see nothing */
}

static void all_dead(Data *x)
{
    memset(x->arena[DATA_MASK].at, 0, x->arena[DATA_MASK].bytes);
    for (size_t j = 0; j < KEYS; j++)
        spoil_key(x, j, NAN);
}

static void dead_bias_row(Data *x, size_t b, size_t h, size_t i)
{
    for (size_t j = 0; j < KEYS && (i + h + b) % 3 == 0; j++)
        bias_at(x, b, h, i)[j] = -INFINITY;
}

static void dead_bias(Data *x)
{
    each_row(x, dead_bias_row);
}

/* Some keys of every row, and all keys of some rows, carry a huge negative bias. v is shifted away from 0, so that a row wrongly taken for
 * one with nothing visible lies outside the hull of v. */
static float huge_bias;

static void huge_bias_row(Data *x, size_t b, size_t h, size_t i)
{
    for (size_t j = 0; j < KEYS; j++)
        bias_at(x, b, h, i)[j] = i % 4 == 1 || j % 3 == 0 ? huge_bias : 0.25f;
}

static void huge_bias_all(Data *x, float value)
{
    huge_bias = value;
    each_row(x, huge_bias_row);
    for (size_t b = 0; b < x->problem.batch; b++)
        for (size_t g = 0; g < KV_HEADS; g++)
            for (size_t j = 0; j < KEYS; j++)
                for (size_t c = 0; c < WIDTH_V; c++)
                    operand_put(v_at(x, b, g, j), c, 8.0f + 0.5f * (float)tanh((double)operand_get(v_at(x, b, g, j), c)));
}

static void bias_1e30(Data *x)
{
    huge_bias_all(x, -1e30f);
}

static void bias_flt_max(Data *x)
{
    huge_bias_all(x, -FLT_MAX);
}

static void bias_1e4(Data *x)
{
    huge_bias_all(x, -10000.0f);
}

static void nan_in_bias(Data *x)
{
    bias_at(x, 0, 2, 5)[17] = NAN;
    bias_at(x, 1, 0, 0)[0] = NAN;
}

static void plus_inf_in_bias(Data *x)
{
    bias_at(x, 0, 2, 5)[17] = INFINITY;
    bias_at(x, 1, 0, 0)[KEYS - 1] = INFINITY;
}

static void masked_bias_row(Data *x, size_t b, size_t h, size_t i)
{
    for (size_t j = 0; j < KEYS; j++)
        if ((i + j) % 5 == 0) {
            mask_at(x, b, h, i)[j] = 0;
            bias_at(x, b, h, i)[j] = j % 2 ? NAN : INFINITY;
        }
}

static void masked_bias(Data *x)
{
    each_row(x, masked_bias_row);
}

static void minus_zero(Data *x)
{
    for (size_t c = 0; c < WIDTH; c++)
        operand_put(q_at(x, 0, 0, 3), c, -0.0f);
    for (size_t j = 0; j < KEYS; j++)
        operand_put(v_at(x, 0, 0, j), 2, -0.0f);
}

static void nothing(Data *x)
{
    (void)x;
}

/* ---- Rules of position, lengths, sinks, soft-cap, scores -------------------------------------------------------------------------- */

/* What data_make left as NaN because no row may look at it, as infinity. */
static void infinite_hidden(Data *x)
{
    for (size_t b = 0; b < x->problem.batch; b++)
        for (size_t g = 0; g < x->problem.kv_heads; g++)
            for (size_t j = 0; j < x->problem.k_len - x->problem.past_len; j++) {
                for (size_t c = 0; c < x->problem.d && isnan(operand_get(k_at(x, b, g, j), 0)); c++)
                    operand_put(k_at(x, b, g, j), x->problem.d - 1 - c, j % 2 ? INFINITY : -INFINITY);
                for (size_t c = 0; c < x->problem.dv && isnan(operand_get(v_at(x, b, g, j), 0)); c++)
                    operand_put(v_at(x, b, g, j), x->problem.dv - 1 - c, j % 2 ? INFINITY : -INFINITY);
            }
}

static void all_nan(Data *x)
{
    for (size_t j = 0; j < x->problem.k_len; j++)
        spoil_key(x, j, NAN);
}

/* Entry 0 has no key at all, entry 1 has them all. */
static void extreme_lengths(Data *x)
{
    int64_t *length = x->arena[DATA_KV_LENGTHS].at;
    length[0] = 0;
    length[1] = (int64_t)x->problem.k_len;
    for (size_t g = 0; g < x->problem.kv_heads; g++)
        for (size_t j = 0; j < x->problem.k_len; j++) {
            for (size_t c = 0; c < x->problem.d; c++) {
                operand_put(k_at(x, 0, g, j), c, NAN);
                operand_put(k_at(x, 1, g, j), c, (float)sin((double)(j * 7 + c * 3 + g)));
            }
            for (size_t c = 0; c < x->problem.dv; c++) {
                operand_put(v_at(x, 0, g, j), c, INFINITY);
                operand_put(v_at(x, 1, g, j), c, (float)cos((double)(j * 5 + c + g)));
            }
        }
}

/* Entry 3 has keys but no rows, entry 4 rows but no keys; what entry 3 has is never looked at. */
static void empty_sequences(Data *x)
{
    int64_t *cu_q = x->arena[DATA_CU_Q].at, *cu_k = x->arena[DATA_CU_K].at;
    cu_q[4] = cu_q[3];
    cu_k[4] = cu_k[5];
    for (size_t g = 0; g < x->problem.kv_heads; g++)
        for (size_t j = (size_t)cu_k[3]; j < (size_t)cu_k[4]; j++)
            operand_put(k_at(x, 0, g, j), 0, NAN), operand_put(v_at(x, 0, g, j), 0, NAN);
}

static void set_sinks(Data *x, float value)
{
    float *sinks = x->arena[DATA_SINKS].at;
    for (size_t h = 0; h < x->problem.q_heads; h++)
        sinks[h] = value;
}

static void sinks_minus_inf(Data *x)
{
    set_sinks(x, -INFINITY);
}

static void sinks_huge(Data *x)
{
    set_sinks(x, 1e4f);
}

static void sinks_nan(Data *x)
{
    float *sinks = x->arena[DATA_SINKS].at;
    sinks[1] = NAN;
}

/* Every score of head 1 is -inf: its rows see keys, of which none has a weight. Those of head 0 are all -inf or all +inf. */
static void sinks_nan_scores_minus_inf(Data *x)
{
    sinks_nan(x);
    for (size_t b = 0; b < x->problem.batch; b++) {
        for (size_t i = 0; i < x->problem.q_len; i++)
            for (size_t c = 0; c < x->problem.d; c++)
                operand_put(q_at(x, b, 1, i), c, c == 0 ? 1.0f : 0.0f);
        for (size_t j = 0; j < x->problem.k_len; j++)
            operand_put(k_at(x, b, 0, j), 0, -INFINITY);
    }
}

static void sinks_infinite(Data *x)
{
    set_sinks(x, INFINITY);
}

static void sinks_3e38(Data *x)
{
    set_sinks(x, 3e38f);
}

static void sinks_flt_max(Data *x)
{
    set_sinks(x, FLT_MAX);
}

static void sinks_minus_flt_max(Data *x)
{
    set_sinks(x, -FLT_MAX);
}

static void sinks_infinite_nan_k(Data *x)
{
    set_sinks(x, INFINITY);
    nan_in_k(x);
}

static void huge_q(Data *x)
{
    for (size_t b = 0; b < x->problem.batch; b++)
        for (size_t h = 0; h < x->problem.q_heads; h++)
            for (size_t i = 0; i < x->problem.q_len; i++)
                for (size_t c = 0; c < x->problem.d; c++)
                    operand_put(q_at(x, b, h, i), c, 1e15f * operand_get(q_at(x, b, h, i), c));
}

/* NaN in the bias wherever position, window or length hide the key from the row. */
static void bias_outside_row(Data *x, size_t b, size_t h, size_t i)
{
    const OracleEntry entry = oracle_entry(&x->problem, &x->tensors, b);
    size_t low, high;
    oracle_range(&x->problem, &entry, i, &low, &high);
    for (size_t j = 0; j < x->problem.k_len; j++)
        if (j < low || j >= high)
            bias_at(x, b, h, i)[j] = j % 2 ? NAN : INFINITY;
}

static void bias_outside(Data *x)
{
    each_row(x, bias_outside_row);
}

static void slopes_zero(Data *x)
{
    memset(x->arena[DATA_SLOPES].at, 0, x->arena[DATA_SLOPES].bytes);
}

/* ---- Rules of range: numbers that f32 holds although what a kernel makes of them on the way may not be one ------------------------ */

/* q is (first, 0, 0, …); k is (of(j), 0, 0, …). v moves away from 0, so that a row taken for one that sees nothing is outside its hull. */
static void set_scores(Data *x, float first, float (*of)(size_t j))
{
    for (size_t b = 0; b < x->problem.batch; b++) {
        for (size_t h = 0; h < x->problem.q_heads; h++)
            for (size_t i = 0; i < x->problem.q_len; i++)
                for (size_t c = 0; c < x->problem.d; c++)
                    operand_put(q_at(x, b, h, i), c, c ? 0.0f : first);
        for (size_t g = 0; g < x->problem.kv_heads; g++)
            for (size_t j = 0; j < x->problem.k_len; j++) {
                for (size_t c = 0; c < x->problem.d; c++)
                    operand_put(k_at(x, b, g, j), c, c ? 0.0f : of(j));
                for (size_t c = 0; c < x->problem.dv; c++)
                    operand_put(v_at(x, b, g, j), c, 8.0f + 0.5f * (float)sin((double)(j * 7 + c)));
            }
    }
}

static float all_low(size_t j)
{
    (void)j;
    return -3e38f;
}

static void scores_low(Data *x)
{
    set_scores(x, 1.0f, all_low);
}

static float some_high(size_t j)
{
    return j == 5 || j == 50 ? 3e38f : j % 2 ? -3e38f : 1e38f;
}

static void scores_high(Data *x)
{
    set_scores(x, 1.0f, some_high);
}

static float all_tiny(size_t j)
{
    return j % 3 ? -0x1p-120f : -0x1.8p-120f;
}

static void scale_undoes(Data *x)
{
    set_scores(x, 1024.0f, all_tiny);
}

static void sinks_and_scale_undoes(Data *x)
{
    set_scores(x, 1024.0f, all_tiny);
    set_sinks(x, -4096.0f);
}

static float all_1e20(size_t j)
{
    (void)j;
    return 1e20f;
}

static void same_place(Data *x)
{
    set_scores(x, 1e20f, all_1e20);
}

/* |k|^2 leaves the range for some keys, which are the nearest ones all the same; other keys are ordinary numbers. */
static float near_far(size_t j)
{
    return j % 4 == 0 ? 2e19f : 0.0f;
}

static void far_place(Data *x)
{
    set_scores(x, 1.2e19f, near_far);
}

static void beyond_place(Data *x)
{
    set_scores(x, 0.0f, all_1e20);
}

/* Terms that leave the range one by one, and cancel. */
static void cancelling_terms(Data *x)
{
    for (size_t b = 0; b < x->problem.batch; b++) {
        for (size_t h = 0; h < x->problem.q_heads; h++)
            for (size_t i = 0; i < x->problem.q_len; i++)
                for (size_t c = 0; c < x->problem.d; c++)
                    operand_put(q_at(x, b, h, i), c, FLT_MAX);
        for (size_t g = 0; g < x->problem.kv_heads; g++)
            for (size_t j = 0; j < x->problem.k_len; j++)
                for (size_t c = 0; c < x->problem.d; c++)
                    operand_put(k_at(x, b, g, j), c, c % 2 ? FLT_MAX : -FLT_MAX);
    }
}

static void slopes_flt_max(Data *x)
{
    float *slopes = x->arena[DATA_SLOPES].at;
    for (size_t h = 0; h < x->problem.q_heads; h++)
        slopes[h] = FLT_MAX;
}

/* ---- Values hidden from some rows ------------------------------------------------------------------------------------------------- */

/* NaN and infinities in v of keys that structure hides from some rows and shows to others; k stays as it is. */
static void some_values(Data *x)
{
    for (size_t b = 0; b < x->problem.batch; b++)
        for (size_t g = 0; g < x->problem.kv_heads; g++)
            for (size_t j = 60; j < x->problem.k_len; j += 4)
                operand_put(v_at(x, b, g, j), (j + g) % WIDTH_V, j % 3 == 0 ? INFINITY : j % 3 == 1 ? NAN : -INFINITY);
}

static void some_values_masked_row(Data *x, size_t b, size_t h, size_t i)
{
    for (size_t j = 60; j < KEYS; j += 4)
        mask_at(x, b, h, i)[j] = (i + h) % 3 == 0;
}

static void some_values_masked(Data *x)
{
    some_values(x);
    each_row(x, some_values_masked_row);
}

static void some_values_biased_row(Data *x, size_t b, size_t h, size_t i)
{
    for (size_t j = 60; j < KEYS; j += 4)
        bias_at(x, b, h, i)[j] = (i + h) % 3 == 0 ? 1.0f : -INFINITY;
}

static void some_values_biased(Data *x)
{
    some_values(x);
    each_row(x, some_values_biased_row);
}

typedef struct Rule {
    const char *name;
    const char *must;    /* what must happen                     */
    VerifyCase c;        /* sizes of 0 mean the usual ones       */
    void (*poke)(Data *);
    enum { USUAL, NO_BATCH, NO_ROWS, NO_KEYS } empty;
} Rule;

#define MASK .c.shape.mask = true
#define BIAS .c.shape.bias = true
#define TOP .c.shape.causal = true
#define BOTTOM .c.shape.causal = true, .c.shape.align = ATTN_ALIGN_BOTTOM_RIGHT
#define OFFSET(n) .c.shape.causal = true, .c.shape.align = ATTN_ALIGN_OFFSET, .c.shape.offset = n
#define AT(n) .c.shape.align = ATTN_ALIGN_OFFSET, .c.shape.offset = n
#define WINDOW(l, r) .c.shape.window = true, .c.shape.window_left = l, .c.shape.window_right = r
#define PAD .c.shape.kv_lengths = true, .c.shape.pad = 1.0
#define SINKS .c.shape.sinks = true
#define CAP(x) .c.shape.softcap = x
#define SCORES(stage) .c.shape.scores = true, .c.shape.scores_stage = ATTN_STAGE_##stage
#define SCALE(x) .c.storage.has_scale = true, .c.storage.scale = x

/* clang-format off */
static const Rule rules[] = {
    {"nan-in-q", "NaN in q: that row is NaN, no other", .poke = nan_in_q},
    {"nan-in-k", "NaN in a visible k: the rows that see it are NaN", .poke = nan_in_k},
    {"nan-in-k-causal", "NaN in k beyond the frontier of a row does not reach it", BOTTOM, .poke = nan_in_k},
    {"nan-in-v", "NaN in a visible v: that column is NaN, no other", .poke = nan_in_v},
    {"inf-in-v", "Inf in a visible v: that column is Inf; Inf - Inf is NaN", .poke = inf_in_v},
    {"inf-in-k", "score +Inf: the row is NaN; score -Inf: weight 0", .poke = inf_in_k},
    {"inf-in-q", "scores +Inf and -Inf in one row: NaN", .poke = inf_in_q},
    {"mask-column", "NaN and Inf in keys that a mask hides from all rows: no effect", MASK, .poke = mask_column},
    {"bias-column", "NaN and Inf in keys that -inf hides from all rows: no effect", BIAS, .poke = bias_column},
    {"beyond-topleft", "NaN and Inf beyond the frontier of all rows: no effect", TOP, .poke = beyond_frontier},
    {"beyond-offset", "the same with an offset", OFFSET(22), .poke = beyond_frontier},
    {"behind-offset", "negative offset: first rows see nothing, late keys hold NaN", OFFSET(-9), .poke = beyond_frontier},
    {"far-offset", "offset before all keys: o = 0, lse = -inf, NaN everywhere in k and v", OFFSET(-1000), .poke = beyond_frontier},
    {"beyond-keys", "offset past all keys hides nothing", OFFSET(1000), .poke = nothing},
    {"dead-mask", "mask hides a whole row: o = 0, lse = -inf", MASK, .poke = dead_mask},
    {"dead-mask-nan-q", "the same although q of that row is NaN", MASK, .poke = dead_mask_nan_q},
    {"all-dead", "mask hides all: o = 0, lse = -inf, NaN everywhere in k and v", MASK, .poke = all_dead},
    {"dead-bias", "bias of -inf along a row: o = 0, lse = -inf", BIAS, .poke = dead_bias},
    {"bias-1e4", "a bias of -1e4 is an ordinary number", BIAS, .poke = bias_1e4},
    {"bias-1e30", "a bias of -1e30 is an ordinary number, on all keys of a row too", BIAS, .poke = bias_1e30},
    {"bias-flt-max", "a bias of -FLT_MAX is an ordinary number, on all keys of a row too", BIAS, .poke = bias_flt_max},
    {"nan-in-bias", "NaN in a visible bias: that row is NaN", BIAS, .poke = nan_in_bias},
    {"plus-inf-in-bias", "bias of +Inf: that row is NaN", BIAS, .poke = plus_inf_in_bias},
    {"masked-bias", "NaN and +Inf in a bias where the mask hides: no effect", MASK, BIAS, .poke = masked_bias},
    {"scale-0", "scale 0 is 0: visible keys weigh the same", SCALE(0.0), .poke = nothing},
    {"scale-huge", "scale 1e6: one key takes all", SCALE(1e6), .poke = nothing},
    {"minus-zero", "-0 is 0", .poke = minus_zero},
    {"window-0", "window 0, 0: each row sees the key at its own position", AT(3), WINDOW(0, 0), .poke = infinite_hidden},
    {"window-left", "left end inclusive, right open", AT(40), WINDOW(5, -1), .poke = infinite_hidden},
    {"window-right", "right end inclusive, left open", AT(-9), WINDOW(-1, 5), .poke = infinite_hidden},
    {"window-open", "window -1, -1 hides nothing", WINDOW(-1, -1), .poke = nothing},
    {"window-beyond", "window past all keys: o = 0, lse = -inf, NaN everywhere in k and v", AT(1000), WINDOW(3, 3), .poke = all_nan},
    {"window-dead-rows", "window leaves the keys: from there on rows see nothing", AT(70), WINDOW(2, 2), .poke = infinite_hidden},
    {"window-causal", "window and frontier both apply", BOTTOM, WINDOW(6, 9), .poke = infinite_hidden},
    {"window-wide", "a window wider than the keys hides nothing", WINDOW(1 << 30, 1 << 30), .poke = nothing},
    {"beyond-lengths", "NaN and Inf beyond an entry's length: no effect", PAD, .poke = infinite_hidden},
    {"beyond-lengths-causal", "the same with a frontier that ends at the length", PAD, BOTTOM, .poke = infinite_hidden},
    {"lengths-0", "length 0: o = 0, lse = -inf; the full length hides nothing", PAD, SCORES(WEIGHTS), .poke = extreme_lengths},
    {"lengths-0-sink", "length 0 with a sink: o = 0, lse = sink", PAD, SINKS, .poke = extreme_lengths},
    {"lengths-negative", "lengths shorter than the rows: bottom-right offsets are negative, never clamped", PAD, BOTTOM,
     .c.shape.q_len = 90, .poke = infinite_hidden},
    {"empty-sequences", "ragged entries without rows or without keys", .c.shape.varlen = true, .c.shape.batch = 6,
     .poke = empty_sequences},
    {"sink-alone", "nothing visible but a sink: o = 0, lse = sink", OFFSET(-1000), SINKS, .poke = all_nan},
    {"sink-some-dead", "the same for some rows", OFFSET(-9), SINKS, SCORES(WEIGHTS), .poke = infinite_hidden},
    {"sink-minus-inf", "a sink of -inf is none", OFFSET(-9), SINKS, .poke = sinks_minus_inf},
    {"sink-huge", "a sink of 1e4 takes all weight", SINKS, .poke = sinks_huge},
    {"sink-nan", "NaN as a sink: the rows of that head are NaN", SINKS, .poke = sinks_nan},
    {"sink-nan-some-dead", "NaN as a sink: o = 0 and lse NaN where no key is seen", OFFSET(-9), SINKS, .poke = sinks_nan},
    {"sink-nan-dead-scores", "the same where all scores are -inf", SINKS, SCORES(WEIGHTS), .poke = sinks_nan_scores_minus_inf},
    {"sink-not-scaled", "scale 0 leaves the sink alone", SINKS, SCALE(0.0), .poke = nothing},
    {"sink-infinite", "a sink of +inf takes all weight: o = 0, lse = +inf", SINKS, SCORES(WEIGHTS), .poke = sinks_infinite},
    {"sink-infinite-alone", "the same where nothing is visible", OFFSET(-9), SINKS, .poke = sinks_infinite},
    {"sink-infinite-bias", "the same with a bias", BIAS, SINKS, .poke = sinks_infinite},
    {"sink-infinite-parts", "the same where keys are worked on in parts", SINKS, .c.shape.q_len = 1, .c.shape.k_len = 1100,
     .poke = sinks_infinite},
    {"sink-infinite-nan", "NaN in a visible k beside it: NaN", SINKS, .poke = sinks_infinite_nan_k},
    {"sink-3e38", "a sink of 3e38 is an ordinary number", OFFSET(-9), SINKS, SCORES(WEIGHTS), .poke = sinks_3e38},
    {"sink-flt-max", "so is one of FLT_MAX", OFFSET(-9), SINKS, .poke = sinks_flt_max},
    {"sink-minus-flt-max", "and one of -FLT_MAX, alone too", OFFSET(-9), SINKS, .poke = sinks_minus_flt_max},
    {"sink-flt-max-parts", "the same where keys are worked on in parts", SINKS, .c.shape.q_len = 1, .c.shape.k_len = 1100,
     .poke = sinks_flt_max},
    {"score-low", "a score of -3e38 on all keys is an ordinary number", SCALE(1.0), SCORES(BIASED), .poke = scores_low},
    {"score-low-parts", "the same where keys are worked on in parts", SCALE(1.0), .c.shape.q_len = 1, .c.shape.k_len = 1100,
     .poke = scores_low},
    {"score-low-causal", "the same behind a frontier", SCALE(1.0), OFFSET(-9), SCORES(RAW), .poke = scores_low},
    {"score-high", "so is one of 3e38", SCALE(1.0), SCORES(RAW), .poke = scores_high},
    {"score-high-bias", "the same with a bias", SCALE(1.0), BIAS, SCORES(WEIGHTS), .poke = scores_high},
    {"score-high-window", "the same in a window", SCALE(1.0), AT(3), WINDOW(9, 9), SCORES(BIASED), .poke = scores_high},
    {"scale-undoes", "scale * q is no f32, but scale * q.k is", SCALE(0x1p120), SCORES(RAW), .poke = scale_undoes},
    {"scale-undoes-sink", "the same beside a sink", SCALE(0x1p120), SINKS, SCORES(WEIGHTS), .poke = sinks_and_scale_undoes},
    {"scale-undoes-cap", "the same under a soft-cap", SCALE(0x1p120), CAP(8192.0), SCORES(CAPPED), .poke = scale_undoes},
    {"cap-cancelling", "a soft-cap does not hide that terms beyond the range cancel", SCALE(1.0), CAP(5.0), SCORES(CAPPED),
     .poke = cancelling_terms},
    {"gauss-same-place", "q = k = 1e20: the distance is 0", .c.shape.score = ATTN_SCORE_GAUSSIAN, SCALE(1.0), SCORES(RAW),
     .poke = same_place},
    {"gauss-far-place", "the nearest key is it although |k|^2 is no f32", .c.shape.score = ATTN_SCORE_GAUSSIAN, SCALE(1.0), SINKS,
     SCORES(WEIGHTS), .poke = far_place},
    {"gauss-beyond", "a distance beyond f32 is a score of -inf", .c.shape.score = ATTN_SCORE_GAUSSIAN, SCALE(1.0), .poke = beyond_place},
    {"alibi-flt-max", "slopes of FLT_MAX leave the row's own key", AT(3), .c.shape.alibi = true, .poke = slopes_flt_max},
    {"alibi-flt-max-away", "and the nearest key where that is not one", AT(-22), .c.shape.alibi = true, .poke = slopes_flt_max},
    {"some-v-causal", "NaN and Inf in v: rows before the frontier stay clean", OFFSET(54), SCORES(WEIGHTS), .poke = some_values},
    {"some-v-window", "NaN and Inf in v: rows whose window does not reach it stay clean", AT(54), WINDOW(6, 6), .poke = some_values},
    {"some-v-mask", "NaN and Inf in v: rows from which a mask hides it stay clean", MASK, .poke = some_values_masked},
    {"some-v-bias", "NaN and Inf in v: rows from which -inf hides it stay clean", BIAS, .poke = some_values_biased},
    {"some-v-sink", "NaN and Inf in v: rows with a sink and no key stay clean", OFFSET(-15), SINKS, .poke = some_values},
    {"some-v-few-rows", "the same where heads of one row share keys", OFFSET(70), .c.shape.q_len = 3, .poke = some_values},
    {"cap-saturates", "a soft-cap holds huge scores at its two ends", CAP(5.0), .poke = huge_q},
    {"cap-infinite", "a soft-cap makes numbers of infinite scores", CAP(5.0), .poke = inf_in_q},
    {"cap-nan", "a soft-cap lets NaN through", CAP(5.0), .poke = nan_in_k},
    {"cap-then-bias", "a soft-cap does not hold biases", CAP(0.5), BIAS, .poke = bias_1e4},
    {"alibi-0", "slopes of 0 change nothing", BOTTOM, .c.shape.alibi = true, .poke = slopes_zero},
    {"bias-outside", "NaN and Inf in a bias outside window and length: no effect", PAD, AT(20), WINDOW(30, 8), BIAS, .poke = bias_outside},
    {"raw-of-hidden", "raw scores show hidden keys", BOTTOM, MASK, SCORES(RAW), .poke = dead_mask},
    {"capped-of-hidden", "so do capped ones", OFFSET(-9), CAP(2.0), SCORES(CAPPED), .poke = infinite_hidden},
    {"biased-of-hidden", "biased scores are -inf where hidden", PAD, BOTTOM, MASK, SCORES(BIASED), .poke = infinite_hidden},
    {"weights-of-dead", "weights of rows that see nothing are 0", MASK, SCORES(WEIGHTS), .poke = dead_mask},
    {"weights-of-hidden", "weights are 0 where hidden", PAD, AT(30), WINDOW(4, 4), SCORES(WEIGHTS), .poke = infinite_hidden},
    {"past-of-nothing", "all keys in the past, no new ones", .c.shape.past_len = KEYS, BOTTOM, .poke = nothing},
    {"additive-saturates", "tanh of huge arguments is 1", .c.shape.score = ATTN_SCORE_ADDITIVE, .poke = huge_q},
    {"no-keys", "k_len 0: o = 0, lse = -inf", .poke = nothing, .empty = NO_KEYS},
    {"no-rows", "q_len 0: nothing to do", .poke = nothing, .empty = NO_ROWS},
    {"no-batch", "batch 0: nothing to do", .poke = nothing, .empty = NO_BATCH},
};
/* clang-format on */
enum { RULES = sizeof rules / sizeof *rules };

size_t special_count(void)
{
    return RULES;
}

const char *special_name(size_t index)
{
    return rules[index].name;
}

static VerifyCase rule_case(const Rule *rule)
{
    VerifyCase c = rule->c;
    c.shape.batch = rule->empty == NO_BATCH ? 0 : c.shape.batch ? c.shape.batch : 2;
    c.shape.q_heads = HEADS;
    c.shape.kv_heads = KV_HEADS;
    c.shape.q_len = rule->empty == NO_ROWS ? 0 : c.shape.q_len ? c.shape.q_len : ROWS;
    c.shape.k_len = rule->empty == NO_KEYS ? 0 : c.shape.k_len ? c.shape.k_len : KEYS;
    c.shape.d = WIDTH;
    c.shape.dv = WIDTH_V;
    c.shape.lse = true;
    c.storage.stretch = 2; /* NaN in all gaps */
    c.dist = DIST_NORMAL;
    c.seed = 0x5bec1a1;
    c.fence = FENCE_AFTER;
    return c;
}

void special_run(const AttnKernel *kernel, size_t index, VerifyResult *result)
{
    const Rule *rule = &rules[index];
    VerifyCase c = rule_case(rule);
    if (!(kernel->features & ATTN_HAS_DOT) && c.shape.score == ATTN_SCORE_DOT)
        c.shape.score = ATTN_SCORE_ADDITIVE; /* a kernel for these alone */
    Data data;
    if (!trial_open(kernel, &c, &data, result))
        return;
    rule->poke(&data);
    data_lock_inputs(&data);
    const Trial trial = {.threads = 1, .dirt = 0xff};
    if (trial_run(kernel, &data, &trial, result))
        agree_once(&kernel->accuracy, &data.problem, &data.tensors, result);
    if (result->status == VERIFY_FAIL && result->judge != JUDGE_ERROR && result->judge != JUDGE_STATE && result->judge != JUDGE_CANARY) {
        char disagreement[sizeof result->why];
        memcpy(disagreement, result->why, sizeof disagreement);
        verdict_fail(result, JUDGE_SPECIAL, "%s: %.150s", rule->must, disagreement);
    }
    data_free(&data);
}
