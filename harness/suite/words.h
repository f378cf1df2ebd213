/* words.h - lists of shapes as people write them, each word of its kind of work. */
#ifndef HARNESS_SUITE_WORDS_H
#define HARNESS_SUITE_WORDS_H

#include "harness/ops/op.h"

/* Words of all kinds, mixed as they like, to shapes: those of one kind together, kinds in their order. `wants` (NULL: all): which kinds are
 * taken; a word of another one is refused as attention would. false: error[] says why. */
bool words_split(OpShapes *list, bool (*wants)(const Op *op), const char *text, char *error, size_t error_size);

#endif
