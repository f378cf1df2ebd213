/* overlap.h - do two strided tensors share a byte? */
#ifndef ATTN_OVERLAP_H
#define ATTN_OVERLAP_H

#include "attnzoo.h"

/* |stride|, also of PTRDIFF_MIN. */
#define ATTN_ABS(stride) ((stride) < 0 ? 0 - (size_t)(stride) : (size_t)(stride))

/* The most bytes that a tensor may span, gaps included: a quarter of what ptrdiff_t can say leaves room for arithmetic on two of them. */
#define ATTN_MOST_SPAN (PTRDIFF_MAX / 4)

/* Lowest and one-past-highest byte, relative to the base, of `count[k]` elements at distance `stride[k]` (elements, any sign, 0 repeats)
 * along four axes; 0, 0 if a count is 0. false if high - low is more than ATTN_MOST_SPAN. */
bool attn_span(const size_t count[4], const ptrdiff_t stride[4], size_t element, ptrdiff_t *low, ptrdiff_t *high);

/* A tensor as a set of bytes: runs of `width` bytes that start at low + sum over axes of c * stride, 0 <= c <= most. */
typedef struct AttnRegion {
    uintptr_t low, end;          /* first byte, one past the last; low == end: empty   */
    size_t axes;                 /* those left after folding                           */
    struct AttnRegionAxis {
        int64_t stride;          /* bytes, > 0                                         */
        int64_t most;            /* largest index, > 0                                 */
    } axis[4];
    int64_t width;               /* bytes of a run                                     */
} AttnRegion;

/* The region of such a tensor at `base`. false if it leaves the address space. */
bool attn_region(const void *base, const size_t count[4], const ptrdiff_t stride[4], size_t element, AttnRegion *region);

/* true if they share a byte. Exact for interleaved tensors such as the parts of a packed QKV buffer; where strides are so unrelated that
 * the search would take long, true although they might not. */
bool attn_regions_overlap(const AttnRegion *a, const AttnRegion *b);

#endif
