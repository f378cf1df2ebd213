/* oracle.c - attention in double precision behind oracle.h.
 *
 * Products of two floats are exact in double; sums run pairwise, so the relative error is a few 2^-53, nine digits below what it judges.
 * NaN and infinities go through the same arithmetic as everything else, hence propagate. Needs 56 bytes a key and dv * 24 of scratch. */
#include "harness/oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/data.h"

enum { LEVELS = 34, SAMPLED = 64 };

/* Sum over keys of vectors of dv doubles by binary carry: level n holds the sum of 2^n rows, so an addend takes part in log2 additions. */
typedef struct Cascade {
    double *level; /* [LEVELS][dv] */
    size_t dv, rows;
} Cascade;

static void cascade_add(Cascade *s, const double *row)
{
    double *carry = s->level;
    size_t n = s->rows++;
    if ((n & 1) == 0) {
        memcpy(carry, row, s->dv * sizeof *row);
        return;
    }
    /* row + level 0 moves up while the level above is full */
    for (size_t c = 0; c < s->dv; c++)
        carry[c] += row[c];
    for (size_t up = 1;; up++) {
        double *above = s->level + up * s->dv;
        n >>= 1;
        if ((n & 1) == 0) {
            memcpy(above, s->level + (up - 1) * s->dv, s->dv * sizeof *above);
            return;
        }
        const double *below = s->level + (up - 1) * s->dv;
        for (size_t c = 0; c < s->dv; c++)
            above[c] += below[c];
    }
}

static void cascade_sum(const Cascade *s, double *out)
{
    memset(out, 0, s->dv * sizeof *out);
    for (size_t up = 0; s->rows >> up; up++)
        if (s->rows >> up & 1)
            for (size_t c = 0; c < s->dv; c++)
                out[c] += s->level[up * s->dv + c];
}

bool oracle_open(Oracle *oracle, const AttnProblem *problem, const AttnTensors *tensors, bool longdouble)
{
    memset(oracle, 0, sizeof *oracle);
    oracle->p = problem;
    oracle->t = tensors;
    oracle->longdouble = longdouble;
    oracle->row.keys = malloc((problem->k_len + 1) * sizeof *oracle->row.keys);
    oracle->row.o = malloc(problem->dv * sizeof *oracle->row.o);
    oracle->work = malloc((LEVELS + 1) * problem->dv * sizeof *oracle->work);
    if (oracle->row.keys && oracle->row.o && oracle->work)
        return true;
    oracle_close(oracle);
    return false;
}

void oracle_close(Oracle *oracle)
{
    free(oracle->row.keys);
    free(oracle->row.o);
    free(oracle->work);
    memset(oracle, 0, sizeof *oracle);
}

static const float *row_at(const void *base, const AttnLayout *l, size_t b, size_t h, size_t i)
{
    return (const float *)base + (ptrdiff_t)b * l->batch + (ptrdiff_t)h * l->head + (ptrdiff_t)i * l->row;
}

static ptrdiff_t score_at(const AttnScoreLayout *l, size_t b, size_t h, size_t i, size_t j)
{
    return (ptrdiff_t)b * l->batch + (ptrdiff_t)h * l->head + (ptrdiff_t)i * l->row + (ptrdiff_t)j * l->col;
}

/* Does the causal frontier let row i see key j? */
static bool before_frontier(const AttnProblem *p, size_t i, size_t j)
{
    const int64_t offset = p->align == ATTN_ALIGN_BOTTOM_RIGHT ? (int64_t)p->k_len - (int64_t)p->q_len : p->offset;
    return !p->causal || (int64_t)j <= (int64_t)i + offset;
}

/* q.k, its absolute and its square sums, in eight lanes that are added as a tree. */
static void score(const float *q, const float *k, size_t d, double scale, OracleKey *key)
{
    double dot[8] = {0}, mag[8] = {0}, sq[8] = {0}, len[8] = {0};
    for (size_t c = 0; c < d; c++) {
        const double x = (double)q[c] * (double)k[c];
        dot[c % 8] += x;
        mag[c % 8] += fabs(x);
        sq[c % 8] += x * x;
        len[c % 8] += fabs((double)k[c]);
    }
    for (size_t half = 4; half > 0; half /= 2)
        for (size_t c = 0; c < half; c++) {
            dot[c] += dot[c + half];
            mag[c] += mag[c + half];
            sq[c] += sq[c + half];
            len[c] += len[c + half];
        }
    key->s = scale * dot[0];
    key->abs_qk = fabs(scale) * mag[0];
    key->sq_qk = scale * scale * sq[0];
    key->abs_k = len[0];
}

/* The scores of the visible keys. */
static void find_keys(Oracle *oracle, OracleRow *row)
{
    const AttnProblem *p = oracle->p;
    const AttnTensors *t = oracle->t;
    const float *q = row_at(t->q, &p->q, row->b, row->h, row->i);
    row->n = 0;
    for (size_t j = 0; j < p->k_len; j++) {
        if (!before_frontier(p, row->i, j))
            continue;
        if (p->mask.dtype != ATTN_NONE && !((const unsigned char *)t->mask)[score_at(&p->mask, row->b, row->h, row->i, j)])
            continue;
        const double bias = p->bias.dtype != ATTN_NONE ? (double)t->bias[score_at(&p->bias, row->b, row->h, row->i, j)] : 0.0;
        if (bias == -INFINITY)
            continue;
        OracleKey *key = &row->keys[row->n++];
        key->j = j;
        key->bias = bias;
        score(q, row_at(t->k, &p->k, row->b, row->g, j), p->d, p->scale, key);
        key->s += bias;
    }
    row->abs_q = 0.0;
    for (size_t c = 0; c < p->d; c++)
        row->abs_q += fabs((double)q[c]);
}

static double pairwise_p(const OracleKey *keys, size_t n)
{
    if (n <= 8) {
        double sum = 0.0;
        for (size_t j = 0; j < n; j++)
            sum += keys[j].p;
        return sum;
    }
    return pairwise_p(keys, n / 2) + pairwise_p(keys + n / 2, n - n / 2);
}

static void soften(OracleRow *row)
{
    row->m = -INFINITY;
    for (size_t j = 0; j < row->n; j++)
        if (row->keys[j].s > row->m || isnan(row->keys[j].s))
            row->m = row->keys[j].s;
    if (row->m == -INFINITY)
        row->n = 0; /* nothing visible, or only weights of zero */
    for (size_t j = 0; j < row->n; j++)
        row->keys[j].p = exp(row->keys[j].s - row->m);
    row->l = pairwise_p(row->keys, row->n);
    row->lse = row->n ? row->m + log(row->l) : -INFINITY;
    for (size_t j = 0; j < row->n; j++)
        row->keys[j].p /= row->l;
}

static void weigh(Oracle *oracle, OracleRow *row)
{
    const AttnProblem *p = oracle->p;
    Cascade sum = {oracle->work, p->dv, 0};
    double *product = oracle->work + LEVELS * p->dv;
    for (size_t j = 0; j < row->n; j++) {
        const float *v = row_at(oracle->t->v, &p->v, row->b, row->g, row->keys[j].j);
        for (size_t c = 0; c < p->dv; c++)
            product[c] = row->keys[j].s == -INFINITY ? 0.0 : row->keys[j].p * (double)v[c];
        cascade_add(&sum, product);
    }
    cascade_sum(&sum, row->o);
}

/* The same row once more, written plainly, in long double: it replaces m, l, lse and o, and keeps the rest for the bound. */
static void recompute_long(Oracle *oracle, OracleRow *row)
{
    const AttnProblem *p = oracle->p;
    const float *q = row_at(oracle->t->q, &p->q, row->b, row->h, row->i);
    long double m = -INFINITY, l = 0.0L;
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t j = 0; j < row->n; j++) {
            const float *k = row_at(oracle->t->k, &p->k, row->b, row->g, row->keys[j].j);
            long double s = 0.0L;
            for (size_t c = 0; c < p->d; c++)
                s += (long double)q[c] * (long double)k[c];
            s = s * (long double)p->scale + (long double)row->keys[j].bias;
            if (pass == 0)
                m = s > m || isnan(s) ? s : m;
            else
                l += expl(s - m);
            row->keys[j].s = (double)s;
            if (pass == 1)
                row->keys[j].p = (double)expl(s - m);
        }
    for (size_t c = 0; c < p->dv; c++) {
        long double sum = 0.0L;
        for (size_t j = 0; j < row->n; j++)
            if (row->keys[j].s != -INFINITY)
                sum += (long double)row->keys[j].p * (long double)row_at(oracle->t->v, &p->v, row->b, row->g, row->keys[j].j)[c];
        row->o[c] = row->n ? (double)(sum / l) : 0.0;
    }
    for (size_t j = 0; j < row->n; j++)
        row->keys[j].p = (double)((long double)row->keys[j].p / l);
    row->m = (double)m;
    row->l = (double)l;
    row->lse = row->n ? (double)(m + logl(l)) : -INFINITY;
}

const OracleRow *oracle_row(Oracle *oracle, size_t b, size_t h, size_t i)
{
    OracleRow *row = &oracle->row;
    row->b = b;
    row->h = h;
    row->g = h / (oracle->p->q_heads / oracle->p->kv_heads);
    row->i = i;
    find_keys(oracle, row);
    soften(row);
    if (oracle->longdouble)
        recompute_long(oracle, row);
    else
        weigh(oracle, row);
    return row;
}

static int ascending(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? -1 : x > y;
}

size_t *oracle_pick_rows(const AttnProblem *p, uint64_t seed, double flop_limit, size_t *count)
{
    static const size_t marks[] = {0, 1, 7, 8, 15, 16, 31, 32, 47, 48, 63, 64, 95, 96, 127, 128, 255, 256};
    const size_t heads = p->batch * p->q_heads, total = heads * p->q_len, n_marks = sizeof marks / sizeof *marks;
    const double flop = 2.0 * (double)total * (double)p->k_len * (double)(p->d + p->dv);
    const size_t most = flop < flop_limit ? total : 4 * (n_marks + 2) + SAMPLED;
    size_t *rows = malloc((most + 1) * sizeof *rows), n = 0;
    if (!rows)
        return NULL;
    if (flop < flop_limit) {
        for (; n < total; n++)
            rows[n] = n;
        *count = n;
        return rows;
    }
    const size_t chosen[4] = {0, heads - 1, random_bits(seed, 1) % heads, random_bits(seed, 2) % heads};
    for (size_t k = 0; k < 4; k++) {
        for (size_t x = 0; x < n_marks; x++)
            if (marks[x] < p->q_len)
                rows[n++] = chosen[k] * p->q_len + marks[x];
        rows[n++] = chosen[k] * p->q_len + p->q_len - 1;
        rows[n++] = chosen[k] * p->q_len + (p->q_len > 1 ? p->q_len - 2 : 0);
    }
    for (size_t k = 0; k < SAMPLED; k++)
        rows[n++] = random_bits(seed, 100 + k) % total;
    qsort(rows, n, sizeof *rows, ascending);
    *count = 0;
    for (size_t k = 0; k < n; k++)
        if (*count == 0 || rows[*count - 1] != rows[k])
            rows[(*count)++] = rows[k];
    return rows;
}
