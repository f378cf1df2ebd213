/* outputs.c - see outputs.h. */
#include "harness/base/exit.h"
#include "harness/base/outputs.h"

#include <string.h>

static bool is_table(const Output *out)
{
    return strcmp(out->format, "table") == 0;
}

bool outputs_add(Outputs *outputs, const char *format, const char *path)
{
    for (size_t i = 0; i < outputs->count; i++) {
        const Output *before = &outputs->at[i];
        if (strcmp(before->format, format) == 0) {
            render_error("option '-o' is given twice for '%s'; allowed: each format once, as in -o table -o csv:FILE", format);
            return false;
        }
        if (!before->path && !path) {
            render_error("option '-o' sends two formats to stdout, '%s' and '%s'; allowed: one, and the others to files, as in -o %s:FILE",
                         before->format, format, format);
            return false;
        }
        if (before->path && path && strcmp(before->path, path) == 0) {
            render_error("option '-o' sends two formats to %s, '%s' and '%s'; allowed: one file per format", path, before->format, format);
            return false;
        }
    }
    if (outputs->count == OUTPUTS_MOST) {
        render_error("option '-o' is given more than %d times", OUTPUTS_MOST);
        return false;
    }
    outputs->at[outputs->count++] = (Output){.format = format, .path = path};
    outputs->given = true;
    return true;
}

int outputs_close(Outputs *outputs, int code)
{
    for (size_t i = 0; i < outputs->count; i++) {
        Output *out = &outputs->at[i];
        char error[600];
        if (out->path && out->file && !whole_close(&out->whole, out->written, error, sizeof error) && out->written) {
            render_error("%s", error);
            code = EXIT_USAGE;
        }
        out->file = NULL;
    }
    return code;
}

static bool open_one(Output *out)
{
    char error[600];
    if (!out->path) {
        out->file = stdout;
    } else if (whole_open(&out->whole, out->path, error, sizeof error)) {
        out->file = out->whole.file;
    } else {
        render_error("%s", error);
        return false;
    }
    return true;
}

bool outputs_open(Outputs *outputs)
{
    if (!outputs->given) {
        outputs->at[0] = (Output){.format = "table"};
        outputs->count = 1;
    }
    for (size_t i = 0; i < outputs->count; i++)
        if (!open_one(&outputs->at[i])) {
            outputs_close(outputs, EXIT_USAGE);
            return false;
        }
    return true;
}

bool outputs_default(Outputs *outputs, const char *format, const char *path)
{
    if (outputs->given)
        return true;
    outputs->at[0] = (Output){.format = format, .path = path};
    return open_one(&outputs->at[0]);
}

bool outputs_on_stdout(Outputs *outputs)
{
    const Output *table = outputs_find(outputs, "table");
    return table && !table->path;
}

bool outputs_plain(Outputs *outputs)
{
    return outputs->count == 1 && outputs_on_stdout(outputs);
}

bool outputs_data_on_stdout(const Outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (!outputs->at[i].path && !is_table(&outputs->at[i]))
            return true;
    return false;
}

bool outputs_gather(const Outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++) {
        const Output *out = &outputs->at[i];
        if ((out->path || !is_table(out)) && strcmp(out->format, "jsonl") != 0)
            return true;
    }
    return false;
}

Output *outputs_find(Outputs *outputs, const char *format)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (strcmp(outputs->at[i].format, format) == 0)
            return &outputs->at[i];
    return NULL;
}

bool outputs_names(const Outputs *outputs, const char *path)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->at[i].path && strcmp(outputs->at[i].path, path) == 0)
            return true;
    return false;
}

int outputs_write(Outputs *outputs, int (*write)(void *context, const Output *out), void *context)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < outputs->count; i++) {
        Output *out = &outputs->at[i];
        const int one = out->file && !out->written ? write(context, out) : EXIT_OK;
        out->written = one == EXIT_OK;
        code = code == EXIT_OK ? one : code;
    }
    return code;
}

typedef struct Print {
    const RenderTable *table;
    bool elsewhere; /* anything but a table on stdout */
} Print;

static int print(void *context, const Output *out)
{
    const Print *p = context;
    if (!(p->elsewhere && is_table(out) && !out->path))
        render_table_as(p->table, out->format, out->file);
    return EXIT_OK;
}

int outputs_table(Outputs *outputs, const RenderTable *table)
{
    return outputs_write(outputs, print, &(Print){.table = table});
}

int outputs_table_elsewhere(Outputs *outputs, const RenderTable *table)
{
    return outputs_write(outputs, print, &(Print){.table = table, .elsewhere = true});
}
