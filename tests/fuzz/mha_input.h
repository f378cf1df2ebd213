/* mha_input.h - one multi-head attention with its weights and tensors, decoded from the bytes of an input. */
#ifndef TESTS_FUZZ_MHA_INPUT_H
#define TESTS_FUZZ_MHA_INPUT_H

#include <stdio.h>

#include "tests/fuzz/reference.h"
#include "tests/fuzz/rooms.h"

typedef struct MhaInput {
    AttnMhaConfig c;
    AttnMhaWeights w;
    AttnMhaShape s;
    AttnMhaTensors t;
    AttnProblem p; /* ref_mha_problem: where the caller's options stand */
    size_t keys;
    Rooms rooms, weights;
} MhaInput;

void mha_decode(MhaInput *x, Choices *c);
void mha_free(MhaInput *x);
void mha_describe(const MhaInput *x, char *text, size_t size);

enum { MHA_OPTIONS = 40 };
size_t mha_options(const MhaInput *x, const char *name[MHA_OPTIONS], bool on[MHA_OPTIONS]);

#endif
