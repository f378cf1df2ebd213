/* hyperfine.h - the tool hyperfine (1.15 or newer) as a clock for whole processes: command lines in, its JSON out.
 *
 * hyperfine takes all runs of one command before it begins the next, so the runs it compares are seconds apart. Here it is called once per
 * round, with one run of each command in a new order: runs close in time are compared, as in the paired engine (paired.h). It randomises
 * the size of the environment itself. A call costs its commands and about 5 ms. */
#ifndef HARNESS_PROCESS_HYPERFINE_H
#define HARNESS_PROCESS_HYPERFINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Every run of one command. */
typedef struct HyperfineCommand {
    char *text;          /* as it was given                                                        */
    size_t runs;
    double *seconds;     /* wall time of each run                                                  */
    int *exits;          /* exit code of each run; -1: ended by a signal                           */
    double user, system; /* seconds, mean over the runs; NaN where hyperfine does not say          */
} HyperfineCommand;

typedef struct HyperfineExport {
    HyperfineCommand *at;
    size_t count;
} HyperfineExport;

/* What `--export-json` writes. false: error[] names the field that is wrong, and `export` is empty. Fields that are not needed may be
 * missing, unknown ones are passed over. */
bool hyperfine_import(const json_t *root, HyperfineExport *export, char *error, size_t error_size);
void hyperfine_free(HyperfineExport *export);

/* "hyperfine 1.15.0"; false: error[] says that it is not here, or too old to run commands without a shell. */
bool hyperfine_version(char *text, size_t size, char *error, size_t error_size);

/* Words as one command line, quoted so that hyperfine -N parts them again as they were; malloc'ed, NULL: no memory. */
char *hyperfine_command(const char *const *words);

/* Run each command once, in this order, without a shell, with `variable` ("NAME=value"; NULL: none) added to its environment. `folder`
 * takes hyperfine's files. A command that fails is no error: its exit code is in the export. false: error[] says what hyperfine said. */
bool hyperfine_once(const char *const *commands, size_t count, const char *variable, const char *folder, HyperfineExport *export,
                    char *error, size_t error_size);

#endif
