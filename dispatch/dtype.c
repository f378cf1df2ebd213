/* dtype.c - see dtype.h. */
#include "dispatch/dtype.h"

const char *attn_dtype_name(AttnDtype dtype)
{
    static const char *const names[] = {"none", "f32", "f64", "f16", "bf16", "bool"};
    return (size_t)dtype < sizeof names / sizeof *names ? names[dtype] : "unknown";
}

size_t attn_dtype_bytes(AttnDtype dtype)
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
