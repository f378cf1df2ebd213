/* reference_mha.c - multi-head attention of reference.h: the steps of docs/mha.md one after another, each with its bound.
 *
 * With the notation of reference.h and x (1 + errors e) going in:
 *
 *     product      sum |w| e  +  (n + 4) u (sum |w x| + |b|)  +  F (sum |w| + sum |x| + 2 n + 2)
 *     rotation     |cos| e_x + |sin| e_y  +  (|x| + |y|) (6 u + 1e-15 |angle|)  +  F      (angles are made in double)
 *     LayerNorm    mean: mean e + (n + 4) u mean |x|;  deviation D: e + that + u |D|;  variance V: mean (2 |D| e + e^2) + (n + 6) u V + F;
 *                  1/sqrt(V + eps): r = sqrt((V + eps) / (V + eps - its error)) - 1 + 6 u, no bound where that error may be all of it
 *     sum          e of both + u |sum| */
#include <float.h>
#include <stdlib.h>

#include "tests/fuzz/reference.h"

#define U 0x1p-24
#define F ((double)FLT_MIN)

static size_t extras_of(const AttnMhaConfig *c, const AttnMhaWeights *w)
{
    return (w->bias_k != NULL) + (size_t)c->zero_attn;
}

AttnProblem ref_mha_problem(const AttnMhaConfig *c, const AttnMhaShape *s)
{
    AttnProblem p = attn_problem(s->batch, c->q_heads, c->kv_heads, s->q_len, s->capacity > 0 ? s->capacity : s->k_len, c->d, c->dv);
    p.causal = s->causal;
    p.align = s->align;
    p.offset = s->offset;
    p.window = s->window;
    p.window_left = s->window_left;
    p.window_right = s->window_right;
    p.kv_lengths = s->kv_lengths;
    p.mask = s->mask;
    p.bias = s->bias;
    return p;
}

RefEntry ref_mha_entry(const AttnProblem *p, const AttnMhaShape *s, const AttnMhaTensors *t, size_t b)
{
    if (s->capacity > 0)
        return (RefEntry){.b = b, .q_len = s->q_len, .k_len = (size_t)t->past[b] + s->k_len, .offset = t->past[b]};
    AttnTensors plain = attn_tensors(NULL, NULL, NULL, NULL);
    plain.kv_lengths = t->kv_lengths;
    plain.offsets = t->offsets;
    return ref_entry(p, &plain, b);
}

bool ref_mha_visible(const AttnProblem *p, const AttnMhaShape *s, const AttnMhaTensors *t, const RefEntry *entry, size_t h, size_t i,
                     size_t j)
{
    AttnTensors plain = attn_tensors(NULL, NULL, NULL, NULL);
    plain.mask = t->mask;
    const ptrdiff_t row = entry->b > 0 ? (ptrdiff_t)entry->b * s->key_mask_batch : 0;
    return ref_structure(p, entry, i, j) && !ref_masked(p, &plain, entry->b, h, i, j) &&
           (!s->key_mask || ((const unsigned char *)t->key_mask)[row + (ptrdiff_t)j] != 0);
}

/* ---- Steps ----------------------------------------------------------------------------------------------------------------------- */

static void product(const RefNumber *x, size_t inputs, const float *w, const float *bias, size_t outputs, RefNumber *y)
{
    for (size_t o = 0; o < outputs; o++) {
        const double b = bias ? bias[o] : 0.0;
        double sum = b, size = fabs(b), moved = 0.0, tiny = 2.0;
        for (size_t n = 0; n < inputs; n++) {
            const double factor = w[o * inputs + n];
            sum += factor * x[n].v;
            size += fabs(factor * x[n].v);
            moved += fabs(factor) * x[n].e;
            tiny += fabs(factor) + fabs(x[n].v) + 2.0;
        }
        y[o] = (RefNumber){sum, moved + ((double)inputs + 4.0) * U * (size + moved) + F * tiny};
    }
}

static void normalise(RefNumber *x, size_t n, const float *weight, const float *bias, double eps)
{
    const double count = (double)n;
    double mean = 0.0, mean_e = 0.0, size = 0.0, variance = 0.0, variance_e = 0.0;
    for (size_t i = 0; i < n; i++) {
        mean += x[i].v / count;
        mean_e += x[i].e / count;
        size += fabs(x[i].v) / count;
    }
    mean_e += (count + 4.0) * U * size + F;
    for (size_t i = 0; i < n; i++) {
        const double away = x[i].v - mean, e = x[i].e + mean_e + U * fabs(away);
        variance += away * away / count;
        variance_e += (2.0 * fabs(away) * e + e * e) / count;
        x[i] = (RefNumber){away, e};
    }
    variance_e += (count + 6.0) * U * variance + F;
    const double whole = variance + eps, least = whole - variance_e - 2.0 * U * whole, factor = 1.0 / sqrt(whole);
    const double rough = least > 0.0 ? sqrt(whole / least) - 1.0 + 6.0 * U : INFINITY;
    for (size_t i = 0; i < n; i++) {
        const double g = weight ? weight[i] : 1.0, b = bias ? bias[i] : 0.0, y = x[i].v * factor * g;
        const double e = fabs(g) * factor * (x[i].e * (1.0 + rough) + (x[i].v == 0.0 ? 0.0 : fabs(x[i].v) * rough));
        x[i] = (RefNumber){y + b, isfinite(e) ? e + 4.0 * U * (fabs(y) + fabs(b)) + F * (4.0 + fabs(g)) : INFINITY};
    }
}

static void turn(const AttnMhaConfig *c, RefNumber *head, double position)
{
    const size_t pairs = c->rope_dims / 2;
    for (size_t n = 0; n < pairs && c->rope != ATTN_ROPE_NONE; n++) {
        const double angle = position * pow(c->rope_base, -2.0 * (double)n / (double)c->rope_dims), cosine = cos(angle), sine = sin(angle);
        RefNumber *x = &head[c->rope == ATTN_ROPE_INTERLEAVED ? 2 * n : n],
                  *y = &head[c->rope == ATTN_ROPE_INTERLEAVED ? 2 * n + 1 : n + pairs];
        const RefNumber a = *x, b = *y;
        const double rounding = (fabs(a.v) + fabs(b.v) + a.e + b.e) * (6.0 * U + 1e-15 * fabs(angle)) + 4.0 * F;
        *x = (RefNumber){a.v * cosine - b.v * sine, fabs(cosine) * a.e + fabs(sine) * b.e + rounding};
        *y = (RefNumber){a.v * sine + b.v * cosine, fabs(sine) * a.e + fabs(cosine) * b.e + rounding};
    }
}

static void read_row(RefNumber *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (RefNumber){from[i], 0.0};
}

static const float *row_of(const float *at, AttnRows rows, size_t b, size_t i)
{
    return at + (b > 0 ? (ptrdiff_t)b * rows.batch : 0) + (i > 0 ? (ptrdiff_t)i * rows.row : 0);
}

static const float *cached(const float *at, const AttnLayout *l, size_t b, size_t g, size_t j)
{
    return at + (b > 0 ? (ptrdiff_t)b * l->batch : 0) + (g > 0 ? (ptrdiff_t)g * l->head : 0) + (j > 0 ? (ptrdiff_t)j * l->row : 0);
}

/* ---- One batch entry ------------------------------------------------------------------------------------------------------------- */

typedef struct Whole {
    const AttnMhaConfig *c;
    const AttnMhaWeights *w;
    const AttnMhaShape *s;
    const AttnMhaTensors *t;
    AttnProblem p;
    RefMha *out;
    size_t extras, real;      /* rows that every query sees; keys before them                     */
    RefNumber *x, *q, *k, *v; /* source row; q [Sq][Hq*d]; keys [keys][Hkv*d]; values [keys][Hkv*dv] */
    RefNumber *o, *s2, *weights;
    const RefNumber **rows;
    bool *seen;
} Whole;

static double position_of(const Whole *m, size_t b, size_t i, bool key)
{
    const AttnMhaShape *s = m->s;
    const bool own = key && m->c->sources != ATTN_MHA_SELF;
    if (s->positions)
        return own ? (double)m->t->k_positions[b * s->k_len + i] : (double)m->t->q_positions[b * s->q_len + i];
    return (double)(own ? s->k_position : s->q_position) + (double)i + (s->capacity > 0 ? (double)m->t->past[b] : 0.0);
}

static void read_query(const Whole *m, size_t b, size_t i)
{
    read_row(m->x, row_of(m->t->xq, m->s->xq, b, i), m->c->embed);
    if (m->c->norm == ATTN_NORM_PRE)
        normalise(m->x, m->c->embed, m->w->norm_weight, m->w->norm_bias, m->c->norm_eps);
}

static void make_queries(const Whole *m, size_t b)
{
    const AttnMhaConfig *c = m->c;
    for (size_t i = 0; i < m->s->q_len; i++) {
        RefNumber *q = m->q + i * c->q_heads * c->d;
        read_query(m, b, i);
        product(m->x, c->embed, m->w->wq, m->w->bq, c->q_heads * c->d, q);
        for (size_t h = 0; h < c->q_heads; h++)
            turn(c, q + h * c->d, position_of(m, b, i, false));
    }
}

/* The new rows, behind those of the cache; what is new is an output too. */
static void make_keys(const Whole *m, size_t b, size_t past)
{
    const AttnMhaConfig *c = m->c;
    const AttnMhaShape *s = m->s;
    const size_t k_width = c->kv_heads * c->d, v_width = c->kv_heads * c->dv;
    for (size_t j = 0; j < s->k_len; j++) {
        RefNumber *k = m->k + (past + j) * k_width, *v = m->v + (past + j) * v_width;
        if (c->sources == ATTN_MHA_SELF)
            read_query(m, b, j);
        else
            read_row(m->x, row_of(m->t->xk, s->xk, b, j), c->kdim);
        product(m->x, c->kdim, m->w->wk, m->w->bk, k_width, k);
        if (c->sources == ATTN_MHA_SEPARATE)
            read_row(m->x, row_of(m->t->xv, s->xv, b, j), c->vdim);
        product(m->x, c->vdim, m->w->wv, m->w->bv, v_width, v);
        for (size_t g = 0; g < c->kv_heads; g++) {
            const size_t row = (b * c->kv_heads + g) * s->k_len + j;
            turn(c, k + g * c->d, position_of(m, b, j, true));
            memcpy(m->out->k + row * c->d, k + g * c->d, c->d * sizeof *k);
            memcpy(m->out->v + row * c->dv, v + g * c->dv, c->dv * sizeof *v);
        }
    }
    for (size_t j = 0; j < past; j++)
        for (size_t g = 0; g < c->kv_heads; g++) {
            read_row(m->k + j * k_width + g * c->d, cached(m->t->k_cache, &s->k_cache, b, g, j), c->d);
            read_row(m->v + j * v_width + g * c->dv, cached(m->t->v_cache, &s->v_cache, b, g, j), c->dv);
        }
    if (m->w->bias_k) {
        read_row(m->k + m->real * k_width, m->w->bias_k, k_width);
        read_row(m->v + m->real * v_width, m->w->bias_v, v_width);
    }
    if (c->zero_attn) {
        memset(m->k + (m->out->keys - 1) * k_width, 0, k_width * sizeof *m->k);
        memset(m->v + (m->out->keys - 1) * v_width, 0, v_width * sizeof *m->v);
    }
}

static void attend(const Whole *m, const RefEntry *entry, size_t h, size_t i)
{
    const AttnMhaConfig *c = m->c;
    const AttnMhaShape *s = m->s;
    const size_t g = h / (c->q_heads / c->kv_heads), exist = s->capacity > 0 ? entry->k_len : m->real, keys = m->out->keys;
    const RefScore score = {ATTN_SCORE_DOT, s->scale, s->softcap, NULL, c->d};
    for (size_t j = 0; j < keys; j++) {
        const bool extra = j >= m->real && m->extras > 0;
        const double bias = !extra && s->bias.dtype != ATTN_NONE ? (double)m->t->bias[ref_cell(&s->bias, entry->b, h, i, j)] : 0.0;
        const double away = fabs((double)i + (double)entry->offset - (double)j), alibi = s->alibi ? m->t->alibi_slopes[h] * away : 0.0;
        m->seen[j] = extra || (j < exist && bias != -INFINITY && ref_mha_visible(&m->p, s, m->t, entry, h, i, j));
        m->rows[j] = m->v + (j * c->kv_heads + g) * c->dv;
        if (m->seen[j]) {
            const RefNumber s0 = ref_raw(&score, m->q + (i * c->q_heads + h) * c->d, m->k + (j * c->kv_heads + g) * c->d);
            m->s2[j] = ref_biased(ref_capped(&score, s0), bias, alibi);
        }
    }
    RefNumber lse, *weights = m->out->weights ? m->out->weights + ((entry->b * c->q_heads + h) * s->q_len + i) * keys : m->weights;
    ref_attend(m->s2, m->seen, m->rows, keys, c->d, c->dv, s->sinks ? (double)m->t->sinks[h] : -INFINITY, m->o + h * c->dv, &lse, weights);
}

static void finish_row(const Whole *m, size_t b, size_t i)
{
    const AttnMhaConfig *c = m->c;
    RefNumber *y = m->out->y + (b * m->s->q_len + i) * m->out->width;
    if (c->output)
        product(m->o, c->q_heads * c->dv, m->w->wo, m->w->bo, c->embed, y);
    else
        memcpy(y, m->o, m->out->width * sizeof *y);
    for (size_t n = 0; n < m->out->width && c->residual; n++) {
        y[n].v += row_of(m->t->xq, m->s->xq, b, i)[n];
        y[n].e += 2.0 * U * fabs(y[n].v) + F;
    }
    if (c->norm == ATTN_NORM_POST)
        normalise(y, m->out->width, m->w->norm_weight, m->w->norm_bias, c->norm_eps);
}

static void entry_of(const Whole *m, size_t b)
{
    const RefEntry entry = ref_mha_entry(&m->p, m->s, m->t, b);
    make_queries(m, b);
    make_keys(m, b, m->s->capacity > 0 ? (size_t)m->t->past[b] : 0);
    for (size_t i = 0; i < m->s->q_len; i++) {
        for (size_t h = 0; h < m->c->q_heads; h++)
            attend(m, &entry, h, i);
        finish_row(m, b, i);
    }
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

bool ref_mha(const AttnMhaConfig *c, const AttnMhaWeights *w, const AttnMhaShape *s, const AttnMhaTensors *t, RefMha *out)
{
    const size_t real = s->capacity > 0 ? s->capacity : s->k_len, keys = real + extras_of(c, w), rows = s->batch * s->q_len;
    const size_t heads = c->q_heads * c->dv, width = c->output ? c->embed : heads, new_rows = s->batch * c->kv_heads * s->k_len;
    *out = (RefMha){calloc(rows * width + 1, sizeof *out->y),
                    s->weights != ATTN_MHA_WEIGHTS_NONE ? calloc(rows * c->q_heads * keys + 1, sizeof *out->weights) : NULL,
                    calloc(new_rows * c->d + 1, sizeof *out->k),
                    calloc(new_rows * c->dv + 1, sizeof *out->v),
                    width,
                    keys};
    Whole m = {.c = c, .w = w, .s = s, .t = t, .p = ref_mha_problem(c, s), .out = out, .extras = extras_of(c, w), .real = real};
    RefNumber **const room[] = {&m.x, &m.q, &m.k, &m.v, &m.o, &m.s2, &m.weights};
    const size_t size[] = {most(c->embed, most(c->kdim, c->vdim)),
                           s->q_len * c->q_heads * c->d,
                           keys * c->kv_heads * c->d,
                           keys * c->kv_heads * c->dv,
                           heads,
                           keys,
                           keys};
    bool got = out->y && out->k && out->v && (out->weights || s->weights == ATTN_MHA_WEIGHTS_NONE);
    for (size_t n = 0; n < sizeof room / sizeof *room; n++) {
        *room[n] = calloc(size[n] + 1, sizeof **room[n]);
        got = got && *room[n];
    }
    m.rows = calloc(keys + 1, sizeof *m.rows);
    m.seen = calloc(keys + 1, sizeof *m.seen);
    got = got && m.rows && m.seen;
    for (size_t b = 0; got && b < s->batch; b++)
        entry_of(&m, b);
    for (size_t n = 0; n < sizeof room / sizeof *room; n++)
        free(*room[n]);
    free((void *)m.rows);
    free(m.seen);
    if (!got)
        ref_mha_release(out);
    return got;
}

void ref_mha_release(RefMha *out)
{
    free(out->y);
    free(out->weights);
    free(out->k);
    free(out->v);
    *out = (RefMha){0};
}
