/* merge.h - partial results to one, for the library's own use. */
#ifndef ATTN_MERGE_H
#define ATTN_MERGE_H

#include "attnzoo.h"

/* One row of attn_merge, unchecked: query row i of head h of batch entry b. lse may be NULL. */
void attn_merge_row(const AttnMerge *merge, const float *const *o_parts, const float *const *lse_parts, float *o, float *lse, size_t b,
                    size_t h, size_t i);

#endif
