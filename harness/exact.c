/* exact.c - permutation, residue count, equal V and staircases, on layouts and options that together cross every branch of a tile kernel.
 *
 * permutation  Keys are distinct codes of +-1, each query is a multiple of one key's code, large enough that every other weight underflows
 *              to exactly 0: the output is that key's V row, to the bit. Catches lanes, tails, strides, head groups, masks. Where d is too
 *              small for distinct codes, keys are +- unit vectors and share classes; V depends on the class alone, so the mean of equal
 *              integers is due, to 1 ulp (n * V / n may be a product with 1/n).
 * count        Q = 0 and V[j][c] = (j mod M == c), so o[c] * n is the integer number of visible keys j = c mod M.
 * equal V      every V row is the same: so is the output, whatever the scores. Judged by the bound, whose score terms are then 0.
 * stairs       scores rise by 16 nats every 37 keys, so every tile rescales; fall: by 8 nats over all keys. Judged like any case. */
#include "harness/exact.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/agree.h"
#include "harness/case.h"
#include "harness/trial.h"

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
    {"mask-row",    {SHAPE(2, 4, 2, 35, 67, 24, 16), MASK, BOTTOM, .twist.mask_repeat = 6}},
    {"mask-key",    {SHAPE(2, 2, 2, 18, 50, 24, 16), MASK, .twist.mask_repeat = 8}},
    {"bias",        {SHAPE(2, 4, 2, 35, 67, 80, 40), BIAS, LSE}},
    {"bias-head",   {SHAPE(2, 4, 1, 20, 34, 16, 12), BIAS, MASK, TOP, .twist.bias_repeat = 5, .twist.mask_repeat = 2}},
    {"interleaved", {SHAPE(2, 3, 3, 34, 66, 48, 48), .shape.layout = SHAPE_BLHD, LSE, .twist.stretch = 2}},
    {"packed",      {SHAPE(2, 4, 2, 19, 19, 32, 32), .shape.layout = SHAPE_PACKED, BOTTOM}},
    {"reversed",    {SHAPE(2, 2, 1, 23, 45, 20, 28), LSE, .twist.stretch = 3, .twist.reversed = true}},
    {"shared-kv",   {SHAPE(3, 2, 2, 11, 23, 12, 12), TOP, .twist.shared_kv = true}},
    {"scaled-up",   {SHAPE(1, 2, 1, 21, 43, 16, 16), LSE, .twist.has_scale = true, .twist.scale = 3.0}},
    {"negated",     {SHAPE(1, 2, 1, 21, 43, 16, 16), BOTTOM, .twist.has_scale = true, .twist.scale = -0.7}},
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

static float *at(const void *base, const AttnLayout *l, size_t b, size_t h, size_t i)
{
    return (float *)(uintptr_t)base + (ptrdiff_t)b * l->batch + (ptrdiff_t)h * l->head + (ptrdiff_t)i * l->row;
}

/* Does row (b, h, i) see key j? Bias counts by its -inf. */
static bool sees(const Data *data, size_t b, size_t h, size_t i, size_t j)
{
    const AttnProblem *p = &data->problem;
    const int64_t offset = p->align == ATTN_ALIGN_BOTTOM_RIGHT ? (int64_t)p->k_len - (int64_t)p->q_len
                           : p->align == ATTN_ALIGN_OFFSET       ? p->offset
                                                                 : 0;
    if (p->causal && (int64_t)j > (int64_t)i + offset)
        return false;
    if (p->mask.dtype != ATTN_NONE &&
        !((const unsigned char *)data->tensors.mask)[(ptrdiff_t)b * p->mask.batch + (ptrdiff_t)h * p->mask.head +
                                                     (ptrdiff_t)i * p->mask.row + (ptrdiff_t)j * p->mask.col])
        return false;
    return p->bias.dtype == ATTN_NONE || data->tensors.bias[(ptrdiff_t)b * p->bias.batch + (ptrdiff_t)h * p->bias.head +
                                                            (ptrdiff_t)i * p->bias.row + (ptrdiff_t)j * p->bias.col] != -INFINITY;
}

/* Keep the -inf of a bias, make the rest 4: a constant that shifts every score of a row alike. */
static void flatten_bias(Data *data)
{
    if (data->problem.bias.dtype == ATTN_NONE)
        return;
    float *x = data->arena[6].at;
    for (size_t n = 0; n < data->arena[6].bytes / sizeof *x; n++)
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

static void write_code(const Codes *codes, size_t class, float size, float *row, size_t d)
{
    for (size_t c = 0; c < d; c++)
        if (codes->bits)
            row[c] = class >> (c % codes->bits) & 1 ? size : -size;
        else
            row[c] = class / 2 != c ? 0.0f : class % 2 ? size : -size;
}

static float permuted_v(size_t b, size_t g, size_t class, size_t c)
{
    return (float)((int)((class * 7 + b * 29 + g * 131 + c * 5) % 1021) - 510);
}

/* Some key that the row sees, or SIZE_MAX. */
static size_t target_of(const Data *data, size_t b, size_t h, size_t i)
{
    const size_t n = data->problem.k_len, start = (i * 13 + h * 7 + b * 3 + 5) % n;
    for (size_t k = 0; k < n; k++)
        if (sees(data, b, h, i, (start + k) % n))
            return (start + k) % n;
    return SIZE_MAX;
}

static void fill_permutation(Data *data, const Codes *codes)
{
    const AttnProblem *p = &data->problem;
    const size_t group = p->q_heads / p->kv_heads;
    /* neighbouring codes differ by at least 2 * size * |scale| in score: 256 nats, e^-256 is 0 in f32 */
    const float size = (float)(exp2(ceil(log2(128.0 / fabs(p->scale)))) * (codes->bits ? 1.0 : 2.0)) * (p->scale < 0.0 ? -1.0f : 1.0f);
    for (size_t b = 0; b < p->batch; b++) {
        const size_t entry = p->k.batch == 0 ? 0 : b; /* shared k and v belong to entry 0 */
        for (size_t g = 0; g < p->kv_heads; g++)
            for (size_t j = 0; j < p->k_len; j++) {
                const size_t class = class_of(codes, entry, g, j);
                write_code(codes, class, 1.0f, at(data->tensors.k, &p->k, b, g, j), p->d);
                for (size_t c = 0; c < p->dv; c++)
                    at(data->tensors.v, &p->v, b, g, j)[c] = permuted_v(entry, g, class, c);
            }
        for (size_t h = 0; h < p->q_heads; h++)
            for (size_t i = 0; i < p->q_len; i++) {
                const size_t target = target_of(data, b, h, i);
                write_code(codes, class_of(codes, entry, h / group, target == SIZE_MAX ? 0 : target), size,
                           at(data->tensors.q, &p->q, b, h, i), p->d);
            }
    }
}

static bool check_permutation(const AttnKernel *kernel, const Data *data, const Codes *codes, VerifyResult *result)
{
    const AttnProblem *p = &data->problem;
    const size_t group = p->q_heads / p->kv_heads;
    const bool exact = codes->bits && kernel->accuracy.exp_exact_at_0;
    for (size_t b = 0; b < p->batch; b++)
        for (size_t h = 0; h < p->q_heads; h++)
            for (size_t i = 0; i < p->q_len; i++) {
                const size_t target = target_of(data, b, h, i), g = h / group, entry = p->k.batch == 0 ? 0 : b;
                const float *o = at(data->tensors.o, &p->o, b, h, i);
                for (size_t c = 0; c < p->dv; c++) {
                    const float due = target == SIZE_MAX ? 0.0f : permuted_v(entry, g, class_of(codes, entry, g, target), c);
                    const float slack = exact || due == 0.0f ? 0.0f : fabsf(due) * 0x1p-23f;
                    if (!(fabsf(o[c] - due) <= slack))
                        return trial_fail(result, JUDGE_EXACT, "batch %zu head %zu row %zu col %zu is %.9g, must be %g: V of key %zd alone",
                                          b, h, i, c, (double)o[c], (double)due, (ptrdiff_t)target);
                }
            }
    return true;
}

/* ---- Count ------------------------------------------------------------------------------------------------------------------------ */

static size_t modulus(const AttnProblem *p)
{
    return p->dv > 1 ? p->dv : 2;
}

static void fill_count(Data *data)
{
    const AttnProblem *p = &data->problem;
    for (size_t b = 0; b < p->batch; b++)
        for (size_t g = 0; g < p->kv_heads; g++)
            for (size_t j = 0; j < p->k_len; j++)
                for (size_t c = 0; c < p->dv; c++)
                    at(data->tensors.v, &p->v, b, g, j)[c] = j % modulus(p) == c ? 1.0f : 0.0f;
}

static bool check_count(const Data *data, VerifyResult *result)
{
    const AttnProblem *p = &data->problem;
    size_t *due = calloc(modulus(p), sizeof *due);
    bool ok = due || trial_fail(result, JUDGE_ERROR, "no memory for %zu counts", modulus(p));
    for (size_t row = 0; ok && row < p->batch * p->q_heads * p->q_len; row++) {
        const size_t i = row % p->q_len, h = row / p->q_len % p->q_heads, b = row / p->q_len / p->q_heads;
        size_t n = 0;
        memset(due, 0, modulus(p) * sizeof *due);
        for (size_t j = 0; j < p->k_len; j++)
            if (sees(data, b, h, i, j)) {
                due[j % modulus(p)]++;
                n++;
            }
        const float *o = at(data->tensors.o, &p->o, b, h, i);
        for (size_t c = 0; ok && c < p->dv; c++)
            if (!(fabs((double)o[c] * (double)n - (double)due[c]) < 0.01) || (n == 0 && o[c] != 0.0f))
                ok = trial_fail(result, JUDGE_EXACT, "batch %zu head %zu row %zu: counts %.4f keys j mod %zu = %zu, must be %zu of %zu",
                                b, h, i, (double)o[c] * (double)n, modulus(p), c, due[c], n);
    }
    free(due);
    return ok;
}

/* ---- Equal V, stairs -------------------------------------------------------------------------------------------------------------- */

static void fill_equal_v(Data *data)
{
    const AttnProblem *p = &data->problem;
    for (size_t b = 0; b < p->batch; b++)
        for (size_t g = 0; g < p->kv_heads; g++)
            for (size_t j = 0; j < p->k_len; j++)
                for (size_t c = 0; c < p->dv; c++)
                    at(data->tensors.v, &p->v, b, g, j)[c] = (float)(c + 1) * 0.7f - (float)(g + 2 * (p->v.batch ? b : 0));
}

static bool check_agree(const AttnKernel *kernel, const Data *data, VerifyResult *result)
{
    Agree agree;
    if (!agree_expect(&agree, &data->problem, &data->tensors, &kernel->accuracy, 1, INFINITY, false))
        return trial_fail(result, JUDGE_ERROR, "no memory for the oracle");
    agree_judge(&agree, kernel->accuracy.exp_ulp, &data->tensors, result);
    agree_free(&agree);
    return result->judge == JUDGE_NONE;
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
    memset(result, 0, sizeof *result);
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
    const Codes codes = choose_codes(&data.problem);
    if (oracle == PERMUTATION || oracle == COUNT)
        flatten_bias(&data);
    if (oracle == PERMUTATION)
        fill_permutation(&data, &codes);
    else if (oracle == COUNT)
        fill_count(&data);
    else if (oracle == EQUAL_V)
        fill_equal_v(&data);
    data_lock_inputs(&data);
    const Trial trial = {.threads = 1, .dirt = 0xff};
    if (trial_run(kernel, &data, &trial, result)) {
        if (oracle == PERMUTATION)
            check_permutation(kernel, &data, &codes, result);
        else if (oracle == COUNT)
            check_count(&data, result);
        else
            check_agree(kernel, &data, result);
    }
    data_free(&data);
}
