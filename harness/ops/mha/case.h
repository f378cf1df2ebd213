/* case.h - multi-head attention to verify or measure: operands of a shape, pairs of kernels that do it, and their judgement. */
#ifndef HARNESS_OPS_MHA_CASE_H
#define HARNESS_OPS_MHA_CASE_H

#include "harness/ops/mha/reference.h"
#include "harness/ops/mha/shape.h"
#include "harness/ops/sdpa/verify.h"

/* Kernels that belong together: a linear one projects, a flash one of the same instructions attends. */
typedef struct MhaPair {
    AttnKernel row; /* for tables and records: "mha (avx512)", what both need. Must stay first: a pair is known by its row */
    const AttnKernel *linear, *attention;
    Mistake mistake; /* what its results are compared with: RIGHT, or a mutant of the reference */
    char name[40];
} MhaPair;

/* Pairs whose linear kernel is in the list, in its order. `pairs` has room for `count`. Returns how many. */
size_t mha_pairs(const AttnKernel *const *kernels, size_t count, MhaPair *pairs);

/* The pair of which `kernel` is the row; NULL if it is an ordinary kernel. */
const MhaPair *mha_pair_of(const AttnKernel *kernel);

/* Each mistake of the reference, judged on the pair that runs everywhere; the first one is none. */
enum { MHA_MUTANTS = 5 };
void mha_mutants(MhaPair mutants[MHA_MUTANTS]);

/* Draw a case (mha_draw.h) and judge the pair on it, in this process. */
void mha_case_judge_drawn(const MhaPair *pair, uint64_t seed, VerifyResult *result);

/* Operands of a shape: x ~ N(0,1), weights ~ N(0,1) / sqrt(inputs), biases ~ N(0,1) / 2. The reference is made for about `rows` query
 * rows. All of it lives until reference_release(). false: no memory. */
bool mha_case_make(MhaCase *x, const MhaShape *shape, uint64_t seed, size_t rows);

/* Pack and plan. Else attn_last_error() says why, and there is nothing to destroy. */
AttnStatus mha_case_plan(const MhaPair *pair, const MhaCase *x, size_t threads, AttnMha **mha, AttnMhaPlan **plan);

/* Run a pair in a child process and compare y with the reference: within the bound, within 12 sigma, finite. */
VerifyResult mha_case_judge_isolated(const MhaPair *pair, const MhaCase *x, const Reference *r, size_t threads);

/* Compare the y that x->t points to. */
void mha_case_agree(const MhaCase *x, const Reference *r, VerifyResult *result);

#endif
