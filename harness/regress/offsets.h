/* offsets.h - memory at random offsets: each launch has different ones, so that lucky ones average out over several launches. */
#ifndef HARNESS_REGRESS_OFFSETS_H
#define HARNESS_REGRESS_OFFSETS_H

#include "harness/base/fence.h"

/* Move an arena to new pages, by 0 to 63 cache lines as `offsets` and `which` say; its contents come along, canaries do not. *distance is
 * what pointers into it have to be moved by. offsets 0: it stays. false: no memory. */
bool offsets_move(Arena *arena, uint64_t offsets, uint64_t which, ptrdiff_t *distance);

/* A new arena there. */
bool offsets_map(Arena *arena, size_t bytes, uint64_t offsets, uint64_t which);

#endif
