/* scratch.h - lays out a kernel's scratch. With a NULL base it only measures: size and layout are one piece of code and cannot disagree. */
#ifndef ATTN_SCRATCH_H
#define ATTN_SCRATCH_H

#include <stddef.h>

typedef struct AttnCarve {
    char *base;  /* NULL: measure */
    size_t used; /* bytes so far, a multiple of 64 */
} AttnCarve;

/* The next `count` elements of `element` bytes, 64-byte aligned. NULL while measuring. */
static inline void *attn_carve(AttnCarve *carve, size_t count, size_t element)
{
    void *at = carve->base ? carve->base + carve->used : NULL;
    carve->used += (count * element + 63) / 64 * 64;
    return at;
}

#endif
