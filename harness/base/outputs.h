/* outputs.h - where a subcommand's findings go: -o FORM[:FILE], given as often as there are forms. All files are opened before anything is
 * measured, so that a path that cannot be written costs no minutes, and appear under their names when all that goes into them is written. */
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
    bool written;        /* all of it: the file is kept                            */
} Output;

typedef struct Outputs {
    Output at[OUTPUTS_MOST];
    size_t count; /* those of -o; without any there is one, a table on stdout */
    bool given;
} Outputs;

/* One value of -o that is split already. false after printing an error: a form or a file given twice, or two forms for stdout. */
bool outputs_add(Outputs *outputs, const char *format, const char *path);

/* Where no -o is given, this in place of a table on stdout. false after printing an error. */
bool outputs_default(Outputs *outputs, const char *format, const char *path);

/* Open the files. false after printing an error, with nothing left open. */
bool outputs_open(Outputs *outputs);

/* Is a table for people to go to stdout? Words around it go there too. Nothing but that? */
bool outputs_on_stdout(Outputs *outputs);
bool outputs_plain(Outputs *outputs);

/* Does stdout get what a program is to read? Words for people then go to stderr. */
bool outputs_data_on_stdout(const Outputs *outputs);

/* Is there one that a table of all findings goes to: one that is neither on stdout for people nor jsonl? */
bool outputs_gather(const Outputs *outputs);

/* The output of this form, or NULL. */
Output *outputs_find(Outputs *outputs, const char *format);

/* Does something go to this path? */
bool outputs_names(const Outputs *outputs, const char *path);

/* Let `write` write to each output that is open and not yet written. It returns EXIT_OK, or a code after printing an error; so does this, the first
 * such code. */
int outputs_write(Outputs *outputs, int (*write)(void *context, const Output *out), void *context);

/* A table in the form of each; `print` leaves out stdout's table, which was printed as it came. As outputs_write. */
int outputs_table(Outputs *outputs, const RenderTable *table);
int outputs_table_elsewhere(Outputs *outputs, const RenderTable *table);

/* Give the files that are written their names and drop the others. Returns code, or EXIT_USAGE after printing what could not be written. */
int outputs_close(Outputs *outputs, int code);

#endif
