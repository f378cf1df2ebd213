/* render.h - what a person sees: aligned tables and colour on stdout, a progress bar on stderr. */
#ifndef HARNESS_BASE_RENDER_H
#define HARNESS_BASE_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Colour modes of --color; auto = stdout is a terminal and NO_COLOR is unset. */
typedef enum RenderColor { RENDER_AUTO, RENDER_ALWAYS, RENDER_NEVER } RenderColor;
typedef enum RenderStyle { STYLE_PLAIN, STYLE_GOOD, STYLE_BAD, STYLE_WARN, STYLE_DIM, STYLE_BOLD } RenderStyle;

/* Called once, at program start. progress: show bars if stderr is a terminal. quiet: no progress, no notes. */
void render_setup(RenderColor color, bool progress, bool quiet);
bool render_colored(void);

/* Print formatted text to stdout in a style (colour never carries the only information). */
void render_text(RenderStyle style, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "note: …" / "error: …" to stderr. */
void render_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void render_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A table: columns with a heading and a kind, cells with a style; widths follow the content (UTF-8 counted by code points). People get the
 * texts of the cells (table, md), programs the values (csv, jsonl): plain numbers in the unit that the column's name states. */
typedef enum RenderKind { RENDER_TEXT, RENDER_NUMBER, RENDER_COUNT, RENDER_FLAG } RenderKind; /* all but text is aligned right   */
typedef struct RenderColumn {
    const char *heading; /* heading for people; NULL: for programs only              */
    const char *name;    /* name in csv and jsonl, "median_s"; NULL: for people only  */
    RenderKind kind;
} RenderColumn;
typedef struct RenderTable RenderTable;
RenderTable *render_table_of(const RenderColumn *columns, size_t count);
RenderTable *render_table(size_t columns);                                             /* of text columns, whose names are their headings */
void render_column(RenderTable *table, size_t column, const char *heading, bool right);
void render_column_as(RenderTable *table, size_t column, RenderColumn as);
void render_row(RenderTable *table);                                                   /* begin a row                              */
void render_cell(RenderTable *table, RenderStyle style, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A number and its text for people; if it is not finite, programs get no value. A flag is 0 or 1. render_number: without text for
 * people. */
void render_value(RenderTable *table, RenderStyle style, double value, const char *format, ...) __attribute__((format(printf, 4, 5)));
void render_number(RenderTable *table, double value);
void render_missing(RenderTable *table);                                               /* "-" for people, nothing for programs     */
void render_table_print(const RenderTable *table, FILE *to);                            /* plain table                              */
void render_table_markdown(const RenderTable *table, FILE *to);
void render_table_csv(const RenderTable *table, FILE *to);                              /* RFC 4180; missing values are empty       */
void render_table_jsonl(const RenderTable *table, FILE *to);                            /* one object per row; missing values are null */
bool render_table_as(const RenderTable *table, const char *format, FILE *to);           /* false: format is none of these four      */
void render_table_free(RenderTable *table);

/* A progress bar for long work, on stderr; nothing if stderr is not a terminal. done <= total. Call render_progress_end before other
 * output. */
void render_progress(size_t done, size_t total, const char *what);
void render_progress_end(void);

/* Human units: "2.31 ms", "16.8 MB". Return buffer. */
const char *render_time(double seconds, char *buffer, size_t size);
const char *render_bytes(double bytes, char *buffer, size_t size);

#endif
