/* fuzz_results.c - files of result records, and filters: the first line of the input is a filter unless it begins with a brace.
 * What is accepted holds together, can be compared and exported, and merged and read again it gives the same records; what is refused names
 * the file. */
#include "harness/records/export.h"
#include "harness/report/compare.h"
#include "harness/report/model.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Runs have names, records a type and this version. */
static void look(const Results *results)
{
    size_t records = 0;
    for (size_t r = 0; r < results->count; r++) {
        const ResultsRun *run = &results->runs[r];
        records += json_array_size(run->records);
        fuzz_demand(run->id && *run->id, "a run has a name");
        for (size_t i = 0; i < json_array_size(run->records); i++) {
            const json_t *record = json_array_get(run->records, i);
            fuzz_demand(*results_type(record) != '\0', "a record has a type");
            fuzz_demand(results_number(record, "v") == RESULTS_VERSION, "a record is of this version");
        }
    }
    fuzz_demand(records == results->records, "records are counted");
}

/* Write every record, as `results merge` does, and read them again. */
static void read_again(const Results *results)
{
    char error[RESULTS_ERROR] = "", *text = NULL;
    size_t size = 0;
    Results again = {0};
    FILE *file = open_memstream(&text, &size);
    fuzz_demand(file != NULL, "there is memory for the records");
    for (size_t r = 0; r < results->count; r++) {
        size_t i;
        const json_t *record;
        json_array_foreach(results->runs[r].records, i, record) {
            json_dumpf(record, file, JSON_COMPACT | JSON_PRESERVE_ORDER);
            fputc('\n', file);
        }
    }
    fclose(file);
    fuzz_demand(results_read(&again, fuzz_file((const uint8_t *)text, size), 0, error, sizeof error), error);
    fuzz_demand(again.records == results->records && again.count == results->count, "what was kept is read again");
    results_free(&again);
    free(text);
}

static void use(Loaded *loaded, const char *filter)
{
    static const char *const labels[] = {"input"};
    char error[RESULTS_ERROR] = "";
    Compare compare;
    CompareOptions options = {
        .row = {{KEY_SHAPE, KEY_THREADS}, 2}, .column = {{KEY_KERNEL}, 1}, .table = {{KEY_MACHINE}, 1}, .alpha = 0.01};
    fuzz_demand(points_make(&loaded->points, &loaded->results, labels), "there is memory for the points");
    for (size_t i = 0; i < loaded->points.count; i++) {
        fuzz_demand(loaded->points.at[i].median > 0 && isfinite(loaded->points.at[i].median), "a point has a time");
        for (size_t key = 0; key < RESULTS_KEY_COUNT; key++)
            fuzz_demand(loaded->points.at[i].key[key] != NULL, "every key of a point is a text");
    }
    loaded->labels = (const char **)labels;
    json_t *model = report_model(loaded);
    fuzz_demand(model != NULL, "there is a model");
    FILE *nowhere = fopen("/dev/null", "w");
    fuzz_demand(nowhere != NULL, "there is a /dev/null");
    report_markdown_micro(model, nowhere);
    report_markdown_builds(model, nowhere);
    json_decref(model);
    export_hyperfine(&loaded->points, nowhere);
    export_benchstat(&loaded->points, nowhere);
    export_gha(&loaded->points, nowhere);
    fclose(nowhere);
    if (!points_filter(&loaded->points, filter, error, sizeof error))
        fuzz_demand(strstr(error, "keys:") != NULL, "a refused filter has a sentence");
    for (int metric = 0; metric < METRIC_COUNT; metric++) {
        options.metric = (CompareMetric)metric;
        fuzz_demand(compare_make(&compare, &loaded->points, &options, error, sizeof error), error);
        compare_free(&compare);
    }
    loaded->labels = NULL;
    points_free(&loaded->points);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[RESULTS_ERROR] = "";
    Loaded loaded = {0};
    const uint8_t *line = size && *data != '{' ? memchr(data, '\n', size) : NULL;
    const size_t from = line ? (size_t)(line - data) + 1 : 0;
    char *filter = fuzz_text(data, line ? from - 1 : 0);
    const char *path = fuzz_file(data + from, size - from);
    if (results_read(&loaded.results, path, 0, error, sizeof error)) {
        results_sort(&loaded.results);
        look(&loaded.results);
        read_again(&loaded.results);
        use(&loaded, filter);
    } else {
        fuzz_demand(strstr(error, path) != NULL, "a refused file is named");
    }
    results_free(&loaded.results);
    free(filter);
    return 0;
}
