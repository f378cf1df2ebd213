/* fuzz.h - one entry point for each parser of what comes from outside, and for attention and multi-head attention: what libFuzzer calls.
 *
 * A target demands more than "no crash": what was accepted must hold together (a name that is printed parses to itself, an array is as long
 * as its shape says), and what was refused must have a sentence. fuzz_demand ends the process, which both drivers report as a finding. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Abort, after saying on stderr what does not hold. */
void fuzz_demand(bool holds, const char *what);

/* The input as text: up to its first zero byte, malloc'ed exactly so long, so that reading past its end shows. */
char *fuzz_text(const uint8_t *data, size_t size);

/* The input as a file; the path lives until the next call. One file in memory is used again and again. */
const char *fuzz_file(const uint8_t *data, size_t size);

#endif
