/* plain.h - one query row in double, as it is written down: the way out for rows whose numbers leave the range of a kernel's own way.
 *
 * Kernels hold scores as powers of two, multiply q by the scale beforehand, spread |q - k|^2 into three terms and give hidden values the
 * weight 0. Each of these has less range than the numbers of the problem: 3e38 log2(e) is infinite, and 0 * NaN is NaN. All of it shows in
 * the finished row, as a reference, a sum or an output that is not finite. Such a row is done again here, whatever kernel began it, so
 * that all kernels give the same. Rules of range: docs/semantics.md, "Range".
 * Cost: two passes over the visible keys in scalar code, one more for every 256 columns of v after the first; an exponential of the C
 * library a key and pass. A row that turns out to be NaN ends at the first key that makes it so. No scratch. */
#ifndef ATTN_ALGO_PLAIN_H
#define ATTN_ALGO_PLAIN_H

#include "kernels/kernel.h"

/* Row i of head h; of its keys those in [part.lo, part.hi) count, and the sink if key 0 is among them. */
typedef struct AttnPlainRow {
    const AttnArgs *a;
    const AttnSequence *seq;
    size_t h, i;
    AttnKeys part;
} AttnPlainRow;

/* o, and lse if there is one. */
void attn_plain_row(const AttnPlainRow *row);

/* The optional scores of the row; all keys are its part. */
void attn_plain_scores(const AttnPlainRow *row);

/* Its score with key j at a stage before the weights; _BIASED: of a key that structure leaves visible. */
float attn_plain_score(const AttnPlainRow *row, size_t j, AttnStage stage);

#endif
