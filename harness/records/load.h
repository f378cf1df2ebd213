/* load.h - the operands of compare, results and report: FILE, FOLDER or "-", by default the folder of --results. */
#ifndef HARNESS_RECORDS_LOAD_H
#define HARNESS_RECORDS_LOAD_H

#include "harness/records/points.h"

typedef struct Loaded {
    Results results;
    Points points;
    const char **labels; /* of the operands: the parts of their names that differ */
    size_t operands;
} Loaded;

/* Read argv[from..argc), print the reader's notes, make the points and filter them. EXIT_OK, else a code after printing why: EXIT_USAGE if
 * something cannot be read, EXIT_NOTHING if no record is left. keep_going: skip files that are refused, with a note. Call results_unload in
 * any case. */
int results_load(const char *folder, int argc, char **argv, int from, const char *filter, bool keep_going, Loaded *loaded);
void results_unload(Loaded *loaded);

/* The rows of --filter and --keep-going in the option tables of all three subcommands. */
#define RESULTS_OPTION_FILTER {'f', "filter", "TERMS", "use only records that match all terms, such as 'kernel:flash_* threads:1 -op:linear'"}
#define RESULTS_OPTION_KEEP_GOING {'g', "keep-going", NULL, "skip files that cannot be used instead of stopping"}

/* Keys and their meaning, for help texts. */
void results_print_keys(void);

#endif
