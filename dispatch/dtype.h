/* dtype.h - storage types: their names; their sizes come from kernels/storage/element.h. */
#ifndef ATTN_DTYPE_H
#define ATTN_DTYPE_H

#include "attnzoo.h"
#include "kernels/storage/element.h"

const char *attn_dtype_name(AttnDtype dtype); /* "f32", "bf16" ...; "unknown" for what is none */

#endif
