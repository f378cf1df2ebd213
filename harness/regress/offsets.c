/* offsets.c - see offsets.h. */
#include "harness/regress/offsets.h"

#include <string.h>

#include "harness/base/random.h"

enum { LINES = 64, LINE = 64 }; /* an arena may be moved by up to LINES lines, one page in all */

bool offsets_move(Arena *arena, uint64_t offsets, uint64_t which, ptrdiff_t *distance)
{
    Arena fresh = {0};
    *distance = 0;
    if (offsets == 0 || !arena->base)
        return true;
    if (!fence_map(&fresh, arena->bytes + LINES * LINE, FENCE_NONE, 0))
        return false;
    fresh.at = (char *)fresh.at + LINE * (random_bits(offsets, which) % LINES);
    fresh.bytes = arena->bytes;
    memcpy(fresh.at, arena->at, arena->bytes);
    *distance = (char *)fresh.at - (char *)arena->at;
    fence_unmap(arena);
    *arena = fresh;
    return true;
}

bool offsets_map(Arena *arena, size_t bytes, uint64_t offsets, uint64_t which)
{
    ptrdiff_t by;
    return fence_map(arena, bytes, FENCE_NONE, 0) && offsets_move(arena, offsets, which, &by);
}
