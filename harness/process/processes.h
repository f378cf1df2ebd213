/* processes.h - `bench --driver hyperfine`: the cost of whole processes, where bench measures calls inside one process.
 *
 * Every round runs each of these once, in a new order, under hyperfine:
 *   start      attnzoo --version                     exec, linking, the probe of the CPU
 *   auto       attnzoo run -s SHAPE --iters 0        ... operands, a choice among all kernels, a plan
 *   untuned    the same, ATTNZOO_TUNE_FILE=off
 *   tuned      the same, ATTNZOO_TUNE_FILE=FILE      ... and a tune file, made for this, that changes no choice
 *   and for each kernel K  attnzoo run -k K -s SHAPE --iters 0, --iters 1 and --iters N, N calls being at least 300 ms
 * Differences of the same round answer the questions: choice = auto - (K of the same name, 0 calls); tuning = tuned - untuned; setup =
 * 0 calls - start; first call = 1 call - 0 calls; a call = (N calls - 0 calls) / N. The process of N calls also writes down its own figure,
 * so that the calls as hyperfine sees them can be compared with the same calls seen from inside. */
#ifndef HARNESS_PROCESS_PROCESSES_H
#define HARNESS_PROCESS_PROCESSES_H

#include "harness/base/render.h"
#include "harness/bench/case.h"
#include "harness/cli/cli.h"
#include "harness/records/records.h"

/* One kernel's processes. Times in seconds; intervals at level `alpha` of the case. */
typedef struct ProcessKernel {
    const AttnKernel *kernel;
    VerifyResult verify;
    char why[240];              /* why it is not timed; "" if it is                                          */
    uint64_t calls;             /* N                                                                         */
    double *none, *one, *many;  /* wall time of each round's processes of 0, 1 and N calls; NaN: failed      */
    double *inside;             /* N calls as the process of N calls saw them itself                         */
    StatsInterval setup, first, call, own; /* own: a call as seen from inside                                */
    StatsInterval agreement;    /* (many - none) / inside: 1 if both clocks tell the same                    */
    StatsInterval vs;           /* call / call of the baseline                                               */
} ProcessKernel;

typedef struct ProcessCase {
    Shape shape;
    char name[SHAPE_NAME], version[64], chosen[64];
    const BenchOptions *options;
    ProcessKernel *kernels;
    size_t count, timed, baseline; /* baseline: an index; count where there is none   */
    size_t rounds;
    double alpha, elapsed;
    double *start, *automatic, *untuned, *tuned; /* by round; one piece of memory     */
    StatsInterval start_up, choice, tuning;
    size_t tune_entries, tune_bytes;
    char tune_why[240];            /* why there is no tune file; "" if there is one   */
} ProcessCase;

/* Verify, size N, run the rounds. `program` is what is run. false: error[] says what stopped it. An interrupt keeps the rounds that are
 * complete. Free in either case. */
bool process_case_run(ProcessCase *run, const Cli *cli, const char *program, const Shape *shape, const AttnKernel *const *kernels,
                      size_t count, const BenchOptions *options, char *error, size_t error_size);
void process_case_free(ProcessCase *run);

/* Write a tune file that holds for the case's shape, or say in run->tune_why why there is none; its size is noted in either case. */
void process_tune_file(ProcessCase *run, const AttnSettings *settings, const char *path);

/* "1.23 ms [1.20 ms, 1.27 ms]" for a difference of times of processes. Where its interval reaches down to 0, what was looked for is smaller
 * than what processes differ by: "less than 1.27 ms", by the end farther from 0. */
enum { PROCESS_INTERVAL = 96 };
const char *process_interval(StatsInterval x, char *text, size_t size);

/* Table, heading, records `processes`, `verify` and `process` (results/README.md). */
RenderTable *process_table(bool with_case);
void process_table_add(RenderTable *table, const ProcessCase *run, bool with_case);
void process_heading(const ProcessCase *run);
bool process_record(Records *records, const ProcessCase *run, const char *id);

/* EXIT_OK, or the worst of what the kernels said. */
int process_code(const ProcessCase *run);

#endif
