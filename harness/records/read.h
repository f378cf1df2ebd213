/* read.h - the one reader of result records (results/README.md): from files and folders of JSONL to runs with their records.
 *
 * Files are written in whole lines, so a truncated last line comes from a killed run and is skipped with a note. If any other line is not a
 * record of version 1, the file is refused with its name, the line and the reason. Records met twice (a folder and a copy of it) count
 * once; two different records that claim the same place in a run are an error. */
#ifndef HARNESS_RECORDS_READ_H
#define HARNESS_RECORDS_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    RESULTS_VERSION = 1,
    RESULTS_LINE_LIMIT = 16 << 20, /* longest line in bytes; bench writes less than 8 KiB (256 samples)                                 */
    RESULTS_DEPTH = 6,             /* folders within folders                                                                            */
    RESULTS_ERROR = 1200           /* room for two paths and a reason                                                                   */
};

typedef struct ResultsRun {
    const char *id;      /* name of the run; sorts by time                                                 */
    const json_t *host;  /* its `host` record, NULL if it was lost                                         */
    const json_t *end;   /* its `end` record; NULL: the run is partial                                     */
    json_t *records;     /* array of all its records in order, including `host` and `end`                  */
    json_t *places;      /* place of a record in the run -> {at, source, line}                             */
    size_t source;       /* index of the operand that its first record came from                           */
} ResultsRun;

typedef struct Results {
    ResultsRun *runs; /* sorted by time after results_sort                 */
    size_t count;
    size_t records, repeated;        /* records kept; duplicates                     */
    json_t *machines;                /* machine key -> what machine.json says        */
    json_t *notes;                   /* array of sentences for the user              */
    json_t *paths;                   /* array: every file that was read              */
} Results;

/* Add a file, a folder (all *.jsonl below it) or standard input ("-"). `source` is the caller's number for this operand. false: error[]
 * says what is wrong and where; what was read before is kept, and results_free is still needed. */
bool results_read(Results *results, const char *path, size_t source, char *error, size_t error_size);

/* Order the runs by time. */
void results_sort(Results *results);
void results_free(Results *results);

/* The type of a record: "host", "case", "verify", "bench", "control", "end", or one unknown to this version. */
const char *results_type(const json_t *record);

/* Number of records of this type in a run, and of all types that hold a measurement: "bench", "micro", "regress" ... */
size_t results_count(const ResultsRun *run, const char *type);
size_t results_measured(const ResultsRun *run);

/* A text at a dotted path, "" if absent; a number, NaN if absent or null. */
const char *results_text(const json_t *object, const char *path);
double results_number(const json_t *object, const char *path);

/* The record of this type for a case (and kernel, unless NULL) in a run, or NULL. */
const json_t *results_find(const ResultsRun *run, const char *type, const char *id, const char *kernel);

#endif
