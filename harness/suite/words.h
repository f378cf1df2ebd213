/* words.h - lists of shapes as people write them, each word of its kind of work. */
#ifndef HARNESS_SUITE_WORDS_H
#define HARNESS_SUITE_WORDS_H

#include "harness/ops/linear/shape.h"
#include "harness/ops/mha/shape.h"
#include "harness/ops/sdpa/shape.h"

/* Words of all kinds, mixed as they like: attention to one list, products to another, multi-head attention to the third (NULL: it is
 * refused). false: error[] says why; free all. */
bool words_split(Shapes *attention, LinearShapes *products, MhaShapes *mha, const char *text, char *error, size_t error_size);

#endif
