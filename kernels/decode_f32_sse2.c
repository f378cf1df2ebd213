/* decode_f32_sse2.c - few query rows over many keys, as fast as keys and values can be read: SSE2.
 *
 * Algorithm, cost and scratch: algo/decode.h; vectors: isa/sse2.h. */
#include "kernels/isa/sse2.h"
#include "kernels/storage/f32.h"

#define SUMMARY "few query rows, a group of heads at once, keys and values streamed, SSE2"
#define MULTIPLY_ADDS 2.8
#include "kernels/algo/decode.h"
