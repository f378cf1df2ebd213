/* target.c - see target.h. */
#include "tests/fuzz/target.h"

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

void target_count_run(void)
{
    runs++;
}

void target_print_counts(FILE *to, const char *what, size_t options, const char *const *name)
{
    fprintf(to, "%zu cases, %zu %s, %zu calls that must be refused; cases with", cases, runs, what, refusals);
    for (size_t n = 0; n < options; n++)
        fprintf(to, "%s %s %zu", n ? "," : "", name[n], tried[n]);
    fprintf(to, "\n");
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
