/* execution.h - how a plan is run: on how many threads, by whose loop, and what a call leaves behind beside its results. */
#ifndef TESTS_FUZZ_EXECUTION_H
#define TESTS_FUZZ_EXECUTION_H

#include "harness/machine/cpu_state.h"
#include "tests/fuzz/reference.h"
#include "tests/fuzz/rooms.h"

typedef struct Execution {
    const char *name;
    size_t threads;
    AttnParallelFor loop; /* NULL: the library's own                                                  */
    bool threaded;        /* more than the calling thread                                             */
    bool forgets;         /* leaves tasks out, which the header forbids: no crash, but no result      */
} Execution;

/* Of a number; `threads` says whether ways with several threads may be drawn. */
const Execution *execution_draw(Choices *c, bool threads);

/* Everything that one finding needs to be read: the case, who computed it, what is wrong. One line each. */
enum { FINDING = 8192 };
extern char fuzz_case[FINDING], fuzz_finding[FINDING];
bool found(const char *format, ...) __attribute__((format(printf, 1, 2))); /* fills fuzz_finding; returns false */

/* Is the number at this place what it must be? */
bool judge_number(const char *what, const char *runner, size_t b, size_t h, size_t i, size_t at, RefNumber want, float got);

/* The caller's floating-point control, now and then an unusual one, and what a call must leave as it was. Between set and restore there is
 * no arithmetic. */
typedef struct Control {
    MachineState before;
    bool unusual;
    uint64_t usual;
} Control;
Control control_set(Choices *c);
bool control_restore(const Control *control, char *why, size_t size); /* false: why says what the call changed */

/* A workspace of exactly `bytes`, full of dirt, that ends at an unmapped page or lies on the heap. */
typedef struct Workspace {
    Rooms rooms;
    void *at;
    size_t bytes;
} Workspace;
Workspace workspace_make(Choices *c, size_t bytes);
void workspace_free(Workspace *workspace);

#endif
