/* words.h - lists of shapes as people write them, each word of its kind of work. */
#ifndef HARNESS_SUITE_WORDS_H
#define HARNESS_SUITE_WORDS_H

#include "harness/ops/op.h"

/* Turn words of all kinds, in any mixture, into shapes: those of one kind together, kinds in their order. `wants` (NULL: all) says which
 * kinds are accepted; a word of another kind is refused like a bad word of attention. false: error[] says why. */
bool words_split(OpShapes *list, bool (*wants)(const Op *op), const char *text, char *error, size_t error_size);

#endif
