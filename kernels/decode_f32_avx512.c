/* decode_f32_avx512.c - few query rows over many keys, as fast as keys and values can be read: AVX-512.
 *
 * Algorithm, cost and scratch: algo/decode.h; vectors: isa/avx512.h. */
#include "kernels/isa/avx512.h"
#include "kernels/storage/f32.h"

#define SUMMARY "few query rows, a group of heads at once, keys and values streamed, AVX-512"
#define MULTIPLY_ADDS 23.7
#include "kernels/algo/decode.h"
