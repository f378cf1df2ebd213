/* decode_f32_neon.c - few query rows over many keys, as fast as keys and values can be read: NEON.
 *
 * Algorithm, cost and scratch: algo/decode.h; vectors: isa/neon.h. */
#include "kernels/isa/neon.h"
#include "kernels/storage/f32.h"

#define SUMMARY "few query rows, a group of heads at once, keys and values streamed, NEON"
#define MULTIPLY_ADDS 5.5
#include "kernels/algo/decode.h"
