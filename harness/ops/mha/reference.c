/* reference.c - see reference.h. */
#include "harness/ops/mha/reference.h"

#include <stdlib.h>

#define U 0x1p-24

enum { ROOMS = 4096 };
static void *rooms[ROOMS];
static size_t room_count;

void *reference_room(size_t bytes)
{
    if (room_count == ROOMS)
        abort();
    return rooms[room_count++] = calloc(1, bytes + 64);
}

void reference_release(void)
{
    while (room_count > 0)
        free(rooms[--room_count]);
}

static Number exact(double v)
{
    return (Number){v, 0.0, 0.0};
}

/* What the roundings of a sum of n products add to its variance: ops/linear/judge.c has the reasons. */
static double roundings(size_t n, double squares, double partial, double more, double v)
{
    return U * U / 3.0 * ((1.0 + (double)n / 6.0) * squares + partial + 2.0 * (more * more + v * v));
}

/* sum of a[i] * b[i * step] + more, in any order. */
static Number dot(size_t n, const Number *a, const Number *b, size_t step, Number more)
{
    double v = more.v, e = more.e, size = fabs(more.v) + more.e, s = more.s, squares = 0.0, partial = 0.0;
    for (size_t i = 0; i < n; i++) {
        const Number x = a[i], y = b[i * step];
        v += x.v * y.v;
        e += fabs(x.v) * y.e + fabs(y.v) * x.e + x.e * y.e;
        size += (fabs(x.v) + x.e) * (fabs(y.v) + y.e);
        s += x.v * x.v * y.s + y.v * y.v * x.s;
        squares += x.v * x.v * y.v * y.v;
        partial += v * v;
    }
    return (Number){v, e + (double)(n + 2) * U * size, s + roundings(n, squares, partial, more.v, v)};
}

/* The same where a and b are what memory holds. Most of the work is here, so each sum is made of four. */
static Number dot_exact(size_t n, const Number *a, const float *b, double more)
{
    double v[4] = {more, 0.0, 0.0, 0.0}, size[4] = {fabs(more), 0.0, 0.0, 0.0}, squares[4] = {0.0}, partial = 0.0;
    for (size_t i = 0; i < n; i += 4) {
        for (size_t j = 0; j < 4 && i + j < n; j++) {
            const double x = a[i + j].v * (double)b[i + j];
            v[j] += x;
            size[j] += fabs(x);
            squares[j] += x * x;
        }
        const double sum = v[0] + v[1] + v[2] + v[3];
        partial += 4.0 * sum * sum;
    }
    const double sum = v[0] + v[1] + v[2] + v[3];
    return (Number){sum, (double)(n + 2) * U * (size[0] + size[1] + size[2] + size[3]),
                    roundings(n, squares[0] + squares[1] + squares[2] + squares[3], partial, more, sum)};
}

/* LayerNorm; the library sums in double, so only the errors of x and the last rounding count. */
static void normalise(const MhaCase *x, size_t n, const Number *from, Number *to)
{
    double mean = 0.0, variance = 0.0, mean_e = 0.0, variance_e = 0.0, spread_s = 0.0;
    for (size_t i = 0; i < n; i++) {
        mean += from[i].v / (double)n;
        mean_e += from[i].e / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        const double away = from[i].v - mean, e = from[i].e + mean_e;
        variance += away * away / (double)n;
        variance_e += (2.0 * fabs(away) + e) * e / (double)n;
        spread_s += from[i].s / (double)n;
    }
    const double spread = sqrt(variance + x->c.norm_eps), low = sqrt(fmax(variance - variance_e + x->c.norm_eps, 1e-300));
    for (size_t i = 0; i < n; i++) {
        const double w = x->w.norm_weight ? (double)x->w.norm_weight[i] : 1.0, b = x->w.norm_bias ? (double)x->w.norm_bias[i] : 0.0;
        const double v = (from[i].v - mean) / spread;
        const double e = (from[i].e + mean_e) / low + fabs(v) * (spread / low - 1.0);
        const double s = (from[i].s + (1.0 + v * v) * spread_s / (double)n) / (spread * spread);
        to[i] = (Number){v * w + b, e * fabs(w) + 2.0 * U * fabs(v * w + b), s * w * w + U * U * (v * w + b) * (v * w + b)};
    }
}

/* out[heads][width] = in times w, bias; where = column of (head, c). weights: room for [inputs]. */
static void project(const Number *in, size_t inputs, const float *w, const float *bias, size_t heads, size_t width, bool wrong_split,
                    Number *weights, Number *out)
{
    bool known = true;
    for (size_t i = 0; i < inputs; i++)
        known = known && in[i].e == 0.0;
    for (size_t h = 0; h < heads; h++)
        for (size_t c = 0; c < width; c++) {
            const size_t output = wrong_split ? c * heads + h : h * width + c;
            const double more = bias ? (double)bias[output] : 0.0;
            for (size_t i = 0; i < inputs && !known; i++)
                weights[i] = exact((double)w[output * inputs + i]);
            out[h * width + c] = known ? dot_exact(inputs, in, w + output * inputs, more) : dot(inputs, in, weights, 1, exact(more));
        }
}

static void turn(const MhaCase *x, bool swapped, double position, Number *head)
{
    const size_t dims = x->c.rope_dims;
    const bool halves = (x->c.rope == ATTN_ROPE_HALVES) != swapped;
    for (size_t c = 0; c < dims / 2; c++) {
        const double angle = position / pow(x->c.rope_base, 2.0 * (double)c / (double)dims);
        Number *a = &head[halves ? c : 2 * c], *b = &head[halves ? c + dims / 2 : 2 * c + 1];
        const Number p = *a, q = *b;
        const double e = p.e + q.e + 4.0 * U * (fabs(p.v) + fabs(q.v));
        const double s = p.s + q.s + U * U * (p.v * p.v + q.v * q.v);
        *a = (Number){p.v * cos(angle) - q.v * sin(angle), e, s};
        *b = (Number){p.v * sin(angle) + q.v * cos(angle), e, s};
    }
}

/* One batch entry on its way. */
typedef struct Entry {
    const MhaCase *x;
    Mistake mistake;
    size_t b, past, known, keys; /* keys the caller knows, and extras too */
    Number *q, *k, *v;           /* [Sq][Hq][d] [keys][Hkv][d] [keys][Hkv][dv] */
    Number *row, *weights;       /* room for the widest row of a source, and of a projection's weights */
} Entry;

static const float *row_of(const float *base, AttnRows at, size_t b, size_t i)
{
    return base + (ptrdiff_t)b * at.batch + (ptrdiff_t)i * at.row;
}

static void source_row(const MhaCase *x, const float *from, size_t width, bool norm, Number *to)
{
    for (size_t c = 0; c < width; c++)
        to[c] = exact((double)from[c]);
    if (norm && x->c.norm == ATTN_NORM_PRE)
        normalise(x, width, to, to);
}

static void fill_keys(const Entry *n)
{
    const MhaCase *x = n->x;
    Number *row = n->row;
    const AttnMhaConfig *c = &x->c;
    const bool self = c->sources == ATTN_MHA_SELF, split = n->mistake == WRONG_HEAD_SPLIT;
    const float *xk = self ? x->t.xq : x->t.xk, *xv = c->sources == ATTN_MHA_SEPARATE ? x->t.xv : xk;
    const float *k_cache = x->t.k_cache, *v_cache = x->t.v_cache;
    const AttnRows at_k = self ? x->s.xq : x->s.xk, at_v = c->sources == ATTN_MHA_SEPARATE ? x->s.xv : at_k;
    for (size_t j = 0; j < n->past; j++)
        for (size_t g = 0; g < c->kv_heads; g++) {
            const AttnLayout *k = &x->s.k_cache, *v = &x->s.v_cache;
            for (size_t i = 0; i < c->d; i++)
                n->k[(j * c->kv_heads + g) * c->d + i] =
                    exact((double)(k_cache + (ptrdiff_t)n->b * k->batch + (ptrdiff_t)g * k->head + (ptrdiff_t)j * k->row)[i]);
            for (size_t i = 0; i < c->dv; i++)
                n->v[(j * c->kv_heads + g) * c->dv + i] =
                    exact((double)(v_cache + (ptrdiff_t)n->b * v->batch + (ptrdiff_t)g * v->head + (ptrdiff_t)j * v->row)[i]);
        }
    for (size_t j = 0; j < x->s.k_len; j++) {
        Number *k = n->k + (n->past + j) * c->kv_heads * c->d, *v = n->v + (n->past + j) * c->kv_heads * c->dv;
        source_row(x, row_of(xk, at_k, n->b, j), c->kdim, self, row);
        project(row, c->kdim, x->w.wk, x->w.bk, c->kv_heads, c->d, split, n->weights, k);
        source_row(x, row_of(xv, at_v, n->b, j), c->vdim, self, row);
        project(row, c->vdim, x->w.wv, x->w.bv, c->kv_heads, c->dv, split, n->weights, v);
        const int64_t *positions = self ? x->t.q_positions : x->t.k_positions;
        const int64_t count = (self ? x->s.q_position : x->s.k_position) + (int64_t)(n->mistake == POSITIONS_RESTART ? 0 : n->past);
        for (size_t g = 0; g < c->kv_heads && c->rope != ATTN_ROPE_NONE; g++)
            turn(x, n->mistake == ROPE_PAIRS_SWAPPED,
                 x->s.positions ? (double)positions[n->b * x->s.k_len + j] : (double)(count + (int64_t)j), k + g * c->d);
    }
    for (size_t i = 0; x->w.bias_k && i < c->kv_heads * c->d; i++)
        n->k[n->known * c->kv_heads * c->d + i] = exact((double)x->w.bias_k[i]);
    for (size_t i = 0; x->w.bias_v && i < c->kv_heads * c->dv; i++)
        n->v[n->known * c->kv_heads * c->dv + i] = exact((double)x->w.bias_v[i]);
}

bool reference_has(const MhaCase *x, size_t i)
{
    return x->every <= 1 || i % x->every == 0 || i + 1 == x->s.q_len;
}

static void fill_queries(const Entry *n)
{
    const MhaCase *x = n->x;
    Number *row = n->row;
    const AttnMhaConfig *c = &x->c;
    for (size_t i = 0; i < x->s.q_len; i++) {
        if (!reference_has(x, i))
            continue;
        Number *q = n->q + i * c->q_heads * c->d;
        const int64_t count = x->s.q_position + (int64_t)(n->mistake == POSITIONS_RESTART ? 0 : n->past);
        source_row(x, row_of(x->t.xq, x->s.xq, n->b, i), c->embed, true, row);
        project(row, c->embed, x->w.wq, n->mistake == BIAS_BEFORE_PROJECTION ? NULL : x->w.bq, c->q_heads, c->d,
                n->mistake == WRONG_HEAD_SPLIT, n->weights, q);
        for (size_t h = 0; h < c->q_heads && c->rope != ATTN_ROPE_NONE; h++)
            turn(x, n->mistake == ROPE_PAIRS_SWAPPED,
                 x->s.positions ? (double)x->t.q_positions[n->b * x->s.q_len + i] : (double)(count + (int64_t)i), q + h * c->d);
    }
}

static bool sees(const Entry *n, size_t h, size_t i, size_t j)
{
    const AttnMhaShape *s = &n->x->s;
    const AttnMhaTensors *t = &n->x->t;
    const int64_t length = s->capacity > 0 ? (int64_t)n->known : s->kv_lengths ? t->kv_lengths[n->b] : (int64_t)s->k_len;
    const int64_t offset = s->capacity > 0                       ? (int64_t)n->past
                           : s->align == ATTN_ALIGN_TOP_LEFT     ? 0
                           : s->align == ATTN_ALIGN_BOTTOM_RIGHT ? length - (int64_t)s->q_len
                           : s->align == ATTN_ALIGN_OFFSET       ? s->offset
                                                                 : t->offsets[n->b];
    const int64_t at = (int64_t)i + offset, key = (int64_t)j;
    if (j >= n->known && s->capacity == 0)
        return true; /* bias_k, zero_attn */
    bool seen = key < length && (!s->causal || key <= at);
    if (s->window && s->window_left >= 0)
        seen = seen && key >= at - s->window_left;
    if (s->window && s->window_right >= 0)
        seen = seen && key <= at + s->window_right;
    if (t->mask)
        seen = seen && (((const uint8_t *)t->mask)[(ptrdiff_t)n->b * s->mask.batch + (ptrdiff_t)h * s->mask.head +
                                                   (ptrdiff_t)i * s->mask.row + key * s->mask.col] != 0) == (n->mistake != MASK_INVERTED);
    if (t->key_mask)
        seen = seen && (((const uint8_t *)t->key_mask)[(ptrdiff_t)n->b * s->key_mask_batch + key] != 0) == (n->mistake != MASK_INVERTED);
    return seen;
}

/* The score of a visible key; -inf where a bias hides it. */
static Number score(const Entry *n, size_t h, size_t g, size_t i, size_t j)
{
    const AttnMhaConfig *c = &n->x->c;
    const AttnMhaShape *s = &n->x->s;
    Number x = dot(c->d, n->q + (i * c->q_heads + h) * c->d, n->k + (j * c->kv_heads + g) * c->d, 1, exact(0.0));
    x.v *= s->scale;
    x.e = x.e * fabs(s->scale) + 4.0 * U * fabs(x.v);
    x.s = x.s * s->scale * s->scale + U * U * x.v * x.v;
    if (s->softcap > 0.0) {
        x.v = s->softcap * tanh(x.v / s->softcap);
        x.e += 16.0 * U * s->softcap;
        x.s += 16.0 * U * U * s->softcap * s->softcap;
    }
    if (n->x->t.bias && j < n->known) {
        const double bias = (double)n->x->t.bias[(ptrdiff_t)n->b * s->bias.batch + (ptrdiff_t)h * s->bias.head +
                                                 (ptrdiff_t)i * s->bias.row + (ptrdiff_t)j * s->bias.col];
        x.v += bias;
        x.e += U * (fabs(x.v) + fabs(bias));
        x.s += U * U * (x.v * x.v + bias * bias);
    }
    if (s->alibi) {
        const int64_t length = s->kv_lengths ? n->x->t.kv_lengths[n->b] : (int64_t)n->known;
        const int64_t offset = s->capacity > 0                       ? (int64_t)n->past
                               : s->align == ATTN_ALIGN_BOTTOM_RIGHT ? length - (int64_t)s->q_len
                               : s->align == ATTN_ALIGN_OFFSET       ? s->offset
                               : s->align == ATTN_ALIGN_OFFSETS      ? n->x->t.offsets[n->b]
                                                                     : 0;
        const double slope = (double)n->x->t.alibi_slopes[h] * fabs((double)((int64_t)i + offset - (int64_t)j));
        x.v -= slope;
        x.e += 4.0 * U * (fabs(x.v) + slope);
        x.s += U * U * (x.v * x.v + slope * slope);
    }
    return x;
}

/* Weights of one row and what they make of v. */
static void attend(const Entry *n, size_t h, size_t i, Number *s, Number *weights, Number *o)
{
    const AttnMhaConfig *c = &n->x->c;
    const size_t g = n->mistake == WRONG_KV_HEAD ? h % c->kv_heads : h / (c->q_heads / c->kv_heads);
    double m = n->x->s.sinks ? (double)n->x->t.sinks[h] : -INFINITY, l = 0.0, most_e = 0.0, most_s = 0.0, size = 0.0;
    for (size_t j = 0; j < n->keys; j++) {
        s[j] = sees(n, h, i, j) ? score(n, h, g, i, j) : exact(-INFINITY);
        if (s[j].v == -INFINITY)
            continue;
        m = fmax(m, s[j].v);
        most_e = fmax(most_e, s[j].e);
        most_s = fmax(most_s, s[j].s);
        size = fmax(size, fabs(s[j].v));
    }
    if (n->x->s.sinks)
        l = exp((double)n->x->t.sinks[h] - m);
    for (size_t j = 0; j < n->keys; j++)
        l += s[j].v == -INFINITY ? 0.0 : exp(s[j].v - m);
    for (size_t j = 0; j < n->keys; j++) {
        const double p = s[j].v == -INFINITY ? 0.0 : exp(s[j].v - m) / l;
        /* Twice, for numerator and denominator: the score, its rounding against m in base 2 or e, the exponential, the sum. */
        weights[j] = (Number){p, p * expm1(2.0 * (most_e + U * (4.0 * size + 2.0 * fabs(m) + 8.0 + (double)n->keys))) + 0x1p-126,
                              p * p * 2.0 * (most_s + U * U * (size * size + m * m + 8.0 + (double)n->keys / 6.0))};
        if (p == 0.0)
            weights[j].e = weights[j].s = 0.0;
    }
    for (size_t e = 0; e < c->dv; e++)
        o[e] = dot(n->keys, weights, n->v + g * c->dv + e, c->kv_heads * c->dv, exact(0.0));
}

static void finish(const Entry *n, size_t i, const Number *o, Number *y)
{
    const MhaCase *x = n->x;
    const AttnMhaConfig *c = &x->c;
    const size_t heads = c->q_heads * c->dv, width = c->output ? c->embed : heads;
    Number *residual = n->row;
    if (c->output)
        project(o, heads, x->w.wo, x->w.bo, 1, width, false, n->weights, y);
    else
        memcpy(y, o, width * sizeof *y);
    source_row(x, row_of(x->t.xq, x->s.xq, n->b, i), c->embed, n->mistake == RESIDUAL_NORMED, residual);
    for (size_t e = 0; c->residual && e < width; e++) {
        y[e].v += residual[e].v;
        y[e].e += U * (fabs(y[e].v) + y[e].e);
        y[e].s += U * U * y[e].v * y[e].v;
    }
    if (c->norm == ATTN_NORM_POST)
        normalise(x, width, y, y);
}

/* One batch entry into r. scores: room for [2][keys], o: for [Hq][dv]. */
static void refer(Entry *n, Number *scores, Number *o, Reference *r)
{
    const AttnMhaConfig *c = &n->x->c;
    const AttnMhaShape *s = &n->x->s;
    const size_t width = c->output ? c->embed : c->q_heads * c->dv, b = n->b, keys = n->keys;
    fill_queries(n);
    fill_keys(n);
    for (size_t i = 0; i < s->q_len; i++) {
        if (!reference_has(n->x, i))
            continue;
        for (size_t h = 0; h < c->q_heads; h++)
            attend(n, h, i, scores, r->weights ? r->weights + ((b * c->q_heads + h) * s->q_len + i) * keys : scores + keys, o + h * c->dv);
        finish(n, i, o, r->y + (b * s->q_len + i) * width);
    }
    for (size_t g = 0; g < c->kv_heads; g++)
        for (size_t j = 0; j < s->k_len; j++) {
            memcpy(r->k + ((b * c->kv_heads + g) * s->k_len + j) * c->d, n->k + ((n->past + j) * c->kv_heads + g) * c->d,
                   c->d * sizeof *r->k);
            memcpy(r->v + ((b * c->kv_heads + g) * s->k_len + j) * c->dv, n->v + ((n->past + j) * c->kv_heads + g) * c->dv,
                   c->dv * sizeof *r->v);
        }
}

Reference reference(const MhaCase *x, Mistake mistake)
{
    const AttnMhaConfig *c = &x->c;
    const AttnMhaShape *s = &x->s;
    const size_t extras = (size_t)(x->w.bias_k != NULL) + (size_t)c->zero_attn, width = c->output ? c->embed : c->q_heads * c->dv;
    const size_t keys = s->capacity > 0 ? s->capacity : s->k_len + extras, widest = c->embed + c->kdim + c->vdim;
    const bool wanted = s->weights != ATTN_MHA_WEIGHTS_NONE;
    Reference r = {.keys = keys};
    r.y = reference_room(s->batch * s->q_len * width * sizeof *r.y);
    r.weights = wanted ? reference_room(s->batch * c->q_heads * s->q_len * keys * sizeof *r.weights) : NULL;
    r.k = reference_room(s->batch * c->kv_heads * s->k_len * c->d * sizeof *r.k);
    r.v = reference_room(s->batch * c->kv_heads * s->k_len * c->dv * sizeof *r.v);
    /* Keys of an entry that it does not have stay 0. */
    const size_t heads = c->q_heads * c->dv, q = s->q_len * c->q_heads * c->d, k = keys * c->kv_heads * c->d, v = keys * c->kv_heads * c->dv;
    Number *room = calloc(q + k + v + widest + (widest + heads) + 2 * keys + heads + 1, sizeof *room);
    const bool made = room && r.y && r.k && r.v && (r.weights || !wanted);
    for (size_t b = 0; made && b < s->batch; b++) {
        const size_t past = s->capacity > 0 ? (size_t)x->t.past[b] : 0;
        Entry n = {.x = x, .mistake = mistake, .b = b, .past = past, .known = past + s->k_len, .keys = keys};
        n.q = room;
        n.k = n.q + q;
        n.v = n.k + k;
        n.row = n.v + v;
        n.weights = n.row + widest;
        Number *scores = n.weights + widest + heads, *o = scores + 2 * keys;
        memset(room, 0, (q + k + v) * sizeof *room);
        refer(&n, scores, o, &r);
    }
    free(room);
    return made ? r : (Reference){.y = NULL};
}
