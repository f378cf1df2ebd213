/* tune.c - a tune file for the processes of `bench --driver hyperfine`, to find out what loading one costs.
 *
 * It is as large as the one of `attnzoo tune` without options: the buckets of bench's default suite on one thread and on those of the run,
 * and the bucket of the shape. Each prefers what dispatch takes anyway to another kernel that could run, so that a process with the file
 * does the same as one without it, except for reading it. Nothing is measured for it. */
#include "harness/process/processes.h"

#include <stdio.h>
#include <stdlib.h>

#include "dispatch/registry.h"
#include "harness/bench/suites.h"
#include "harness/tune/file.h"
#include "harness/tune/measure.h"

/* The choice of dispatch and the first other kernel that takes the problem; false: there are no two. */
static bool choose_two(const AttnProblem *problem, const AttnSettings *settings, AttnTuneEntry *entry)
{
    AttnSettings untuned = *settings;
    untuned.tune = NULL;
    untuned.kernel = NULL;
    const size_t chosen = attn_choose(attn_registry, attn_registry_count, problem, attn_cpu_this(), &untuned, NULL);
    entry->kernel = chosen < attn_registry_count ? attn_registry[chosen] : NULL;
    for (size_t i = 0; entry->kernel && !entry->over && i < attn_registry_count; i++)
        if (i != chosen && attn_choose_judge(attn_registry[i], problem, attn_cpu_this(), &untuned).accepted)
            entry->over = attn_registry[i];
    return entry->over != NULL;
}

/* A row for each bucket that leaves a choice. false: no memory. */
static bool add_rows(TuneRows *rows, const TuneBuckets *buckets, const AttnSettings *settings)
{
    for (size_t i = 0; i < buckets->count; i++) {
        const Shape *shape = buckets->at[i].shapes[0];
        const AttnProblem problem = shape_problem(shape);
        TuneRow row = {.entry = {.key = buckets->at[i].key, .ratio = 1, .lo = 1, .hi = 1, .rounds = 1, .rigor = ATTN_RIGOR_ESTIMATE}};
        shape_name(shape, row.shape, sizeof row.shape);
        if (choose_two(&problem, settings, &row.entry) && !tune_rows_put(rows, &row, true))
            return false;
    }
    return true;
}

static bool write_file(const char *path, const char *text, size_t length)
{
    FILE *to = fopen(path, "wx");
    const bool written = to && fwrite(text, 1, length, to) == length;
    return to && fclose(to) == 0 && written;
}

/* Check the file the way the processes will. */
static bool has_entry(const char *path, const AttnTuneKey *key)
{
    AttnTune *tune = attn_tune_load(path);
    const bool there = tune && tune->state == ATTN_TUNE_LOADED && attn_tune_lookup(tune, key);
    attn_tune_free(tune);
    return there;
}

void process_tune_file(ProcessCase *run, const AttnSettings *settings, const char *path)
{
    TuneRows rows = {0};
    TuneBuckets buckets = {0};
    Shapes suite = {0};
    const Shapes own = {.at = &run->shape, .count = 1};
    const AttnProblem problem = shape_problem(&run->shape);
    const AttnTuneKey key = attn_tune_key(&problem, run->options->threads);
    char error[512] = "out of memory", *text = NULL;
    size_t length = 0;
    const bool made = shapes_parse(&suite, bench_default_shapes(), error, sizeof error) && tune_buckets_add(&buckets, &suite, 1) &&
                      tune_buckets_add(&buckets, &suite, run->options->threads) &&
                      tune_buckets_add(&buckets, &own, run->options->threads) && add_rows(&rows, &buckets, settings) &&
                      (text = tune_rows_text(&rows, attn_tune_machine(), attn_tune_build(), attn_tune_compiler(), &length)) != NULL;
    if (!made)
        snprintf(run->tune_why, sizeof run->tune_why, "%.200s", error);
    else if (!tune_rows_find(&rows, &key))
        snprintf(run->tune_why, sizeof run->tune_why, "it cannot name this shape, which has no rows, no keys or one kernel only");
    else if (!write_file(path, text, length) || !has_entry(path, &key))
        snprintf(run->tune_why, sizeof run->tune_why, "cannot write %s", path);
    run->tune_entries = rows.count;
    run->tune_bytes = length;
    free(text);
    tune_rows_free(&rows);
    tune_buckets_free(&buckets);
    shapes_free(&suite);
}
