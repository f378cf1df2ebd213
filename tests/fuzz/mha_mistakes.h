/* mha_mistakes.h - mistakes of an implementation, made by asking the right one for something else than the reference was asked for. */
#ifndef TESTS_FUZZ_MHA_MISTAKES_H
#define TESTS_FUZZ_MHA_MISTAKES_H

#include "tests/fuzz/mha_input.h"

extern const size_t mha_mistake_count; /* the first is none */
const char *mha_mistake_name(size_t n);
bool mha_mistake_make(MhaInput *x, size_t n); /* false: the case has not what it is about */

#endif
