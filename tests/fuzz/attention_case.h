/* attention_case.h - one attention problem with its tensors, decoded from the bytes of an input. Every option with every other. */
#ifndef TESTS_FUZZ_ATTENTION_CASE_H
#define TESTS_FUZZ_ATTENTION_CASE_H

#include <stdio.h>

#include "tests/fuzz/reference.h"
#include "tests/fuzz/rooms.h"

typedef struct AttentionCase {
    AttnProblem p;
    AttnTensors t;
    Rooms rooms;
    size_t q_rows, k_rows;   /* of q and o, of new k and v: in ragged tensors all entries' together */
    const char *arrangement; /* of q, k, v and o                                                    */
    const char *poison;      /* what is not finite though somebody sees it; ""                      */
} AttentionCase;

/* Per cent of cases with numbers at the end of the range, or with some in v and sinks that are not finite; 15 unless set. */
extern unsigned attention_extremes;

void attention_decode(AttentionCase *x, Choices *c);
void attention_fill(AttentionCase *x, Choices *c); /* its last step: numbers, in memory that is there */
void attention_free(AttentionCase *x);

/* A readable description, in one line. */
void attention_describe(const AttentionCase *x, char *text, size_t size);

/* Which options a case has, for counts of what was tried. */
enum { ATTENTION_OPTIONS = 40 };
size_t attention_options(const AttentionCase *x, const char *name[ATTENTION_OPTIONS], bool on[ATTENTION_OPTIONS]);

#endif
