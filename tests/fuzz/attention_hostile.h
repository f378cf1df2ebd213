/* attention_hostile.h - one thing in a valid case made wrong: the call must give a status and a sentence, and write nothing. */
#ifndef TESTS_FUZZ_ATTENTION_HOSTILE_H
#define TESTS_FUZZ_ATTENTION_HOSTILE_H

#include "tests/fuzz/attention_case.h"

bool attention_hostile(AttentionCase *x, Choices *c); /* false: fuzz_finding says what is wrong; the case is as it was */

#endif
