/* suite.h - lists of what attention is verified on. */
#ifndef HARNESS_OPS_SDPA_SUITE_H
#define HARNESS_OPS_SDPA_SUITE_H

#include "harness/ops/op.h"
#include "harness/ops/sdpa/case.h"

/* As Op's functions. full: tile edges, all widths and options, long keys; smoke: small and sharp, fast enough for an emulator; adversarial:
 * data that hurts (large, denormal, rising, huge biases). */
bool sdpa_suite(Suite *suite, SuiteName name, uint64_t seed);
bool sdpa_suite_shape(Suite *suite, const Shape *shape, size_t number, const OpSettings *settings);
bool sdpa_suite_job(Suite *suite, const char *text, char *error, size_t error_size);

bool sdpa_suite_add(Suite *suite, const VerifyCase *c);
VerifyCase sdpa_suite_draw(uint64_t seed); /* at random */
bool sdpa_suite_random(Suite *suite, size_t count, uint64_t seed);

/* What judges the job of that name; of an exact oracle or a special rule, *index is its number. false: error[] says that there is none. */
bool sdpa_suite_find(const char *name, JobKind *kind, size_t *index, char *error, size_t error_size);

#endif
