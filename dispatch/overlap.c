/* overlap.c - whether two strided tensors share a byte, exactly, in a few dozen steps for the layouts that exist.
 *
 * Most pairs lie in different buffers, and comparing first and last byte settles them. Parts of one buffer, such as the q and o columns of
 * packed rows, have intersecting spans without sharing an element. Runs at a + sum c_k s_k and b + sum d_k r_k, of wa and wb bytes, meet
 * exactly if
 *     -(wa - 1) <= (a - b) + sum c_k s_k - sum d_k r_k <= wb - 1.
 * Counting d_k from the other end makes every sign positive, and axes of equal stride become one whose index runs over both. So the
 * question is: does a sum of n_k s_k, 0 <= n_k <= most_k, fall into [lo, hi]? The search goes from the largest stride down. What is
 * left of the smaller strides bounds the index of the larger, and where axes nest, as in every sane layout, two or three
 * candidates remain per level. Strides that do not nest can give many more, so the number of steps is limited. */
#include "dispatch/overlap.h"

#define MOST_STEPS 20000 /* below a millisecond; a sane layout takes fewer than 100 (tests/unit/test_problem.c) */

typedef struct Search {
    size_t axes;
    int64_t stride[8], most[8]; /* strides descending, all different       */
    int64_t rest[9];            /* largest sum of the axes from k on       */
    int64_t common[8];          /* greatest common divisor from k on       */
    int steps;
} Search;

/* Is there a sum of the axes from k on in [lo, hi]? Running out of steps says yes, the answer that refuses. */
static bool find_sum(Search *search, size_t k, int64_t lo, int64_t hi)
{
    if (hi < 0 || lo > search->rest[k])
        return false;
    if (lo <= 0 || hi >= search->rest[k] || --search->steps < 0)
        return true;
    /* Here 0 < lo <= hi < rest, so an axis is left. */
    if (hi / search->common[k] * search->common[k] < lo)
        return false;
    const int64_t stride = search->stride[k], need = lo - search->rest[k + 1];
    const int64_t first = need > 0 ? (need + stride - 1) / stride : 0, fit = hi / stride;
    const int64_t last = fit < search->most[k] ? fit : search->most[k];
    for (int64_t index = last; index >= first; index--)
        if (find_sum(search, k + 1, lo - index * stride, hi - index * stride))
            return true;
    return false;
}

static void add_axes(Search *search, const AttnRegion *region)
{
    for (size_t i = 0; i < region->axes; i++) {
        size_t k = 0;
        while (k < search->axes && search->stride[k] > region->axis[i].stride)
            k++;
        if (k == search->axes || search->stride[k] != region->axis[i].stride) {
            for (size_t j = search->axes++; j > k; j--) {
                search->stride[j] = search->stride[j - 1];
                search->most[j] = search->most[j - 1];
            }
            search->stride[k] = region->axis[i].stride;
            search->most[k] = 0;
        }
        search->most[k] += region->axis[i].most;
    }
}

bool attn_regions_overlap(const AttnRegion *a, const AttnRegion *b)
{
    if (a->low == a->end || b->low == b->end || a->end <= b->low || b->end <= a->low)
        return false;
    Search search = {.steps = MOST_STEPS};
    add_axes(&search, a);
    add_axes(&search, b);
    for (size_t k = search.axes; k-- > 0;) {
        int64_t x = search.stride[k], y = k + 1 < search.axes ? search.common[k + 1] : 0;
        while (y != 0) {
            const int64_t remainder = x % y;
            x = y;
            y = remainder;
        }
        search.common[k] = x;
        search.rest[k] = search.rest[k + 1] + search.most[k] * search.stride[k];
    }
    /* Starts of b's runs count down from its last one, which is its end less a run. */
    const uintptr_t last_of_b = b->end - (uintptr_t)b->width;
    const int64_t distance = a->low >= last_of_b ? (int64_t)(a->low - last_of_b) : -(int64_t)(last_of_b - a->low);
    return find_sum(&search, 0, -(a->width - 1) - distance, b->width - 1 - distance);
}

/* A run swallows each axis whose next copy begins before the run ends; then it is longer and may swallow another. */
static void fold_axes(AttnRegion *region)
{
    for (size_t i = 0; i < region->axes;) {
        struct AttnRegionAxis *axis = &region->axis[i];
        if (axis->stride > region->width) {
            i++;
            continue;
        }
        region->width += axis->most * axis->stride;
        *axis = region->axis[--region->axes];
        i = 0;
    }
}

bool attn_span(const size_t count[4], const ptrdiff_t stride[4], size_t element, ptrdiff_t *low, ptrdiff_t *high)
{
    *low = *high = 0;
    for (size_t k = 0; k < 4; k++)
        if (count[k] == 0)
            return true;
    for (size_t k = 0; k < 4; k++) {
        ptrdiff_t bytes, reach;
        if (count[k] == 1)
            continue;
        if (__builtin_mul_overflow(stride[k], element, &bytes) || __builtin_mul_overflow(count[k] - 1, bytes, &reach) ||
            reach > ATTN_MOST_SPAN || reach < -ATTN_MOST_SPAN)
            return false;
        *(reach < 0 ? low : high) += reach; /* four quarters at most */
    }
    return !__builtin_add_overflow(*high, element, high) && *high <= ATTN_MOST_SPAN + *low;
}

bool attn_region(const void *base, const size_t count[4], const ptrdiff_t stride[4], size_t element, AttnRegion *region)
{
    const uintptr_t at = (uintptr_t)base;
    ptrdiff_t low, high;
    if (!attn_span(count, stride, element, &low, &high) || at < ATTN_ABS(low) || at > UINTPTR_MAX - (uintptr_t)high)
        return false;
    *region = (AttnRegion){.low = at - ATTN_ABS(low), .end = at + (uintptr_t)high, .width = (int64_t)element};
    for (size_t k = 0; k < 4 && low != high; k++)
        if (count[k] > 1 && stride[k] != 0)
            region->axis[region->axes++] =
                (struct AttnRegionAxis){(int64_t)(ATTN_ABS(stride[k]) * element), (int64_t)(count[k] - 1)};
    fold_axes(region);
    return true;
}
