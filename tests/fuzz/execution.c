/* execution.c - see execution.h. */
#include "tests/fuzz/execution.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/ops/loops.h"
#include "tests/fuzz/fuzz.h"

char fuzz_case[FINDING], fuzz_finding[FINDING];

bool found(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fuzz_finding, sizeof fuzz_finding, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- Loops of a caller ----------------------------------------------------------------------------------------------------------- */

static void forwards(void *context, size_t n, void (*task)(void *, size_t), void *argument)
{
    (void)context;
    for (size_t i = 0; i < n; i++)
        task(argument, i);
}

/* Every third, then those between. */
static void skipping(void *context, size_t n, void (*task)(void *, size_t), void *argument)
{
    (void)context;
    for (size_t first = 0; first < 3; first++)
        for (size_t i = 2 - first; i < n; i += 3)
            task(argument, i);
}

static void forgetting(void *context, size_t n, void (*task)(void *, size_t), void *argument)
{
    (void)context;
    for (size_t i = 1; i < n; i += 2)
        task(argument, i);
}

static const Execution executions[] = {
    {"1 thread", 1, NULL, false, false},
    {"a loop", 1, forwards, false, false},
    {"a loop of 4 backwards", 4, loop_reversed, false, false},
    {"a loop of 5 that skips", 5, skipping, false, false},
    {"a loop of 2 that forgets", 2, forgetting, false, true},
    {"4 pthreads", 4, loop_threads, true, false},
    {"2 threads", 2, NULL, true, false},
};

const Execution *execution_draw(Choices *c, bool threads)
{
    size_t count = sizeof executions / sizeof *executions;
    while (!threads && executions[count - 1].threaded)
        count--;
    return &executions[choose(c, count)];
}

/* ---- What is left behind --------------------------------------------------------------------------------------------------------- */

bool judge_number(const char *what, const char *runner, size_t b, size_t h, size_t i, size_t at, RefNumber want, float got)
{
    if (ref_agrees(want, got))
        return true;
    return found("%s: %s batch %zu head %zu row %zu column %zu is %.9g, must be %.9g within %.3g", runner, what, b, h, i, at, (double)got,
                 want.v, want.e);
}

Control control_set(Choices *c)
{
    size_t count = 0;
    while (state_unusual_name(count))
        count++;
    Control control = {.unusual = count > 0 && maybe(c, 15)};
    const size_t which = control.unusual ? choose(c, count) : 0;
    if (control.unusual)
        control.usual = state_unusual_set(which);
    control.before = state_read();
    return control;
}

bool control_restore(const Control *control, char *why, size_t size)
{
    const MachineState after = state_read();
    if (control->unusual)
        state_restore(control->usual);
    return !state_changed(&control->before, &after, why, size);
}

/* ---- Workspace ------------------------------------------------------------------------------------------------------------------- */

Workspace workspace_make(Choices *c, size_t bytes)
{
    static const int dirt[] = {0xff, 0x00, 0x7f};
    Workspace w = {.bytes = bytes};
    w.at = rooms_add(&w.rooms, c, "workspace", bytes, dirt[choose(c, 3)])->at;
    if ((uintptr_t)w.at % 64 != 0) { /* of the heap's: aligned, and the end is the end */
        rooms_free(&w.rooms);
        w.at = aligned_alloc(64, bytes);
        fuzz_demand(w.at != NULL, "there is memory for a workspace");
        memset(w.at, 0xff, bytes);
    }
    return w;
}

void workspace_free(Workspace *w)
{
    if (w->rooms.count == 0)
        free(w->at);
    rooms_free(&w->rooms);
}
