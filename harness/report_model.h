/* report_model.h - result records gathered for a page: one JSON document that harness/report/render.py draws, and the same as Markdown. */
#ifndef HARNESS_REPORT_MODEL_H
#define HARNESS_REPORT_MODEL_H

#include "harness/cli.h"
#include "harness/results_load.h"

/* {v, program, machines: [...], runs: [...], points: [...], controls: [...], processes: [...], varied: [...], agreement: [...], partial, notes}:
 * results/README.md has the units. Nothing in it depends on when or where it was made. NULL: out of memory. */
json_t *report_model(const Loaded *loaded);

/* Machines, winners, shares of the roof, agreement, controls, as Markdown. Returns an exit code. */
int report_markdown(const Cli *cli, const Loaded *loaded, FILE *to);

#endif
