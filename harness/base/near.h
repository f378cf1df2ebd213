/* near.h - "did you mean": the known word nearest to an unknown one. */
#ifndef HARNESS_BASE_NEAR_H
#define HARNESS_BASE_NEAR_H

#include <stddef.h>

/* The nearest of `known`, if it is near enough to be a typing error: at most a third of the letters wrong, missing, added or swapped with
 * their neighbour. NULL: none. */
const char *near_word(const char *word, const char *const *known, size_t count);

#endif
