/* f32.h - how q, k, v and o are stored: binary32. The specification of a storage header, which a variant includes after its vector header.
 *
 * The skeletons compute in f32 and touch the caller's tensors only in these words. A header gives
 *   STORED_TENSORS         the descriptor's `dtypes`, STORED_ROUNDING, the u_* of its `accuracy`, and STORED_O, the type of o
 *   q_stored, kv_stored, o_stored   an element of q; of k and v; of o
 *   q_load, kv_load        VL elements as a vector of f32; the *_tail forms touch only n elements, 0 <= n <= VL, and give 0 for the rest
 *   q_get, kv_set1         one element; one element in all lanes
 *   kv_load_part(p, w)     the w elements at p again and again; w: a constant power of two, at most VL
 *   o_store, o_store_tail  a vector, rounded to o's type; o_get: one element
 * Rows are addresses and distances in bytes (kernel.h, AttnRun); kv_at steps from one to another. Cost here: none, the words are those of
 * the vector header. */
#ifndef ATTN_STORAGE_F32_H
#define ATTN_STORAGE_F32_H

#include "kernels/kernel.h"

typedef float q_stored, kv_stored, o_stored;
#define STORED_TENSORS ATTN_F32_TENSORS
#define STORED_ROUNDING ATTN_F32_ROUNDING
#define STORED_O ATTN_F32

static inline vf q_load(const q_stored *p) { return vf_load(p); }
static inline vf q_load_tail(const q_stored *p, size_t n) { return vf_load_tail(p, n); }
static inline float q_get(const q_stored *p) { return *p; }

static inline vf kv_load(const kv_stored *p) { return vf_load(p); }
static inline vf kv_load_tail(const kv_stored *p, size_t n) { return vf_load_tail(p, n); }
static inline vf kv_set1(const kv_stored *p) { return vf_set1(*p); }
static inline vf kv_load_part(const kv_stored *p, int w) { return vf_load_part(p, w); }
static inline const kv_stored *kv_at(const kv_stored *row, ptrdiff_t bytes)
{
    return (const kv_stored *)(const void *)((const char *)row + bytes);
}

static inline void o_store(o_stored *p, vf x) { vf_store(p, x); }
static inline void o_store_tail(o_stored *p, size_t n, vf x) { vf_store_tail(p, n, x); }
static inline float o_get(const o_stored *p) { return *p; }

#endif
