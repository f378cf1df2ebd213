/* blocked.h - the skeleton of attend.h with all keys in one block: the design before streaming softmax.
 *
 * The exact maximum is known before the first exponential, at the price of k_len scores a row. */
#ifndef ATTN_ALGO_BLOCKED_H
#define ATTN_ALGO_BLOCKED_H

#define KEY_BLOCK 0
#define SWIFT 0
#define SPLITS false
#include "kernels/algo/attend.h"

#endif
