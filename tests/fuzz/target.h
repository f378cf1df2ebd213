/* target.h - what the targets that compute (draw.h) have in common beside how a plan is run (execution.h): their entry point, their
 * counts, and what an invalid call must do. */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include "tests/fuzz/draw.h"
#include "tests/fuzz/execution.h"

/* A case was drawn, of whose `options` those are on. At most TARGET_OPTIONS. */
enum { TARGET_OPTIONS = 64 };
void target_count_case(size_t options, const bool *on);
void target_count_run(void);

/* What was counted, in one line. runs: what a run is called. */
void target_print_counts(FILE *to, const char *runs, size_t options, const char *const *name);

/* A call that must be refused returned `status`: was it, with a sentence, and is everything that the rooms hold as it was? */
bool refused(const Rooms *rooms, AttnStatus status, const char *what);

#endif
