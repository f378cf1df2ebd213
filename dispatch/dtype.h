/* dtype.h - storage types: their names and sizes. */
#ifndef ATTN_DTYPE_H
#define ATTN_DTYPE_H

#include "attnzoo.h"

const char *attn_dtype_name(AttnDtype dtype); /* "f32", "bf16" ...; "unknown" for what is none */
size_t attn_dtype_bytes(AttnDtype dtype);     /* of an element; 0 for none                     */

#endif
