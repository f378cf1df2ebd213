/* list.c - the micro-benchmarks by name: which there are, and running those that are wanted. */
#include "harness/base/outputs.h"
#include "harness/base/stop.h"
#include "harness/bench/micro/micro.h"

#include <stdio.h>
#include <string.h>

const Micro micros[] = {
    {"exp", "2^x of each vector header and of SLEEF, L1 to L1", micro_exp},
    {"tile", "score tiles, keys x vectors of queries, as shares of the multiply-add peak", micro_scores},
    {"values", "value tiles, query rows x vectors of columns, as shares of the multiply-add peak", micro_values},
    {"pack", "packing a panel of queries, against the panel's arithmetic over 256 keys", micro_pack},
    {"blocks", "key blocks of 64 to 1024 and units of 1 to 8 panels, against the kernel as it is", micro_blocks},
    {"run", "attn_run of 8 queries and 8 keys: what it takes beyond the arithmetic", micro_run},
    {"plan", "attn_plan_create and attn_plan_destroy, and what follows from them", micro_plan},
    {"merge", "attn_merge of 2 to 16 parts", micro_merge},
    {"threads", "a parallel region with nothing to do; the library's threads against a caller's loop", micro_threads},
};
const size_t micro_count = sizeof micros / sizeof *micros;

/* ---- Which ones ------------------------------------------------------------------------------------------------------------------ */

/* Is `name` in the list? */
static bool named(const char *list, const char *name)
{
    const size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        const size_t word = strcspn(at, ",");
        if ((word == length && strncmp(at, name, word) == 0) || (word == 3 && strncmp(at, "all", 3) == 0))
            return true;
    }
    return false;
}

bool micro_check(const char *list)
{
    const char *known[sizeof micros / sizeof *micros + 2] = {"all", "list"};
    for (size_t i = 0; i < micro_count; i++)
        known[i + 2] = micros[i].name;
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char word[64];
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, ","), at);
        bool found = strcmp(word, "all") == 0 || (strcmp(word, "list") == 0 && strcmp(list, "list") == 0);
        for (size_t i = 0; i < micro_count; i++)
            found |= strcmp(word, micros[i].name) == 0;
        if (!found) {
            cli_unknown("micro-benchmark", word, known, micro_count + 2);
            return false;
        }
    }
    return true;
}

int micro_list(const Cli *cli)
{
    RenderTable *table = render_table(2);
    render_column(table, 0, "micro", false);
    render_column(table, 1, "what it measures", false);
    for (size_t i = 0; i < micro_count; i++) {
        render_row(table);
        render_cell(table, STYLE_BOLD, "%s", micros[i].name);
        render_cell(table, STYLE_PLAIN, "%s", micros[i].help);
    }
    const int code = outputs_table(cli->outputs, table);
    render_table_free(table);
    return code;
}

int micro_bench(const char *list, const MicroContext *context)
{
    char error[300] = "";
    bool doubtful = false;
    MicroContext own = *context;
    own.doubtful = &doubtful;
    for (size_t i = 0; i < micro_count && !stop_signal; i++)
        if (named(list, micros[i].name) && !micros[i].run(&own, error, sizeof error)) {
            render_error("%s", error);
            return EXIT_NOTHING;
        }
    return stop_signal ? EXIT_INTERRUPTED : doubtful ? EXIT_INCONCLUSIVE : EXIT_OK;
}
