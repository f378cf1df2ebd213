/* load.c - see load.h. */
#include "harness/base/exit.h"
#include "harness/base/render.h"
#include "harness/records/load.h"

#include <stdlib.h>

/* Where the names of the operands begin to differ: folders common to all carry no information. */
static size_t common_folders(char **names, size_t count)
{
    size_t common = 0;
    for (size_t i = 0; count > 1 && names[0][i]; i++) {
        for (size_t k = 1; k < count; k++)
            if (names[k][i] != names[0][i])
                return common;
        if (names[0][i] == '/')
            common = i + 1;
    }
    return common;
}

/* Records seen before count only once, so an operand may show fewer than it holds, or none. */
static void note_again(const char *name, size_t added, size_t again)
{
    if (again > 0 && added == 0)
        render_note("%s: all of its %zu records are in earlier files; it adds nothing", name, again);
    else if (again > 0)
        render_note("%s: %zu of its %zu records are in earlier files and count once", name, again, added + again);
}

int results_load(const char *folder, int argc, char **argv, int from, const char *filter, bool keep_going, Loaded *loaded)
{
    char *fallback[] = {(char *)(folder ? folder : "results")}, **names = from < argc ? argv + from : fallback;
    char error[RESULTS_ERROR];
    *loaded = (Loaded){.operands = from < argc ? (size_t)(argc - from) : 1};
    loaded->labels = calloc(loaded->operands, sizeof *loaded->labels);
    const size_t common = common_folders(names, loaded->operands);
    for (size_t i = 0; loaded->labels && i < loaded->operands; i++) {
        const size_t records = loaded->results.records, repeated = loaded->results.repeated;
        loaded->labels[i] = names[i] + common;
        const bool read = results_read(&loaded->results, names[i], i, error, sizeof error);
        note_again(names[i], loaded->results.records - records, loaded->results.repeated - repeated);
        if (read)
            continue;
        if (!keep_going) {
            render_error("%s", error);
            return EXIT_USAGE;
        }
        render_note("skipping the rest: %s", error);
    }
    size_t i;
    const json_t *note;
    json_array_foreach(loaded->results.notes, i, note)
        render_note("%s", json_string_value(note));
    results_sort(&loaded->results);
    if (!loaded->labels || !points_make(&loaded->points, &loaded->results, loaded->labels)) {
        render_error("out of memory for %zu records", loaded->results.records);
        return EXIT_USAGE;
    }
    const size_t all = loaded->points.count;
    if (filter && !points_filter(&loaded->points, filter, error, sizeof error)) {
        render_error("%s", error);
        return EXIT_USAGE;
    }
    if (filter && loaded->points.count > 0 && loaded->points.count < all)
        render_note("--filter leaves out %zu of %zu measurements", all - loaded->points.count, all);
    if (loaded->results.records == 0) {
        render_error("%s%s holds no records", names[0], loaded->operands > 1 ? " and the others" : "");
        return EXIT_NOTHING;
    }
    return EXIT_OK;
}

void results_unload(Loaded *loaded)
{
    points_free(&loaded->points);
    results_free(&loaded->results);
    free(loaded->labels);
    *loaded = (Loaded){0};
}

void results_print_keys(void)
{
    printf("\nKeys\n");
    for (size_t i = 0; i < RESULTS_KEY_COUNT; i++)
        printf("  %-10s %s\n", results_key_names[i], results_key_meanings[i]);
}
