/* reference.c - see reference.h, which has the formulas. Cost: about 3 ns a multiply-add. */
#include "tests/fuzz/reference.h"

#include <float.h>
#include <stdlib.h>

#define U 0x1p-24
#define T (4.0 * U)
#define F ((double)FLT_MIN)
#define LAG 14.0
#define SUM_MOST 2.3e38 /* of |terms| of a score; beyond it, says docs/semantics.md, a score may count as -inf */

/* ---- Scores ---------------------------------------------------------------------------------------------------------------------- */

/* A stage is a binary32 number: beyond FLT_MAX it is infinite, and where that depends on rounding nobody knows. */
static RefNumber settled(RefNumber s)
{
    if (isnan(s.v))
        return (RefNumber){NAN, 0.0};
    if (fabs(s.v) - s.e > (double)FLT_MAX)
        return (RefNumber){s.v > 0.0 ? INFINITY : -INFINITY, 0.0};
    if (fabs(s.v) + s.e > (double)FLT_MAX)
        s.e = INFINITY;
    return s;
}

RefNumber ref_raw(const RefScore *score, const RefNumber *q, const RefNumber *k)
{
    const double rounding = ((double)score->d + 12.0) * U;
    double sum = 0.0, size = 0.0, moved = 0.0, tiny = 0.0;
    for (size_t c = 0; c < score->d; c++) {
        const double x = q[c].v, y = k[c].v, ex = q[c].e, ey = k[c].e;
        tiny += fabs(x) + fabs(y) + 2.0;
        if (score->kind == ATTN_SCORE_ADDITIVE) {
            const double w = score->w[c], term = w * tanh(x + y);
            sum += term;
            size += fabs(term);
            moved += fabs(w) * (U * fabs(x + y) + ex + ey) + (T + 2.0 * U) * fabs(term);
        } else if (score->kind == ATTN_SCORE_GAUSSIAN) {
            sum -= 0.5 * (x - y) * (x - y);
            size += fabs(x * y) + 0.5 * (x * x + y * y);
            moved += (fabs(x) + fabs(y) + ex + ey) * (ex + ey);
        } else {
            sum += x * y;
            size += fabs(x * y);
            moved += fabs(x) * ey + ex * (fabs(y) + ey);
        }
    }
    const double scale = fabs(score->scale);
    return settled((RefNumber){score->scale * sum, scale * (rounding * size + moved) + F * (size + (1.0 + scale) * tiny + 4.0)});
}

RefNumber ref_capped(const RefScore *score, RefNumber s0)
{
    const double cap = score->softcap;
    if (!(cap > 0.0) || isnan(s0.v))
        return s0;
    if (isinf(s0.v))
        return (RefNumber){s0.v > 0.0 ? cap : -cap, (T + 3.0 * U) * cap};
    const double before = s0.e + 3.0 * U * fabs(s0.v), room = fabs(s0.v) - before, flat = room > 0.0 ? tanh(room / cap) : 0.0;
    RefNumber s1 = {cap * tanh(s0.v / cap), 0.0};
    s1.e = (1.0 - flat * flat) * before + (T + 3.0 * U) * fabs(s1.v) + F * cap;
    if (!(s1.e <= 2.0 * cap)) /* so written, NaN of no room times infinity too */
        s1.e = 2.0 * cap;
    return s1;
}

RefNumber ref_biased(RefNumber s1, double bias, double alibi)
{
    RefNumber s2 = {s1.v + bias - alibi, 0.0};
    if (isinf(s2.v) || isnan(s2.v))
        return s2;
    s2.e = s1.e + U * (3.0 * fabs(s1.v) + 3.0 * fabs(bias) + 6.0 * fabs(alibi) + 3.0 * fabs(s2.v));
    return settled(s2);
}

/* ---- Softmax --------------------------------------------------------------------------------------------------------------------- */

/* What a row's weights have in common. */
typedef struct Sums {
    double m, l, reference; /* maximum, sum of exp(s - m), R                  */
    double grown, shrunk;   /* sum p E, D                                     */
    double largest;         /* delta                                          */
    double rounding;        /* (2 n + 32) u                                   */
    double vanish;          /* weights below it may be 0: G                   */
} Sums;

static double delta_of(const Sums *sums, RefNumber s, size_t d)
{
    return s.e + ((double)d + 12.0) * U * sums->reference + 4.0 * U * (fabs(s.v) + sums->reference);
}

static void every(RefNumber *x, size_t n, double v)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (RefNumber){v, 0.0};
}

/* A row whose maximum is no number: NaN where it looks. */
static void nan_row(const RefNumber *s2, const bool *seen, size_t n, size_t dv, RefNumber *o, RefNumber *lse, RefNumber *p)
{
    every(o, dv, NAN);
    every(lse, 1, NAN);
    for (size_t j = 0; j < n; j++)
        p[j] = (RefNumber){seen[j] ? NAN : 0.0, seen[j] && s2[j].v == -INFINITY ? INFINITY : 0.0}; /* exp(-inf - NaN): nobody says */
}

/* Weight of a score and the most that it may grow by, p E. A weight too small for a double may still grow to one that is not. */
static RefNumber weigh(Sums *sums, RefNumber s, size_t d)
{
    if (s.v == -INFINITY || isinf(s.e))
        return (RefNumber){0.0, 0.0}; /* far below all that counts: ref_attend has looked */
    const double weight = exp(s.v - sums->m) / sums->l, delta = delta_of(sums, s, d);
    const double grown = weight > 0.0 ? weight * expm1(delta) : delta < 100.0 ? 0.0 : exp(s.v - sums->m + delta);
    sums->grown += grown;
    sums->shrunk += weight * exp(-delta);
    if (delta > sums->largest)
        sums->largest = delta;
    return (RefNumber){weight, grown};
}

/* One column of o; w: the weights, sunk: that of the sink. */
static RefNumber mean_of(const Sums *sums, const RefNumber *w, RefNumber sunk, const bool *seen, const RefNumber *const *v, size_t n,
                         size_t c)
{
    double o = 0.0, size = 0.0, apart = 0.0, errors = 0.0, worst = 0.0, visible = 0.0;
    double low = sunk.v > 0.0 ? 0.0 : INFINITY, high = sunk.v > 0.0 ? 0.0 : -INFINITY;
    for (size_t j = 0; j < n; j++) {
        if (seen[j] && !isfinite(v[j][c].v)) /* times a weight that may be 0 in binary32: NaN, or nothing */
            return (RefNumber){NAN, w[j].v > 1e-30 ? 1.0 : INFINITY};
        if (seen[j])
            o += w[j].v * v[j][c].v;
    }
    for (size_t j = 0; j < n; j++) {
        if (!seen[j])
            continue;
        const double x = v[j][c].v, e = v[j][c].e;
        size += w[j].v * fabs(x);
        apart += x == o ? 0.0 : w[j].e * fabs(x - o);
        errors += e > 0.0 ? (w[j].v + w[j].e) * e : 0.0;
        worst = e > worst ? e : worst;
        low = x < low ? x : low;
        high = x > high ? x : high;
        visible += 1.0;
    }
    apart += o == 0.0 ? 0.0 : sunk.e * fabs(o);
    double moved = apart / sums->shrunk, inherited = errors / sums->shrunk;
    if (!(moved < high - low))
        moved = high - low;
    if (!(inherited < worst))
        inherited = worst;
    const double largest = fabs(low) > fabs(high) ? fabs(low) : fabs(high);
    return (RefNumber){o,
                       moved + inherited + sums->rounding * (size + fabs(o)) + sums->vanish * (visible + 2.0) * (largest + fabs(o) + 2.0)};
}

void ref_attend(const RefNumber *s2, const bool *seen, const RefNumber *const *v, size_t n, size_t d, size_t dv, double sink, RefNumber *o,
                RefNumber *lse, RefNumber *p)
{
    Sums sums = {.m = sink};
    RefNumber sunk = {0.0, 0.0};
    double visible = 0.0, counted = 0.0, least = sink == -INFINITY ? INFINITY : sink;
    bool wrong = isnan(sink), known = true;
    for (size_t j = 0; j < n; j++) {
        visible += seen[j];
        counted += seen[j] && s2[j].v != -INFINITY;
        wrong = wrong || (seen[j] && isfinite(s2[j].e) && (isnan(s2[j].v) || s2[j].v == INFINITY));
        if (seen[j] && s2[j].v > sums.m)
            sums.m = s2[j].v;
        if (seen[j] && s2[j].v < least && s2[j].v != -INFINITY)
            least = s2[j].v;
    }
    for (size_t j = 0; j < n; j++)
        known = known && !(seen[j] && !isfinite(s2[j].e) && !(s2[j].v < sums.m - 1000.0 - U * fabs(sums.m)));
    if (wrong && counted > 0.0) {
        nan_row(s2, seen, n, dv, o, lse, p);
        return;
    }
    every(o, dv, 0.0);
    every(lse, 1, isnan(sink) ? NAN : sums.m); /* infinite, if we stay here */
    every(p, n, 0.0);
    if (!known) {
        for (size_t i = 0; i < dv; i++)
            o[i].e = INFINITY;
        for (size_t j = 0; j < n; j++)
            p[j].e = INFINITY;
        lse->e = INFINITY;
    }
    if (!known || isinf(sums.m) || isnan(sink))
        return;
    sums.l = sink == -INFINITY ? 0.0 : exp(sink - sums.m);
    for (size_t j = 0; j < n; j++)
        if (seen[j])
            sums.l += exp(s2[j].v - sums.m);
    const double lag = sums.m - least < LAG ? sums.m - least : LAG;
    sums.reference = fabs(sums.m) + lag;
    sums.vanish = F * exp(lag);
    sums.rounding = (2.0 * visible + 32.0) * U;
    if (sink != -INFINITY)
        sunk = weigh(&sums, (RefNumber){sink, 4.0 * U * fabs(sink)}, d);
    for (size_t j = 0; j < n; j++)
        if (seen[j])
            p[j] = weigh(&sums, s2[j], d);
    for (size_t c = 0; c < dv && visible > 0.0; c++)
        o[c] = mean_of(&sums, p, sunk, seen, v, n, c);
    const double up = log1p(sums.grown), down = -log(sums.shrunk), moved = up > down ? up : down;
    lse->v = sums.m + log(sums.l);
    lse->e = (moved < sums.largest ? moved : sums.largest) + sums.rounding +
             U * (8.0 * sums.reference + 8.0 * log(sums.l) + 4.0 * fabs(lse->v)) + sums.vanish * (visible + 2.0);
    for (size_t j = 0; j < n; j++) {
        if (!seen[j])
            continue;
        const double most = (p[j].v + p[j].e) / sums.shrunk * (1.0 + sums.rounding);
        p[j].e = (most < 1.0 ? most - p[j].v : 1.0) + sums.vanish * (visible + 2.0);
    }
}

bool ref_agrees(RefNumber want, float got)
{
    if (!isfinite(want.e))
        return true;
    if (isnan(want.v) || isinf(want.v))
        return isnan(want.v) ? isnan(got) || (want.e > 0.0 && isinf(got)) : (double)got == want.v;
    if (isinf(got))
        return fabs(want.v) + want.e >= (double)FLT_MAX && (got > 0.0f) == (want.v > 0.0);
    return fabs((double)got - want.v) <= want.e + 2.0 * U * fabs(want.v);
}

/* ---- A problem ------------------------------------------------------------------------------------------------------------------- */

RefEntry ref_entry(const AttnProblem *p, const AttnTensors *t, size_t b)
{
    RefEntry entry = {.b = b, .q_len = p->q_len, .k_len = p->k_len};
    if (p->varlen) {
        entry.q_first = (size_t)t->cu_q[b];
        entry.k_first = (size_t)t->cu_k[b];
        entry.q_len = (size_t)t->cu_q[b + 1] - entry.q_first;
        entry.k_len = (size_t)t->cu_k[b + 1] - entry.k_first;
    } else if (p->kv_lengths)
        entry.k_len = (size_t)t->kv_lengths[b];
    switch (p->align) {
    case ATTN_ALIGN_TOP_LEFT:
    case ATTN_ALIGN_MAX_ENUM:
        break;
    case ATTN_ALIGN_BOTTOM_RIGHT:
        entry.offset = (int64_t)entry.k_len - (int64_t)entry.q_len;
        break;
    case ATTN_ALIGN_OFFSET:
        entry.offset = p->offset;
        break;
    case ATTN_ALIGN_OFFSETS:
        entry.offset = t->offsets[b];
        break;
    }
    return entry;
}

bool ref_structure(const AttnProblem *p, const RefEntry *entry, size_t i, size_t j)
{
    const int64_t ahead = (int64_t)j - ((int64_t)i + entry->offset); /* of the row's own position */
    return j < entry->k_len && (!p->causal || ahead <= 0) && (!p->window || p->window_left < 0 || -ahead <= p->window_left) &&
           (!p->window || p->window_right < 0 || ahead <= p->window_right);
}

/* Strides of axes with one element may be anything, so they are never multiplied by 0. */
static ptrdiff_t step(size_t index, ptrdiff_t stride)
{
    return index > 0 ? (ptrdiff_t)index * stride : 0;
}

ptrdiff_t ref_cell(const AttnScoreLayout *l, size_t b, size_t h, size_t i, size_t j)
{
    return step(b, l->batch) + step(h, l->head) + step(i, l->row) + step(j, l->col);
}

static ptrdiff_t row_at(const AttnLayout *l, size_t b, size_t head, size_t row)
{
    return step(b, l->batch) + step(head, l->head) + step(row, l->row);
}

bool ref_masked(const AttnProblem *p, const AttnTensors *t, size_t b, size_t h, size_t i, size_t j)
{
    return p->mask.dtype != ATTN_NONE && ((const unsigned char *)t->mask)[ref_cell(&p->mask, b, h, i, j)] == 0;
}

static double bias_of(const AttnProblem *p, const AttnTensors *t, size_t b, size_t h, size_t i, size_t j)
{
    return p->bias.dtype == ATTN_NONE ? 0.0 : (double)t->bias[ref_cell(&p->bias, b, h, i, j)];
}

bool ref_visible(const AttnProblem *p, const AttnTensors *t, const RefEntry *entry, size_t h, size_t i, size_t j)
{
    return ref_structure(p, entry, i, j) && !ref_masked(p, t, entry->b, h, i, j) && bias_of(p, t, entry->b, h, i, j) != -INFINITY;
}

const float *ref_q(const AttnProblem *p, const AttnTensors *t, const RefEntry *entry, size_t h, size_t i)
{
    return (const float *)t->q + row_at(&p->q, p->varlen ? 0 : entry->b, h, entry->q_first + i);
}

static const float *kv_row(const AttnProblem *p, const RefEntry *entry, const AttnLayout *past, const void *past_at, const AttnLayout *now,
                           const void *now_at, size_t g, size_t j)
{
    if (j < p->past_len)
        return (const float *)past_at + row_at(past, entry->b, g, j);
    return (const float *)now_at + row_at(now, p->varlen ? 0 : entry->b, g, entry->k_first + j - p->past_len);
}

const float *ref_k(const AttnProblem *p, const AttnTensors *t, const RefEntry *entry, size_t g, size_t j)
{
    return kv_row(p, entry, &p->k_past, t->k_past, &p->k, t->k, g, j);
}

const float *ref_v(const AttnProblem *p, const AttnTensors *t, const RefEntry *entry, size_t g, size_t j)
{
    return kv_row(p, entry, &p->v_past, t->v_past, &p->v, t->v, g, j);
}

const float *ref_o(const AttnProblem *p, const AttnTensors *t, const RefEntry *entry, size_t h, size_t i)
{
    return (const float *)t->o + row_at(&p->o, p->varlen ? 0 : entry->b, h, entry->q_first + i);
}

const float *ref_lse(const AttnProblem *p, const AttnTensors *t, const RefEntry *entry, size_t h, size_t i)
{
    return t->lse + row_at(&p->lse, p->varlen ? 0 : entry->b, h, entry->q_first + i);
}

/* ---- All of it ------------------------------------------------------------------------------------------------------------------- */

/* Room for one KV head. */
typedef struct Head {
    RefNumber *q, *k, *v, *s2, *p;
    const RefNumber **rows;
    bool *seen;
} Head;

static void read_row(RefNumber *to, const float *from, size_t n)
{
    for (size_t c = 0; c < n; c++)
        to[c] = (RefNumber){from[c], 0.0};
}

static void attend_row(const AttnProblem *p, const AttnTensors *t, const RefEntry *entry, size_t h, size_t i, const Head *head,
                       RefOutputs *out)
{
    const size_t number = (entry->b * p->q_heads + h) * p->q_len + i;
    const RefScore score = {p->score, p->scale, p->softcap, p->score == ATTN_SCORE_ADDITIVE ? t->w + h * p->d : NULL, p->d};
    RefNumber *shown = out->scores ? out->scores + number * p->k_len : NULL;
    const size_t keys = p->varlen ? entry->k_len : p->k_len; /* that lie in memory */
    read_row(head->q, ref_q(p, t, entry, h, i), p->d);
    for (size_t j = 0; j < keys; j++) {
        const bool seen = ref_visible(p, t, entry, h, i, j);
        const RefNumber s0 = ref_raw(&score, head->q, head->k + j * p->d), s1 = ref_capped(&score, s0);
        const double away = fabs((double)i + (double)entry->offset - (double)j), alibi = p->alibi ? t->alibi_slopes[h] * away : 0.0;
        head->seen[j] = seen;
        const double bias = seen ? bias_of(p, t, entry->b, h, i, j) : 0.0;
        const double size = isinf(s0.v) ? INFINITY : s0.e / (((double)p->d + 12.0) * U) + fabs(bias) + fabs(alibi);
        head->s2[j] = seen ? ref_biased(s1, bias, alibi) : (RefNumber){-INFINITY, 0.0};
        if (seen && size > SUM_MOST && isfinite(bias) && head->s2[j].v > -INFINITY)
            head->s2[j].e = INFINITY;
        if (shown)
            shown[j] = p->scores_stage == ATTN_STAGE_RAW ? s0 : p->scores_stage == ATTN_STAGE_CAPPED ? s1 : head->s2[j];
        if (shown && p->scores_stage < ATTN_STAGE_WEIGHTS && isfinite(shown[j].v))
            shown[j].e += 6.0 * U * fabs(shown[j].v);
    }
    ref_attend(head->s2, head->seen, head->rows, keys, p->d, p->dv, p->sinks ? (double)t->sinks[h] : -INFINITY, out->o + number * p->dv,
               &out->lse[number], shown && p->scores_stage == ATTN_STAGE_WEIGHTS ? shown : head->p);
}

static void attend_entry(const AttnProblem *p, const AttnTensors *t, size_t b, const Head *head, RefOutputs *out)
{
    const RefEntry entry = ref_entry(p, t, b);
    const size_t group = p->q_heads / p->kv_heads, keys = p->varlen ? entry.k_len : p->k_len;
    for (size_t g = 0; g < p->kv_heads; g++) {
        for (size_t j = 0; j < keys; j++) {
            read_row(head->k + j * p->d, ref_k(p, t, &entry, g, j), p->d);
            read_row(head->v + j * p->dv, ref_v(p, t, &entry, g, j), p->dv);
            head->rows[j] = head->v + j * p->dv;
        }
        for (size_t h = g * group; h < (g + 1) * group; h++)
            for (size_t i = 0; i < entry.q_len; i++)
                attend_row(p, t, &entry, h, i, head, out);
    }
}

bool ref_attention(const AttnProblem *p, const AttnTensors *t, RefOutputs *out)
{
    const size_t rows = p->batch * p->q_heads * p->q_len, keys = p->k_len + 1;
    const bool scores = p->scores.dtype != ATTN_NONE;
    *out = (RefOutputs){calloc(rows * p->dv + 1, sizeof *out->o), calloc(rows + 1, sizeof *out->lse),
                        scores ? calloc(rows * p->k_len + 1, sizeof *out->scores) : NULL};
    const Head head = {calloc(p->d, sizeof *head.q),   calloc(keys * p->d, sizeof *head.k), calloc(keys * p->dv, sizeof *head.v),
                       calloc(keys, sizeof *head.s2),  calloc(keys, sizeof *head.p),        calloc(keys, sizeof *head.rows),
                       calloc(keys, sizeof *head.seen)};
    const bool room =
        out->o && out->lse && (out->scores || !scores) && head.q && head.k && head.v && head.s2 && head.p && head.rows && head.seen;
    for (size_t b = 0; room && b < p->batch && p->q_len > 0; b++)
        attend_entry(p, t, b, &head, out);
    free(head.q);
    free(head.k);
    free(head.v);
    free(head.s2);
    free(head.p);
    free((void *)head.rows);
    free(head.seen);
    if (!room)
        ref_release(out);
    return room;
}

void ref_release(RefOutputs *out)
{
    free(out->o);
    free(out->lse);
    free(out->scores);
    *out = (RefOutputs){0};
}
