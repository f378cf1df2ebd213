/* cli.h - global options, subcommands and the conventions they share. */
#ifndef HARNESS_CLI_H
#define HARNESS_CLI_H

#include "attnzoo.h"
#include "dispatch/choose.h"
#include "harness/exit.h"
#include "harness/shape.h"

/* Global options, parsed by main before the subcommand and accepted after it too. */
typedef struct Cli {
    bool quiet, verbose;
    const char *results;      /* --results DIR, default "results"; NULL with --no-results       */
    uint64_t seed;            /* --seed N, default 0x5eed                                       */
    const char *max_isa;      /* --max-isa                                                      */
    const char *disable;      /* --disable                                                      */
    size_t threads;           /* --threads N; 0: not given                                      */
    const char *format;       /* -o table|md|csv|jsonl[:FILE]; default table                    */
    const char *format_file;  /* NULL: stdout                                                   */
    AttnOptions options;      /* the above as library options                                   */
    AttnSettings settings;    /* … and resolved                                                 */
} Cli;

/* A subcommand: argv[0] is its name. Returns an exit code. */
typedef int (*CliCommand)(const Cli *cli, int argc, char **argv);
int cmd_cpu(const Cli *cli, int argc, char **argv);
int cmd_list(const Cli *cli, int argc, char **argv);
int cmd_run(const Cli *cli, int argc, char **argv);
int cmd_verify(const Cli *cli, int argc, char **argv);
int cmd_bench(const Cli *cli, int argc, char **argv);
int cmd_conform(const Cli *cli, int argc, char **argv);

/* Kernels whose name matches one of the patterns (fnmatch globs separated by commas; NULL = all), in registry order; a pattern without
 * wildcards that names no kernel is an error that lists the known names. Only kernels that this CPU can run under cli->settings if
 * runnable_only. Returns the count, or SIZE_MAX after printing the error. `list` has room for attn_registry_count entries. */
size_t cli_select_kernels(const Cli *cli, const char *patterns, bool runnable_only, const AttnKernel **list);

/* Set when Ctrl-C was pressed; long loops look at it, finish the record at hand and return EXIT_INTERRUPTED. */
extern volatile int cli_interrupted;

#endif
