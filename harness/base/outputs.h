/* outputs.h - where a subcommand's findings go: -o FORM[:FILE], once per form. All files are opened before anything is measured, so that a
 * path that cannot be written fails at once. They appear under their names when they are complete. */
#ifndef HARNESS_BASE_OUTPUTS_H
#define HARNESS_BASE_OUTPUTS_H

#include "harness/base/render.h"
#include "harness/base/whole.h"

enum { OUTPUTS_MOST = 16 };

typedef struct Output {
    const char *format;  /* "table", "csv" ...                                     */
    const char *path;    /* NULL: stdout                                           */
    Whole whole;
    FILE *file;          /* NULL: not open                                         */
    bool written;        /* written completely: the file is kept                   */
} Output;

typedef struct Outputs {
    Output at[OUTPUTS_MOST];
    size_t count; /* outputs given by -o; if none, a table on stdout          */
    bool given;
} Outputs;

/* Add one value of -o, already split. false after printing an error: a form or a file given twice, or two forms for stdout. */
bool outputs_add(Outputs *outputs, const char *format, const char *path);

/* The output if no -o is given, instead of a table on stdout. false after printing an error. */
bool outputs_default(Outputs *outputs, const char *format, const char *path);

/* Open the files. false after printing an error, with nothing left open. */
bool outputs_open(Outputs *outputs);

/* Does a table for people go to stdout? Text around it goes there too. Is that the only output? */
bool outputs_on_stdout(Outputs *outputs);
bool outputs_plain(Outputs *outputs);

/* Does stdout get data for a program? Text for people then goes to stderr. */
bool outputs_data_on_stdout(const Outputs *outputs);

/* Is there an output that gets one table of all findings, i.e. neither a table on stdout nor jsonl? */
bool outputs_gather(const Outputs *outputs);

/* The output in this form, or NULL. */
Output *outputs_find(Outputs *outputs, const char *format);

/* Does any output go to this path? */
bool outputs_names(const Outputs *outputs, const char *path);

/* Call `write` for each output that is open and not yet written. It returns EXIT_OK, or a code after printing an error; outputs_write
 * returns the first such code. */
int outputs_write(Outputs *outputs, int (*write)(void *context, const Output *out), void *context);

/* Write a table to each output in its form, except a table on stdout, which was printed as it came. Returns as outputs_write. */
int outputs_table(Outputs *outputs, const RenderTable *table);
int outputs_table_elsewhere(Outputs *outputs, const RenderTable *table);

/* Rename the files that are complete to their final names and remove the others. Returns `code`, or EXIT_USAGE after printing what could
 * not be written. */
int outputs_close(Outputs *outputs, int code);

#endif
