/* records.h - JSONL records, schema v1: one object per line, each with t, v, run; SI units (s, B, flop); NaN never emitted (null instead).
 * results/README.md documents the fields. Files grow by whole lines only; a run without its `end` line is partial. */
#ifndef HARNESS_RECORDS_RECORDS_H
#define HARNESS_RECORDS_RECORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct Records Records;

/* Start a run: results/<machine key>/<yyyymmdd>-<commit8>-<run>.jsonl, created with its folder; with directory NULL, records go only to
 * `extra`. extra (may be NULL) gets a copy of each line. NULL: error[] says what could not be opened and why. */
Records *records_open(const char *directory, const char *machine_key, FILE *extra, char *error, size_t error_size);
const char *records_path(const Records *records); /* "" if none        */

/* Write one record; steals a reference to `object`. Adds t, v, run. false on a write error (disk full …): the unfinished line is removed
 * again. */
bool records_write(Records *records, const char *type, json_t *object);

/* Write the `end` record with counts and exit code, flush, close. false if anything failed to reach the disk; error[] says what. */
bool records_close(Records *records, int exit_code, char *error, size_t error_size);


#endif
