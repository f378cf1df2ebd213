/* fnv.h - the FNV-1a hash, 32 and 64 bits (Fowler, Noll, Vo). Each step is a bijection of the state, so no change of a single byte goes
 * unseen. */
#ifndef ATTN_FNV_H
#define ATTN_FNV_H

#include <stddef.h>
#include <stdint.h>

#define ATTN_FNV32 UINT32_C(2166136261) /* the hash of nothing */
#define ATTN_FNV64 UINT64_C(14695981039346656037)

/* The hash of what `hash` is of, followed by `size` bytes. */
static inline uint32_t attn_fnv32(uint32_t hash, const void *bytes, size_t size)
{
    for (const unsigned char *at = bytes, *end = at + size; at < end; at++)
        hash = (hash ^ *at) * UINT32_C(16777619);
    return hash;
}

static inline uint64_t attn_fnv64(uint64_t hash, const void *bytes, size_t size)
{
    for (const unsigned char *at = bytes, *end = at + size; at < end; at++)
        hash = (hash ^ *at) * UINT64_C(1099511628211);
    return hash;
}

#endif
