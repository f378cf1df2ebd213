/* test_hyperfine.c - what hyperfine's JSON may hold and what it may not; command lines that survive its splitting. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/process/hyperfine.h"
#include "harness/process/processes.h"

static char error[300];
static HyperfineExport export;

static bool imported(const char *text)
{
    json_t *root = json_loads(text, 0, NULL);
    cr_assert_not_null(root, "%s", text);
    error[0] = '\0';
    const bool read = hyperfine_import(root, &export, error, sizeof error);
    json_decref(root);
    return read;
}

static void refused(const char *text, const char *word)
{
    cr_assert(!imported(text), "accepted: %s", text);
    cr_assert(strstr(error, word), "'%s' lacks '%s'", error, word);
    cr_assert(export.count == 0 && !export.at);
}

Test(hyperfine, runs_of_every_command_are_kept_in_order)
{
    cr_assert(imported("{\"results\": [{\"command\": \"a b\", \"mean\": 2, \"stddev\": null, \"user\": 0.5, \"system\": 0.25,"
                       " \"times\": [1.5, 2.5, 2], \"exit_codes\": [0, 2, null], \"new\": {}},"
                       " {\"command\": \"c\", \"times\": [3]}]}"), "%s", error);
    cr_assert_eq(export.count, 2);
    cr_assert_str_eq(export.at[0].text, "a b");
    cr_assert_eq(export.at[0].runs, 3);
    cr_assert(export.at[0].seconds[0] == 1.5 && export.at[0].seconds[1] == 2.5 && export.at[0].seconds[2] == 2);
    cr_assert(export.at[0].exits[0] == 0 && export.at[0].exits[1] == 2 && export.at[0].exits[2] == -1);
    cr_assert(export.at[0].user == 0.5 && export.at[0].system == 0.25);
    cr_assert(export.at[1].runs == 1 && export.at[1].exits[0] == 0 && isnan(export.at[1].user));
    hyperfine_free(&export);
}

Test(hyperfine, json_that_is_something_else_is_refused_by_field)
{
    refused("[]", "results");
    refused("{\"results\": {}}", "results");
    refused("{\"results\": [5]}", "results[0].command");
    refused("{\"results\": [{\"command\": \"a\", \"times\": [1]}, {\"command\": 7, \"times\": [1]}]}", "results[1].command");
    refused("{\"results\": [{\"command\": \"a\"}]}", "results[0].times");
    refused("{\"results\": [{\"command\": \"a\", \"times\": []}]}", "results[0].times");
    refused("{\"results\": [{\"command\": \"a\", \"times\": [1, \"2\"]}]}", "results[0].times[1]");
    refused("{\"results\": [{\"command\": \"a\", \"times\": [-1]}]}", "results[0].times[0]");
    refused("{\"results\": [{\"command\": \"a\", \"times\": [1], \"exit_codes\": [0, 0]}]}", "results[0].exit_codes");
    refused("{\"results\": [{\"command\": \"a\", \"times\": [1], \"exit_codes\": [0.5]}]}", "results[0].exit_codes[0]");
}

Test(hyperfine, words_are_quoted_so_that_a_shell_parts_them_again)
{
    const char *const words[] = {"printf", "%s|", "plain", "two words", "it's", "'", "", "a\"b\\c", "$HOME *", NULL};
    char *line = hyperfine_command(words), said[100] = "";
    cr_assert_not_null(line);
    FILE *shell = popen(line, "r");
    cr_assert_not_null(shell);
    cr_assert_not_null(fgets(said, sizeof said, shell));
    cr_assert_eq(pclose(shell), 0);
    cr_assert_str_eq(said, "plain|two words|it's|'||a\"b\\c|$HOME *|");
    free(line);
}

Test(hyperfine, a_round_gives_exit_codes_and_a_refusal_its_reason)
{
    char folder[] = "hyperfine_XXXXXX", version[64], path[64];
    if (!hyperfine_version(version, sizeof version, error, sizeof error))
        cr_skip("%s", error);
    cr_assert_not_null(mkdtemp(folder));
    const char *const commands[] = {"sleep 0.05", "sh -c 'exit 7'", "sh -c 'kill -9 $$'"}, *const absent[] = {"/no/such/program"};
    cr_assert(hyperfine_once(commands, 3, NULL, folder, &export, error, sizeof error), "%s", error);
    cr_assert_eq(export.count, 3);
    cr_assert(export.at[0].seconds[0] > 0.05 && export.at[0].exits[0] == 0);
    cr_assert_eq(export.at[1].exits[0], 7);
    cr_assert(export.at[2].exits[0] == -1 || export.at[2].exits[0] == 137, "%d", export.at[2].exits[0]);
    hyperfine_free(&export);
    const char *const asked[] = {"sh -c 'test \"$ATTNZOO_TUNE_FILE\" = /some/where'"};
    for (int given = 0; given < 2; given++) {
        cr_assert(hyperfine_once(asked, 1, given ? "ATTNZOO_TUNE_FILE=/some/where" : NULL, folder, &export, error, sizeof error), "%s", error);
        cr_assert_eq(export.at[0].exits[0] == 0, given, "the variable is there if it was given, and then only");
        hyperfine_free(&export);
    }
    cr_assert(!hyperfine_once(absent, 1, NULL, folder, &export, error, sizeof error));
    cr_assert(strstr(error, "hyperfine failed: "), "%s", error);
    static const char *const left[] = {"hyperfine.json", "hyperfine.txt"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, left[i]);
        unlink(path);
    }
    cr_assert_eq(rmdir(folder), 0);
}

/* A difference that is not resolved from what processes differ by is "less than", never a time below zero. */
Test(processes, no_negative_durations)
{
    static const struct {
        StatsInterval x;
        const char *text;
    } cases[] = {
        {{20, 1.5e-3, 1.4e-3, 1.6e-3}, "1.50 ms [1.40 ms, 1.60 ms]"},
        {{20, -652e-6, -31e-3, 30e-3}, "less than 31.0 ms"},
        {{20, 0.2e-3, -0.1e-3, 0.9e-3}, "less than 900 us"},
        {{20, -2e-3, -3e-3, -1e-3}, "less than 3.00 ms"},
        {{3, 1.5e-3, -INFINITY, INFINITY}, "1.50 ms"},
        {{3, -1.5e-3, -INFINITY, INFINITY}, "few rounds"},
        {{0, NAN, NAN, NAN}, "-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[PROCESS_INTERVAL];
        cr_assert_str_eq(process_interval(cases[i].x, text, sizeof text), cases[i].text);
    }
}
