/* fuzz_results.c - records of results: what is read has runs with names, types and finite medians; what is refused names the file. */
#include "harness/results_points.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[RESULTS_ERROR] = "";
    Results results = {0};
    Points points = {0};
    const char *path = fuzz_file(data, size), *const labels[] = {"a"};
    if (!results_read(&results, path, 0, error, sizeof error)) {
        fuzz_demand(strstr(error, path) != NULL, "a refused file is named");
        results_free(&results);
        return 0;
    }
    results_sort(&results);
    size_t records = 0;
    for (size_t r = 0; r < results.count; r++) {
        const ResultsRun *run = &results.runs[r];
        records += json_array_size(run->records);
        fuzz_demand(run->id && *run->id, "a run has a name");
        for (size_t i = 0; i < json_array_size(run->records); i++) {
            const json_t *record = json_array_get(run->records, i);
            fuzz_demand(*results_type(record) != '\0', "a record has a type");
            fuzz_demand(results_number(record, "v") == RESULTS_VERSION, "a record is of this version");
        }
    }
    fuzz_demand(records == results.records, "records are counted");
    if (points_make(&points, &results, labels))
        for (size_t i = 0; i < points.count; i++) {
            fuzz_demand(points.at[i].median > 0 && isfinite(points.at[i].median), "a point has a time");
            for (size_t key = 0; key < RESULTS_KEY_COUNT; key++)
                fuzz_demand(points.at[i].key[key] != NULL, "every key of a point is a text");
        }
    points_free(&points);
    results_free(&results);
    return 0;
}
