/* micro.h - `attnzoo bench --micro`: the tables behind the constants of the kernels and the fixed costs of the library.
 *
 * A micro-benchmark fills tables of rows; the rows of a table are arms of one paired run, each compared with another row of its table. */
#ifndef HARNESS_BENCH_MICRO_MICRO_H
#define HARNESS_BENCH_MICRO_MICRO_H

#include "harness/base/render.h"
#include "harness/bench/case.h"
#include "harness/cli/cli.h"
#include "harness/records/records.h"

enum { MICRO_ROWS = 64 };

/* How a row is compared with its reference. */
typedef enum MicroCompare {
    MICRO_SHARE, /* its rate as a share of the reference's rate                       */
    MICRO_COST,  /* its time as a share of the time of `work` at the reference's rate */
    MICRO_BEYOND /* its time minus the reference's, round by round                    */
} MicroCompare;

typedef struct MicroRow {
    char name[72];
    const char *isa;         /* "" where it says nothing                                        */
    void (*run)(void *context, size_t iterations);
    void *context;
    void (*before)(void *context); /* as PairedArm.before; normally NULL */
    double work;             /* units of one iteration                                          */
    double shown;            /* MICRO_COST: iterations' worth of the unit that the table shows; else unused */
    size_t against;          /* row of the reference; its own index: none                       */
    bool in_use;             /* what the kernels use, or what callers usually have              */
    int group;               /* > 0: candidates for one decision; the best of them is marked     */
    double most;             /* seconds that the time (MICRO_BEYOND: the difference) may take; 0: any */
    size_t arm;              /* filled by micro_measure                                         */
    StatsInterval compared;
} MicroRow;

typedef struct MicroTable {
    const char *micro;       /* name of the micro-benchmark        */
    char title[160];
    const char *unit;        /* of work: "flop", "vector", "call"  */
    bool by_rate;            /* show units per second, not seconds per unit */
    MicroCompare compare;
    double min_trial;        /* seconds; 0: that of the options     */
    MicroRow rows[MICRO_ROWS];
    size_t count;
} MicroTable;

typedef struct MicroContext {
    const Cli *cli;
    const BenchOptions *options;
    const Topology *topology;
    const AttnKernel *const *kernels; /* those that -k selects, attention only */
    size_t kernel_count;
    uint64_t features;
    Records *records;
    RenderTable *all;                 /* rows go here, unless NULL, and to their own table on stdout unless `silent` */
    bool silent;
    bool *doubtful;                   /* becomes true where the clock of a table could not be believed; set by micro_bench */
} MicroContext;

typedef struct Micro {
    const char *name, *help;
    bool (*run)(const MicroContext *context, char *error, size_t error_size); /* false: error[] says what stopped it */
} Micro;

/* By file: tile.c, fixed.c, threads.c. */
bool micro_exp(const MicroContext *context, char *error, size_t error_size);
bool micro_scores(const MicroContext *context, char *error, size_t error_size);
bool micro_values(const MicroContext *context, char *error, size_t error_size);
bool micro_pack(const MicroContext *context, char *error, size_t error_size);
bool micro_blocks(const MicroContext *context, char *error, size_t error_size);
bool micro_run(const MicroContext *context, char *error, size_t error_size);
bool micro_plan(const MicroContext *context, char *error, size_t error_size);
bool micro_merge(const MicroContext *context, char *error, size_t error_size);
bool micro_threads(const MicroContext *context, char *error, size_t error_size);

/* The table of all of them; a list of names separated by commas, "all" among them, checked. false after printing an error. */
extern const Micro micros[];
extern const size_t micro_count;
bool micro_check(const char *list);
int micro_list(const Cli *cli);

/* Run those that the list names. Returns an exit code. */
int micro_bench(const char *list, const MicroContext *context);

/* The columns of a table over all micro-benchmarks, for MicroContext.all. */
RenderTable *micro_table_of_all(void);

/* For the micro-benchmarks: a new row (NULL when the table is full), and measure, show and record a table. */
MicroRow *micro_row(MicroTable *table, const char *isa, void (*run)(void *, size_t), void *context, double work, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
bool micro_measure(const MicroContext *context, MicroTable *table, char *error, size_t error_size);

#endif
