/* target.c - see target.h. */
#include "tests/fuzz/target.h"

#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

bool target_threads = true;

static size_t cases, runs, refusals, tried[TARGET_OPTIONS];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!target_run(data, size))
        fprintf(stderr, "%s\n", fuzz_case);
    fuzz_demand(fuzz_finding[0] == '\0', fuzz_finding);
    return 0;
}

void target_count_case(size_t options, const bool *on)
{
    fuzz_demand(options <= TARGET_OPTIONS, "there is room to count options");
    for (size_t n = 0; n < options; n++)
        tried[n] += on[n];
    cases++;
}

void target_print_counts(FILE *to, const char *what, size_t options, const char *const *name)
{
    fprintf(to, "%zu cases, %zu %s, %zu calls that must be refused; cases with", cases, runs, what, refusals);
    for (size_t n = 0; n < options; n++)
        fprintf(to, "%s %s %zu", n ? "," : "", name[n], tried[n]);
    fprintf(to, "\n");
}

bool target_run_once(const Subject *s, Choices *c, const void *plan, const Execution *execution, const char *who)
{
    char runner[260], why[160];
    snprintf(runner, sizeof runner, "%s by %s", who, execution->name);
    Workspace workspace = workspace_make(c, s->workspace(plan));
    rooms_restore(s->rooms);
    const Control control = control_set(c);
    const AttnStatus status = s->call(s->context, plan, workspace.at, workspace.bytes);
    const bool kept = control_restore(&control, why, sizeof why);
    runs++;
    workspace_free(&workspace);
    if (status != ATTN_OK)
        return found("%s: %s of a valid %s: %s: %s", runner, s->run, s->what, attn_status_string(status), attn_last_error());
    if (!kept)
        return found("%s: %s", runner, why);
    const char *changed = rooms_changed(s->rooms, false);
    if (changed)
        return found("%s: wrote to %s where it must not", runner, changed);
    return execution->forgets || s->judge(s->context, runner);
}

bool target_run_twice(const Subject *s, Choices *c, const char *kernel)
{
    unsigned char *results[2] = {NULL, NULL};
    size_t bytes = 0;
    bool right = true, both = true;
    char who[200];
    for (size_t n = 0; n < 2 && right && both; n++) {
        const Execution *execution = execution_draw(c, target_threads);
        AttnOptions options = attn_options();
        void *plan = NULL;
        options.kernel = kernel;
        options.threads = execution->threads;
        options.parallel_for = execution->loop;
        const AttnStatus status = s->plan(s->context, &options, &plan);
        if (status != ATTN_OK) {
            if (plan)
                right = found("%s failed but gave a plan", s->create);
            else if (!kernel || status != ATTN_ERROR_UNSUPPORTED)
                right = found("%s: %s of a valid %s: %s: %s", s->who(s->context, NULL, kernel, who, sizeof who), s->create, s->what,
                              attn_status_string(status), attn_last_error());
            both = false;
            break;
        }
        right = target_run_once(s, c, plan, execution, s->who(s->context, plan, kernel, who, sizeof who));
        both = !execution->forgets;
        results[n] = rooms_take(s->rooms, &bytes);
        s->destroy(plan);
    }
    if (right && both && !rooms_same(results[0], results[1], bytes))
        right = found("%s: bits depend on the way it runs", s->who(s->context, NULL, kernel, who, sizeof who));
    free(results[0]);
    free(results[1]);
    return right;
}

bool refused(const Rooms *rooms, AttnStatus status, const char *what)
{
    refusals++;
    if (status == ATTN_OK)
        return found("%s was taken", what);
    if (attn_last_error()[0] == '\0')
        return found("%s was refused without a sentence", what);
    const char *changed = rooms_changed(rooms, true);
    return !changed || found("%s was refused, but %s was written", what, changed);
}
