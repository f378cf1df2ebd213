/* cli.h - global options, subcommands and the conventions they share. */
#ifndef HARNESS_CLI_CLI_H
#define HARNESS_CLI_CLI_H

#include <stdio.h>

#include "attnzoo.h"
#include "dispatch/choose.h"
#include "harness/base/exit.h"
#include "harness/base/outputs.h"
#include "harness/ops/sdpa/data.h"

/* Global options, parsed by main before the subcommand, and accepted after its name too. */
typedef struct Cli {
    bool quiet, verbose;
    const char *results;      /* --results DIR, default "results"; NULL with --no-results       */
    uint64_t seed;            /* --seed N, default 0x5eed                                       */
    const char *max_isa;      /* --max-isa                                                      */
    const char *disable;      /* --disable                                                      */
    size_t threads;           /* --threads N; 0: not given                                      */
    Outputs *outputs;         /* -o FMT[:FILE]; cli_writes says who writes which (outputs.h)  */
    AttnOptions options;      /* the above as library options                                   */
    AttnSettings settings;    /* the options, resolved                                          */
} Cli;

/* A subcommand: argv[0] is its name. Returns an exit code. */
typedef int (*CliCommand)(const Cli *cli, int argc, char **argv);
/* The subcommands. formats: of -o, instead of the usual ones; "": it takes no -o. */
enum { CLI_COMMANDS_MOST = 32 };
#define CLI_FORMATS "table md csv jsonl"
typedef struct CliCommandRow {
    const char *name;
    CliCommand run;
    const char *summary, *formats;
} CliCommandRow;

/* What the parser must know about the rooms above it, to list the words that an option accepts. Set by cli_start. */
typedef struct CliGrammar {
    const CliCommandRow *commands;
    size_t command_count;
    const struct CliOption *globals;
    size_t global_count;
    void (*ask_global)(const struct CliOption *option); /* tells cli_ask the words of a global option           */
    int (*finish)(int code);                            /* what ends the program: cli_finish                    */
} CliGrammar;
extern CliGrammar cli_grammar; /* empty until then */

/* Kernels whose name matches one of the patterns (fnmatch globs separated by commas; NULL = all of the library, "*" = yardsticks too), in
 * order; a pattern without wildcards that names no kernel is an error that lists the known names. Only kernels that this CPU can run under
 * cli->settings if runnable_only. Returns the count, or SIZE_MAX after printing the error. `list` has room for zoo_count() entries. */
size_t cli_select_kernels(const Cli *cli, const char *patterns, bool runnable_only, const AttnKernel **list);

/* Does a name match the patterns? 0: no, 1: by a glob (or patterns is NULL), 2: by its own name. */
int cli_selected(const char *name, const char *patterns);

/* One option of a subcommand. The same rows drive the parser, the help text and the message about an unknown option. */
typedef struct CliOption {
    int key;           /* its letter, 's' for -s; a number above 255 if it has only a long name        */
    const char *name;  /* long name, without dashes                                                    */
    const char *value; /* name of its value in the help, "N"; NULL: takes none. A plural or "F,F" means a list */
    const char *help;  /* one line; {} is replaced by the words that its parser knows                  */
} CliOption;

/* An option's value may be given only once: nothing is replaced silently. *given is its value so far, NULL at first. false after printing
 * an error that names both values and, for a list, how to give several in one. Options without a value may be repeated. */
bool cli_once(const CliOption *option, const char **given, const char *value);

/* Next option of a subcommand: its key, with *value set; -1 at the end (optind is then the first operand); '?' after printing an error
 * (return EXIT_USAGE). -h and --help print `usage` and the rows, and give 'h' (return EXIT_OK). Start with optind = 1, as main does. */
int cli_next_option(int argc, char **argv, const char *usage, const CliOption *options, size_t count, const char **value);

/* Print the error for an unknown option; `options` (may be NULL) are those of the subcommand. `word` includes its dashes. */
void cli_unknown_option(const char *word, const CliOption *options, size_t count);

/* A row of a help text: `left` in `width` columns, `text` beside it, wrapped at 100 columns. */
void cli_print_row(int width, const char *left, const char *text);

/* The row of an option of a subcommand; NULL: of the program. */
void cli_print_option(const char *command, const CliOption *option);

/* The same for a program: "--name", "-k" or nothing, value or nothing, help, with tabs between. Every subcommand answers to --list-options
 * with its rows, attnzoo itself with the global ones: the source of completion and of the manual pages. */
void cli_list_option(const char *command, const CliOption *option);

/* Read a number strictly: the whole text, in [low, high]. false after printing an error that names `what`, the text and what is allowed. */
bool cli_number(const char *what, const char *text, uint64_t low, uint64_t high, uint64_t *number);

/* A number of threads, 1 to 4096. */
bool cli_threads(const char *what, const char *text, size_t *threads);

/* How many of `threads` threads the system grants this process, at least 1; prints a note if there are fewer. Measurements and records
 * refer to the returned number. */
size_t cli_granted(size_t threads);

/* A time such as "300us", "1.5ms", "2m" (a bare number counts in `bare` seconds) in [low, high], which `allowed` says in words; a share
 * such as "1%" or "2.5", above 0 up to 100 %. false after printing an error. */
bool cli_time(const char *what, const char *text, double bare, double low, double high, const char *allowed, double *seconds);
bool cli_percent(const char *what, const char *text, double *share);

/* For completion: receives what the parsers know, instead of running a command; NULL: normal operation. cli_unknown then reports the known
 * words and cli_next_option the rows of --list-options, and a command gets no further than its first option. */
typedef struct CliAsk {
    void (*word)(const char *word);
    void (*option)(const CliOption *option);
} CliAsk;
extern const CliAsk *cli_ask;

/* "error: unknown <what> '<word>'; did you mean '<near>'? known: …" */
void cli_unknown(const char *what, const char *word, const char *const *known, size_t count);

/* What fills q, k and v, by name. false after printing an error. */
bool cli_dist(const char *text, DataDist *dist);

/* cli_unknown for the name of a kernel: those of the library, on request the yardsticks too. */
void cli_unknown_kernel(const char *name, bool yardsticks);

/* Lists of shapes that --suite takes by name, CLI_SUITES_MOST at most. cli_suite: false after printing an error; cli_suites_print: for the
 * help. */
enum { CLI_SUITES_MOST = 16 };
typedef struct CliSuite {
    const char *name, *shapes, *help;
} CliSuite;
bool cli_suite(const CliSuite *suites, size_t count, const char *text, const char **shapes);
void cli_suites_print(const CliSuite *suites, size_t count);

/* Is each form of -o one of `formats` (names separated by blanks; "": none, and no file either)? false after printing an error. */
bool cli_writes(const Cli *cli, const char *command, const char *formats);

/* Remove the global options from argv, wherever they are, and apply them. Returns an exit code, or -1 to continue. */
int cli_read(Cli *cli, int *argc, char **argv);
void cli_print_global_options(void);

/* Catch the signals that ask for an end (stop.h); make sure that files opened later do not land on a closed stdout; remember the
 * subcommands. */
void cli_start(const CliCommandRow *commands, size_t count);

/* Close the files of -o and flush stdout. Returns `code`, or the code of a failed write, for main to return. */
int cli_finish(int code);

#endif
