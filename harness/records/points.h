/* points.h - measured times as points with keys: the flat view of result records shared by compare, the exports and the report.
 *
 * A point is one `bench` record with its case, its verification and its host. Every key is text, so that rows, columns and filters treat
 * all keys alike. */
#ifndef HARNESS_RECORDS_POINTS_H
#define HARNESS_RECORDS_POINTS_H

#include "harness/base/stats.h"
#include "harness/records/read.h"

/* X(KEY, name, derived, meaning). A derived key follows from the others, so no warning is given when it varies. */
#define RESULTS_KEYS(X) \
    X(MACHINE, "machine", false, "machine key") \
    X(CPU, "cpu", true, "brand of the processor") \
    X(COMMIT, "commit", false, "of the sources") \
    X(RUN, "run", false, "one run of bench") \
    X(DATE, "date", true, "day of the run, UTC") \
    X(FILE, "file", true, "the operand it came from") \
    X(KERNEL, "kernel", false, "kernel, or level of mha") \
    X(ISA, "isa", true, "instruction set of the kernel") \
    X(PEER, "peer", false, "another library and its version; empty: attnzoo") \
    X(DRIVER, "driver", false, "who measured: bench, or peers, beside other libraries") \
    X(OP, "op", true, "sdpa, linear, mha") \
    X(SHAPE, "shape", false, "canonical shape") \
    X(NAME, "name", true, "preset, else the shape") \
    X(DTYPE, "dtype", false, "storage type") \
    X(THREADS, "threads", false, "workers") \
    X(CACHE, "cache", false, "hot or cold") \
    X(DIST, "dist", false, "distribution of the operands") \
    X(SEED, "seed", false, "of the operands") \
    X(COMPILER, "compiler", false, "compiler of the build") \
    X(FLAGS, "flags", false, "compiler flags") \
    X(VERSION, "version", false, "of attnzoo")

#define RESULTS_KEY_ENUM(key, name, derived, meaning) KEY_##key,
typedef enum ResultsKey { RESULTS_KEYS(RESULTS_KEY_ENUM) RESULTS_KEY_COUNT } ResultsKey;
#undef RESULTS_KEY_ENUM

extern const char *const results_key_names[RESULTS_KEY_COUNT];
extern const char *const results_key_meanings[RESULTS_KEY_COUNT];
extern const bool results_key_derived[RESULTS_KEY_COUNT];

typedef struct Point {
    const char *key[RESULTS_KEY_COUNT];
    const ResultsRun *run;
    const json_t *bench, *of, *verify; /* its records; `of`: the case; verify may be NULL */
    double median;                     /* seconds per call                                */
} Point;

typedef struct Points {
    Point *at; /* in the order of the runs and of their records */
    size_t count;
    json_t *strings; /* owns the texts that are not part of a record */
} Points;

/* Make a point of every `bench` record that has a time and a case. `labels[source]` names the operands. false: out of memory. */
bool points_make(Points *points, const Results *results, const char *const *labels);
void points_free(Points *points);

/* The day of a run, UTC (text: 11 bytes), and the commit of its build, followed by + if that was not clean; "" if unknown. Both return
 * `text`. */
const char *points_date(const ResultsRun *run, char *text, size_t size);
const char *points_commit(const ResultsRun *run, char *text, size_t size);

/* Index of a key by name, or RESULTS_KEY_COUNT. */
size_t results_key(const char *name, size_t length);

/* Keep the points that match every term of `filter`. A term is KEY:PATTERN[,PATTERN...] with globs, or -KEY:PATTERN for the opposite; terms
 * are separated by spaces. false: error[] names the term and what is allowed. */
bool points_filter(Points *points, const char *filter, char *error, size_t error_size);

/* Two points that share run and case were measured in the same rounds. */
bool points_paired(const Point *a, const Point *b);

/* Time of b over time of a, with its interval at level 1 - alpha. Paired, if both records hold samples: from the rounds that both took part
 * in. Otherwise the ratio of medians, bounded by the ends of both medians' intervals at level 1 - alpha / 2 each; it does not account for
 * drift of the machine between the two measurements. */
StatsInterval points_ratio(const Point *a, const Point *b, double alpha);

/* Did it pass its verification in the same run? */
bool point_verified(const Point *point);

/* Metrics of a point: value with interval, NaN if the record does not have it. */
StatsInterval point_share(const Point *point, const char *which); /* "peak" or "roof" */

#endif
