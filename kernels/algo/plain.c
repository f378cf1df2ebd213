/* plain.c - see plain.h. Runs inside a kernel, so under its floating-point control. */
#include "kernels/algo/plain.h"

#include <math.h>
#include <string.h>

#include "kernels/storage/element.h"

enum { COLUMNS = 256 }; /* that are summed at a time, on the stack */

/* What f32 does not hold is infinite: from half a unit above FLT_MAX on. */
static double in_range(double s)
{
    return fabs(s) >= 0x1.ffffffp127 ? copysign(INFINITY, s) : s;
}

static double raw_score(const AttnPlainRow *r, size_t j)
{
    const AttnProblem *p = r->a->p;
    const size_t element = attn_dtype_bytes(p->k.dtype);
    const void *q = attn_q_at(r->a, r->seq, r->h, r->i, attn_dtype_bytes(p->q.dtype));
    const void *k = attn_k_run(r->a, r->seq, r->h / r->a->group, j, j + 1, element).row;
    double sum = 0.0;
    for (size_t c = 0; c < p->d; c++) {
        const double x = attn_element_get(q, p->q.dtype, c), y = attn_element_get(k, p->k.dtype, c);
        switch (p->score) {
        case ATTN_SCORE_DOT: sum += x * y; break;
        case ATTN_SCORE_GAUSSIAN: sum += (x - y) * (x - y); break;
        case ATTN_SCORE_ADDITIVE: sum += (double)r->a->t->w[r->h * p->d + c] * tanh(x + y); break;
        case ATTN_SCORE_MAX_ENUM: break;
        }
    }
    return in_range((p->score == ATTN_SCORE_GAUSSIAN ? -0.5 * p->scale : p->scale) * sum);
}

static double score(const AttnPlainRow *r, size_t j, AttnStage stage)
{
    const AttnArgs *a = r->a;
    const AttnProblem *p = a->p;
    double s = raw_score(r, j);
    if (stage >= ATTN_STAGE_CAPPED && p->softcap > 0.0)
        s = p->softcap * tanh(s / p->softcap);
    if (stage < ATTN_STAGE_BIASED)
        return s;
    if (a->t->bias)
        s += (double)a->t->bias[attn_score_at(&p->bias, r->seq->b, r->h, r->i, j)];
    if (p->alibi)
        s -= (double)a->t->alibi_slopes[r->h] * fabs((double)((int64_t)r->i + r->seq->offset - (int64_t)j));
    return in_range(s);
}

static bool hidden(const AttnPlainRow *r, size_t j)
{
    const unsigned char *mask = r->a->t->mask;
    return (mask && !mask[attn_score_at(&r->a->p->mask, r->seq->b, r->h, r->i, j)]) ||
           (r->a->t->bias && r->a->t->bias[attn_score_at(&r->a->p->bias, r->seq->b, r->h, r->i, j)] == -INFINITY);
}

float attn_plain_score(const AttnPlainRow *row, size_t j, AttnStage stage)
{
    return stage >= ATTN_STAGE_BIASED && hidden(row, j) ? -INFINITY : (float)score(row, j, stage);
}

/* The next key of [j, end) that mask and bias leave to the row, or end. Rows that a mask hides whole come here often, as padding, so their
 * bytes are passed over eight at a time. */
static size_t next_seen(const AttnPlainRow *r, size_t j, size_t end)
{
    const unsigned char *mask = r->a->p->mask.col == 1 ? r->a->t->mask : NULL;
    const unsigned char *from = mask ? mask + attn_score_at(&r->a->p->mask, r->seq->b, r->h, r->i, 0) : NULL;
    for (; j < end; j++) {
        uint64_t eight = 0;
        while (from && end - j > sizeof eight && (memcpy(&eight, from + j, sizeof eight), eight == 0))
            j += sizeof eight;
        if (!hidden(r, j))
            break;
    }
    return j;
}

/* What a row's softmax needs. */
typedef struct Softmax {
    AttnKeys keys;  /* that structure leaves to the row, of its part                  */
    double sink;    /* -inf: none                                                     */
    double m, l;    /* maximum, NaN as soon as a score is NaN or +inf; sum of weights */
    bool any;       /* some key has a weight at all                                   */
} Softmax;

static double weight(double s, double m)
{
    return s == m ? 1.0 : exp(s - m); /* a sink of +inf has all the weight there is */
}

/* All but l. */
static Softmax maximum(const AttnPlainRow *r)
{
    const float *sinks = r->part.lo == 0 ? r->a->t->sinks : NULL;
    const AttnKeys keys = attn_visible_keys(r->a, r->seq, r->i);
    Softmax x = {.keys = keys, .sink = sinks ? (double)sinks[r->h] : -INFINITY};
    x.keys.lo = keys.lo > r->part.lo ? keys.lo : r->part.lo;
    x.keys.hi = keys.hi < r->part.hi ? keys.hi : r->part.hi;
    x.m = x.sink;
    for (size_t j = x.keys.lo; (j = next_seen(r, j, x.keys.hi)) < x.keys.hi; j++) {
        const double s = score(r, j, ATTN_STAGE_BIASED);
        x.any = x.any || s != -INFINITY;
        if (isnan(s) || s == INFINITY) {
            x.m = NAN;
            break;
        }
        x.m = s > x.m ? s : x.m; /* a NaN stays: nothing is greater than it */
    }
    return x;
}

/* sum[n] += weighted values of columns [c, c + n), and l. */
static void add_up(const AttnPlainRow *r, Softmax *x, size_t c, size_t n, double *sum)
{
    x->l = x->sink == -INFINITY ? 0.0 : weight(x->sink, x->m);
    for (size_t j = x->keys.lo; (j = next_seen(r, j, x->keys.hi)) < x->keys.hi; j++) {
        const double s = score(r, j, ATTN_STAGE_BIASED);
        if (s == -INFINITY)
            continue; /* weight 0, exactly: v is not read */
        const double p = weight(s, x->m);
        const AttnDtype dtype = r->a->p->v.dtype;
        const void *v = attn_v_run(r->a, r->seq, r->h / r->a->group, j, j + 1, attn_dtype_bytes(dtype)).row;
        x->l += p;
        for (size_t column = 0; column < n; column++)
            sum[column] += p * attn_element_get(v, dtype, c + column);
    }
}

void attn_plain_row(const AttnPlainRow *r)
{
    const size_t dv = r->a->p->dv;
    const AttnDtype dtype = r->a->p->o.dtype;
    void *o = attn_o_at(r->a, r->seq, r->h, r->i, attn_dtype_bytes(dtype));
    Softmax x = maximum(r);
    const bool dead = x.m == -INFINITY, nan = isnan(x.m);
    for (size_t c = 0; c < dv; c += COLUMNS) {
        const size_t n = dv - c < COLUMNS ? dv - c : COLUMNS;
        double sum[COLUMNS] = {0.0};
        if (!dead && !nan)
            add_up(r, &x, c, n, sum);
        for (size_t column = 0; column < n; column++)
            attn_element_put(o, dtype, c + column, dead || (nan && !x.any) ? 0.0 : nan ? (double)NAN : sum[column] / x.l);
    }
    if (r->a->t->lse)
        *attn_lse_at(r->a, r->seq, r->h, r->i) = dead ? -INFINITY : nan ? NAN : (float)(x.m + log(x.l));
}

void attn_plain_scores(const AttnPlainRow *r)
{
    const AttnProblem *p = r->a->p;
    const AttnStage stage = p->scores_stage;
    Softmax x = maximum(r);
    double unused[1];
    if (stage == ATTN_STAGE_WEIGHTS && !isnan(x.m) && x.m != -INFINITY)
        add_up(r, &x, 0, 0, unused);
    for (size_t j = 0; j < p->k_len; j++) {
        float *to = r->a->t->scores + attn_score_at(&p->scores, r->seq->b, r->h, r->i, j);
        const bool sees = j >= x.keys.lo && j < x.keys.hi && !hidden(r, j);
        if (stage >= ATTN_STAGE_BIASED && !sees) {
            *to = stage == ATTN_STAGE_BIASED ? -INFINITY : 0.0f;
            continue;
        }
        const double s = score(r, j, stage == ATTN_STAGE_WEIGHTS ? ATTN_STAGE_BIASED : stage);
        *to = (float)(stage != ATTN_STAGE_WEIGHTS ? s : s == -INFINITY ? 0.0 : isnan(x.m) ? NAN : weight(s, x.m) / x.l);
    }
}
