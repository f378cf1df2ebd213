/* exact.c - permutation, residue count, equal V and staircases, on layouts and options that together cross every branch of a tile kernel.
 *
 * permutation  Keys are distinct codes of +-1, each query is a multiple of one key's code, large enough that every other weight underflows
 *              to exactly 0: the output is that key's V row, to the bit. Catches lanes, tails, strides, head groups, masks. Where d is too
 *              small for distinct codes, keys are +- unit vectors and share classes; V depends on the class alone, so the mean of equal
 *              integers is due, to 1 ulp (n * V / n may be a product with 1/n).
 * count        Q = 0 and V[j][c] = (j mod M == c), so operand_get(o, c) * n is the integer number of visible keys j = c mod M.
 * equal V      every V row is the same: so is the output, whatever the scores. Judged by the bound, whose score terms are then 0.
 * stairs       scores rise by 16 nats every 37 keys, so every tile rescales; fall: by 8 nats over all keys. Judged like any case. */
#include "harness/ops/sdpa/exact.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/ops/sdpa/agree.h"
#include "harness/ops/sdpa/oracle.h"
#include "harness/ops/sdpa/trial.h"

typedef struct Setting {
    const char *name;
    VerifyCase c;
} Setting;

#define SHAPE(b, hq, hkv, q, k, width, width_v) .shape.batch = b, .shape.q_heads = hq, .shape.kv_heads = hkv, .shape.q_len = q, \
    .shape.k_len = k, .shape.d = width, .shape.dv = width_v
#define TOP .shape.causal = true
#define BOTTOM .shape.causal = true, .shape.align = ATTN_ALIGN_BOTTOM_RIGHT
#define OFFSET(n) .shape.causal = true, .shape.align = ATTN_ALIGN_OFFSET, .shape.offset = n
#define MASK .shape.mask = true
#define BIAS .shape.bias = true
#define LSE .shape.lse = true
#define WINDOW(l, r) .shape.window = true, .shape.window_left = l, .shape.window_right = r
#define OFFSETS .shape.align = ATTN_ALIGN_OFFSETS
#define PAD .shape.kv_lengths = true, .shape.pad = 1.0
#define VARLEN .shape.varlen = true
#define PAST(n) .shape.past_len = n
#define WEIGHTS .shape.scores = true, .shape.scores_stage = ATTN_STAGE_WEIGHTS

/* clang-format off */
static const Setting settings[] = {
    {"plain",       {SHAPE(1, 1, 1, 33, 65, 16, 16), LSE}},
    {"one",         {SHAPE(1, 1, 1, 1, 1, 1, 1), LSE}},
    {"d1",          {SHAPE(1, 2, 1, 3, 9, 1, 3)}},
    {"d2",          {SHAPE(1, 1, 1, 7, 19, 2, 1), LSE}},
    {"d3-causal",   {SHAPE(2, 2, 2, 9, 9, 3, 5), TOP}},
    {"d4-mask",     {SHAPE(1, 2, 2, 17, 31, 4, 8), MASK}},
    {"decode",      {SHAPE(2, 8, 2, 1, 129, 64, 64), BOTTOM, LSE}},
    {"gqa-causal",  {SHAPE(2, 6, 2, 37, 70, 40, 24), BOTTOM, LSE}},
    {"mqa-topleft", {SHAPE(1, 5, 1, 66, 31, 17, 33), TOP}},
    {"late",        {SHAPE(1, 2, 1, 40, 21, 8, 8), OFFSET(-7), LSE}},
    {"past",        {SHAPE(2, 2, 2, 5, 100, 72, 80), OFFSET(60)}},
    {"mask",        {SHAPE(2, 4, 2, 35, 67, 65, 96), MASK, LSE}},
    {"mask-row",    {SHAPE(2, 4, 2, 35, 67, 24, 16), MASK, BOTTOM, .storage.mask_repeat = 6}},
    {"mask-key",    {SHAPE(2, 2, 2, 18, 50, 24, 16), MASK, .storage.mask_repeat = 8}},
    {"bias",        {SHAPE(2, 4, 2, 35, 67, 80, 40), BIAS, LSE}},
    {"bias-head",   {SHAPE(2, 4, 1, 20, 34, 16, 12), BIAS, MASK, TOP, .storage.bias_repeat = 5, .storage.mask_repeat = 2}},
    {"interleaved", {SHAPE(2, 3, 3, 34, 66, 48, 48), .shape.layout = SHAPE_BLHD, LSE, .storage.stretch = 2}},
    {"packed",      {SHAPE(2, 4, 2, 19, 19, 32, 32), .shape.layout = SHAPE_INTERLEAVED, BOTTOM}},
    {"reversed",    {SHAPE(2, 2, 1, 23, 45, 20, 28), LSE, .storage.stretch = 3, .storage.reversed = true}},
    {"shared-kv",   {SHAPE(3, 2, 2, 11, 23, 12, 12), TOP, .storage.shared_kv = true}},
    {"scaled-up",   {SHAPE(1, 2, 1, 21, 43, 16, 16), LSE, .storage.has_scale = true, .storage.scale = 3.0}},
    {"negated",     {SHAPE(1, 2, 1, 21, 43, 16, 16), BOTTOM, .storage.has_scale = true, .storage.scale = -0.7}},
    {"window",      {SHAPE(1, 4, 2, 67, 67, 16, 16), WINDOW(7, 3), LSE, WEIGHTS}},
    {"window-0",    {SHAPE(1, 2, 1, 20, 40, 12, 8), WINDOW(0, 0), .shape.align = ATTN_ALIGN_BOTTOM_RIGHT}},
    {"window-left", {SHAPE(2, 2, 2, 50, 90, 20, 24), WINDOW(33, -1), BOTTOM, LSE}},
    {"window-right",{SHAPE(1, 2, 2, 70, 70, 20, 24), WINDOW(-1, 2), .shape.align = ATTN_ALIGN_OFFSET, .shape.offset = -30, LSE}},
    {"lengths",     {SHAPE(5, 4, 2, 18, 66, 16, 20), PAD, LSE, WEIGHTS}},
    {"lengths-top", {SHAPE(5, 2, 2, 60, 50, 16, 20), PAD, TOP}},
    {"lengths-end", {SHAPE(5, 2, 1, 7, 66, 16, 20), PAD, BOTTOM, WINDOW(9, -1)}},
    {"offsets",     {SHAPE(4, 2, 2, 19, 47, 24, 16), OFFSETS, .shape.causal = true, LSE}},
    {"varlen",      {SHAPE(6, 4, 2, 34, 66, 16, 16), VARLEN, LSE}},
    {"varlen-band", {SHAPE(6, 6, 2, 40, 50, 24, 20), VARLEN, BOTTOM, WINDOW(12, -1), LSE, .shape.layout = SHAPE_BLHD}},
    {"sinks",       {SHAPE(2, 4, 2, 12, 40, 16, 16), BOTTOM, .shape.sinks = true, WEIGHTS}},
    {"segments",    {SHAPE(2, 4, 2, 9, 75, 16, 24), PAST(66), BOTTOM, LSE, WEIGHTS}},
    {"segments-odd",{SHAPE(2, 2, 1, 21, 60, 33, 17), PAST(13), PAD, LSE, .shape.layout = SHAPE_BLHD}},
    {"past-only",   {SHAPE(1, 4, 1, 3, 40, 16, 16), PAST(40), .storage.stretch = 2}},
    {"all",         {SHAPE(4, 4, 2, 26, 70, 16, 16), PAST(31), PAD, BOTTOM, WINDOW(20, -1), MASK, BIAS, LSE, WEIGHTS,
                     .storage.stretch = 2}},
    {"long",        {SHAPE(1, 1, 1, 2, 1031, 12, 7), LSE}},
};
/* clang-format on */

enum { PERMUTATION, COUNT, EQUAL_V, STAIRS, FALL, ORACLES };
static const char *const oracle_names[ORACLES] = {"permutation", "count", "equal-v", "stairs", "fall"};
enum { SETTINGS = sizeof settings / sizeof *settings };

size_t exact_count(void)
{
    return ORACLES * SETTINGS;
}

const char *exact_name(size_t index)
{
    static char names[ORACLES * SETTINGS][40];
    snprintf(names[index], sizeof names[index], "%s/%s", oracle_names[index / SETTINGS], settings[index % SETTINGS].name);
    return names[index];
}

/* ---- Writing and reading operands ------------------------------------------------------------------------------------------------- */

/* The entry whose k and v batch entry b reads: entry 0 where all share them. */
static size_t owner(const AttnProblem *p, size_t b)
{
    return p->k.batch == 0 && !p->varlen ? 0 : b;
}

/* Call visit for each key row of k and v that may be looked at; NaN marks the others. */
typedef void (*VisitKey)(const AttnProblem *p, const void *context, size_t b, size_t g, size_t j, Operand k, Operand v);

static void each_key(Data *data, VisitKey visit, const void *context)
{
    const AttnProblem *p = &data->problem;
    for (size_t b = 0; b < p->batch; b++) {
        const OracleEntry entry = oracle_entry(p, &data->tensors, b);
        const size_t rows = p->varlen ? entry.k_len : p->k_len;
        for (size_t g = 0; g < p->kv_heads; g++)
            for (size_t j = 0; j < rows; j++) {
                const Operand v = oracle_v_row(p, &data->tensors, &entry, g, j);
                if (!isnan(operand_get(v, 0)))
                    visit(p, context, owner(p, b), g, j, oracle_k_row(p, &data->tensors, &entry, g, j), v);
            }
    }
}

/* Keep the -inf of a bias, make the rest 4: a constant that shifts every score of a row alike. */
static void flatten_bias(Data *data)
{
    if (data->problem.bias.dtype == ATTN_NONE)
        return;
    float *x = data->arena[DATA_BIAS].at;
    for (size_t n = 0; n < data->arena[DATA_BIAS].bytes / sizeof *x; n++)
        if (x[n] != -INFINITY && !isnan(x[n])) /* NaN: a gap */
            x[n] = 4.0f;
}

/* ---- Permutation ------------------------------------------------------------------------------------------------------------------ */

/* Code of key j of KV head g in batch entry b: a class, and the +-1 or unit vector that stands for it. */
typedef struct Codes {
    size_t bits;    /* > 0: 2^bits distinct codes of +-1, at least one a key */
    size_t classes; /* distinct codes                                        */
} Codes;

static Codes choose_codes(const AttnProblem *p)
{
    const size_t bits = p->d < 16 ? p->d : 16;
    if (((size_t)1 << bits) >= p->k_len)
        return (Codes){bits, (size_t)1 << bits};
    return (Codes){0, 2 * p->d};
}

static size_t class_of(const Codes *codes, size_t b, size_t g, size_t j)
{
    return (j * 5 + b * 3 + g * 11 + 1) % codes->classes; /* 5 is odd, so 2^bits keys in a row are all different */
}

static void write_code(const Codes *codes, size_t class, float size, Operand row, size_t d)
{
    for (size_t c = 0; c < d; c++)
        if (codes->bits)
            operand_put(row, c, class >> (c % codes->bits) & 1 ? size : -size);
        else
            operand_put(row, c, class / 2 != c ? 0.0f : class % 2 ? size : -size);
}

static float permuted_v(size_t b, size_t g, size_t class, size_t c)
{
    return (float)((int)((class * 7 + b * 29 + g * 131 + c * 5) % 1021) - 510);
}

/* A key that the row sees, or SIZE_MAX. */
static size_t target_of(const Data *data, const OracleEntry *entry, size_t h, size_t i)
{
    const size_t n = data->problem.k_len, start = (i * 13 + h * 7 + entry->b * 3 + 5) % n;
    for (size_t k = 0; k < n; k++)
        if (oracle_sees(&data->problem, &data->tensors, entry, h, i, (start + k) % n))
            return (start + k) % n;
    return SIZE_MAX;
}

static void permute_key(const AttnProblem *p, const void *context, size_t b, size_t g, size_t j, Operand k, Operand v)
{
    const Codes *codes = context;
    const size_t class = class_of(codes, b, g, j);
    write_code(codes, class, 1.0f, k, p->d);
    for (size_t c = 0; c < p->dv; c++)
        operand_put(v, c, permuted_v(b, g, class, c));
}

static void fill_permutation(Data *data, const Codes *codes)
{
    const AttnProblem *p = &data->problem;
    const size_t group = p->q_heads / p->kv_heads;
    /* neighbouring codes differ by at least 2 * size * |scale| in score: 256 nats, e^-256 is 0 in f32 */
    const float size = (float)(exp2(ceil(log2(128.0 / fabs(p->scale)))) * (codes->bits ? 1.0 : 2.0)) * (p->scale < 0.0 ? -1.0f : 1.0f);
    each_key(data, permute_key, codes);
    for (size_t b = 0; b < p->batch; b++) {
        const OracleEntry entry = oracle_entry(p, &data->tensors, b);
        for (size_t h = 0; h < p->q_heads; h++)
            for (size_t i = 0; i < entry.q_len; i++) {
                const size_t target = target_of(data, &entry, h, i);
                write_code(codes, class_of(codes, owner(p, b), h / group, target == SIZE_MAX ? 0 : target), size,
                           oracle_q_row(p, &data->tensors, &entry, h, i), p->d);
            }
    }
}

static bool check_permuted_row(const AttnKernel *kernel, const Data *data, const Codes *codes, const OracleEntry *entry, size_t h, size_t i,
                               VerifyResult *result)
{
    const AttnProblem *p = &data->problem;
    const bool exact = codes->bits && kernel->accuracy.exp_exact_at_0;
    const size_t target = target_of(data, entry, h, i), g = h / (p->q_heads / p->kv_heads), b = owner(p, entry->b);
    const Operand o = oracle_o_row(p, &data->tensors, entry, h, i);
    for (size_t c = 0; c < p->dv; c++) {
        const float due = target == SIZE_MAX ? 0.0f : permuted_v(b, g, class_of(codes, b, g, target), c);
        const float slack = exact || due == 0.0f ? 0.0f : fabsf(due) * 0x1p-23f;
        if (!(fabsf(operand_get(o, c) - due) <= slack))
            return verdict_fail(result, JUDGE_EXACT, "batch %zu head %zu row %zu col %zu is %.9g, must be %g: V of key %zd alone", entry->b,
                              h, i, c, (double)operand_get(o, c), (double)due, (ptrdiff_t)target);
    }
    for (size_t j = 0; j < p->k_len && p->scores.dtype != ATTN_NONE && codes->bits; j++) {
        const float weight = data->tensors.scores[oracle_score_at(&p->scores, entry->b, h, i, j)];
        if (weight != (j == target ? 1.0f : 0.0f))
            return verdict_fail(result, JUDGE_EXACT, "weight batch %zu head %zu row %zu key %zu is %.9g, must be %d", entry->b, h, i, j,
                              (double)weight, j == target);
    }
    return true;
}

static bool check_permutation(const AttnKernel *kernel, const Data *data, const Codes *codes, VerifyResult *result)
{
    bool ok = true;
    for (size_t b = 0; b < data->problem.batch; b++) {
        const OracleEntry entry = oracle_entry(&data->problem, &data->tensors, b);
        for (size_t h = 0; h < data->problem.q_heads; h++)
            for (size_t i = 0; ok && i < entry.q_len; i++)
                ok = check_permuted_row(kernel, data, codes, &entry, h, i, result);
    }
    return ok;
}

/* ---- Count ------------------------------------------------------------------------------------------------------------------------ */

static size_t modulus(const AttnProblem *p)
{
    return p->dv > 1 ? p->dv : 2;
}

static void count_key(const AttnProblem *p, const void *context, size_t b, size_t g, size_t j, Operand k, Operand v)
{
    (void)context, (void)b, (void)g, (void)k;
    for (size_t c = 0; c < p->dv; c++)
        operand_put(v, c, j % modulus(p) == c ? 1.0f : 0.0f);
}

static bool check_counted_row(const Data *data, const OracleEntry *entry, size_t h, size_t i, size_t *due, VerifyResult *result)
{
    const AttnProblem *p = &data->problem;
    size_t n = 0;
    memset(due, 0, modulus(p) * sizeof *due);
    for (size_t j = 0; j < p->k_len; j++)
        if (oracle_sees(p, &data->tensors, entry, h, i, j)) {
            due[j % modulus(p)]++;
            n++;
        }
    const Operand o = oracle_o_row(p, &data->tensors, entry, h, i);
    for (size_t c = 0; c < p->dv; c++)
        if (!(fabs((double)operand_get(o, c) * (double)n - (double)due[c]) < 0.01) || (n == 0 && operand_get(o, c) != 0.0f))
            return verdict_fail(result, JUDGE_EXACT, "batch %zu head %zu row %zu: counts %.4f keys j mod %zu = %zu, must be %zu of %zu",
                              entry->b, h, i, (double)operand_get(o, c) * (double)n, modulus(p), c, due[c], n);
    return true;
}

static bool check_count(const Data *data, VerifyResult *result)
{
    const AttnProblem *p = &data->problem;
    size_t *due = calloc(modulus(p), sizeof *due);
    bool ok = due || verdict_unable(result, "no memory for %zu counts", modulus(p));
    for (size_t b = 0; b < p->batch; b++) {
        const OracleEntry entry = oracle_entry(p, &data->tensors, b);
        for (size_t h = 0; h < p->q_heads; h++)
            for (size_t i = 0; ok && i < entry.q_len; i++)
                ok = check_counted_row(data, &entry, h, i, due, result);
    }
    free(due);
    return ok;
}

/* Additive scores are equal if their weights are 0; a sink of -inf does not change the count. */
static void flatten_scores(Data *data)
{
    float *sinks = data->arena[DATA_SINKS].at;
    if (data->problem.score == ATTN_SCORE_ADDITIVE)
        memset(data->arena[DATA_W].at, 0, data->arena[DATA_W].bytes);
    for (size_t h = 0; h < data->problem.q_heads && data->problem.sinks; h++)
        sinks[h] = -INFINITY;
}

/* ---- Equal V, stairs -------------------------------------------------------------------------------------------------------------- */

static void equal_key(const AttnProblem *p, const void *context, size_t b, size_t g, size_t j, Operand k, Operand v)
{
    (void)context, (void)j, (void)k;
    for (size_t c = 0; c < p->dv; c++)
        operand_put(v, c, (float)(c + 1) * 0.7f - (float)(g + 2 * b));
}

/* ---- All of them ------------------------------------------------------------------------------------------------------------------ */

void exact_run(const AttnKernel *kernel, size_t index, VerifyResult *result)
{
    static const DataDist dists[ORACLES] = {DIST_UNIFORM, DIST_UNIFORM, DIST_PEAKY, DIST_STAIRS, DIST_RAMP_DOWN};
    const size_t oracle = index / SETTINGS;
    VerifyCase c = settings[index % SETTINGS].c;
    c.dist = dists[oracle];
    c.seed = 0xe8ac7 + index;
    c.fence = index % 2 ? FENCE_AFTER : FENCE_BEFORE;
    if (!(kernel->features & ATTN_HAS_DOT))
        c.shape.score = ATTN_SCORE_ADDITIVE; /* a kernel for these alone */
    if (oracle == PERMUTATION && c.shape.score != ATTN_SCORE_DOT) {
        *result = (VerifyResult){.status = VERIFY_SKIP, .why = "no permutation with additive scores"};
        return;
    }
    Data data;
    if (!trial_open(kernel, &c, &data, result))
        return;
    const Codes codes = choose_codes(&data.problem);
    if (oracle == PERMUTATION || oracle == COUNT)
        flatten_bias(&data);
    if (oracle == PERMUTATION)
        fill_permutation(&data, &codes);
    else if (oracle == COUNT) {
        flatten_scores(&data);
        each_key(&data, count_key, NULL);
    } else if (oracle == EQUAL_V)
        each_key(&data, equal_key, NULL);
    data_lock_inputs(&data);
    const Trial trial = {.threads = 1, .dirt = 0xff};
    if (trial_run(kernel, &data, &trial, result)) {
        if (oracle == PERMUTATION)
            check_permutation(kernel, &data, &codes, result);
        else if (oracle == COUNT)
            check_count(&data, result);
        else
            agree_once(&kernel->accuracy, &data.problem, &data.tensors, result);
    }
    data_free(&data);
}
