/* oracle.c - attention in double precision behind oracle.h.
 *
 * Products of two floats are exact in double; sums run pairwise, so the relative error is a few 2^-53, nine digits below what it judges.
 * NaN and infinities go through the same arithmetic as everything else, hence propagate; a score that f32 does not hold is infinite. Needs
 * 112 bytes a key and dv * 24 of scratch. */
#include "harness/base/random.h"
#include "harness/ops/sdpa/oracle.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/ops/sdpa/data.h"

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
    oracle->row.keys = malloc((problem->k_len + 2) * sizeof *oracle->row.keys);
    oracle->row.o = malloc(problem->dv * sizeof *oracle->row.o);
    oracle->work = malloc((LEVELS + 1) * problem->dv * sizeof *oracle->work);
    oracle->room = malloc((2 * problem->d + problem->dv) * sizeof *oracle->room);
    if (oracle->row.keys && oracle->row.o && oracle->work && oracle->room)
        return true;
    oracle_close(oracle);
    return false;
}

void oracle_close(Oracle *oracle)
{
    free(oracle->row.keys);
    free(oracle->row.o);
    free(oracle->work);
    free(oracle->room);
    memset(oracle, 0, sizeof *oracle);
}

/* ---- Structure -------------------------------------------------------------------------------------------------------------------- */

OracleEntry oracle_entry(const AttnProblem *p, const AttnTensors *t, size_t b)
{
    OracleEntry e = {.b = b, .q_len = p->q_len, .k_len = p->k_len};
    if (p->varlen) {
        e.q_first = (size_t)t->cu_q[b];
        e.k_first = (size_t)t->cu_k[b];
        e.q_len = (size_t)t->cu_q[b + 1] - e.q_first;
        e.k_len = (size_t)t->cu_k[b + 1] - e.k_first;
    } else if (p->kv_lengths)
        e.k_len = (size_t)t->kv_lengths[b];
    switch (p->align) {
    case ATTN_ALIGN_TOP_LEFT:
    case ATTN_ALIGN_MAX_ENUM: e.offset = 0; break;
    case ATTN_ALIGN_BOTTOM_RIGHT: e.offset = (int64_t)e.k_len - (int64_t)e.q_len; break;
    case ATTN_ALIGN_OFFSET: e.offset = p->offset; break;
    case ATTN_ALIGN_OFFSETS: e.offset = t->offsets[b]; break;
    }
    return e;
}

void oracle_range(const AttnProblem *p, const OracleEntry *e, size_t i, size_t *low, size_t *high)
{
    const int64_t at = (int64_t)i + e->offset;
    int64_t first = 0, last = (int64_t)e->k_len - 1; /* inclusive */
    if (p->causal)
        last = last < at ? last : at;
    if (p->window && p->window_left != -1)
        first = first > at - p->window_left ? first : at - p->window_left;
    if (p->window && p->window_right != -1)
        last = last < at + p->window_right ? last : at + p->window_right;
    *low = first <= last ? (size_t)first : 0;
    *high = first <= last ? (size_t)last + 1 : 0;
}

ptrdiff_t oracle_score_at(const AttnScoreLayout *l, size_t b, size_t h, size_t i, size_t j)
{
    return (ptrdiff_t)b * l->batch + (ptrdiff_t)h * l->head + (ptrdiff_t)i * l->row + (ptrdiff_t)j * l->col;
}

static double bias_of(const AttnProblem *p, const AttnTensors *t, size_t b, size_t h, size_t i, size_t j)
{
    return p->bias.dtype != ATTN_NONE ? (double)t->bias[oracle_score_at(&p->bias, b, h, i, j)] : 0.0;
}

bool oracle_sees(const AttnProblem *p, const AttnTensors *t, const OracleEntry *e, size_t h, size_t i, size_t j)
{
    size_t low, high;
    oracle_range(p, e, i, &low, &high);
    if (j < low || j >= high)
        return false;
    if (p->mask.dtype != ATTN_NONE && !((const unsigned char *)t->mask)[oracle_score_at(&p->mask, e->b, h, i, j)])
        return false;
    return bias_of(p, t, e->b, h, i, j) != -INFINITY;
}

Operand oracle_q_row(const AttnProblem *p, const AttnTensors *t, const OracleEntry *e, size_t h, size_t i)
{
    return operand_row(t->q, &p->q, e->b, h, e->q_first + i);
}

Operand oracle_k_row(const AttnProblem *p, const AttnTensors *t, const OracleEntry *e, size_t g, size_t j)
{
    return j < p->past_len ? operand_row(t->k_past, &p->k_past, e->b, g, j)
                           : operand_row(t->k, &p->k, e->b, g, e->k_first + j - p->past_len);
}

Operand oracle_v_row(const AttnProblem *p, const AttnTensors *t, const OracleEntry *e, size_t g, size_t j)
{
    return j < p->past_len ? operand_row(t->v_past, &p->v_past, e->b, g, j)
                           : operand_row(t->v, &p->v, e->b, g, e->k_first + j - p->past_len);
}

Operand oracle_o_row(const AttnProblem *p, const AttnTensors *t, const OracleEntry *e, size_t h, size_t i)
{
    return operand_row(t->o, &p->o, e->b, h, e->q_first + i);
}

const float *oracle_lse_at(const AttnProblem *p, const AttnTensors *t, const OracleEntry *e, size_t h, size_t i)
{
    return operand_floats(operand_row(t->lse, &p->lse, e->b, h, e->q_first + i), 1, NULL);
}

/* ---- Scores ---------------------------------------------------------------------------------------------------------------------- */

/* Sums over c in eight lanes that are added as a tree. */
enum { TERM, SIZE, SQUARE, Q2, K2, Q4, K4, ABS, ARGUMENT, ARGUMENT2, SUMS };
typedef struct Sums {
    double lane[SUMS][8];
} Sums;

static void fold(Sums *x)
{
    for (size_t half = 4; half > 0; half /= 2)
        for (size_t n = 0; n < SUMS; n++)
            for (size_t c = 0; c < half; c++)
                x->lane[n][c] += x->lane[n][c + half];
}

static void sum_products(const float *q, const float *k, size_t d, Sums *x)
{
    for (size_t c = 0; c < d; c++) {
        const double a = (double)q[c], b = (double)k[c], term = a * b;
        x->lane[TERM][c % 8] += term;
        x->lane[SIZE][c % 8] += fabs(term);
        x->lane[SQUARE][c % 8] += term * term;
        x->lane[ABS][c % 8] += fabs(a) + fabs(b);
    }
}

/* The distance itself, not by way of q.k, which would cancel. */
static void sum_differences(const float *q, const float *k, size_t d, Sums *x)
{
    for (size_t c = 0; c < d; c++) {
        const double a = (double)q[c], b = (double)k[c];
        x->lane[TERM][c % 8] += (a - b) * (a - b);
        x->lane[SIZE][c % 8] += fabs(a * b);
        x->lane[SQUARE][c % 8] += a * b * a * b;
        x->lane[Q2][c % 8] += a * a;
        x->lane[K2][c % 8] += b * b;
        x->lane[Q4][c % 8] += a * a * a * a;
        x->lane[K4][c % 8] += b * b * b * b;
        x->lane[ABS][c % 8] += 2.0 * (fabs(a) + fabs(b));
    }
}

static void sum_tanh(const float *q, const float *k, const float *w, size_t d, Sums *x)
{
    for (size_t c = 0; c < d; c++) {
        const double argument = (double)q[c] + (double)k[c], t = tanh(argument), term = (double)w[c] * t;
        /* the derivative, 1 - t^2, at its largest within a rounding of the argument */
        const double moved = fabs((double)w[c] * argument) * ((1.0 - t * t) * (1.0 + 0x1p-20 * fabs(argument)) + 0x1p-52);
        x->lane[TERM][c % 8] += term;
        x->lane[SIZE][c % 8] += fabs(term);
        x->lane[SQUARE][c % 8] += term * term;
        x->lane[ABS][c % 8] += 3.0 * fabs((double)w[c]);
        x->lane[ARGUMENT][c % 8] += !isfinite(moved) ? 0.0 : moved; /* infinite arguments do not move tanh */
        x->lane[ARGUMENT2][c % 8] += !isfinite(moved) ? 0.0 : moved * moved;
    }
}

/* A score as the contract has it: an f32, rounded to nearest where it lies beyond the largest. */
static double held(double s)
{
    const double halfway = (double)FLT_MAX + 0x1p103;
    return s >= halfway ? INFINITY : s <= -halfway ? -INFINITY : s;
}

/* Stage 0 and the sums of key j. */
static OracleKey raw_key(const Oracle *oracle, size_t j)
{
    const AttnProblem *p = oracle->p;
    const OracleRow *row = &oracle->row;
    const float *q = operand_floats(oracle_q_row(p, oracle->t, &oracle->entry, row->h, row->i), p->d, oracle->room);
    const float *k = operand_floats(oracle_k_row(p, oracle->t, &oracle->entry, row->g, j), p->d, oracle->room + p->d);
    Sums x = {0};
    if (p->score == ATTN_SCORE_DOT)
        sum_products(q, k, p->d, &x);
    else if (p->score == ATTN_SCORE_GAUSSIAN)
        sum_differences(q, k, p->d, &x);
    else
        sum_tanh(q, k, oracle->t->w + row->h * p->d, p->d, &x);
    fold(&x);
    const double scale = p->scale, size = fabs(scale), norms = 0.5 * size * (x.lane[Q2][0] + x.lane[K2][0]);
    return (OracleKey){
        .j = j,
        .s0 = held((p->score == ATTN_SCORE_GAUSSIAN ? -0.5 * scale : scale) * x.lane[TERM][0]),
        .abs_sum = size * x.lane[SIZE][0] + norms,
        .sq_sum = scale * scale * (x.lane[SQUARE][0] + 0.25 * (x.lane[Q4][0] + x.lane[K4][0])),
        .size = p->score == ATTN_SCORE_GAUSSIAN ? norms : size * fabs(x.lane[TERM][0]),
        .argument = size * x.lane[ARGUMENT][0],
        .sq_argument = scale * scale * x.lane[ARGUMENT2][0],
        .tiny = x.lane[ABS][0],
    };
}

OracleKey oracle_key(const Oracle *oracle, size_t j)
{
    const AttnProblem *p = oracle->p;
    const AttnTensors *t = oracle->t;
    const OracleRow *row = &oracle->row;
    OracleKey key = raw_key(oracle, j);
    key.s1 = p->softcap > 0.0 ? p->softcap * tanh(key.s0 / p->softcap) : key.s0;
    key.bias = bias_of(p, t, row->b, row->h, row->i, j);
    if (p->alibi)
        key.alibi = (double)t->alibi_slopes[row->h] * fabs((double)((int64_t)row->i + oracle->entry.offset - (int64_t)j));
    key.s = held(key.s1 + key.bias - key.alibi);
    return key;
}

/* The scores of the visible keys, and the sink in front of them. */
static void find_keys(Oracle *oracle, OracleRow *row)
{
    size_t low, high;
    oracle_range(oracle->p, &oracle->entry, row->i, &low, &high);
    row->n = 0;
    if (oracle->p->sinks && oracle->t->sinks[row->h] != -INFINITY)
        row->keys[row->n++] = (OracleKey){.j = ORACLE_SINK, .s = (double)oracle->t->sinks[row->h]};
    for (size_t j = low; j < high; j++)
        if (oracle_sees(oracle->p, oracle->t, &oracle->entry, row->h, row->i, j))
            row->keys[row->n++] = oracle_key(oracle, j);
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

/* A sink of +inf takes all the weight there is, where a score of +inf is a NaN row. */
static bool is_infinite_sink(const OracleRow *row, const OracleKey *key)
{
    return key->j == ORACLE_SINK && key->s == INFINITY && row->m == INFINITY;
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
        row->keys[j].p = is_infinite_sink(row, &row->keys[j]) ? 1.0 : exp(row->keys[j].s - row->m);
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
    for (size_t n = 0; n < row->n; n++) {
        const OracleKey *key = &row->keys[n];
        if (key->j == ORACLE_SINK || key->s == -INFINITY)
            continue;
        const float *v = operand_floats(oracle_v_row(p, oracle->t, &oracle->entry, row->g, key->j), p->dv, oracle->room);
        for (size_t c = 0; c < p->dv; c++)
            product[c] = key->p * (double)v[c];
        cascade_add(&sum, product);
    }
    cascade_sum(&sum, row->o);
}

/* ---- Second implementation ------------------------------------------------------------------------------------------------------- */

static long double long_score(const Oracle *oracle, const OracleRow *row, const OracleKey *key)
{
    const AttnProblem *p = oracle->p;
    if (key->j == ORACLE_SINK)
        return (long double)oracle->t->sinks[row->h];
    const float *q = operand_floats(oracle_q_row(p, oracle->t, &oracle->entry, row->h, row->i), p->d, oracle->room), *w = oracle->t->w;
    const float *k = operand_floats(oracle_k_row(p, oracle->t, &oracle->entry, row->g, key->j), p->d, oracle->room + p->d);
    long double s = 0.0L;
    for (size_t c = 0; c < p->d; c++) {
        const long double a = (long double)q[c], b = (long double)k[c];
        s += p->score == ATTN_SCORE_DOT        ? a * b
             : p->score == ATTN_SCORE_GAUSSIAN ? -0.5L * (a - b) * (a - b)
                                               : (long double)w[row->h * p->d + c] * tanhl(a + b);
    }
    s *= (long double)p->scale;
    if (isinf(held((double)s)))
        s = (long double)held((double)s);
    if (p->softcap > 0.0)
        s = (long double)p->softcap * tanhl(s / (long double)p->softcap);
    s += (long double)key->bias - (long double)key->alibi;
    return isinf(held((double)s)) ? (long double)held((double)s) : s;
}

/* The same row once more, written plainly, in long double: it replaces m, l, lse and o, and keeps the rest for the bound. */
static void recompute_long(Oracle *oracle, OracleRow *row)
{
    const AttnProblem *p = oracle->p;
    long double m = -INFINITY, l = 0.0L;
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t j = 0; j < row->n; j++) {
            const long double s = long_score(oracle, row, &row->keys[j]);
            const long double weight = is_infinite_sink(row, &row->keys[j]) ? 1.0L : expl(s - m);
            if (pass == 0)
                m = s > m || isnan(s) ? s : m;
            else
                l += weight;
            row->keys[j].s = (double)s;
            if (pass == 1)
                row->keys[j].p = (double)weight;
        }
    for (size_t c = 0; c < p->dv; c++) {
        long double sum = 0.0L;
        for (size_t j = 0; j < row->n; j++)
            if (row->keys[j].j != ORACLE_SINK && row->keys[j].s != -INFINITY)
                sum += (long double)row->keys[j].p *
                       (long double)operand_get(oracle_v_row(p, oracle->t, &oracle->entry, row->g, row->keys[j].j), c);
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
    oracle->entry = oracle_entry(oracle->p, oracle->t, b);
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

/* ---- Rows ------------------------------------------------------------------------------------------------------------------------ */

/* Drop the rows that a ragged batch does not have. Returns how many are left. */
static size_t keep_existing(const AttnProblem *p, const AttnTensors *t, size_t *rows, size_t count)
{
    size_t kept = 0;
    for (size_t n = 0; n < count; n++)
        if (rows[n] % p->q_len < oracle_entry(p, t, rows[n] / p->q_len / p->q_heads).q_len)
            rows[kept++] = rows[n];
    return kept;
}

static int ascending(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? -1 : x > y;
}

size_t *oracle_pick_rows(const AttnProblem *p, const AttnTensors *t, uint64_t seed, double flop_limit, size_t *count)
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
        *count = keep_existing(p, t, rows, n);
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
    *count = keep_existing(p, t, rows, *count);
    return rows;
}
