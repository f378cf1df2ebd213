/* model.h - result records gathered for a page: one JSON document that harness/report/page/render.py draws, and the same as Markdown. */
#ifndef HARNESS_REPORT_MODEL_H
#define HARNESS_REPORT_MODEL_H

#include "harness/records/load.h"

/* {v, program, machines: [...], runs: [...], points: [...], controls: [...], processes: [...], varied: [...], micro: [...], regress: [...],
 * insn: [...], agreement: [...], measured, partial, notes}: results/README.md has the units. Nothing in it depends on when or where it was
 * made. NULL: out of memory. */
json_t *report_model(const Loaded *loaded);

/* Measurements that a page of these records shows: the points, and what the other types of record hold, which no filter touches. */
size_t report_measured(const Loaded *loaded);

/* Machines, shares of the roof, agreement, micro-benchmarks, two builds against each other, controls, as Markdown; each where there are
 * records of it. Returns an exit code. */
int report_markdown(const Loaded *loaded, FILE *to);

/* Of that, the micro-benchmarks and the comparisons of builds (builds.c). */
void report_markdown_micro(const json_t *model, FILE *to);
void report_markdown_builds(const json_t *model, FILE *to);

#endif
