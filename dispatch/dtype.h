/* dtype.h - storage types: their names and sizes. */
#ifndef ATTN_DTYPE_H
#define ATTN_DTYPE_H

#include "attnzoo.h"

const char *attn_dtype_name(AttnDtype dtype); /* "f32", "bf16" ...; "unknown" for what is none */

/* Bytes of an element; 0 for none. Here, because a run asks for each of its tensors. */
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
