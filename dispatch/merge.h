/* merge.h - merges partial results, for use inside the library. */
#ifndef ATTN_MERGE_H
#define ATTN_MERGE_H

#include "attnzoo.h"

/* One row of attn_merge, unchecked: query row i of head h of batch entry b. o is of the type merge->o.dtype. lse may be NULL. inf_is_dead: a part with an lse of +inf saw
 * nothing, as others write it; our own parts mean an infinite sink by it, which takes all weight. */
void attn_merge_row(const AttnMerge *merge, const float *const *o_parts, const float *const *lse_parts, bool inf_is_dead, void *o,
                    float *lse, size_t b, size_t h, size_t i);

#endif
