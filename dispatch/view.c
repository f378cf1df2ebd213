/* view.c - the checks of one tensor, for problems and their tensors (problem.c) and for multi-head attention (mha_plan.c, mha_check.c). */
#include "dispatch/view.h"

/* "problem.o" and its numbers. */
#define SHAPE_FORMAT "%s.%s is %s = [%zu,%zu,%zu,%zu] with strides %td, %td, %td, %td; allowed: "
#define SHAPE(owner, view)                                                                                                                 \
    owner, (view)->name, (view)->letters, (view)->count[0], (view)->count[1], (view)->count[2], (view)->count[3], (view)->stride[0],       \
        (view)->stride[1], (view)->stride[2], (view)->stride[3]

static bool is_empty(const AttnView *view)
{
    return view->count[0] == 0 || view->count[1] == 0 || view->count[2] == 0 || view->count[3] == 0;
}

static void settle(const size_t *count, ptrdiff_t *const *stride, size_t axes)
{
    bool empty = false;
    for (size_t k = 0; k < axes; k++)
        empty = empty || count[k] == 0;
    for (size_t k = 0; k < axes; k++)
        if (empty || count[k] == 1)
            *stride[k] = 0;
}

void attn_layout_settle(AttnLayout *l, size_t batch, size_t heads, size_t rows)
{
    settle((const size_t[]){batch, heads, rows}, (ptrdiff_t *const[]){&l->batch, &l->head, &l->row}, 3);
}

void attn_score_layout_settle(AttnScoreLayout *l, size_t batch, size_t heads, size_t rows, size_t cols)
{
    settle((const size_t[]){batch, heads, rows, cols}, (ptrdiff_t *const[]){&l->batch, &l->head, &l->row, &l->col}, 4);
}

void attn_rows_settle(AttnRows *l, size_t batch, size_t rows)
{
    settle((const size_t[]){batch, rows}, (ptrdiff_t *const[]){&l->batch, &l->row}, 2);
}

AttnStatus attn_view_check_addresses(const char *owner, const AttnView *view, bool dense)
{
    size_t bytes = view->element;
    ptrdiff_t low, high;
    bool fits = true;
    if (!attn_span(view->count, view->stride, view->element, &low, &high))
        return attn_fail(ATTN_ERROR_OVERFLOW, SHAPE_FORMAT "at most %td bytes from the first to the last", SHAPE(owner, view),
                         (ptrdiff_t)ATTN_MOST_SPAN);
    for (size_t k = 0; k < 4 && dense && !is_empty(view); k++)
        fits = fits && !__builtin_mul_overflow(bytes, view->count[k], &bytes) && bytes <= ATTN_MOST_SPAN;
    if (fits)
        return ATTN_OK;
    return attn_fail(ATTN_ERROR_OVERFLOW, SHAPE_FORMAT "at most %td bytes of elements, also where a stride of 0 repeats them",
                     SHAPE(owner, view), (ptrdiff_t)ATTN_MOST_SPAN);
}

AttnStatus attn_view_check_distinct(const char *owner, const AttnView *view)
{
    size_t reach = 1, order[4], axes = 0;
    if (is_empty(view))
        return ATTN_OK;
    for (size_t k = 0; k < 4; k++) {
        if (view->count[k] == 1)
            continue;
        size_t at = axes++;
        for (; at > 0 && ATTN_ABS(view->stride[order[at - 1]]) > ATTN_ABS(view->stride[k]); at--)
            order[at] = order[at - 1];
        order[at] = k;
    }
    for (size_t i = 0; i < axes; i++) {
        const size_t step = ATTN_ABS(view->stride[order[i]]);
        if (step < reach)
            return attn_fail(ATTN_ERROR_OVERLAP,
                             SHAPE_FORMAT "strides of which each larger one steps over all that the smaller ones reach (%td does not step "
                                          "over %zu elements), so that no two results share a place",
                             SHAPE(owner, view), view->stride[order[i]], reach);
        reach += (view->count[order[i]] - 1) * step;
    }
    return ATTN_OK;
}

AttnStatus attn_view_check_pointer(const char *owner, const AttnView *view, const void *pointer, AttnRegion *region)
{
    if (view->element == 0) {
        if (pointer)
            return attn_fail(ATTN_ERROR_VALUE, "tensors.%s is %p, but the %s does not ask for it; allowed: NULL", view->name, pointer,
                             owner);
        return ATTN_OK;
    }
    if (is_empty(view))
        return ATTN_OK;
    if (!pointer)
        return attn_fail(ATTN_ERROR_NULL, "tensors.%s is NULL; allowed: the address of %s = [%zu,%zu,%zu,%zu]", view->name, view->letters,
                         view->count[0], view->count[1], view->count[2], view->count[3]);
    if ((uintptr_t)pointer % view->element != 0)
        return attn_fail(ATTN_ERROR_VALUE, "tensors.%s is %p; allowed: multiples of %zu, the bytes of an element", view->name, pointer,
                         view->element);
    if (!attn_region(pointer, view->count, view->stride, view->element, region))
        return attn_fail(ATTN_ERROR_OVERFLOW, "tensors.%s is %p; allowed: a place from which its strides stay in the address space",
                         view->name, pointer);
    return ATTN_OK;
}

AttnStatus attn_view_check_apart(const AttnView *view, const AttnRegion *region, size_t count, size_t output)
{
    for (size_t i = 0; i < count; i++)
        if (i != output && attn_regions_overlap(&region[output], &region[i]))
            return attn_fail(ATTN_ERROR_OVERLAP,
                             "tensors.%s (from %p to %p) overlaps tensors.%s (from %p to %p); allowed: an output that shares no byte "
                             "with another tensor",
                             view[output].name, (void *)region[output].low, (void *)region[output].end, view[i].name, (void *)region[i].low,
                             (void *)region[i].end);
    return ATTN_OK;
}
