/* view.h - a tensor as numbers, and the questions that every entrance asks about one: has each element an address, do results lie apart? */
#ifndef ATTN_VIEW_H
#define ATTN_VIEW_H

#include "dispatch/error.h"
#include "dispatch/overlap.h"

/* [batch, head, row, column] with a distance for each. */
typedef struct AttnView {
    const char *name;    /* the field                  */
    const char *letters; /* its axes, for sentences    */
    size_t element;      /* bytes; 0: absent           */
    size_t count[4];
    ptrdiff_t stride[4]; /* elements                   */
} AttnView;

/* In what follows `owner` is the struct that a sentence names: "problem", "shape". */

/* Strides along which nothing steps, because the axis has one element or the tensor none, may be any number and must not enter
 * arithmetic: they become 0 in the library's own copy. */
void attn_layout_settle(AttnLayout *layout, size_t batch, size_t heads, size_t rows);
void attn_score_layout_settle(AttnScoreLayout *layout, size_t batch, size_t heads, size_t rows, size_t cols);
void attn_rows_settle(AttnRows *layout, size_t batch, size_t rows);

/* Every element has an address, and (dense) the tensor without gaps would fit too, which it must even where a stride of 0 repeats rows:
 * where it does not, the products from which the strides were made have wrapped around. */
AttnStatus attn_view_check_addresses(const char *owner, const AttnView *view, bool dense);

/* Do all elements of an output lie apart? They do if, from the smallest stride to the largest, each step clears all that the smaller ones
 * reach. Outputs woven more finely than that are refused, though some would do. */
AttnStatus attn_view_check_distinct(const char *owner, const AttnView *view);

/* There if asked for, aligned, in the address space. *region is left alone for an absent or empty tensor. */
AttnStatus attn_view_check_pointer(const char *owner, const AttnView *view, const void *pointer, AttnRegion *region);

/* Does region `output` share a byte with another of the `count`? */
AttnStatus attn_view_check_apart(const AttnView *view, const AttnRegion *region, size_t count, size_t output);

#endif
