/* render.h - what a person sees: aligned tables and colour on stdout, a progress bar on stderr. */
#ifndef HARNESS_RENDER_H
#define HARNESS_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Colour modes of --color; auto = stdout is a terminal and NO_COLOR is unset. */
typedef enum RenderColor { RENDER_AUTO, RENDER_ALWAYS, RENDER_NEVER } RenderColor;
typedef enum RenderStyle { STYLE_PLAIN, STYLE_GOOD, STYLE_BAD, STYLE_WARN, STYLE_DIM, STYLE_BOLD } RenderStyle;

/* Decide once, at program start. progress: show bars if stderr is a terminal. quiet: no progress, no notes. */
void render_setup(RenderColor color, bool progress, bool quiet);
bool render_colored(void);

/* Print formatted text to stdout in a style (colour never carries the only information). */
void render_text(RenderStyle style, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "note: …" / "error: …" to stderr. */
void render_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void render_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A table: columns with a heading and an alignment, cells with a style; widths follow the content (UTF-8 counted by code points). */
typedef struct RenderTable RenderTable;
RenderTable *render_table(size_t columns);
void render_column(RenderTable *table, size_t column, const char *heading, bool right);
void render_row(RenderTable *table);                                                   /* begin a row                 */
void render_cell(RenderTable *table, RenderStyle style, const char *format, ...) __attribute__((format(printf, 3, 4)));
void render_table_print(RenderTable *table, FILE *to);                                  /* plain table                 */
void render_table_markdown(RenderTable *table, FILE *to);
void render_table_csv(RenderTable *table, FILE *to);
void render_table_jsonl(RenderTable *table, FILE *to);                                  /* one object a row, headings as keys, strings */
void render_table_free(RenderTable *table);

/* A bar for long work, on stderr; nothing where stderr is no terminal. done <= total. Call render_progress_end before other output. */
void render_progress(size_t done, size_t total, const char *what);
void render_progress_end(void);

/* Human units: "2.31 ms", "16.8 MB". Return buffer. */
const char *render_time(double seconds, char *buffer, size_t size);
const char *render_bytes(double bytes, char *buffer, size_t size);

#endif
