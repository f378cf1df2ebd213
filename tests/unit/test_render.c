/* test_render.c - tables in their four formats, units, and that colour and progress keep out of pipes. */
#include "harness/base/render.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static RenderTable *sample(void)
{
    RenderTable *table = render_table(3);
    render_column(table, 0, "name", false);
    render_column(table, 1, "time", true);
    render_column(table, 2, "note", false);
    render_row(table);
    render_cell(table, STYLE_GOOD, "%s", "a");
    render_cell(table, STYLE_PLAIN, "%d", 7);
    render_cell(table, STYLE_PLAIN, "x, \"y\"|z");
    render_row(table);
    render_cell(table, STYLE_PLAIN, "größer");
    render_cell(table, STYLE_PLAIN, "12345");
    return table;
}

static const char *printed(void (*print)(const RenderTable *, FILE *))
{
    static char text[2000];
    RenderTable *table = sample();
    FILE *file = tmpfile();
    cr_assert(file);
    print(table, file);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    render_table_free(table);
    return text;
}

Test(render, plain_table_is_aligned_by_code_points)
{
    cr_assert_str_eq(printed(render_table_print), "name     time  note\n"
                                                  "a           7  x, \"y\"|z\n"
                                                  "größer  12345\n");
}

Test(render, markdown)
{
    cr_assert_str_eq(printed(render_table_markdown), "| name   |  time | note     |\n"
                                                     "|---|---:|---|\n"
                                                     "| a      |     7 | x, \"y\"\\|z |\n"
                                                     "| größer | 12345 |          |\n");
}

Test(render, csv)
{
    cr_assert_str_eq(printed(render_table_csv), "name,time,note\n"
                                                "a,7,\"x, \"\"y\"\"|z\"\n"
                                                "größer,12345,\n");
}

Test(render, jsonl)
{
    cr_assert_str_eq(printed(render_table_jsonl), "{\"name\":\"a\",\"time\":\"7\",\"note\":\"x, \\\"y\\\"|z\"}\n"
                                                  "{\"name\":\"größer\",\"time\":\"12345\",\"note\":null}\n");
}

/* One table for people and programs: the value behind the text, in the unit that the name says. */
static RenderTable *typed(void)
{
    static const RenderColumn columns[] = {{"kernel", "kernel", RENDER_TEXT}, {"median", "median_s", RENDER_NUMBER},
                                           {NULL, "rounds", RENDER_COUNT},    {NULL, "ok", RENDER_FLAG},
                                           {"note", NULL, RENDER_TEXT},       {NULL, "rank", RENDER_TEXT}};
    RenderTable *table = render_table_of(columns, 6);
    render_row(table);
    render_cell(table, STYLE_PLAIN, "a,b");
    render_value(table, STYLE_PLAIN, 14.6e-6, "14.6 us");
    render_number(table, 7);
    render_number(table, 1);
    render_cell(table, STYLE_GOOD, "★ fastest");
    render_cell(table, STYLE_PLAIN, "fastest");
    render_row(table);
    render_cell(table, STYLE_PLAIN, "c");
    render_value(table, STYLE_PLAIN, NAN, "few rounds");
    render_missing(table);
    render_number(table, 0);
    render_cell(table, STYLE_PLAIN, "%s", "");
    render_missing(table);
    render_row(table);
    render_missing(table);
    render_cell(table, STYLE_PLAIN, "a word in a column of numbers");
    return table;
}

Test(render, people_read_texts_and_programs_numbers)
{
    static const struct { const char *format, *text; } forms[] = {
        {"table", "kernel                         median  note\n"
                  "a,b                           14.6 us  ★ fastest\n"
                  "c                          few rounds\n"
                  "-       a word in a column of numbers\n"},
        {"csv", "kernel,median_s,rounds,ok,rank\n"
                "\"a,b\",1.46e-05,7,true,fastest\n"
                "c,,,false,\n"
                ",,,,\n"},
        {"jsonl", "{\"kernel\":\"a,b\",\"median_s\":1.46e-5,\"rounds\":7,\"ok\":true,\"rank\":\"fastest\"}\n"
                  "{\"kernel\":\"c\",\"median_s\":null,\"rounds\":null,\"ok\":false,\"rank\":null}\n"
                  "{\"kernel\":null,\"median_s\":null,\"rounds\":null,\"ok\":null,\"rank\":null}\n"}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char text[1000];
        RenderTable *table = typed();
        FILE *file = tmpfile();
        cr_assert(file && render_table_as(table, forms[i].format, file));
        cr_assert_not(render_table_as(table, "html", file));
        rewind(file);
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        render_table_free(table);
        cr_expect_str_eq(text, forms[i].text, "%s", text);
    }
}

Test(render, a_text_that_is_no_utf_8_is_written_all_the_same)
{
    RenderTable *table = render_table(1);
    char text[100];
    render_column(table, 0, "file", false);
    render_row(table);
    render_cell(table, STYLE_PLAIN, "a\xFF.npy");
    FILE *file = tmpfile();
    cr_assert(file);
    render_table_jsonl(table, file);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    cr_assert_str_eq(text, "{\"file\":\"a?.npy\"}\n");
    fclose(file);
    render_table_free(table);
}

Test(render, an_empty_table_has_its_headings)
{
    RenderTable *table = render_table(1);
    render_column(table, 0, "lonely", true);
    render_cell(table, STYLE_PLAIN, "no row was begun, so this goes nowhere");
    FILE *file = tmpfile();
    char text[100];
    render_table_print(table, file);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    cr_assert_str_eq(text, "lonely\n");
    fclose(file);
    render_table_free(table);
}

Test(render, no_colour_in_files_even_if_it_is_forced)
{
    render_setup(RENDER_ALWAYS, true, false);
    cr_assert(render_colored());
    cr_assert(!strchr(printed(render_table_print), '\033'));
    cr_assert(!strchr(printed(render_table_csv), '\033'));
}

Test(render, colour_follows_mode, .init = cr_redirect_stdout)
{
    render_setup(RENDER_AUTO, true, false);
    cr_assert(!render_colored(), "stdout is a pipe here");
    render_setup(RENDER_NEVER, true, false);
    cr_assert(!render_colored());
    render_setup(RENDER_ALWAYS, true, false);
    render_text(STYLE_BAD, "no %d", 1);
    render_text(STYLE_PLAIN, "!");
    fflush(stdout);
    cr_assert_stdout_eq_str("\033[31mno 1\033[0m!");
}

Test(render, progress_is_silent_where_stderr_is_no_terminal, .init = cr_redirect_stderr)
{
    render_setup(RENDER_AUTO, true, false);
    render_progress(1, 2, "half");
    render_progress_end();
    render_note("kept");
    render_setup(RENDER_AUTO, true, true);
    render_note("dropped");
    render_error("said %s", "always");
    fflush(stderr);
    cr_assert_stderr_eq_str("note: kept\nerror: said always\n");
}

/* What a terminal so wide gets to see of a bar, without the sequence that clears the line; colour[0] is what it sees of a coloured word. */
static const char *on_terminal(unsigned short columns, const char *term, const char *what, bool *colour)
{
    static char text[400];
    render_progress_end(); /* so that the next one is drawn at once */
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    cr_assert(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    const int slave = open(ptsname(master), O_RDWR | O_NOCTTY), out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    const struct winsize window = {.ws_col = columns, .ws_row = 24};
    cr_assert(slave >= 0 && ioctl(slave, TIOCSWINSZ, &window) == 0);
    fflush(NULL);
    dup2(slave, STDOUT_FILENO);
    dup2(slave, STDERR_FILENO);
    term ? setenv("TERM", term, 1) : unsetenv("TERM");
    render_setup(RENDER_AUTO, true, false);
    *colour = render_colored();
    render_progress(1, 2, what);
    fputc('|', stderr);
    fflush(NULL);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    size_t length = 0;
    while (length == 0 || text[length - 1] != '|') {
        const ssize_t n = read(master, text + length, sizeof text - 1 - length);
        cr_assert_gt(n, 0);
        length += (size_t)n;
    }
    text[length - 1] = '\0';
    close(slave);
    close(master);
    render_setup(RENDER_NEVER, false, false);
    return strncmp(text, "\r\033[K", 4) == 0 ? text + 4 : text;
}

Test(render, progress_fits_the_terminal)
{
    static const struct {
        unsigned short columns;
        const char *term, *what, *expected;
    } cases[] = {
        {0, "xterm", "half of it", "[############............]  50 %  half of it"}, /* a terminal that does not know its width */
        {80, "xterm", "half of it", "[############............]  50 %  half of it"},
        {40, "xterm", "half of it", "[############............]  50 %  half "},
        {40, "xterm", "\u00bd\u00bd\u00bd\u00bd\u00bd\u00bd\u00bd", "[############............]  50 %  \u00bd\u00bd\u00bd\u00bd\u00bd"},
        {34, "xterm", "half of it", "[############............]  50 %"},
        {20, "xterm", "half of it", "[#####......]  50 %"},
        {13, "xterm", "half of it", "[##..]  50 %"},
        {12, "xterm", "half of it", " 50 %"},
        {6, "xterm", "half of it", " 50 %"},
        {5, "xterm", "half of it", ""},
        {80, "dumb", "half of it", ""},
        {80, "", "half of it", ""},
        {80, NULL, "half of it", ""},
    };
    unsetenv("NO_COLOR");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool colour;
        const char *seen = on_terminal(cases[i].columns, cases[i].term, cases[i].what, &colour);
        cr_expect_str_eq(seen, cases[i].expected, "%d columns: '%s', expected '%s'", cases[i].columns, seen, cases[i].expected);
        cr_expect_eq(colour, cases[i].term && strcmp(cases[i].term, "xterm") == 0, "%s is%s coloured", cases[i].term, colour ? "" : " not");
    }
}

Test(render, units)
{
    static const struct { double value; const char *time, *bytes; } cases[] = {
        {0, "0 ns", "0 B"},
        {2.31e-3, "2.31 ms", NULL},
        {999.4e-6, "999 us", NULL},
        {999.6e-6, "1.00 ms", NULL},
        {12.34e-9, "12.3 ns", NULL},
        {99.96e-9, "100 ns", NULL},
        {9.996e-6, "10.0 us", NULL},
        {1, "1.00 s", "1 B"},
        {83.2, "83.2 s", "83 B"},
        {123456, "123456 s", "123 kB"},
        {16.8e6, NULL, "16.8 MB"},
        {999.6e9, NULL, "1.00 TB"},
        {NAN, "n/a", "n/a"},
        {INFINITY, "n/a", "n/a"},
    };
    char buffer[40];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].time)
            cr_assert_str_eq(render_time(cases[i].value, buffer, sizeof buffer), cases[i].time);
        if (cases[i].bytes)
            cr_assert_str_eq(render_bytes(cases[i].value, buffer, sizeof buffer), cases[i].bytes);
    }
}
