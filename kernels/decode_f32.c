/* decode_f32.c - few query rows over many keys, as fast as keys and values can be read: plain C.
 *
 * Algorithm, cost and scratch: algo/decode.h; vectors: isa/scalar.h. */
#include "kernels/isa/scalar.h"
#include "kernels/storage/f32.h"

#define SUMMARY "few query rows, a group of heads at once, keys and values streamed, plain C"
#define MULTIPLY_ADDS 0.7
#include "kernels/algo/decode.h"
