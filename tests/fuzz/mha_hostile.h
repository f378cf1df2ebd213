/* mha_hostile.h - one thing in a valid case made wrong: the call must give a status and a sentence, and write nothing. */
#ifndef TESTS_FUZZ_MHA_HOSTILE_H
#define TESTS_FUZZ_MHA_HOSTILE_H

#include "tests/fuzz/mha_input.h"

/* false: fuzz_finding says what is wrong. The case is as it was. */
bool mha_hostile_shape(MhaInput *x, Choices *c, const AttnMha *mha);
bool mha_hostile_run(MhaInput *x, Choices *c, const AttnMha *mha);

#endif
