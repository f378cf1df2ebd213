/* render.c - tables, colour and a progress bar.
 *
 * A table keeps its cells until it is written, each as text for people and, in columns of numbers, as a number for programs. So widths
 * follow the content, and one table can be written in all forms. Widths count code points, which is right for the letters and signs used
 * here (no wide East Asian ones). Data goes to stdout, messages to stderr. Tables are small; running out of memory for one ends the program
 * with a message. */
#include "harness/base/clock.h"
#include "harness/base/exit.h"
#include "harness/base/grow.h"
#include "harness/base/render.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool colored, bars, quiet_notes, bar_shown;

static const char *const escapes[] = {
    [STYLE_PLAIN] = "", [STYLE_GOOD] = "\033[32m", [STYLE_BAD] = "\033[31m",
    [STYLE_WARN] = "\033[33m", [STYLE_DIM] = "\033[2m", [STYLE_BOLD] = "\033[1m",
};

void render_setup(RenderColor color, bool progress, bool quiet)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    const bool dumb = !term || !*term || strcmp(term, "dumb") == 0, plain = dumb || (no_color && *no_color);
    colored = color == RENDER_ALWAYS || (color == RENDER_AUTO && !plain && isatty(STDOUT_FILENO));
    bars = progress && !quiet && !dumb && isatty(STDERR_FILENO);
    quiet_notes = quiet;
}

bool render_colored(void)
{
    return colored;
}

void render_text(RenderStyle style, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (colored)
        fputs(escapes[style], stdout);
    vprintf(format, args);
    if (colored && style != STYLE_PLAIN)
        fputs("\033[0m", stdout);
    va_end(args);
}

void render_note(const char *format, ...)
{
    if (quiet_notes)
        return;
    va_list args;
    va_start(args, format);
    render_progress_end();
    fputs("note: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

void render_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    render_progress_end();
    fputs("error: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

/* ---- Tables ---------------------------------------------------------------------------------------------------------------------- */

typedef struct Cell {
    char *text;
    RenderStyle style;
    bool missing;  /* programs get no value, whatever people see instead     */
    double number; /* unless the column holds text                           */
} Cell;

typedef struct Column {
    char *heading, *name; /* NULL: not shown to people; not written for programs */
    RenderKind kind;
    bool right;
} Column;

struct RenderTable {
    size_t columns, rows;
    size_t next;                /* column of the next cell in the last row */
    Column *column;
    Cell *cells;
};

static void *need(void *memory)
{
    if (!memory) {
        render_error("out of memory while laying out a table");
        exit(EXIT_USAGE);
    }
    return memory;
}

static char *format_text(const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    return need(text);
}

RenderTable *render_table(size_t columns)
{
    RenderTable *table = need(calloc(1, sizeof *table));
    table->columns = columns;
    table->column = need(calloc(columns + !columns, sizeof *table->column));
    return table;
}

static void set_column(RenderTable *table, size_t column, const char *heading, const char *name, RenderKind kind, bool right)
{
    if (column >= table->columns)
        return;
    Column *c = &table->column[column];
    free(c->heading);
    free(c->name);
    *c = (Column){.kind = kind, .right = right};
    c->heading = heading ? need(strdup(heading)) : NULL;
    c->name = name ? need(strdup(name)) : NULL;
}

void render_column(RenderTable *table, size_t column, const char *heading, bool right)
{
    set_column(table, column, heading, heading, RENDER_TEXT, right);
}

void render_column_as(RenderTable *table, size_t column, RenderColumn as)
{
    set_column(table, column, as.heading, as.name, as.kind, as.kind != RENDER_TEXT);
}

RenderTable *render_table_of(const RenderColumn *columns, size_t count)
{
    RenderTable *table = render_table(count);
    for (size_t c = 0; c < count; c++)
        render_column_as(table, c, columns[c]);
    return table;
}

void render_row(RenderTable *table)
{
    table->cells = need(grow_by_one(table->cells, table->rows, table->columns * sizeof *table->cells));
    memset(table->cells + table->rows * table->columns, 0, table->columns * sizeof *table->cells);
    table->rows++;
    table->next = 0;
}

static Cell *next_cell(RenderTable *table)
{
    return table->rows == 0 || table->next >= table->columns ? NULL : &table->cells[(table->rows - 1) * table->columns + table->next++];
}

void render_cell(RenderTable *table, RenderStyle style, const char *format, ...)
{
    Cell *cell = next_cell(table);
    if (!cell)
        return;
    va_list args;
    va_start(args, format);
    *cell = (Cell){.text = format_text(format, args), .style = style, .number = NAN};
    va_end(args);
}

void render_value(RenderTable *table, RenderStyle style, double value, const char *format, ...)
{
    Cell *cell = next_cell(table);
    if (!cell)
        return;
    va_list args;
    va_start(args, format);
    *cell = (Cell){.text = format_text(format, args), .style = style, .number = value};
    va_end(args);
}

void render_number(RenderTable *table, double value)
{
    render_value(table, STYLE_PLAIN, value, "%s", "");
}

void render_missing(RenderTable *table)
{
    Cell *cell = next_cell(table);
    if (cell)
        *cell = (Cell){.text = need(strdup("-")), .style = STYLE_DIM, .missing = true, .number = NAN};
}

void render_table_free(RenderTable *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->columns; i++) {
        free(table->column[i].heading);
        free(table->column[i].name);
    }
    for (size_t i = 0; i < table->rows * table->columns; i++)
        free(table->cells[i].text);
    free(table->column);
    free(table->cells);
    free(table);
}

/* ---- For people ------------------------------------------------------------------------------------------------------------------ */

static const char *text_of(const Cell *cell)
{
    return cell->text ? cell->text : "";
}

/* Row 0 holds the headings. */
static Cell shown_cell(const RenderTable *table, size_t row, size_t column)
{
    if (row == 0)
        return (Cell){.text = table->column[column].heading, .style = STYLE_BOLD};
    return table->cells[(row - 1) * table->columns + column];
}

/* Code points: every byte that does not continue one. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static size_t *widths_of(const RenderTable *table)
{
    size_t *widths = need(calloc(table->columns + !table->columns, sizeof *widths));
    for (size_t r = 0; r <= table->rows; r++)
        for (size_t c = 0; c < table->columns; c++) {
            const Cell cell = shown_cell(table, r, c);
            const size_t width = width_of(text_of(&cell));
            widths[c] = width > widths[c] ? width : widths[c];
        }
    return widths;
}

static void spaces(FILE *to, size_t count)
{
    while (count-- > 0)
        fputc(' ', to);
}

/* One padded cell. The last column is not padded on its right, so that no line ends in blanks. */
static void put_padded(FILE *to, const Cell *cell, size_t width, bool right, bool last, bool color)
{
    const char *text = text_of(cell);
    const size_t pad = width - width_of(text);
    const bool styled = color && cell->style != STYLE_PLAIN && *text;
    if (right)
        spaces(to, pad);
    fprintf(to, "%s%s%s", styled ? escapes[cell->style] : "", text, styled ? "\033[0m" : "");
    if (!right && !last)
        spaces(to, pad);
}

/* The last column with something to show in this row; after it only blanks would follow. */
static size_t last_of(const RenderTable *table, size_t row)
{
    size_t last = 0;
    for (size_t c = 0; c < table->columns; c++) {
        const Cell cell = shown_cell(table, row, c);
        if (table->column[c].heading && *text_of(&cell))
            last = c;
    }
    return last;
}

void render_table_print(const RenderTable *table, FILE *to)
{
    size_t *widths = widths_of(table);
    const bool color = colored && to == stdout;
    for (size_t r = 0; r <= table->rows; r++) {
        const size_t last = last_of(table, r);
        for (size_t c = 0; c <= last && c < table->columns; c++) {
            const Cell cell = shown_cell(table, r, c);
            if (!table->column[c].heading)
                continue;
            put_padded(to, &cell, widths[c], table->column[c].right, c == last, color);
            if (c != last)
                fputs("  ", to);
        }
        fputc('\n', to);
    }
    free(widths);
}

/* A vertical bar inside a cell would start a new cell, and a line break would end the table. */
static void put_markdown(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', to);
        fputc(*text == '\n' ? ' ' : *text, to);
    }
}

void render_table_markdown(const RenderTable *table, FILE *to)
{
    size_t *widths = widths_of(table);
    for (size_t r = 0; r <= table->rows; r++) {
        fputc('|', to);
        for (size_t c = 0; c < table->columns; c++) {
            const Cell cell = shown_cell(table, r, c);
            const size_t pad = widths[c] - width_of(text_of(&cell));
            const bool right = table->column[c].right;
            if (!table->column[c].heading)
                continue;
            spaces(to, 1 + (right ? pad : 0));
            put_markdown(to, text_of(&cell));
            spaces(to, 1 + (right ? 0 : pad));
            fputc('|', to);
        }
        fputc('\n', to);
        if (r == 0) {
            fputc('|', to);
            for (size_t c = 0; c < table->columns; c++)
                if (table->column[c].heading)
                    fputs(table->column[c].right ? "---:|" : "---|", to);
            fputc('\n', to);
        }
    }
    free(widths);
}

/* ---- For programs ---------------------------------------------------------------------------------------------------------------- */

/* Is there a value to write? A column of numbers may show a word instead, for people only. */
static bool has_value(const Cell *cell, RenderKind kind)
{
    return !cell->missing && cell->text && (kind == RENDER_TEXT || isfinite(cell->number));
}

/* RFC 4180: a field with a comma, quote or line break is quoted, its quotes doubled. */
static void put_csv(FILE *to, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, to);
        return;
    }
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void put_csv_cell(FILE *to, const Cell *cell, RenderKind kind)
{
    if (!has_value(cell, kind))
        return;
    switch (kind) {
    case RENDER_TEXT: put_csv(to, cell->text); break;
    case RENDER_NUMBER: fprintf(to, "%.9g", cell->number); break;
    case RENDER_COUNT: fprintf(to, "%.0f", cell->number); break;
    case RENDER_FLAG: fputs(cell->number != 0 ? "true" : "false", to); break;
    }
}

void render_table_csv(const RenderTable *table, FILE *to)
{
    for (size_t r = 0; r <= table->rows; r++) {
        bool first = true;
        for (size_t c = 0; c < table->columns; c++) {
            const Column *column = &table->column[c];
            if (!column->name)
                continue;
            if (!first)
                fputc(',', to);
            if (r == 0)
                put_csv(to, column->name);
            else
                put_csv_cell(to, &table->cells[(r - 1) * table->columns + c], column->kind);
            first = false;
        }
        fputc('\n', to);
    }
}

/* A JSON string. A file name may be invalid UTF-8; the remaining bytes still identify it. */
static json_t *json_text(char *text)
{
    json_t *string = json_string(text);
    for (char *c = text; !string && *c; c++)
        *c = (signed char)*c < 0 ? '?' : *c;
    return string ? string : json_string(text);
}

static json_t *cell_json(const Cell *cell, RenderKind kind)
{
    if (!has_value(cell, kind))
        return json_null();
    switch (kind) {
    case RENDER_NUMBER: return json_real(cell->number);
    case RENDER_COUNT: return json_integer((json_int_t)cell->number);
    case RENDER_FLAG: return json_boolean(cell->number != 0);
    default: return json_text(cell->text);
    }
}

void render_table_jsonl(const RenderTable *table, FILE *to)
{
    for (size_t r = 0; r < table->rows; r++) {
        json_t *object = need(json_object());
        for (size_t c = 0; c < table->columns; c++) {
            const Column *column = &table->column[c];
            if (column->name &&
                json_object_set_new(object, column->name, need(cell_json(&table->cells[r * table->columns + c], column->kind))) != 0)
                need(NULL);
        }
        if (json_dumpf(object, to, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) == 0)
            fputc('\n', to);
        json_decref(object);
    }
}

bool render_table_as(const RenderTable *table, const char *format, FILE *to)
{
    static const struct { const char *format; void (*write)(const RenderTable *table, FILE *to); } forms[] = {
        {"table", render_table_print}, {"md", render_table_markdown}, {"csv", render_table_csv}, {"jsonl", render_table_jsonl}};
    size_t i = 0;
    while (i < sizeof forms / sizeof *forms && strcmp(format, forms[i].format) != 0)
        i++;
    if (i == sizeof forms / sizeof *forms)
        return false;
    forms[i].write(table, to);
    return true;
}

/* ---- Progress -------------------------------------------------------------------------------------------------------------------- */

/* Draw at most 20 times per second: drawing must not disturb what is being measured. */
static bool due(bool last)
{
    static double drawn;
    const double now = clock_seconds();
    if (!last && bar_shown && now - drawn < 0.05)
        return false;
    drawn = now;
    return true;
}

/* How many bytes of a text fit into `columns`. */
static int fitting(const char *text, size_t columns)
{
    const char *at = text;
    for (; *at; at++)
        if (((unsigned char)*at & 0xC0) != 0x80 && columns-- == 0)
            break;
    return (int)(at - text);
}

/* A line that wraps cannot be erased, so the terminal's width is queried each time, and its last column stays free. What does not fit is
 * left out: first the words, then the bar. */
void render_progress(size_t done, size_t total, const char *what)
{
    enum { BAR = 24, LEAST = 4, SHARE = 5 /* "100 %" */, BRACKETS = 3 /* "[] " */, GAP = 2 };
    struct winsize window = {0};
    if (!bars || total == 0 || !due(done >= total))
        return;
    const size_t columns = (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : 80) - 1u;
    if (columns < SHARE)
        return;
    const size_t beside = columns - SHARE, part = done < total ? done : total;
    const size_t bar = beside < BRACKETS + LEAST ? 0 : beside < BRACKETS + BAR ? beside - BRACKETS : BAR;
    const size_t left = beside > BRACKETS + BAR + GAP ? beside - (BRACKETS + BAR + GAP) : 0;
    const size_t filled = (size_t)((double)part / (double)total * (double)bar);
    fputs("\r\033[K", stderr);
    for (size_t i = 0; i < bar; i++)
        fprintf(stderr, "%s%c%s", i == 0 ? "[" : "", i < filled ? '#' : '.', i + 1 == bar ? "] " : "");
    fprintf(stderr, "%3.0f %%", 100.0 * (double)part / (double)total);
    if (left > 0 && what)
        fprintf(stderr, "  %.*s", fitting(what, left), what);
    fflush(stderr);
    bar_shown = true;
}

void render_progress_end(void)
{
    if (!bar_shown)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    bar_shown = false;
}

/* ---- Units ----------------------------------------------------------------------------------------------------------------------- */

/* Three significant digits with the largest unit that leaves at least 1; the unit is chosen after rounding, so "1000 us" never appears. */
static const char *with_unit(double value, double smallest, const char *const *units, size_t count, char *buffer, size_t size)
{
    if (!isfinite(value)) {
        snprintf(buffer, size, "n/a");
        return buffer;
    }
    double scaled = value / smallest;
    size_t unit = 0;
    while (unit + 1 < count && fabs(scaled) >= 999.5) {
        scaled /= 1000;
        unit++;
    }
    const double magnitude = fabs(scaled);
    const bool whole = smallest == 1 && unit == 0; /* a count of bytes has no fraction */
    const int digits = whole || magnitude >= 99.95 || magnitude == 0 ? 0 : magnitude >= 9.995 ? 1 : 2;
    snprintf(buffer, size, "%.*f %s", digits, scaled, units[unit]);
    return buffer;
}

const char *render_time(double seconds, char *buffer, size_t size)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    return with_unit(seconds, 1e-9, units, sizeof units / sizeof *units, buffer, size);
}

const char *render_bytes(double bytes, char *buffer, size_t size)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    return with_unit(bytes, 1, units, sizeof units / sizeof *units, buffer, size);
}
