/* near.h - the word that was meant: what an error proposes for one that it does not know. */
#ifndef HARNESS_BASE_NEAR_H
#define HARNESS_BASE_NEAR_H

#include <stddef.h>

/* The nearest of `known`, if it is near enough to be a slip of the fingers: a third of the letters wrong, missing, too many or swapped with
 * their neighbour. NULL: none. */
const char *near_word(const char *word, const char *const *known, size_t count);

#endif
