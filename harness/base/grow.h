/* grow.h - lists that grow by one element and double their room: at counts of 0, 1, 2, 4, 8 ..., so that no list has to remember its room.
 *
 *     Thing *at = grow_by_one(list->at, list->count, sizeof *at);
 *     if (!at)
 *         return false;
 *     list->at = at;
 *     at[list->count++] = thing; */
#ifndef HARNESS_BASE_GROW_H
#define HARNESS_BASE_GROW_H

#include <stdlib.h>

/* Where a list of `count` elements of `size` bytes has room for one more; every list begins as NULL with 0. NULL: no memory, and the list is
 * as it was. */
static inline void *grow_by_one(void *at, size_t count, size_t size)
{
    return (count & (count - 1)) == 0 ? realloc(at, (count ? 2 * count : 1) * size) : at;
}

#endif
