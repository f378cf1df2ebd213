/* compare_show.h - comparisons as text, Markdown, CSV, JSON lines and JSON; winners and the cost of a foreign choice. */
#ifndef HARNESS_REPORT_COMPARE_SHOW_H
#define HARNESS_REPORT_COMPARE_SHOW_H

#include "harness/cli/cli.h"
#include "harness/report/compare.h"

/* Write all outputs of -o. Returns an exit code. */
int compare_show(const Cli *cli, const Compare *compare, const CompareOptions *options);

/* The tables with what their signs mean, as text, or, with a mark ("###") that goes before each title, as Markdown. */
void compare_print_tables(const Compare *compare, const CompareOptions *options, const char *mark, FILE *to);

/* Share, time, rate or ratio in a person's units. Returns buffer. */
const char *compare_value(CompareMetric metric, double value, char *buffer, size_t size);

/* A table for each `options->table` and row: the fastest verified kernel of each machine, by the run that measured the most kernels there.
 */
int compare_winners(const Cli *cli, const Points *points, const CompareOptions *options);

/* What each machine would lose if it ran the winner of another one. EXIT_NOTHING, with a sentence, for a single machine. */
int compare_portability(const Cli *cli, const Points *points, const CompareOptions *options);

#endif
