/* show.c - see show.h. */
#include "harness/tune/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/outputs.h"
#include "harness/tune/file.h"

AttnTune *tune_load_good(const char *path, int *code)
{
    AttnTune *tune = attn_tune_load(path);
    if (tune && tune->state == ATTN_TUNE_LOADED)
        return tune;
    *code = tune && tune->state == ATTN_TUNE_NONE ? EXIT_NOTHING : EXIT_USAGE;
    if (tune)
        render_error("tune file %s: %s%s", path, tune->state == ATTN_TUNE_REFUSED ? "refused, " : "", tune->why);
    else
        render_error("tune file %s: out of memory", path);
    attn_tune_free(tune);
    return NULL;
}

void tune_ratio_cells(RenderTable *table, double ratio, double lo, double hi)
{
    render_value(table, hi < 1 ? STYLE_GOOD : STYLE_PLAIN, ratio, "%.3f [%.3f, %.3f]", ratio, lo, hi);
    render_number(table, lo);
    render_number(table, hi);
}

int tune_show(const Cli *cli, const char *path)
{
    static const RenderColumn columns[] = {{"bucket", "bucket", RENDER_TEXT},   {"kernel", "kernel", RENDER_TEXT},
                                           {"instead of", "over", RENDER_TEXT}, TUNE_RATIO_COLUMNS,
                                           {"rounds", "rounds", RENDER_COUNT},  {"rigor", "rigor", RENDER_TEXT},
                                           {"measured on", "shape", RENDER_TEXT}};
    int code = EXIT_OK;
    AttnTune *tune = tune_load_good(path, &code);
    if (!tune)
        return code;
    RenderTable *table = render_table_of(columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < tune->count; i++) {
        const AttnTuneEntry *e = &tune->entries[i];
        char name[ATTN_TUNE_LINE];
        attn_tune_key_text(&e->key, name, sizeof name);
        render_row(table);
        render_cell(table, STYLE_PLAIN, "%s", name);
        render_cell(table, STYLE_BOLD, "%s", e->kernel->name);
        render_cell(table, STYLE_PLAIN, "%s", e->over->name);
        tune_ratio_cells(table, e->ratio, e->lo, e->hi);
        render_value(table, STYLE_PLAIN, e->rounds, "%u", e->rounds);
        render_cell(table, STYLE_PLAIN, "%s", attn_rigor_names[e->rigor]);
        render_cell(table, STYLE_DIM, "%.*s", (int)e->shape_length, e->shape);
    }
    code = outputs_table(cli->outputs, table);
    render_table_free(table);
    render_note("%s: %zu entries for machine %s, build %s, %s", path, tune->count, attn_tune_machine(), attn_tune_build(),
                attn_tune_compiler());
    attn_tune_free(tune);
    return code;
}

int tune_export(const char *path, const char *to)
{
    char error[1200];
    int code = EXIT_OK;
    Whole whole;
    AttnTune *tune = tune_load_good(path, &code);
    if (!tune)
        return code;
    const size_t length = strlen(tune->text); /* a loaded file contains no zero byte */
    if (!whole_open(&whole, to, error, sizeof error) ||
        !whole_close(&whole, fwrite(tune->text, 1, length, whole.file) == length, error, sizeof error)) {
        render_error("%s", error);
        code = EXIT_USAGE;
    } else {
        render_note("%s: %zu entries", to, tune->count);
    }
    attn_tune_free(tune);
    return code;
}

int tune_import(const Cli *cli, const char *path, const char *from)
{
    char note[1400], error[1400];
    int code = EXIT_OK;
    TuneRows rows = {0};
    AttnTune *tune = tune_load_good(from, &code);
    (void)cli;
    if (!tune)
        return code == EXIT_NOTHING ? EXIT_USAGE : code;
    if (!tune_rows_read(&rows, tune)) {
        render_error("%s: no memory for %zu entries", from, tune->count);
        code = EXIT_USAGE;
    } else if (!tune_file_update(path, rows.at, rows.count, false, note, sizeof note, error, sizeof error)) {
        render_error("%s", error);
        code = EXIT_USAGE;
    } else {
        if (note[0])
            render_note("%s", note);
        render_note("%s: %zu entries from %s; where both had one, that of more rigor stays", path, rows.count, from);
    }
    tune_rows_free(&rows);
    attn_tune_free(tune);
    return code;
}
