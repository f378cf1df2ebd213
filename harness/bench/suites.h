/* suites.h - the named lists of shapes of `attnzoo bench --suite`. */
#ifndef HARNESS_BENCH_SUITES_H
#define HARNESS_BENCH_SUITES_H

#include "harness/cli/cli.h"

extern const CliSuite bench_suites[];
extern const size_t bench_suite_count;
const char *bench_default_shapes(void); /* the shapes that are measured if none are named: the first suite */

#endif
