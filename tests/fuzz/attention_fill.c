/* attention_fill.c - the numbers of a case: first what hides keys, then the rest. Keys that no row sees and biases of cells that are hidden
 * hold NaN, as the header promises that they have no influence. */
#include <float.h>
#include <stdlib.h>

#include "tests/fuzz/attention_case.h"
#include "tests/fuzz/fuzz.h"

/* ---- What hides ------------------------------------------------------------------------------------------------------------------ */

typedef struct Cell {
    RefEntry entry;
    size_t h, i, j;
} Cell;

static void each_cell(AttentionCase *x, Choices *c, void (*visit)(AttentionCase *, Choices *, const Cell *))
{
    const AttnProblem *p = &x->p;
    Cell cell;
    for (size_t b = 0; b < p->batch; b++) {
        cell.entry = ref_entry(p, &x->t, b);
        for (cell.h = 0; cell.h < p->q_heads; cell.h++)
            for (cell.i = 0; cell.i < p->q_len; cell.i++)
                for (cell.j = 0; cell.j < p->k_len; cell.j++)
                    visit(x, c, &cell);
    }
}

static double density; /* of the mask, or of a bias of -inf */
static int heavy;      /* how large a bias is               */

static void fill_mask(AttentionCase *x, Choices *c, const Cell *at)
{
    static const unsigned char yes[] = {1, 255, 2, 128};
    unsigned char *mask = (unsigned char *)(uintptr_t)x->t.mask;
    mask[ref_cell(&x->p.mask, at->entry.b, at->h, at->i, at->j)] = portion(c) < density ? yes[c->drawn % 4] : 0;
}

static void fill_bias(AttentionCase *x, Choices *c, const Cell *at)
{
    float *bias = (float *)(uintptr_t)x->t.bias;
    const double size[] = {1.0, 10.0, 1e4, 1e30};
    const bool hidden = at->i >= at->entry.q_len || !ref_structure(&x->p, &at->entry, at->i, at->j) ||
                        ref_masked(&x->p, &x->t, at->entry.b, at->h, at->i, at->j);
    if (!hidden)
        bias[ref_cell(&x->p.bias, at->entry.b, at->h, at->i, at->j)] = portion(c) < density ? (float)(number(c) * size[heavy])
                                                                       : portion(c) < 0.5   ? -INFINITY
                                                                                            : -1e4f;
}

static void draw_hiders(AttentionCase *x, Choices *c)
{
    static const double densities[] = {1.0, 0.9, 0.5, 0.1, 0.0};
    density = densities[choose(c, 5)];
    if (x->p.mask.dtype != ATTN_NONE)
        each_cell(x, c, fill_mask);
    density = densities[choose(c, 5)];
    heavy = maybe(c, 30) ? (int)choose(c, 4) : 0;
    if (x->p.bias.dtype != ATTN_NONE)
        each_cell(x, c, fill_bias);
}

/* ---- Numbers --------------------------------------------------------------------------------------------------------------------- */

static bool *seen_key, *seeing_row; /* [B,Hkv,Sk], [B,Hq,Sq] */

static void note_seen(AttentionCase *x, Choices *c, const Cell *at)
{
    (void)c;
    if (at->i < at->entry.q_len && ref_visible(&x->p, &x->t, &at->entry, at->h, at->i, at->j)) {
        seeing_row[(at->entry.b * x->p.q_heads + at->h) * x->p.q_len + at->i] = true;
        seen_key[(at->entry.b * x->p.kv_heads + at->h / (x->p.q_heads / x->p.kv_heads)) * x->p.k_len + at->j] = true;
    }
}

/* How numbers of a tensor are spread. */
typedef struct Spread {
    double size, shift;
    bool steps; /* small integers: ties, and zeros */
} Spread;

static void fill_row(const float *row, size_t n, const Spread *spread, Choices *c)
{
    float *to = (float *)(uintptr_t)row;
    for (size_t col = 0; col < n; col++)
        to[col] = (float)(spread->steps ? rint(2.0 * number(c)) : spread->shift + spread->size * number(c));
}

static Spread draw_spread(Choices *c)
{
    static const double sizes[] = {1.0, 0.1, 4.0, 30.0, 1e-3, 0.0, 100.0, 1e-20};
    Spread spread = {.size = sizes[maybe(c, 50) ? choose(c, 8) : 0]};
    spread.shift = maybe(c, 10) ? 3.0 : 0.0;
    spread.steps = maybe(c, 10);
    return spread;
}

/* Twice: what nobody may look at stays NaN, then what somebody sees gets its number, as strides of 0 may make them one place. */
static void fill_numbers(AttentionCase *x, Choices *c)
{
    const AttnProblem *p = &x->p;
    const bool all = p->scores.dtype != ATTN_NONE && p->scores_stage < ATTN_STAGE_BIASED; /* scores of hidden keys are shown */
    const Spread q = draw_spread(c), k = draw_spread(c), v = draw_spread(c);
    seeing_row = calloc(p->batch * p->q_heads * p->q_len + 1, sizeof *seeing_row);
    seen_key = calloc(p->batch * p->kv_heads * p->k_len + 1, sizeof *seen_key);
    fuzz_demand(seeing_row && seen_key, "there is memory for marks");
    each_cell(x, c, note_seen);
    for (size_t b = 0; b < p->batch; b++) {
        const RefEntry entry = ref_entry(p, &x->t, b);
        const size_t keys = p->varlen ? entry.k_len : p->k_len;
        for (size_t h = 0; h < p->q_heads; h++)
            for (size_t i = 0; i < entry.q_len; i++)
                if (all || seeing_row[(b * p->q_heads + h) * p->q_len + i])
                    fill_row(ref_q(p, &x->t, &entry, h, i), p->d, &q, c);
        for (size_t g = 0; g < p->kv_heads; g++)
            for (size_t j = 0; j < keys; j++)
                if (seen_key[(b * p->kv_heads + g) * p->k_len + j])
                    fill_row(ref_v(p, &x->t, &entry, g, j), p->dv, &v, c);
        for (size_t g = 0; g < p->kv_heads; g++)
            for (size_t j = 0; j < keys; j++)
                if (all || seen_key[(b * p->kv_heads + g) * p->k_len + j])
                    fill_row(ref_k(p, &x->t, &entry, g, j), p->d, &k, c);
    }
    free(seeing_row);
    free(seen_key);
}

static float *floats(AttentionCase *x, Choices *c, const char *name, size_t n)
{
    return (float *)(void *)rooms_add(&x->rooms, c, name, n * sizeof(float), 0xff)->at;
}

static void fill_heads(AttentionCase *x, Choices *c)
{
    const AttnProblem *p = &x->p;
    if (p->score == ATTN_SCORE_ADDITIVE) {
        float *w = floats(x, c, "w", p->q_heads * p->d);
        for (size_t n = 0; n < p->q_heads * p->d; n++)
            w[n] = (float)number(c);
        x->t.w = w;
    }
    if (p->alibi) {
        float *slope = floats(x, c, "alibi_slopes", p->q_heads);
        for (size_t h = 0; h < p->q_heads; h++)
            slope[h] = maybe(c, 70) ? (float)exp2(-(double)(h + 1)) : (float)number(c);
        x->t.alibi_slopes = slope;
    }
    if (p->sinks) {
        float *sink = floats(x, c, "sinks", p->q_heads);
        for (size_t h = 0; h < p->q_heads; h++)
            sink[h] = maybe(c, 10) ? -INFINITY : (float)(5.0 * number(c));
        x->t.sinks = sink;
    }
}

/* One number that is not finite, where somebody may see it: its rows are NaN, and no others. */
static void poison_bias(AttentionCase *x, Choices *c)
{
    const AttnProblem *p = &x->p;
    if (!maybe(c, 3) || p->bias.dtype == ATTN_NONE || p->batch * p->q_len * p->k_len == 0)
        return;
    const ptrdiff_t at = ref_cell(&p->bias, choose(c, p->batch), choose(c, p->q_heads), choose(c, p->q_len), choose(c, p->k_len));
    ((float *)(uintptr_t)x->t.bias)[at] = maybe(c, 50) ? INFINITY : NAN;
    x->poison = " NaN or +inf in bias";
}

static void poison_rows(AttentionCase *x, Choices *c)
{
    const AttnProblem *p = &x->p;
    if (!maybe(c, 4) || p->batch == 0)
        return;
    const RefEntry entry = ref_entry(p, &x->t, choose(c, p->batch));
    const size_t h = choose(c, p->q_heads), g = choose(c, p->kv_heads), column = choose(c, p->d), keys = p->varlen ? entry.k_len : p->k_len;
    if (maybe(c, 50) && entry.q_len > 0) {
        ((float *)(uintptr_t)ref_q(p, &x->t, &entry, h, choose(c, entry.q_len)))[column] = NAN;
        x->poison = " NaN in q";
    } else if (keys > 0 && x->t.v != x->t.k) {
        ((float *)(uintptr_t)ref_k(p, &x->t, &entry, g, choose(c, keys)))[column] = NAN;
        x->poison = " NaN in k";
    }
}

/* ---- Numbers at the end of the range --------------------------------------------------------------------------------------------- */

static void enlarge_row(const float *row, size_t n, double factor)
{
    float *to = (float *)(uintptr_t)row;
    for (size_t i = 0; i < n; i++) {
        const double y = to[i] * factor;
        to[i] = fabs(y) > FLT_MAX ? (y > 0.0 ? FLT_MAX : -FLT_MAX) : (float)y;
    }
}

static void enlarge(AttentionCase *x, double q, double k, double v)
{
    const AttnProblem *p = &x->p;
    for (size_t b = 0; b < p->batch; b++) {
        const RefEntry entry = ref_entry(p, &x->t, b);
        const size_t keys = p->varlen ? entry.k_len : p->k_len;
        for (size_t h = 0; h < p->q_heads; h++)
            for (size_t i = 0; i < entry.q_len; i++)
                enlarge_row(ref_q(p, &x->t, &entry, h, i), p->d, q);
        for (size_t g = 0; g < p->kv_heads; g++)
            for (size_t j = 0; j < keys; j++) {
                enlarge_row(ref_k(p, &x->t, &entry, g, j), p->d, k);
                enlarge_row(ref_v(p, &x->t, &entry, g, j), p->dv, v);
            }
    }
}

static void enlarge_bias(AttentionCase *x, Choices *c, const Cell *at)
{
    float *cell = (float *)(uintptr_t)x->t.bias + ref_cell(&x->p.bias, at->entry.b, at->h, at->i, at->j);
    (void)c;
    if (isfinite(*cell))
        enlarge_row(cell, 1, 1e30);
}

static void poison_v(AttentionCase *x, Choices *c)
{
    const AttnProblem *p = &x->p;
    const RefEntry entry = ref_entry(p, &x->t, choose(c, p->batch));
    const size_t keys = p->varlen ? entry.k_len : p->k_len, g = choose(c, p->kv_heads);
    if (keys > 0)
        ((float *)(uintptr_t)ref_v(p, &x->t, &entry, g, choose(c, keys)))[choose(c, p->dv)] = maybe(c, 50) ? INFINITY : NAN;
    x->poison = " NaN or inf in v";
}

unsigned attention_extremes = 15;

static void draw_extremes(AttentionCase *x, Choices *c)
{
    static const double sizes[] = {1e10, 1e19, 1e30, 1e37, 3e38, 1e-30};
    const float ends[] = {FLT_MAX, -FLT_MAX, INFINITY, NAN, 2.5e38f};
    AttnProblem *p = &x->p;
    if (!maybe(c, attention_extremes) || p->batch == 0)
        return;
    const double size = sizes[choose(c, 6)], other = maybe(c, 30) ? 1e-30 : 1.0;
    x->poison = " large numbers";
    switch (choose(c, 8)) {
    case 0:
        enlarge(x, size, other, 1.0);
        break;
    case 1:
        enlarge(x, other, size, 1.0);
        break;
    case 2:
        enlarge(x, size, size, 1.0);
        break;
    case 3:
        enlarge(x, 1.0, 1.0, size);
        break;
    case 4:
        p->scale = maybe(c, 50) ? 0x1p126 : -1e30;
        enlarge(x, other, 1.0, 1.0);
        break;
    case 5:
        if (p->bias.dtype != ATTN_NONE)
            each_cell(x, c, enlarge_bias);
        break;
    case 6:
        if (p->sinks)
            ((float *)(uintptr_t)x->t.sinks)[choose(c, p->q_heads)] = ends[choose(c, 5)];
        if (p->alibi)
            ((float *)(uintptr_t)x->t.alibi_slopes)[choose(c, p->q_heads)] = ends[choose(c, 2)];
        break;
    default:
        poison_v(x, c);
    }
}

void attention_fill(AttentionCase *x, Choices *c)
{
    fill_heads(x, c);
    draw_hiders(x, c);
    poison_bias(x, c);
    fill_numbers(x, c);
    poison_rows(x, c);
    draw_extremes(x, c);
}
