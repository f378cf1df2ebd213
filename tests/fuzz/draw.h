/* draw.h - what a target of draw.c has beside the entry point that libFuzzer calls. */
#ifndef TESTS_FUZZ_DRAW_H
#define TESTS_FUZZ_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* One input. false: fuzz_finding says what is wrong, fuzz_case of which case. */
bool target_run(const uint8_t *data, size_t size);

/* Ways with several threads may be drawn: true unless set. */
extern bool target_threads;

/* What was tried so far. */
void target_counts(FILE *to);

/* Run the same input on a kernel that is broken on purpose. Their number, 0 if the target has none; 0 is the unbroken one. */
size_t target_mutants(void);
const char *target_mutant(size_t n); /* its name */
const char *target_mutant_excuse(size_t n); /* why cases drawn here need not find it; NULL: they must */
bool target_run_mutant(size_t n, const uint8_t *data, size_t size);

#endif
