/* commands.h - the subcommands: a file each in this folder. */
#ifndef HARNESS_CMD_COMMANDS_H
#define HARNESS_CMD_COMMANDS_H

#include "harness/cli/cli.h"

int cmd_cpu(const Cli *cli, int argc, char **argv);
int cmd_list(const Cli *cli, int argc, char **argv);
int cmd_run(const Cli *cli, int argc, char **argv);
int cmd_serve(const Cli *cli, int argc, char **argv);
int cmd_verify(const Cli *cli, int argc, char **argv);
int cmd_bench(const Cli *cli, int argc, char **argv);
int cmd_conform(const Cli *cli, int argc, char **argv);
int cmd_completion(const Cli *cli, int argc, char **argv);
int cmd_tune(const Cli *cli, int argc, char **argv);
int cmd_compare(const Cli *cli, int argc, char **argv);
int cmd_results(const Cli *cli, int argc, char **argv);
int cmd_report(const Cli *cli, int argc, char **argv);
int cmd_regress(const Cli *cli, int argc, char **argv);
int cmd_selftest(const Cli *cli, int argc, char **argv);

/* The table of them: dispatch, help, manual pages and completion read it. */
extern const CliCommandRow commands[];
extern const size_t command_count;

/* `attnzoo --complete WORD... CURRENT`: what may stand in the place of the last word, a line each, with a tab and a few words on it.
 * in_zoo: for the front door, which has words of its own. */
int completion_answer(int count, char **words, bool in_zoo);

#endif
