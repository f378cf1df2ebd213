/* oracle.h - the reference: attention in double precision, in two passes, row by row, with everything that an error bound needs.
 *
 * It shares no code with dispatch or kernels: positions, windows, lengths, GQA map, mask and bias are implemented again from
 * docs/semantics.md. The rest of the harness uses this implementation of them. */
#ifndef HARNESS_OPS_SDPA_ORACLE_H
#define HARNESS_OPS_SDPA_ORACLE_H

#include "attnzoo.h"
#include "harness/ops/sdpa/operand.h"

/* One batch entry: what exists of it, where that lies in ragged tensors, and where its row 0 stands among its keys. */
typedef struct OracleEntry {
    size_t b, q_len, k_len; /* rows and keys that exist                 */
    size_t q_first, k_first;/* their first rows in q, o, lse and in k, v */
    int64_t offset;
} OracleEntry;
OracleEntry oracle_entry(const AttnProblem *problem, const AttnTensors *tensors, size_t b);

/* Keys [*low, *high) that position, window and length leave to row i; equal if none. Mask and bias may hide more. */
void oracle_range(const AttnProblem *problem, const OracleEntry *entry, size_t i, size_t *low, size_t *high);

/* Does row i of head h see key j, everything considered? */
bool oracle_sees(const AttnProblem *problem, const AttnTensors *tensors, const OracleEntry *entry, size_t h, size_t i, size_t j);

/* Rows of tensors. A row of k or v counts through the past and the new rows. */
Operand oracle_q_row(const AttnProblem *problem, const AttnTensors *tensors, const OracleEntry *entry, size_t h, size_t i);
Operand oracle_k_row(const AttnProblem *problem, const AttnTensors *tensors, const OracleEntry *entry, size_t g, size_t j);
Operand oracle_v_row(const AttnProblem *problem, const AttnTensors *tensors, const OracleEntry *entry, size_t g, size_t j);
Operand oracle_o_row(const AttnProblem *problem, const AttnTensors *tensors, const OracleEntry *entry, size_t h, size_t i);
const float *oracle_lse_at(const AttnProblem *problem, const AttnTensors *tensors, const OracleEntry *entry, size_t h, size_t i);
ptrdiff_t oracle_score_at(const AttnScoreLayout *layout, size_t b, size_t h, size_t i, size_t j);

#define ORACLE_SINK SIZE_MAX

/* One visible key of a row. A key that structure, mask or a bias of -inf hides is never read and does not appear. A sink of more than -inf
 * stands first, as a key ORACLE_SINK whose value is 0. */
typedef struct OracleKey {
    size_t j;
    double s0, s1, s; /* the three stages: raw, after the soft-cap, after bias and ALiBi                               */
    double p;         /* weight: exp(s - m) / l                                                                        */
    double bias;      /* 0 without one                                                                                 */
    double alibi;     /* slope * distance, 0 without one                                                               */
    double abs_sum;   /* |scale| * sum of the sizes of all terms of s0: what rounding scales with                      */
    double sq_sum;    /* scale^2 * sum of their squares                                                                */
    double size;      /* size of the intermediate results of s0; |s0| where it is one sum                              */
    double argument;  /* additive: |scale| sum |w_c| |x_c| tanh'(x_c), x = q + k: what a rounded x does to s0          */
    double sq_argument; /* the same squared, term by term                                                              */
    double tiny;      /* sum of the factors that meet elements which may count as zero                                 */
} OracleKey;

typedef struct OracleRow {
    size_t b, h, g, i; /* batch, query head, KV head, query row                            */
    size_t n;          /* visible keys, in ascending order                                 */
    OracleKey *keys;
    double m, l, lse;  /* maximum, sum of exp(s - m), m + ln(l); -inf, 0, -inf if n == 0   */
    double *o;         /* dv values; 0 if n == 0                                           */
} OracleRow;

typedef struct Oracle {
    const AttnProblem *p;
    const AttnTensors *t;
    bool longdouble;   /* o, m, l and lse from a plain second implementation in long double */
    OracleEntry entry; /* of the last row computed                                          */
    OracleRow row;     /* the last one computed                                             */
    double *work;
    float *room;       /* a row of q, and one of k or v, as f32 */
} Oracle;

/* Buffers for rows of this problem; both pointers must stay valid. false: no memory. */
bool oracle_open(Oracle *oracle, const AttnProblem *problem, const AttnTensors *tensors, bool longdouble);
void oracle_close(Oracle *oracle);

/* Compute query row i of batch entry b and head h, which must exist. The result is valid until the next call. Cost: n * (6 d + 2 dv) flop.
 * */
const OracleRow *oracle_row(Oracle *oracle, size_t b, size_t h, size_t i);

/* One key of the row computed last, hidden or not: its stages and sums, p left at 0. */
OracleKey oracle_key(const Oracle *oracle, size_t j);

/* Which rows to compare, as ascending numbers (b * q_heads + h) * q_len + i: all if 2 * pairs * (d + dv) is below `flop_limit`,
 * else in the first, the last and two drawn heads the rows 0, 1, last and those at multiples of 16 below and above, and 64 drawn ones.
 * Rows of a ragged batch that do not exist are left out. Returns a malloc'd list of *count numbers; NULL: no memory. */
size_t *oracle_pick_rows(const AttnProblem *problem, const AttnTensors *tensors, uint64_t seed, double flop_limit, size_t *count);
#define ORACLE_FLOP_LIMIT 5e8 /* about half a second of oracle on one core */

#endif
