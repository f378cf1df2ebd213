/* agree.c - bound and model of a kernel's error, and the comparison with them.
 *
 * Notation of agree.h and kernels/README.md; u is the unit roundoff of accumulation, u_s of scores, gamma(n) = n u / (1 - n u).
 *
 * A raw score is off by at most
 *     e0_j = gamma(d + 4) (abs sum of its terms + reference)  +  underflow
 * (+ 4: scale, log2(e), their product and its product with q are rounded). The Gaussian score, computed as q.k less half the norms, has
 * those among its terms, and 4 more roundings; the additive score adds what a rounded q + k does behind tanh, u |w| |x| tanh'(x), and the
 * error of tanh itself, 2 t u of each term with t = tanh_ulp. The soft-cap C divides that error by cosh^2 and adds its own:
 *     e1_j = cosh^-2((|s0| - e0) / C) (e0 + 3 u |s0|)  +  (3 + 2 t) u |s1|  +  C FLT_MIN,   at most 2 C.
 * Bias and ALiBi follow:
 *     delta_j = e1_j + u_s (3 |s_j| + 2 |bias_j| + 5 |alibi_j| + |s_j - m| + lag)
 * (2 |bias|: log2(e) and the product; 5 |alibi|: slope and distance times log2(e), their product, the sum, which rounds |s1| once more;
 * lag: the maximum that a kernel subtracts may lag behind the true one until l reaches 2^20, but never below the first visible score or the
 * sink). Where the chain of a score starts at minus that reference (accuracy.chain_from_m), gamma(d + 4) times its size is added; a bias
 * beyond FLT_MAX ln 2 may saturate there, as its log2(e)-fold is no float. A sink is a key with a score of its own and value 0. Softmax
 * turns score errors into
 *     Delta o_c = sum_j p_j Delta s_j (v_jc - o_c)     to first order,
 * and to any order, with E_j = exp(delta_j) - 1, |Delta o_c| <= sum p_j E_j |v_jc - o_c| / sum p_j exp(-delta_j) <= max v_c - min v_c. So
 *     B_c = sum p_j (E_j + mean E) |v_jc - o_c| / (..)  +  (gamma(n) + gamma(n) + 2 r u + 2 c u + u_p + 2 u) sum p_j |v_jc|  +  u_o |o_c|
 *           + FLT_MIN e^low (n (max |v_c| + |o_c| + 2) + r + 3),
 * n visible keys, r rescales: at most the number of new maxima in key order. Underflow, because denormals count as zero inside kernels: a
 * weight, a product, a partial sum or an output below FLT_MIN may vanish (last line: l >= 1 as some weight is exp(0)). low is how far the
 * reference may have been behind when it rose: with a factor below FLT_MIN, what was summed up to then vanishes, weights of up to e^low among
 * it. That is 20 ln 2 at most, and no more than m less the lowest score, as a part of the keys may begin with any. An element of q or k
 * below FLT_MIN may vanish too, and so may their products: FLT_MIN ((1 + |scale|) (sum |k| + sum |q| + 2 d) + 3) in a score.
 *
 * The optional scores are off by e0, e1 or delta without what the maximum adds, and by 6 u |s| for the way back from powers of two. Weights
 * come from the same scores computed once more, so w_j lies within exp(+-delta_j) (1 + mean E) (1 + roundings) of the truth.
 *
 * The model adds the same terms as variances of independent roundings, u^2 / 3 each; what all keys share (scale and q are rounded once a
 * row) adds before squaring. A chain from -m to s - m has d partial sums between them, whose squares average m^2 - m s + s^2 / 3: the part
 * with m counts half, as a rounding is half as large on average. A weight below u times the sum of those before it is lost on l, always in
 * the same direction, and so are its followers while weights fall: they add before squaring. So do the roundings of a sum of k equal
 * weights, half of them on the scale of the whole sum: (k / 2)^2; weights of 1 add without rounding. The model linearises, so rows with a
 * mean score error above 0.05 are left to the bound. */
#include "harness/ops/sdpa/agree.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/ops/sdpa/oracle.h"

#define LAG (20.0 * 0.69314718055994531)
#define LARGEST_BIAS ((double)FLT_MAX * 0.69314718055994531)
#define LINEAR 0.05
#define HUGE_ERROR 1e30 /* stands for infinity where 0 times it must be 0 */

static double gamma_of(double n, double u)
{
    return n * u < 0.5 ? n * u / (1.0 - n * u) : HUGE_ERROR;
}

/* Errors of a row besides those of its keys. */
typedef struct RowError {
    double lag, rise;      /* how far behind the subtracted maximum may be; total rise of the running maximum  */
    double tiny;           /* FLT_MIN e^low: what may vanish beside a weight of 1                              */
    double reference;      /* largest size of the subtracted maximum, where chains start at it; else 0         */
    double stagnant;       /* share of l in weights too small to change the sum of those before them           */
    double repeated;       /* keys with the score of the key before them, but not the largest                  */
    double rescales;
    double mean_e, shrink; /* sum p E, sum p exp(-delta)                                                        */
    double largest;        /* largest delta of a key with p > 0                                                 */
    double mean_variance;  /* sum p^2 Var_s                                                                     */
    double mean_s;         /* sum p |s|, or what s0 is made of if that is more                                     */
} RowError;

/* Per key: weight times E, and p^2 Var_s; and what all keys share: the part of the score that scale and q are a factor of. */
typedef struct KeyError {
    double delta, pe, variance, p2_variance, shared;
} KeyError;

/* Bound, variance and derivative (of s1 by s0) of one score as far as a stage. */
typedef struct StageError {
    double bound, variance, slope;
} StageError;

static double tanh_error(const AttnAccuracy *a)
{
    return a->tanh_ulp * 0x1p-23;
}

/* Stage 0. start: what a chain that begins at -m adds to the variance, in units of u^2 / 3. */
static StageError raw_error(const AttnProblem *p, const AttnAccuracy *a, const OracleKey *key, double reference, double start)
{
    const double d = (double)p->d, u = a->u_accumulate, third = u * u / 3.0;
    const double more = p->score == ATTN_SCORE_GAUSSIAN ? 8.0 : 4.0;
    StageError e = {.slope = 1.0};
    e.bound = gamma_of(d + more, u) * (key->abs_sum + reference) + (double)FLT_MIN * ((1.0 + fabs(p->scale)) * (key->tiny + 2.0 * d) + 3.0);
    e.variance = third * ((2.0 + d / 6.0) * key->sq_sum + d / 9.0 * key->size * key->size + start);
    if (p->score == ATTN_SCORE_GAUSSIAN)
        e.variance += third * 8.0 * key->size * key->size;
    if (p->score == ATTN_SCORE_ADDITIVE) {
        e.bound += u * key->argument + tanh_error(a) * key->abs_sum;
        e.variance += third * key->sq_argument + tanh_error(a) * tanh_error(a) / 3.0 * key->sq_sum;
    }
    return e;
}

/* The soft-cap on it. */
static StageError capped_error(const AttnProblem *p, const AttnAccuracy *a, const OracleKey *key, StageError e)
{
    if (!(p->softcap > 0.0) || key->j == ORACLE_SINK)
        return e;
    const double u = a->u_accumulate, room = fabs(key->s0) - e.bound, t = room > 0.0 ? tanh(room / p->softcap) : 0.0, s1 = fabs(key->s1);
    e.slope = 1.0 - t * t;
    e.bound = e.slope * (e.bound + 3.0 * u * fabs(key->s0)) + (3.0 * u + tanh_error(a)) * s1 + p->softcap * (double)FLT_MIN;
    if (!(e.bound < 2.0 * p->softcap)) /* written so that NaN (0 times infinity) enters too */
        e.bound = 2.0 * p->softcap;
    e.variance = e.slope * e.slope * (e.variance + u * u * key->s0 * key->s0);
    e.variance += (3.0 * u * u + tanh_error(a) * tanh_error(a)) / 3.0 * s1 * s1;
    return e;
}

/* Bias and ALiBi on that; x: distance from the maximum, 0 if it does not matter. */
static StageError biased_error(const AttnAccuracy *a, const OracleKey *key, double x, StageError e)
{
    const double s = fabs(key->s), bias = fabs(key->bias), alibi = fabs(key->alibi), via = alibi > 0.0 ? fabs(key->s1) : 0.0;
    e.bound += a->u_score * (3.0 * s + 2.0 * bias + 5.0 * alibi + via + x) + (bias > LARGEST_BIAS ? bias - LARGEST_BIAS : 0.0);
    e.variance += a->u_score * a->u_score / 3.0 * (2.0 * s * s + 2.0 * bias * bias + 4.0 * alibi * alibi + via * via + x * x);
    return e;
}

/* m^2 - m s of a chain that starts at -m, for the reference at its highest and at its lowest: the larger. */
static double chain_start(const OracleRow *row, const RowError *e, double dot)
{
    const double high = row->m, low = row->m - e->lag;
    const double most = high * (high - dot) > low * (low - dot) ? high * (high - dot) : low * (low - dot);
    return e->reference > 0.0 && most > 0.0 ? most : 0.0;
}

static StageError score_error(const AttnProblem *p, const AttnAccuracy *a, const OracleRow *row, const OracleKey *key, const RowError *e)
{
    const double start = key->j == ORACLE_SINK ? 0.0 : (double)p->d / 2.0 * chain_start(row, e, key->s0);
    const StageError raw = key->j == ORACLE_SINK ? (StageError){.slope = 1.0} : raw_error(p, a, key, e->reference, start);
    return biased_error(a, key, row->m - key->s + e->lag, capped_error(p, a, key, raw));
}

static RowError row_error(const AttnProblem *p, const AttnAccuracy *a, const OracleRow *row, KeyError *errors)
{
    RowError e = {0};
    size_t first = 0;
    while (row->keys[first].s == -INFINITY)
        first++; /* ends: m is finite */
    double running = row->keys[first].s;
    e.rise = row->m - running;
    e.lag = e.rise < LAG ? e.rise : LAG;
    if (a->chain_from_m && p->softcap == 0.0) /* a soft-cap acts on scores that have no m in them */
        e.reference = fabs(row->m) > fabs(row->m - e.lag) ? fabs(row->m) : fabs(row->m - e.lag);
    double sum = 0.0, before = NAN, low = 0.0;
    for (size_t j = 0; j < row->n; j++) {
        const OracleKey *key = &row->keys[j];
        errors[j] = (KeyError){0};
        if (key->s == -INFINITY)
            continue; /* weight 0, exactly */
        if (row->m - key->s > low)
            low = row->m - key->s;
        if (key->s > running) {
            running = key->s;
            e.rescales += 1.0;
        }
        e.repeated += key->s == before && key->s != row->m;
        before = key->s;
        e.stagnant += key->p < a->u_accumulate * sum ? key->p : 0.0;
        sum += key->p;
        const StageError error = score_error(p, a, row, key, &e);
        const double delta = error.bound;
        if (key->p > 0.0 && delta > e.largest)
            e.largest = delta;
        const double pe = delta < 0.01 ? key->p * expm1(delta) : exp(key->s - row->m + delta) / row->l - key->p;
        errors[j].delta = delta;
        errors[j].variance = error.variance;
        errors[j].shared = error.slope * key->s0;
        errors[j].pe = pe < HUGE_ERROR ? pe : HUGE_ERROR;
        errors[j].p2_variance = key->p * key->p * error.variance;
        if (!(errors[j].p2_variance < HUGE_ERROR))
            errors[j].p2_variance = 0.0; /* p = 0 times infinity; the row is not linear anyway */
        e.mean_e += errors[j].pe;
        e.shrink += key->p * exp(-delta);
        e.mean_variance += errors[j].p2_variance;
        e.mean_s += key->p * fmax(fabs(key->s), error.slope * key->size);
    }
    e.tiny = (double)FLT_MIN * exp(low < LAG ? low : LAG);
    return e;
}

/* Sums over keys, one of each per column. */
enum { SUM_SPREAD, SUM_DEVIATION, SUM_MODEL, SUM_ABS, SUM_SQUARE, SUM_SHARED, SUM_EXP, MIN_V, MAX_V, SUMS };

static void add_key(const OracleKey *key, const KeyError *e, const float *v, const double *o, size_t dv, double *sums)
{
    double *spread = sums + SUM_SPREAD * dv, *deviation = sums + SUM_DEVIATION * dv, *model = sums + SUM_MODEL * dv;
    double *abs_sum = sums + SUM_ABS * dv, *square = sums + SUM_SQUARE * dv, *shared = sums + SUM_SHARED * dv;
    double *exp_sum = sums + SUM_EXP * dv, *low = sums + MIN_V * dv, *high = sums + MAX_V * dv;
    const double p = key->p, p2 = p * p, ps = p * e->shared;
    for (size_t c = 0; c < dv; c++) {
        const double x = v[c], diff = x - o[c], d2 = diff * diff;
        spread[c] += e->pe * fabs(diff);
        deviation[c] += p * fabs(diff);
        model[c] += e->p2_variance * d2;
        abs_sum[c] += p * fabs(x);
        square[c] += p2 * x * x;
        shared[c] += ps * diff;
        exp_sum[c] += p2 * d2;
        low[c] = x < low[c] ? x : low[c];
        high[c] = x > high[c] ? x : high[c];
    }
}

static AgreeNumber expect_o(const AttnAccuracy *a, const OracleRow *row, const RowError *e, const double *sums, size_t dv, size_t c)
{
    const double u = a->u_accumulate, n = (double)row->n, o = row->o[c], low = sums[MIN_V * dv + c], high = sums[MAX_V * dv + c];
    const double abs_v = sums[SUM_ABS * dv + c], square = sums[SUM_SQUARE * dv + c], shared = sums[SUM_SHARED * dv + c];
    const double largest = fabs(low) > fabs(high) ? fabs(low) : fabs(high);
    double moved = (sums[SUM_SPREAD * dv + c] + e->mean_e * sums[SUM_DEVIATION * dv + c]) / e->shrink;
    if (!(moved < high - low))
        moved = high - low;
    const double third = u * u / 3.0;
    AgreeNumber x;
    x.ref = o;
    x.lost = e->tiny * (n * (largest + fabs(o) + 2.0) + e->rescales + 3.0);
    x.bound = moved + (2.0 * gamma_of(n, u) + 2.0 * e->rescales * u + a->u_prob + 2.0 * u) * abs_v + a->u_out * fabs(o) + x.lost;
    x.bound_exp = 2.0 * u * abs_v;
    x.variance = sums[SUM_MODEL * dv + c] + 4.0 * a->u_score * a->u_score / 3.0 * shared * shared +
                 third * (n / 6.0 * square + (2.0 * n / 9.0 + 2.0 * e->rescales / 3.0 + e->repeated * e->repeated / 4.0 + 2.0) * o * o) +
                 e->stagnant * e->stagnant * o * o +
                 a->u_prob * a->u_prob / 3.0 * square +
                 a->u_out * a->u_out / 3.0 * o * o;
    x.variance_exp = third * 4.0 * sums[SUM_EXP * dv + c];
    return x;
}

/* lse = m + ln(l): score errors enter as their weighted mean, rescales do not cancel here, and the logarithm (4 ulp) and the way back from
 * powers of two round on the scale of m and ln(l). */
static AgreeNumber expect_lse(const AttnAccuracy *a, const OracleRow *row, const RowError *e)
{
    const double u = a->u_accumulate, n = (double)row->n, r = e->rescales, log_l = log(row->l) + e->lag, m = fabs(row->m);
    const double sizes = 4.0 * log_l + 3.0 * m + 2.0 * fabs(row->lse) + e->rise;
    AgreeNumber x;
    x.ref = row->lse;
    x.lost = e->tiny * (2.0 * n + 4.0);
    x.bound = (e->mean_e < HUGE_ERROR ? log1p(e->mean_e) : e->largest) + gamma_of(n, u) + 2.0 * r * u + u * sizes + x.lost;
    x.bound_exp = (1.0 + r) * u;
    const double third = u * u / 3.0;
    x.variance = e->mean_variance + third * (4.0 * e->mean_s * e->mean_s + 2.0 * n / 9.0 + 2.0 * r + 16.0 * log_l * log_l + 4.0 * m * m +
                                             2.0 * row->lse * row->lse + e->rise * e->rise + e->repeated * e->repeated / 4.0 + 2.0) +
                 e->stagnant * e->stagnant;
    x.variance_exp = third * 4.0 * (1.0 + r);
    return x;
}

/* ---- Scores as an output --------------------------------------------------------------------------------------------------------- */

/* Stages before the softmax: the error of the score and the way back from powers of two. */
static AgreeNumber expect_stage(const AttnProblem *p, const AttnAccuracy *a, const OracleKey *key)
{
    AgreeNumber x = {.ref = p->scores_stage == ATTN_STAGE_RAW ? key->s0 : p->scores_stage == ATTN_STAGE_CAPPED ? key->s1 : key->s};
    if (!isfinite(x.ref) || !isfinite(key->abs_sum))
        return x;
    StageError e = raw_error(p, a, key, 0.0, 0.0);
    e.variance += 4.0 * a->u_score * a->u_score / 3.0 * key->size * key->size;
    if (p->scores_stage >= ATTN_STAGE_CAPPED)
        e = capped_error(p, a, key, e);
    if (p->scores_stage >= ATTN_STAGE_BIASED)
        e = biased_error(a, key, 0.0, e);
    x.lost = (double)FLT_MIN * ((1.0 + fabs(p->scale)) * (key->tiny + 2.0 * (double)p->d) + 4.0 + p->softcap);
    x.bound = e.bound + 6.0 * a->u_score * fabs(x.ref) + x.lost;
    x.variance = e.variance + 6.0 * a->u_score * a->u_score / 3.0 * x.ref * x.ref;
    return x;
}

/* After the softmax. */
static AgreeNumber expect_weight(const AttnAccuracy *a, const OracleRow *row, const OracleKey *key, const KeyError *error,
                                 const RowError *e)
{
    const double u = a->u_accumulate, n = (double)row->n, r = e->rescales, p = key->p, third = u * u / 3.0;
    const double rounding = gamma_of(n, u) + 2.0 * r * u + 4.0 * u, grown = exp(error->delta) * (1.0 + e->mean_e) * (1.0 + rounding);
    const double apart = fabs(key->s) + e->mean_s;
    AgreeNumber x = {.ref = p};
    x.lost = e->tiny * (n + 4.0);
    x.bound = (grown < HUGE_ERROR && p * (grown - 1.0) < 1.0 ? p * (grown - 1.0) : 1.0) + x.lost;
    x.bound_exp = 3.0 * u * p;
    x.variance = error->p2_variance + p * p * (e->mean_variance + third * (2.0 * n / 9.0 + 2.0 * r / 3.0 + 4.0 + 4.0 * apart * apart));
    x.variance_exp = third * 8.0 * p * p;
    return x;
}

/* One row of scores; e NULL: the row's softmax is not finite, and so are the weights compared by kind alone. */
static void expect_scores(Agree *agree, size_t at, const Oracle *oracle, const KeyError *errors, const RowError *e)
{
    const AttnProblem *p = agree->p;
    const OracleRow *row = &oracle->row;
    AgreeNumber *to = agree->scores + at * p->k_len;
    if (p->scores_stage < ATTN_STAGE_BIASED) {
        for (size_t j = 0; j < p->k_len; j++) {
            const OracleKey key = oracle_key(oracle, j);
            to[j] = expect_stage(p, &agree->accuracy, &key);
        }
        return;
    }
    const bool weights = p->scores_stage == ATTN_STAGE_WEIGHTS;
    for (size_t j = 0; j < p->k_len; j++)
        to[j] = (AgreeNumber){.ref = weights ? 0.0 : -INFINITY};
    for (size_t n = 0; n < row->n; n++) {
        const OracleKey *key = &row->keys[n];
        if (key->j == ORACLE_SINK)
            continue;
        if (!weights)
            to[key->j] = expect_stage(p, &agree->accuracy, key);
        else if (e && key->s != -INFINITY)
            to[key->j] = expect_weight(&agree->accuracy, row, key, &errors[n], e);
        else
            to[key->j].ref = key->s == -INFINITY ? 0.0 : key->p;
    }
}

/* ---- Rows ------------------------------------------------------------------------------------------------------------------------ */

/* Where one row's sums over keys are kept. */
typedef struct Room {
    KeyError *errors;
    double *sums;
    float *nothing; /* the value of a sink: dv zeros */
} Room;

static void expect_outputs(Agree *agree, size_t at, const Oracle *oracle, const RowError *e, const Room *room)
{
    const OracleRow *row = &oracle->row;
    const size_t dv = agree->p->dv;
    double *sums = room->sums;
    memset(sums, 0, SUMS * dv * sizeof *sums);
    for (size_t c = 0; c < dv; c++) {
        sums[MIN_V * dv + c] = INFINITY;
        sums[MAX_V * dv + c] = -INFINITY;
    }
    for (size_t n = 0; n < row->n; n++) {
        const OracleKey *key = &row->keys[n];
        if (key->s == -INFINITY)
            continue;
        const float *v = key->j == ORACLE_SINK ? room->nothing
                                                     : operand_floats(oracle_v_row(agree->p, oracle->t, &oracle->entry, row->g, key->j), dv, oracle->room);
        add_key(key, &room->errors[n], v, row->o, dv, sums);
    }
    for (size_t c = 0; c < dv; c++)
        if (isfinite(row->o[c]))
            agree->o[at * dv + c] = expect_o(&agree->accuracy, row, e, sums, dv, c);
}

/* All numbers of one row. A row that is not finite has no bound: only its NaN and infinities are compared. */
static void expect_row(Agree *agree, size_t at, const Oracle *oracle, const Room *room)
{
    const OracleRow *row = &oracle->row;
    const size_t dv = agree->p->dv;
    agree->lse[at] = (AgreeNumber){.ref = row->lse};
    for (size_t c = 0; c < dv; c++)
        agree->o[at * dv + c] = (AgreeNumber){.ref = row->n ? row->o[c] : 0.0};
    agree->linear[at] = row->n > 0;
    if (row->n == 0 || !isfinite(row->lse)) {
        if (agree->scores)
            expect_scores(agree, at, oracle, NULL, NULL);
        return;
    }
    const RowError e = row_error(agree->p, &agree->accuracy, row, room->errors);
    agree->linear[at] = e.mean_e < LINEAR;
    expect_outputs(agree, at, oracle, &e, room);
    agree->lse[at] = expect_lse(&agree->accuracy, row, &e);
    if (agree->scores)
        expect_scores(agree, at, oracle, room->errors, &e);
}

bool agree_expect(Agree *agree, const AttnProblem *problem, const AttnTensors *tensors, const AttnAccuracy *accuracy, uint64_t seed,
                  double flop_limit, bool longdouble)
{
    const bool scores = problem->scores.dtype != ATTN_NONE;
    memset(agree, 0, sizeof *agree);
    agree->p = problem;
    agree->accuracy = *accuracy;
    agree->rows = oracle_pick_rows(problem, tensors, seed, flop_limit, &agree->count);
    agree->o = calloc(agree->count * problem->dv + 1, sizeof *agree->o);
    agree->lse = calloc(agree->count + 1, sizeof *agree->lse);
    agree->linear = calloc(agree->count + 1, sizeof *agree->linear);
    agree->scores = scores ? calloc(agree->count * problem->k_len + 1, sizeof *agree->scores) : NULL;
    const Room room = {malloc((problem->k_len + 2) * sizeof *room.errors), malloc(SUMS * problem->dv * sizeof *room.sums),
                       calloc(problem->dv, sizeof *room.nothing)};
    Oracle oracle;
    const bool opened = oracle_open(&oracle, problem, tensors, longdouble);
    const bool ok = opened && agree->rows && agree->o && agree->lse && agree->linear && (agree->scores || !scores) && room.errors &&
                    room.sums && room.nothing;
    for (size_t at = 0; ok && at < agree->count; at++) {
        const size_t i = agree->rows[at] % problem->q_len, head = agree->rows[at] / problem->q_len;
        oracle_row(&oracle, head / problem->q_heads, head % problem->q_heads, i);
        expect_row(agree, at, &oracle, &room);
    }
    if (opened)
        oracle_close(&oracle);
    free(room.errors);
    free(room.sums);
    free(room.nothing);
    if (!ok)
        agree_free(agree);
    return ok;
}

void agree_free(Agree *agree)
{
    free(agree->rows);
    free(agree->o);
    free(agree->lse);
    free(agree->linear);
    free(agree->scores);
    memset(agree, 0, sizeof *agree);
}

bool agree_serves(const Agree *agree, const AttnAccuracy *b)
{
    const AttnAccuracy *a = &agree->accuracy;
    const bool tanh_matters = agree->p->softcap > 0.0 || agree->p->score == ATTN_SCORE_ADDITIVE;
    return a->u_accumulate == b->u_accumulate && a->u_score == b->u_score && a->u_prob == b->u_prob && a->u_out == b->u_out &&
           a->chain_from_m == b->chain_from_m && (!tanh_matters || a->tanh_ulp == b->tanh_ulp);
}

/* ---- Comparison ------------------------------------------------------------------------------------------------------------------- */

static double ulps(double difference, float ref)
{
    const float size = fabsf(ref) < FLT_MIN ? FLT_MIN : fabsf(ref);
    return difference / (double)(nextafterf(size, INFINITY) - size);
}

/* Judge one number. Returns the judge that rejects it, or JUDGE_NONE. */
static VerifyJudge judge_number(const AgreeNumber *x, double c, bool linear, float got, VerifyResult *result)
{
    if (!isfinite(x->ref) || !isfinite(got))
        return (isnan(x->ref) && isnan(got)) || x->ref == (double)got ? JUDGE_NONE : JUDGE_NONFINITE;
    const double difference = fabs((double)got - x->ref), bound = x->bound + c * x->bound_exp;
    const double sigma = sqrt(x->variance + c * c * x->variance_exp), rounding = difference > x->lost ? difference - x->lost : 0.0;
    const double eta = difference == 0.0 ? 0.0 : difference / bound, z = rounding == 0.0 || !linear ? 0.0 : rounding / sigma;
    const double ulp = ulps(difference, (float)x->ref);
    result->max_abs = difference > result->max_abs ? difference : result->max_abs;
    result->max_ulp = ulp > result->max_ulp ? ulp : result->max_ulp;
    result->eta = eta > result->eta ? eta : result->eta;
    result->z = z > result->z ? z : result->z;
    return eta > AGREE_ETA_LIMIT ? JUDGE_BOUND : z > AGREE_Z_LIMIT ? JUDGE_MODEL : JUDGE_NONE;
}

/* Keep the first objection, with its place and values. `what` is "o", "lse" or "scores"; axis names c, "" without one. */
static void object(VerifyResult *result, VerifyJudge judge, const AttnProblem *p, size_t number, const char *what, const char *axis,
                   size_t c, const AgreeNumber *x, float got)
{
    if (result->judge != JUDGE_NONE)
        return;
    const size_t i = number % p->q_len, head = number / p->q_len;
    char column[32] = "";
    if (axis[0])
        snprintf(column, sizeof column, " %s %zu", axis, c);
    const double difference = fabs((double)got - x->ref);
    result->status = VERIFY_FAIL;
    result->judge = judge;
    snprintf(result->why, sizeof result->why, "%s batch %zu head %zu row %zu%s ref=%.9g got=%.9g |diff|=%.3g ulp=%.0f bound=%.3g", what,
             head / p->q_heads, head % p->q_heads, i, column, x->ref, (double)got, difference, ulps(difference, (float)x->ref), x->bound);
}

static void judge_row(const Agree *agree, size_t at, double c, const AttnTensors *t, VerifyResult *result)
{
    const AttnProblem *p = agree->p;
    const size_t number = agree->rows[at], i = number % p->q_len, head = number / p->q_len, b = head / p->q_heads, h = head % p->q_heads;
    const OracleEntry entry = oracle_entry(p, t, b);
    const Operand o = oracle_o_row(p, t, &entry, h, i);
    const AgreeNumber *x = agree->o + at * p->dv;
    double error2 = 0.0, ref2 = 0.0;
    for (size_t col = 0; col < p->dv; col++) {
        const float got = operand_get(o, col);
        const VerifyJudge judge = judge_number(&x[col], c, agree->linear[at], got, result);
        if (judge != JUDGE_NONE)
            object(result, judge, p, number, "o", "col", col, &x[col], got);
        error2 += ((double)got - x[col].ref) * ((double)got - x[col].ref);
        ref2 += x[col].ref * x[col].ref;
    }
    if (ref2 > 0.0 && sqrt(error2 / ref2) > result->rel_l2)
        result->rel_l2 = sqrt(error2 / ref2);
    if (p->lse.dtype != ATTN_NONE) {
        const float lse = *oracle_lse_at(p, t, &entry, h, i);
        const VerifyJudge judge = judge_number(&agree->lse[at], c, agree->linear[at], lse, result);
        if (judge != JUDGE_NONE)
            object(result, judge, p, number, "lse", "", 0, &agree->lse[at], lse);
    }
    const bool linear = agree->linear[at] || p->scores_stage != ATTN_STAGE_WEIGHTS;
    for (size_t j = 0; agree->scores && j < p->k_len; j++) {
        const AgreeNumber *want = agree->scores + at * p->k_len + j;
        const float got = t->scores[oracle_score_at(&p->scores, b, h, i, j)];
        const VerifyJudge judge = judge_number(want, c, linear, got, result);
        if (judge != JUDGE_NONE)
            object(result, judge, p, number, "scores", "key", j, want, got);
    }
}

void agree_judge(const Agree *agree, double exp_ulp, const AttnTensors *t, VerifyResult *result)
{
    const double c = exp_ulp * 0x1p-23 / agree->accuracy.u_accumulate;
    result->rows += agree->count;
    for (size_t at = 0; at < agree->count; at++)
        judge_row(agree, at, c, t, result);
}

void agree_once(const AttnAccuracy *accuracy, const AttnProblem *problem, const AttnTensors *tensors, VerifyResult *result)
{
    Agree agree;
    if (!agree_expect(&agree, problem, tensors, accuracy, 1, INFINITY, false)) {
        verdict_unable(result, "no memory for the oracle");
        return;
    }
    agree_judge(&agree, accuracy->exp_ulp, tensors, result);
    agree_free(&agree);
}
