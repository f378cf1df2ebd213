/* agree.h - how far a correct kernel may be from the reference: a bound that it cannot exceed, and a model of its typical error.
 *
 * Both follow from what the kernel declares (AttnAccuracy), from the problem and from the data; docs/verifying.md derives them. */
#ifndef HARNESS_OPS_SDPA_AGREE_H
#define HARNESS_OPS_SDPA_AGREE_H

#include "harness/ops/sdpa/verify.h"

#define AGREE_ETA_LIMIT 1.0 /* |error| / bound     */
#define AGREE_Z_LIMIT 12.0  /* |error| / sigma     */

/* What is expected of one output number. c is the kernel's error of exp in units of u: the only part that differs among kernels of one
 * rounding class, hence bound = bound + c * bound_exp and sigma^2 = variance + c^2 * variance_exp. */
typedef struct AgreeNumber {
    double ref;
    double bound, bound_exp;
    double variance, variance_exp;
    double lost; /* part of the bound that underflow may take: no rounding, so not in the model */
} AgreeNumber;

typedef struct Agree {
    const AttnProblem *p;
    AttnAccuracy accuracy; /* rounding class: exp_ulp is ignored                                */
    size_t *rows;          /* numbers of the rows compared, (b * q_heads + h) * q_len + i       */
    size_t count;
    bool *linear;          /* [count] score errors small enough for the model, which linearises */
    AgreeNumber *o;        /* [count][dv]                                                       */
    AgreeNumber *lse;      /* [count]                                                           */
    AgreeNumber *scores;   /* [count][k_len], of the optional scores; NULL without them         */
} Agree;

/* Compute the truth, bounds and models of the rows that oracle_pick_rows chooses. false: no memory. */
bool agree_expect(Agree *agree, const AttnProblem *problem, const AttnTensors *tensors, const AttnAccuracy *accuracy, uint64_t seed,
                  double flop_limit, bool longdouble);
void agree_free(Agree *agree);

/* Is the kernel of the rounding class that was expected? Then this Agree serves it too. */
bool agree_serves(const Agree *agree, const AttnAccuracy *accuracy);

/* Compare outputs; fills the metrics, and on disagreement status, judge and why. exp_ulp: of the kernel being judged. */
void agree_judge(const Agree *agree, double exp_ulp, const AttnTensors *tensors, VerifyResult *result);

/* All of it for one run, every row: expect, judge, free. */
void agree_once(const AttnAccuracy *accuracy, const AttnProblem *problem, const AttnTensors *tensors, VerifyResult *result);

#endif
