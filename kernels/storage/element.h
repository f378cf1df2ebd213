/* element.h - one element of any storage type as a number, for code that is compiled once for all of them (plain.c, merge.c); the skeletons
 * have a header per type instead.
 *
 * A further storage type is a row of ATTN_STORED here, a header beside f32.h, and a row of harness/ops/sdpa/operand.c, whose conversions are
 * the program's own. Cost: a branch per element. */
#ifndef ATTN_STORAGE_ELEMENT_H
#define ATTN_STORAGE_ELEMENT_H

#include <math.h>
#include <stddef.h>

#include "attnzoo.h"

static inline double attn_f32_get(const float *p) { return (double)*p; }
static inline void attn_f32_put(float *p, double x) { *p = (float)x; }

/* X(dtype, type of an element in memory, its value, its assignment: rounded once, to nearest) */
#define ATTN_STORED(X) X(ATTN_F32, float, attn_f32_get, attn_f32_put)

/* Element c of a row. Dispatch lets no type through that no kernel takes. */
static inline double attn_element_get(const void *row, AttnDtype dtype, size_t c)
{
    switch ((int)dtype) {
#define X(id, type, get, put) case id: return get((const type *)row + c);
        ATTN_STORED(X)
#undef X
    }
    return NAN;
}
static inline void attn_element_put(void *row, AttnDtype dtype, size_t c, double x)
{
    switch ((int)dtype) {
#define X(id, type, get, put) case id: put((type *)row + c, x); break;
        ATTN_STORED(X)
#undef X
    }
}

/* Bytes of an element; 0 for none. */
static inline size_t attn_dtype_bytes(AttnDtype dtype)
{
    switch (dtype) {
    case ATTN_F32: return 4;
    case ATTN_F64: return 8;
    case ATTN_F16:
    case ATTN_BF16: return 2;
    case ATTN_BOOL: return 1;
    case ATTN_NONE:
    case ATTN_DTYPE_MAX_ENUM: break;
    }
    return 0;
}

#endif
