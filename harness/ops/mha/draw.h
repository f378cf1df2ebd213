/* draw.h - random multi-head attention: every argument on or off, with every other, tiny. All memory is reference_room's. */
#ifndef HARNESS_OPS_MHA_DRAW_H
#define HARNESS_OPS_MHA_DRAW_H

#include "harness/ops/mha/reference.h"
#include "harness/ops/sdpa/data.h"

/* The same seed gives the same numbers, one after another. */
typedef struct MhaDraw {
    uint64_t seed, at;
} MhaDraw;

MhaCase mha_draw_case(uint64_t seed);

/* Its parts: normal numbers times `scale`; bytes of which one in so many is 0; integers from `least` on. */
float *mha_numbers(MhaDraw *draw, size_t n, double scale);
const void *mha_flags(MhaDraw *draw, size_t n, size_t one_in);
int64_t *mha_integers(MhaDraw *draw, size_t n, int64_t least, size_t values);
void mha_draw_weights(MhaCase *x, MhaDraw *draw, bool biases);
void mha_draw_sources(MhaCase *x, MhaDraw *draw, size_t gap); /* gap: elements between rows and entries */
void mha_want_weights(MhaCase *x, AttnMhaWeightsOut weights, size_t keys);

#endif
