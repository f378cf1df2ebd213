/* case.h - multi-head attention to verify or measure: operands of a shape, pairs of kernels that do it, and their judgement. */
#ifndef HARNESS_OPS_MHA_CASE_H
#define HARNESS_OPS_MHA_CASE_H

#include "harness/ops/mha/reference.h"
#include "harness/ops/mha/shape.h"
#include "harness/ops/op.h"

/* Kernels that belong together: a linear one projects (OpKernel.kernel), a flash one of the same instructions attends (.inner). In tables
 * and records they are "mha (avx512)", by what both need. false: `linear` has no partner. */
bool mha_pair(const AttnKernel *linear, OpKernel *pair);

/* Each mistake of the reference, judged on the pair that runs everywhere; the first one is none. */
enum { MHA_MUTANTS = 5 };
void mha_mutants(OpKernel mutants[MHA_MUTANTS]);

/* Draw a case (draw.h) and judge the pair on it, in this process. */
void mha_case_judge_drawn(const OpKernel *pair, uint64_t seed, VerifyResult *result);

/* Operands of a shape: x ~ N(0,1), weights ~ N(0,1) / sqrt(inputs), biases ~ N(0,1) / 2. The reference is made for about `rows` query
 * rows. All of it lives until reference_release(). false: no memory. */
bool mha_case_make(MhaCase *x, const MhaShape *shape, uint64_t seed, size_t rows);

/* Pack and plan. Else attn_last_error() says why, and there is nothing to destroy. */
AttnStatus mha_case_plan(const OpKernel *pair, const MhaCase *x, size_t threads, AttnMha **mha, AttnMhaPlan **plan);

/* Run a pair in a child process and compare y with the reference: within the bound, within 12 sigma, finite. */
VerifyResult mha_case_judge_isolated(const OpKernel *pair, const MhaCase *x, const Reference *r, size_t threads);

/* Compare the y that x->t points to. */
void mha_case_agree(const MhaCase *x, const Reference *r, VerifyResult *result);

#endif
