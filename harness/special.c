/* special.c - a table of rules. Each starts from ordinary data, pokes special values into it, and says what must come out.
 *
 * What must come out is the oracle's answer: it never reads what is hidden and lets IEEE arithmetic carry NaN and infinities, so a NaN that
 * a kernel swallows, spreads to other rows or columns, or lets leak out of hidden keys is a disagreement. */
#include "harness/special.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "harness/agree.h"
#include "harness/case.h"
#include "harness/oracle.h"
#include "harness/trial.h"

enum { ROWS = 21, KEYS = 75, HEADS = 4, KV_HEADS = 2, WIDTH = 24, WIDTH_V = 20 };

/* ---- Poking ----------------------------------------------------------------------------------------------------------------------- */

static float *q_at(const Data *x, size_t b, size_t h, size_t i)
{
    return (float *)(uintptr_t)x->tensors.q + (ptrdiff_t)b * x->problem.q.batch + (ptrdiff_t)h * x->problem.q.head +
           (ptrdiff_t)i * x->problem.q.row;
}

static float *k_at(const Data *x, size_t b, size_t g, size_t j)
{
    return (float *)(uintptr_t)x->tensors.k + (ptrdiff_t)b * x->problem.k.batch + (ptrdiff_t)g * x->problem.k.head +
           (ptrdiff_t)j * x->problem.k.row;
}

static float *v_at(const Data *x, size_t b, size_t g, size_t j)
{
    return (float *)(uintptr_t)x->tensors.v + (ptrdiff_t)b * x->problem.v.batch + (ptrdiff_t)g * x->problem.v.head +
           (ptrdiff_t)j * x->problem.v.row;
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

/* Everything in k and v at key j is `value`, for every head. */
static void spoil_key(Data *x, size_t j, float value)
{
    for (size_t b = 0; b < x->problem.batch; b++)
        for (size_t g = 0; g < x->problem.kv_heads; g++) {
            for (size_t c = 0; c < x->problem.d; c++)
                k_at(x, b, g, j)[c] = value;
            for (size_t c = 0; c < x->problem.dv; c++)
                v_at(x, b, g, j)[c] = value;
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
    q_at(x, 1, 2, 7)[5] = NAN;
    q_at(x, 0, 0, 0)[0] = NAN;
    q_at(x, 0, 3, ROWS - 1)[WIDTH - 1] = NAN;
}

static void nan_in_k(Data *x)
{
    k_at(x, 1, 1, 9)[WIDTH - 1] = NAN;
    k_at(x, 0, 0, KEYS - 1)[0] = NAN;
}

static void nan_in_v(Data *x)
{
    v_at(x, 1, 0, 9)[WIDTH_V - 1] = NAN;
    v_at(x, 0, 1, 0)[3] = NAN;
}

static void inf_in_v(Data *x)
{
    v_at(x, 1, 0, 9)[WIDTH_V - 1] = INFINITY;
    v_at(x, 0, 1, 70)[3] = -INFINITY;
    v_at(x, 0, 1, 0)[0] = INFINITY;
    v_at(x, 0, 1, 64)[0] = -INFINITY; /* Inf - Inf */
}

static void inf_in_k(Data *x)
{
    k_at(x, 0, 0, 40)[2] = INFINITY; /* score +Inf or -Inf by the sign of q */
    k_at(x, 1, 1, 3)[0] = -INFINITY;
}

static void inf_in_q(Data *x)
{
    q_at(x, 0, 1, 4)[2] = INFINITY;
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
        q_at(x, 0, 0, 0)[c] = q_at(x, 1, 2, 3)[c] = NAN; /* both rows see nothing */
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
                    v_at(x, b, g, j)[c] = 8.0f + 0.5f * (float)tanh((double)v_at(x, b, g, j)[c]);
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
        q_at(x, 0, 0, 3)[c] = -0.0f;
    for (size_t j = 0; j < KEYS; j++)
        v_at(x, 0, 0, j)[2] = -0.0f;
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
                for (size_t c = 0; c < x->problem.d && isnan(k_at(x, b, g, j)[0]); c++)
                    k_at(x, b, g, j)[x->problem.d - 1 - c] = j % 2 ? INFINITY : -INFINITY;
                for (size_t c = 0; c < x->problem.dv && isnan(v_at(x, b, g, j)[0]); c++)
                    v_at(x, b, g, j)[x->problem.dv - 1 - c] = j % 2 ? INFINITY : -INFINITY;
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
                k_at(x, 0, g, j)[c] = NAN;
                k_at(x, 1, g, j)[c] = (float)sin((double)(j * 7 + c * 3 + g));
            }
            for (size_t c = 0; c < x->problem.dv; c++) {
                v_at(x, 0, g, j)[c] = INFINITY;
                v_at(x, 1, g, j)[c] = (float)cos((double)(j * 5 + c + g));
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
            k_at(x, 0, g, j)[0] = v_at(x, 0, g, j)[0] = NAN;
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

static void huge_q(Data *x)
{
    for (size_t b = 0; b < x->problem.batch; b++)
        for (size_t h = 0; h < x->problem.q_heads; h++)
            for (size_t i = 0; i < x->problem.q_len; i++)
                for (size_t c = 0; c < x->problem.d; c++)
                    q_at(x, b, h, i)[c] *= 1e15f;
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
#define SCALE(x) .c.twist.has_scale = true, .c.twist.scale = x

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
    {"empty-sequences", "packed entries without rows or without keys", .c.shape.varlen = true, .c.shape.batch = 6,
     .poke = empty_sequences},
    {"sink-alone", "nothing visible but a sink: o = 0, lse = sink", OFFSET(-1000), SINKS, .poke = all_nan},
    {"sink-some-dead", "the same for some rows", OFFSET(-9), SINKS, SCORES(WEIGHTS), .poke = infinite_hidden},
    {"sink-minus-inf", "a sink of -inf is none", OFFSET(-9), SINKS, .poke = sinks_minus_inf},
    {"sink-huge", "a sink of 1e4 takes all weight", SINKS, .poke = sinks_huge},
    {"sink-nan", "NaN as a sink: the rows of that head are NaN", SINKS, .poke = sinks_nan},
    {"sink-not-scaled", "scale 0 leaves the sink alone", SINKS, SCALE(0.0), .poke = nothing},
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

const char *special_rule(size_t index)
{
    return rules[index].must;
}

static VerifyCase rule_case(const Rule *rule)
{
    VerifyCase c = rule->c;
    c.shape.batch = rule->empty == NO_BATCH ? 0 : c.shape.batch ? c.shape.batch : 2;
    c.shape.q_heads = HEADS;
    c.shape.kv_heads = KV_HEADS;
    c.shape.q_len = rule->empty == NO_ROWS ? 0 : c.shape.q_len ? c.shape.q_len : ROWS;
    c.shape.k_len = rule->empty == NO_KEYS ? 0 : KEYS;
    c.shape.d = WIDTH;
    c.shape.dv = WIDTH_V;
    c.shape.lse = true;
    c.twist.stretch = 2; /* NaN in all gaps */
    c.dist = DIST_NORMAL;
    c.seed = 0x5bec1a1;
    c.fence = FENCE_AFTER;
    return c;
}

void special_run(const AttnKernel *kernel, size_t index, VerifyResult *result)
{
    const Rule *rule = &rules[index];
    VerifyCase c = rule_case(rule);
    memset(result, 0, sizeof *result);
    if (!(kernel->features & ATTN_HAS_DOT) && c.shape.score == ATTN_SCORE_DOT)
        c.shape.score = ATTN_SCORE_ADDITIVE; /* a kernel for these alone */
    const AttnProblem p = case_problem(&c);
    if (!trial_fits(kernel, &p, result->why, sizeof result->why)) {
        result->status = VERIFY_SKIP;
        return;
    }
    Data data;
    if (!case_data(&data, &c, result->why, sizeof result->why)) {
        result->status = VERIFY_FAIL;
        result->judge = JUDGE_ERROR;
        return;
    }
    rule->poke(&data);
    data_lock_inputs(&data);
    const Trial trial = {.threads = 1, .dirt = 0xff};
    Agree agree;
    if (trial_run(kernel, &data, &trial, result)) {
        if (agree_expect(&agree, &data.problem, &data.tensors, &kernel->accuracy, 1, INFINITY, false)) {
            agree_judge(&agree, kernel->accuracy.exp_ulp, &data.tensors, result);
            agree_free(&agree);
        } else
            trial_fail(result, JUDGE_ERROR, "no memory for the oracle");
    }
    if (result->status == VERIFY_FAIL && result->judge != JUDGE_ERROR && result->judge != JUDGE_STATE && result->judge != JUDGE_CANARY) {
        char disagreement[sizeof result->why];
        memcpy(disagreement, result->why, sizeof disagreement);
        trial_fail(result, JUDGE_SPECIAL, "%s: %.150s", rule->must, disagreement);
    }
    data_free(&data);
}
