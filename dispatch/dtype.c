/* dtype.c - see dtype.h. */
#include "dispatch/dtype.h"

const char *attn_dtype_name(AttnDtype dtype)
{
    static const char *const names[] = {"none", "f32", "f64", "f16", "bf16", "bool"};
    return (size_t)dtype < sizeof names / sizeof *names ? names[dtype] : "unknown";
}
