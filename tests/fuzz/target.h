/* target.h - what the targets that compute (draw.h) have in common beside how a plan is run (execution.h): their entry point, their
 * counts, runs of a plan, and what an invalid call must do. */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include "tests/fuzz/draw.h"
#include "tests/fuzz/execution.h"

/* A case was drawn, of whose `options` those are on. At most TARGET_OPTIONS. */
enum { TARGET_OPTIONS = 64 };
void target_count_case(size_t options, const bool *on);

/* What was counted, in one line. runs: what a run is called. */
void target_print_counts(FILE *to, const char *runs, size_t options, const char *const *name);

/* What is run: a valid problem, or a valid shape of multi-head attention. */
typedef struct Subject {
    const char *create, *run, *what; /* the names of the functions below in the interface, and what they take */
    Rooms *rooms;
    void *context;                   /* the first argument of the functions below */
    AttnStatus (*plan)(void *context, const AttnOptions *options, void **plan);
    size_t (*workspace)(const void *plan);
    AttnStatus (*call)(void *context, const void *plan, void *workspace, size_t bytes);
    void (*destroy)(void *plan);
    /* Who computes, in words, by this plan or, without one, by the kernel that was asked for (NULL: dispatch). */
    const char *(*who)(void *context, const void *plan, const char *kernel, char *buffer, size_t size);
    bool (*judge)(void *context, const char *who); /* the outputs; false: a finding */
} Subject;

/* One run of a plan; the outputs stay where they are. Nothing else may be written, floating-point control and registers stay as they were,
 * and the outputs are judged unless the execution forgets tasks. */
bool target_run_once(const Subject *subject, Choices *c, const void *plan, const Execution *execution, const char *who);

/* Twice, each time by a plan of its own under an execution that is drawn, for a kernel by name, if it takes the subject, or for dispatch's
 * choice (NULL): the bits must be equal. */
bool target_run_twice(const Subject *subject, Choices *c, const char *kernel);

/* A call that must be refused returned `status`: was it, with a sentence, and is everything that the rooms hold as it was? */
bool refused(const Rooms *rooms, AttnStatus status, const char *what);

#endif
