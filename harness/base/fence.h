/* fence.h - memory whose end or beginning is an unmapped page, so that an access one byte too far crashes instead of going unnoticed. */
#ifndef HARNESS_BASE_FENCE_H
#define HARNESS_BASE_FENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a block ends or begins. */
typedef enum Fence {
    FENCE_NONE,  /* huge-page friendly, pre-faulted: for timing */
    FENCE_AFTER, /* the last byte ends at an unmapped page      */
    FENCE_BEFORE /* the first byte begins at an unmapped page   */
} Fence;

const char *fence_name(Fence fence); /* "none", "after", "before" */
bool fence_find(const char *name, Fence *fence);

typedef struct Arena {
    void *base;    /* the mapping       */
    size_t mapped; /* its bytes         */
    void *at;      /* the block inside  */
    size_t bytes;  /* its bytes         */
    Fence fence;
} Arena;

enum { FENCE_MARGIN = 64 }; /* bytes of canary on both sides of a block that has no fence at that side */

/* Map `bytes` bytes (0 is allowed) of writable memory with `fill` in every byte, the accessible surroundings included. The block ends
 * (FENCE_AFTER) or begins (FENCE_BEFORE) at an unmapped page; FENCE_NONE puts it, aligned to 64 bytes, between margins of FENCE_MARGIN
 * bytes on pre-faulted pages, huge ones where the block is large. The other side of a fenced block is a margin and a fence. false: out of
 * memory. */
bool fence_map(Arena *arena, size_t bytes, Fence fence, unsigned char fill);
void fence_unmap(Arena *arena);

/* Set every accessible byte, margins and block, to `fill`. */
void fence_fill(const Arena *arena, unsigned char fill);

/* From now on a write to the block or to its margins crashes. */
void fence_read_only(const Arena *arena);

/* Are all accessible bytes around the block still `fill`? */
bool fence_margins_intact(const Arena *arena, unsigned char fill);

#endif
