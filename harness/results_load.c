/* results_load.c - see results_load.h. */
#include "harness/results_load.h"
#include "harness/render.h"

#include <stdlib.h>

/* Where the names of the operands begin to differ: the folders that all share say nothing. */
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

int results_load(const Cli *cli, int argc, char **argv, int from, const char *filter, bool keep_going, Loaded *loaded)
{
    char *fallback[] = {(char *)(cli->results ? cli->results : "results")}, **names = from < argc ? argv + from : fallback;
    char error[RESULTS_ERROR];
    *loaded = (Loaded){.operands = from < argc ? (size_t)(argc - from) : 1};
    loaded->labels = calloc(loaded->operands, sizeof *loaded->labels);
    const size_t common = common_folders(names, loaded->operands);
    for (size_t i = 0; loaded->labels && i < loaded->operands; i++) {
        loaded->labels[i] = names[i] + common;
        if (results_read(&loaded->results, names[i], i, error, sizeof error))
            continue;
        if (!keep_going) {
            render_error("%s", error);
            return EXIT_USAGE;
        }
        render_note("left out from here on: %s", error);
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
    if (filter && !points_filter(&loaded->points, filter, error, sizeof error)) {
        render_error("%s", error);
        return EXIT_USAGE;
    }
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
