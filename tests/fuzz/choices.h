/* choices.h - the bytes of an input as choices, so that a fuzzer that changes a byte changes one property of a case.
 *
 * Past the end every byte is 0, and 0 is the plain choice everywhere: an empty input is the plainest case, and a shorter input is a plainer
 * one. The numbers in tensors are not read from the input: they follow from a seed, which is. */
#ifndef TESTS_FUZZ_CHOICES_H
#define TESTS_FUZZ_CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Choices {
    const uint8_t *at;
    size_t left;
    uint64_t seed, drawn; /* of the numbers */
} Choices;

/* The first four bytes are the seed. */
Choices choices_of(const uint8_t *data, size_t size);

size_t choose(Choices *c, size_t n);                /* below n; n >= 1, at most 65536               */
bool maybe(Choices *c, unsigned percent);           /* true that often, where bytes are random      */
int64_t within(Choices *c, int64_t lo, int64_t hi); /* lo is the plain choice                  */

/* Numbers that follow from the seed alone. */
double number(Choices *c);  /* standard normal     */
double portion(Choices *c); /* uniform in [0, 1)   */

#endif
