/* show.h - a measured case as a table for people and as records for everything else. */
#ifndef HARNESS_BENCH_SHOW_H
#define HARNESS_BENCH_SHOW_H

#include "harness/base/render.h"
#include "harness/bench/case.h"
#include "harness/records/records.h"

/* A table with the columns of bench; with_case: the shape is the first column, for one table over many cases. */
RenderTable *bench_table(bool with_case);
void bench_table_add(RenderTable *table, const BenchCase *bench, bool with_case);

void bench_heading(const BenchCase *bench); /* the line above a case's table, to stdout                         */
void bench_footer(const BenchCase *bench);  /* control, flags, peaks: how far the numbers can be trusted        */

/* Records `case`, `verify` and `bench` for each kernel, `control`. id: "c1", "c2" … false: a write failed. */
bool bench_record(Records *records, const BenchCase *bench, const char *id);

#endif
