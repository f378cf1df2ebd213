/* check.c - attnzoo tune --check: do entries still hold? A sample is measured again, because machines, systems and neighbours change. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/base/outputs.h"
#include "harness/base/random.h"
#include "harness/base/stop.h"
#include "harness/ops/sdpa/data.h"
#include "harness/tune/measure.h"
#include "harness/tune/show.h"

#define OFF 1.05 /* an entry is off if its kernel takes more than this multiple of the fastest's time */
enum { FEWEST = 3 };

typedef enum EntryState { HOLDS, OFF_TRACK, UNSURE, NOT_MEASURED } EntryState;

/* Mark `wanted` of `count` entries, drawn without replacement. */
static void draw(bool *marked, size_t count, size_t wanted, uint64_t seed)
{
    for (size_t left = count, i = 0; i < count; i++, left--) {
        marked[i] = random_bits(seed, i) % left < wanted;
        wanted -= marked[i];
    }
}

static EntryState state_of(const TuneResult *result)
{
    if (result->outcome == TUNE_ALONE)
        return HOLDS;
    if (result->outcome != TUNE_FOUND)
        return NOT_MEASURED;
    return result->loss_lo > OFF ? OFF_TRACK : result->loss > OFF ? UNSURE : HOLDS;
}

/* The entry's shape, if it belongs to the entry's bucket: the checksum cannot tell whether a writer wrote sense. */
static bool entry_shape(const AttnTuneEntry *entry, Shape *shape, char *error, size_t error_size)
{
    char text[ATTN_TUNE_SHAPE + 1];
    snprintf(text, sizeof text, "%.*s", (int)entry->shape_length, entry->shape);
    if (!shape_parse(shape, text, error, error_size))
        return false;
    const AttnProblem problem = shape_problem(shape);
    const AttnTuneKey key = attn_tune_key(&problem, entry->key.threads);
    if (memcmp(&key, &entry->key, sizeof key) == 0)
        return true;
    snprintf(error, error_size, "shape '%s' does not belong to its bucket", text);
    return false;
}

static void add_row(RenderTable *table, const AttnTuneEntry *entry, const char *bucket, const TuneResult *result, EntryState state)
{
    static const struct { const char *text, *word; RenderStyle style; } words[] = {
        [HOLDS] = {"holds", "holds", STYLE_GOOD},
        [OFF_TRACK] = {"OFF: tune it again", "off", STYLE_BAD},
        [UNSURE] = {"unsure: the interval reaches below 5 %", "unsure", STYLE_WARN},
        [NOT_MEASURED] = {"could not be measured", "not measured", STYLE_WARN}};
    render_row(table);
    render_cell(table, STYLE_PLAIN, "%s", bucket);
    render_cell(table, STYLE_PLAIN, "%s", entry->kernel->name);
    if (result->fastest) {
        render_cell(table, STYLE_PLAIN, "%s", result->fastest->name);
        render_value(table, STYLE_PLAIN, result->loss, "%+.1f %%", 100 * (result->loss - 1));
    } else {
        render_missing(table);
        render_missing(table);
    }
    render_cell(table, words[state].style, "%s", words[state].text);
    render_cell(table, STYLE_PLAIN, "%s", words[state].word);
}

static int check_marked(const Cli *cli, const AttnTune *tune, const bool *marked, RenderTable *table)
{
    static const int codes[] = {
        [HOLDS] = EXIT_OK, [OFF_TRACK] = EXIT_DISAGREE, [UNSURE] = EXIT_INCONCLUSIVE, [NOT_MEASURED] = EXIT_INCONCLUSIVE};
    Topology topology;
    int code = EXIT_OK;
    topology_read(&topology);
    for (size_t i = 0; i < tune->count && !stop_signal; i++) {
        const AttnTuneEntry *entry = &tune->entries[i];
        Shape shape;
        const Shape *shapes[] = {&shape};
        TuneBucket bucket = {.key = entry->key, .shapes = shapes, .count = 1};
        TuneResult result;
        char error[600], pinned[96];
        if (!marked[i])
            continue;
        attn_tune_key_text(&entry->key, bucket.name, sizeof bucket.name);
        topology_pin(entry->key.threads, pinned, sizeof pinned);
        if (!entry_shape(entry, &shape, error, sizeof error) ||
            !tune_measure(&bucket, ATTN_RIGOR_MEASURE, entry->kernel, cli->seed, &cli->settings, &topology, &result, error, sizeof error)) {
            render_error("tune file %s: %s: %s", tune->path, bucket.name, error);
            return EXIT_USAGE;
        }
        if (result.outcome == TUNE_STOPPED)
            break;
        const EntryState state = state_of(&result);
        if (codes[state] != EXIT_OK && code != EXIT_DISAGREE)
            code = codes[state];
        add_row(table, entry, bucket.name, &result, state);
    }
    return stop_signal ? EXIT_INTERRUPTED : code;
}

int tune_check(const Cli *cli, const char *path, double share)
{
    static const RenderColumn columns[] = {{"bucket", "bucket", RENDER_TEXT},        {"kernel", "kernel", RENDER_TEXT},
                                           {"fastest now", "fastest", RENDER_TEXT}, {"off by", "loss", RENDER_NUMBER},
                                           {"verdict", NULL, RENDER_TEXT},          {NULL, "verdict", RENDER_TEXT}};
    int code = EXIT_OK;
    AttnTune *tune = tune_load_good(path, &code);
    if (!tune)
        return code;
    bool *marked = calloc(tune->count + 1, sizeof *marked);
    size_t wanted = (size_t)ceil(share * (double)tune->count);
    wanted = wanted < FEWEST ? FEWEST : wanted;
    if (tune->count == 0 || !marked) {
        render_error(marked ? "tune file %s: has no entries to check" : "tune file %s: out of memory", path);
        code = marked ? EXIT_NOTHING : EXIT_USAGE;
    } else {
        RenderTable *table = render_table_of(columns, sizeof columns / sizeof *columns);
        draw(marked, tune->count, wanted < tune->count ? wanted : tune->count, cli->seed);
        code = check_marked(cli, tune, marked, table);
        const int printed = code == EXIT_USAGE ? EXIT_OK : outputs_table(cli->outputs, table);
        code = printed == EXIT_OK ? code : printed;
        render_table_free(table);
    }
    free(marked);
    attn_tune_free(tune);
    return code;
}
