/* export.h - measurements in the formats of other tools. What a format cannot represent is left out; nothing is invented. */
#ifndef HARNESS_RECORDS_EXPORT_H
#define HARNESS_RECORDS_EXPORT_H

#include <stdio.h>

#include "harness/records/points.h"

/* {"results": [{command, mean, stddev, median, user, system, min, max, times, parameters}]} of hyperfine --export-json: seconds of one
 * call. user and system are null, because one process measures all kernels. */
void export_hyperfine(const Points *points, FILE *to);

/* The text of Go's testing package, which benchstat reads: one line per sample. A change of machine, commit or compiler is a "key: value"
 * line. */
void export_benchstat(const Points *points, FILE *to);

/* [{name, unit, value, range, extra}] of github-action-benchmark's customSmallerIsBetter. */
void export_gha(const Points *points, FILE *to);

/* All keys and figures, one row per measurement. */
struct RenderTable;
struct RenderTable *export_table(const Points *points);

#endif
