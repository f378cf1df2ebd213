/* reference.h - attention once more, in double, for the fuzz targets.
 *
 * Written from the text of include/attnzoo.h (and, where it points there, docs/semantics.md and docs/mha.md) and from nothing else: no line
 * of harness/ops/sdpa/oracle.c, harness/ops/mha/reference.c or a kernel is in it, so that a misreading has to be made twice to go unseen.
 *
 * Every number comes with a bound `e` on how far a correct binary32 computation may be from it. No tolerance is chosen: the bound follows
 * from the sizes and magnitudes of the case at hand. With u = 2^-24, t = 4 u (exponential and tanh may be off by two units in the last
 * place), F = FLT_MIN (denormals count as zero), n keys and R = |m| + the smaller of 14 and m - least score (the number that is subtracted
 * from scores need not be the maximum m, but is no less than a score, and 2^20 below m, which is 14, sums still stay in range):
 * G = F e^(R - |m|): what stands beside a reference so far below m vanishes when the reference rises, and a weight of G with it.
 *
 *     s0     (d + 12) u (sum |terms|)  +  what errors of q and k do  +  F ((1 + |scale|) (sum |q| + |k| + 2) + sum |terms / scale|)
 *            terms: scale q k; Gaussian: those of q.k - |q|^2/2 - |k|^2/2; additive: w tanh(q + k), each with (t + 2 u) more, and
 *            |scale w| (u |q + k| + errors of q and k)
 *     s1     e0' = e0 + 3 u |s0|, (1 - tanh^2((|s0| - e0') / cap)) e0'  +  (t + 3 u) |s1|  +  F cap, at most 2 cap
 *     s2     e1  +  u (3 |s1| + 3 |bias| + 6 |alibi| + 3 |s2|)
 *     delta  e2  +  (d + 12) u R  +  4 u (|s2| + R)                           (a chain of sums may begin at -R)
 *     o      sum p E |v - o| / D  +  (2 n + 32) u (sum p |v| + |o|)  +  G (n + 2) (max |v| + |o| + 2)  +  what errors of v do,
 *            E = e^delta - 1, D = sum p e^-delta: a weight p becomes p (1 + x), |x| <= E, and sum p (v - o) = 0; a mean moves no further
 *            than from one end of the visible v to the other
 *     lse    log of (1 + sum p E) or -log D, the larger  +  (2 n + 32) u  +  u (8 R + 8 log l + 4 |lse|)  +  G (n + 2)
 *     p      p ((1 + E) / D (1 + (2 n + 32) u) - 1)  +  G (n + 2)
 *
 * A stage beyond FLT_MAX by more than its bound is infinite. One that rounding may put on either side has no bound, nor has one whose terms
 * add up to more than 2.3e38, since its partial sums may leave the range (docs/semantics.md, "Range"); a row is not judged if such a key
 * may count in it. An output that is not finite for certain must not be finite. */
#ifndef TESTS_FUZZ_REFERENCE_H
#define TESTS_FUZZ_REFERENCE_H

#include "attnzoo.h"

typedef struct RefNumber {
    double v, e;
} RefNumber;

/* How a query and a key make a score. w: of this head, for the additive score. */
typedef struct RefScore {
    AttnScore kind;
    double scale, softcap;
    const float *w;
    size_t d;
} RefScore;

RefNumber ref_raw(const RefScore *score, const RefNumber *q, const RefNumber *k);
RefNumber ref_capped(const RefScore *score, RefNumber s0);
RefNumber ref_biased(RefNumber s1, double bias, double alibi);

/* The softmax of one row over n keys, of which those are seen that `seen` says; v[j] is row j, dv wide. sink -inf: none. Writes o [dv], lse
 * and the weights p [n]. */
void ref_attend(const RefNumber *s2, const bool *seen, const RefNumber *const *v, size_t n, size_t d, size_t dv, double sink, RefNumber *o,
                RefNumber *lse, RefNumber *p);

/* Where the rows of a batch entry are, and how many there are. */
typedef struct RefEntry {
    size_t b, q_len, k_len, q_first, k_first;
    int64_t offset;
} RefEntry;
RefEntry ref_entry(const AttnProblem *p, const AttnTensors *t, size_t b);

/* May row i of head h look at key j? By mask and structure; a bias of -inf hides too. */
bool ref_structure(const AttnProblem *p, const RefEntry *entry, size_t i, size_t j);
bool ref_masked(const AttnProblem *p, const AttnTensors *t, size_t b, size_t h, size_t i, size_t j);
bool ref_visible(const AttnProblem *p, const AttnTensors *t, const RefEntry *entry, size_t h, size_t i, size_t j);

/* Addresses of rows; of new keys and of past ones. */
const float *ref_q(const AttnProblem *p, const AttnTensors *t, const RefEntry *entry, size_t h, size_t i);
const float *ref_k(const AttnProblem *p, const AttnTensors *t, const RefEntry *entry, size_t g, size_t j);
const float *ref_v(const AttnProblem *p, const AttnTensors *t, const RefEntry *entry, size_t g, size_t j);
const float *ref_o(const AttnProblem *p, const AttnTensors *t, const RefEntry *entry, size_t h, size_t i);
const float *ref_lse(const AttnProblem *p, const AttnTensors *t, const RefEntry *entry, size_t h, size_t i);
ptrdiff_t ref_cell(const AttnScoreLayout *l, size_t b, size_t h, size_t i, size_t j);

/* All outputs of a problem, contiguous: o [B,Hq,Sq,dv], lse [B,Hq,Sq], scores [B,Hq,Sq,Sk] (NULL unless the problem asks). Rows that a
 * ragged entry does not have are left alone. */
typedef struct RefOutputs {
    RefNumber *o, *lse, *scores;
} RefOutputs;
bool ref_attention(const AttnProblem *p, const AttnTensors *t, RefOutputs *out); /* false: no memory */
void ref_release(RefOutputs *out);

/* Is `got` a number that a correct computation may have given? */
bool ref_agrees(RefNumber want, float got);

/* ---- Multi-head attention -------------------------------------------------------------------------------------------------------- */

/* y [B,Sq,width], weights [B,Hq,Sq,keys] (NULL unless asked for; their mean is for the caller to take), new rows k [B,Hkv,k_len,d], v. */
typedef struct RefMha {
    RefNumber *y, *weights, *k, *v;
    size_t width, keys;
} RefMha;

/* Where the caller's options stand, among the keys before the rows that every query sees: the new ones, or the cache's. */
AttnProblem ref_mha_problem(const AttnMhaConfig *c, const AttnMhaShape *s);
RefEntry ref_mha_entry(const AttnProblem *p, const AttnMhaShape *s, const AttnMhaTensors *t, size_t b);
/* … without the bias */
bool ref_mha_visible(const AttnProblem *p, const AttnMhaShape *s, const AttnMhaTensors *t, const RefEntry *entry, size_t h, size_t i,
                     size_t j);

/* false: no memory. */
bool ref_mha(const AttnMhaConfig *c, const AttnMhaWeights *w, const AttnMhaShape *s, const AttnMhaTensors *t, RefMha *out);
void ref_mha_release(RefMha *out);

#endif
