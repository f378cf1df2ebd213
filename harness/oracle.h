/* oracle.h - the truth: attention in double precision, two passes, a row at a time, with everything that an error bound needs.
 *
 * It shares no line with dispatch or kernels: causal frontier, GQA map, mask and bias are read from docs/semantics.md once more. */
#ifndef HARNESS_ORACLE_H
#define HARNESS_ORACLE_H

#include "attnzoo.h"

/* One visible key of a row. A key that structure, mask or a bias of -inf hides is never read and does not appear. */
typedef struct OracleKey {
    size_t j;
    double s;      /* score: scale * q.k + bias                          */
    double p;      /* weight: exp(s - m) / l                             */
    double bias;   /* 0 without one                                      */
    double abs_qk; /* |scale| * sum |q_c k_c|: what rounding scales with */
    double sq_qk;  /* scale^2 * sum (q_c k_c)^2                          */
    double abs_k;  /* sum |k_c|                                          */
} OracleKey;

typedef struct OracleRow {
    size_t b, h, g, i; /* batch, query head, KV head, query row                            */
    size_t n;          /* visible keys, in ascending order                                 */
    OracleKey *keys;
    double abs_q;      /* sum |q_c|                                                        */
    double m, l, lse;  /* maximum, sum of exp(s - m), m + ln(l); -inf, 0, -inf if n == 0   */
    double *o;         /* dv values; 0 if n == 0                                           */
} OracleRow;

typedef struct Oracle {
    const AttnProblem *p;
    const AttnTensors *t;
    bool longdouble;   /* o, m, l and lse from a plain second implementation in long double */
    OracleRow row;     /* the last one computed                                             */
    double *work;
} Oracle;

/* Buffers for rows of this problem; both pointers must stay valid. false: no memory. */
bool oracle_open(Oracle *oracle, const AttnProblem *problem, const AttnTensors *tensors, bool longdouble);
void oracle_close(Oracle *oracle);

/* Compute query row i of batch entry b and head h. The result is valid until the next call. Cost: n * (6 d + 2 dv) flop. */
const OracleRow *oracle_row(Oracle *oracle, size_t b, size_t h, size_t i);

/* Which rows to compare, as ascending numbers (b * q_heads + h) * q_len + i: all if 2 * pairs * (d + dv) is below `flop_limit`,
 * else in the first, the last and two drawn heads the rows 0, 1, last and those at multiples of 16 below and above, and 64 drawn ones.
 * Returns a malloc'd list of *count numbers; NULL: no memory. */
size_t *oracle_pick_rows(const AttnProblem *problem, uint64_t seed, double flop_limit, size_t *count);
#define ORACLE_FLOP_LIMIT 2e9

#endif
