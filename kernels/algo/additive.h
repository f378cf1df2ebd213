/* additive.h - the skeleton of attend.h with additive scores: scale * w . tanh(q + k) (Bahdanau, Cho, Bengio 2014).
 *
 * The tanh (tanh.h) costs far more than everything else, so tiles are small. */
#ifndef ATTN_ALGO_ADDITIVE_H
#define ATTN_ALGO_ADDITIVE_H

#define SCORE_TILE ADDITIVE_TILE
#define TILE_KEYS(nq) 2
#define SCORES ATTN_HAS_ADDITIVE
#define SPLITS false
#include "kernels/algo/attend.h"

#endif
