/* suites.h - lists of what to verify, of all kinds of work. */
#ifndef HARNESS_SUITE_SUITES_H
#define HARNESS_SUITE_SUITES_H

#include "harness/ops/op.h"

/* Append to a suite (zeroed at first). The same name and seed give the same jobs. false: no memory, or error[] where there is one. */
bool suites_add(Suite *suite, SuiteName name, uint64_t seed);
bool suites_add_shapes(Suite *suite, const OpShapes *shapes, const OpSettings *settings);
bool suites_add_job(Suite *suite, const char *text, char *error, size_t error_size); /* the name of a job */

/* Do shapes of this kind have cases? */
bool suites_take(const Op *op);

#endif
