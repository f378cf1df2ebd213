/* compare.h - measured points as tables: rows and columns by any keys, cells as times, speed-ups or shares, each with its evidence. */
#ifndef HARNESS_REPORT_COMPARE_H
#define HARNESS_REPORT_COMPARE_H

#include "harness/records/points.h"

/* The keys that determine the place of a point. */
typedef struct CompareKeys {
    ResultsKey at[RESULTS_KEY_COUNT];
    size_t count;
} CompareKeys;

/* X(METRIC, name, unit, heading) */
#define COMPARE_METRICS(X) \
    X(SPEEDUP, "speedup", "1", "speed-up over") \
    X(VS, "vs", "1", "speed-up over the baseline kernel of each run") \
    X(TIME, "time", "s", "median time of a call") \
    X(FLOPS, "flops", "flop/s", "multiply-adds a second, as flop/s") \
    X(PEAK, "peak", "1", "share of the multiply-add peak") \
    X(ROOF, "roof", "1", "share of the roof") \
    X(CHANGE, "change", "1", "change of time against")
#define COMPARE_METRIC_ENUM(key, name, unit, heading) METRIC_##key,
typedef enum CompareMetric { COMPARE_METRICS(COMPARE_METRIC_ENUM) METRIC_COUNT } CompareMetric;
#undef COMPARE_METRIC_ENUM
bool compare_is_relative(CompareMetric metric); /* to the baseline column: speedup, change */
extern const char *const compare_metric_names[METRIC_COUNT];
extern const char *const compare_metric_units[METRIC_COUNT];
extern const char *const compare_metric_headings[METRIC_COUNT];

/* How far a cell can be trusted. Paired: both times come from the same rounds, so drift cancels. Unpaired: from different runs. */
typedef enum CompareEvidence { EVIDENCE_NONE, EVIDENCE_SINGLE, EVIDENCE_BASE, EVIDENCE_PAIRED, EVIDENCE_UNPAIRED } CompareEvidence;
extern const char *const compare_evidence_names[];

typedef struct CompareOptions {
    CompareKeys row, column, table;
    CompareMetric metric;
    const char *baseline; /* label of a column; NULL: naive_f32 if it is one, else the first */
    double alpha;         /* of all intervals together                                       */
} CompareOptions;

typedef struct CompareCell {
    const Point *point; /* NULL: nothing was measured here      */
    const Point *base;  /* the point to compare with, or NULL   */
    StatsInterval value;
    CompareEvidence evidence;
} CompareCell;

typedef struct CompareTable {
    const char *title; /* what all of its points have in common */
    size_t rows, columns, base;
    const char **row, **column; /* labels                               */
    CompareCell *cells;         /* row by row                           */
    double *mean;               /* geometric mean of each column or NaN */
    size_t *mean_rows;          /* number of rows in each mean          */
} CompareTable;

typedef struct Compare {
    CompareTable *tables;
    size_t count;
    json_t *strings; /* owns the labels                                             */
    json_t *notes;   /* array of sentences: hidden keys, what is left out …         */
} Compare;

/* KEY[,KEY...] */
bool compare_keys_parse(CompareKeys *keys, const char *what, const char *text, char *error, size_t error_size);

/* false: error[] says what is wrong. `points` must outlive `compare`. */
bool compare_make(Compare *compare, const Points *points, const CompareOptions *options, char *error, size_t error_size);
void compare_free(Compare *compare);

/* Do both points have the same `keys`? */
bool compare_same(const CompareKeys *keys, const Point *a, const Point *b);

/* One representative of each distinct value of `keys` among `points`, in order of compare_order, into *list (the caller frees; NULL: out of
 * memory). Returns their count. */
size_t compare_distinct(const CompareKeys *keys, const Points *all, const Point *const *points, size_t count, const Point ***list);

/* Texts of those `keys` of a point that vary, joined by blanks. compare_varying: which do among `count` points; the first is always named.
 */
const char *compare_label(json_t *strings, const CompareKeys *keys, const bool *varies, const Point *point);
void compare_varying(const CompareKeys *keys, const Point *const *points, size_t count, bool *varies);

/* Order of two points by these keys: shapes and numbers by value, everything else by order of appearance: operands as given, points of one
 * operand by time. */
int compare_order(const CompareKeys *keys, const Points *points, const Point *a, const Point *b);

#endif
