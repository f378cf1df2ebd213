/* show.h - prints, exports and imports tune files. */
#ifndef HARNESS_TUNE_SHOW_H
#define HARNESS_TUNE_SHOW_H

#include "dispatch/tune.h"
#include "harness/base/render.h"
#include "harness/cli/cli.h"

/* Load a file that must be valid. NULL after printing why it is not; *code is then the exit code: EXIT_NOTHING if there is no file, else
 * EXIT_USAGE. */
AttnTune *tune_load_good(const char *path, int *code);

/* Each returns an exit code. */
int tune_show(const Cli *cli, const char *path);
int tune_export(const char *path, const char *to);                /* a copy, complete or not at all */
int tune_import(const Cli *cli, const char *path, const char *from); /* merge `from`, of this machine and build, into the file */

/* Re-measure a share of the entries (at least 3, drawn by the seed). EXIT_OK: none is off; EXIT_DISAGREE: some entry's kernel takes over 5
 * % longer than the fastest, with its whole interval; EXIT_INCONCLUSIVE: only with its median. */
int tune_check(const Cli *cli, const char *path, double share);

/* A ratio with its interval: three columns for programs, one for people: "0.571 [0.566, 0.577]". */
#define TUNE_RATIO_COLUMNS {"ratio", "ratio", RENDER_NUMBER}, {NULL, "ratio_lo", RENDER_NUMBER}, {NULL, "ratio_hi", RENDER_NUMBER}
void tune_ratio_cells(RenderTable *table, double ratio, double lo, double hi);

#endif
