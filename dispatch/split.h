/* split.h - splits the keys of one long sequence into parts of fixed size for many threads; parts are merged in a fixed order.
 *
 * Parts depend only on the problem without its batch and on the kernel, so the bits of a split problem depend neither on the number of
 * threads nor on the batch. */
#ifndef ATTN_SPLIT_H
#define ATTN_SPLIT_H

#include "kernels/kernel.h"

enum {
    ATTN_UNITS_WANTED = 32, /* units of a batch entry, at least, where rows or keys can be cut that far: work for threads */
    ATTN_PARTS_MOST = 32    /* of the keys                                                                                 */
};

typedef struct AttnSplit {
    size_t parts, chunk; /* 1: the keys stay together; keys in a part, a multiple of 64 */
    size_t bytes;        /* of workspace, a multiple of 64                              */
    AttnProblem problem; /* as a part sees it: o and lse are partial results            */
} AttnSplit;

/* How the keys of a problem are cut that has `units` units of at most `rows` rows before. false: bytes overflow. */
bool attn_split_fix(AttnSplit *split, const AttnProblem *problem, const AttnKernel *kernel, size_t units, size_t rows);

/* Lay out partial results in `memory`, 64-byte aligned: args[n] is what part n runs on. */
void attn_split_open(const AttnSplit *split, const AttnArgs *whole, void *memory, AttnArgs args[ATTN_PARTS_MOST]);

/* All rows of head h of batch entry b, from the parts to the tensors of `whole`. memory: as given to attn_split_open. */
void attn_split_merge(const AttnSplit *split, const AttnArgs *whole, const void *memory, size_t b, size_t h);

#endif
