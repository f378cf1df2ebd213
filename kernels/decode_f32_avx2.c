/* decode_f32_avx2.c - few query rows over many keys, as fast as keys and values can be read: AVX2.
 *
 * Algorithm, cost and scratch: algo/decode.h; vectors: isa/avx2.h. */
#include "kernels/isa/avx2.h"
#include "kernels/storage/f32.h"

#define SUMMARY "few query rows, a group of heads at once, keys and values streamed, AVX2"
#define MULTIPLY_ADDS 11.8
#include "kernels/algo/decode.h"
