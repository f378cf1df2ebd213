/* file.h - writes tune files: merges and sorts entries and replaces the file atomically, one writer at a time.
 *
 * The bytes depend only on the entries, not on their order of arrival: no date, no host name, no path. Writers hold flock on <file>.lock,
 * read the present file, merge, write to a temporary name and rename; so readers need no lock and see either the old file or the new one.
 * The lock is a separate file because renaming would replace a locked file; it remains, empty. */
#ifndef HARNESS_TUNE_FILE_H
#define HARNESS_TUNE_FILE_H

#include "dispatch/tune.h"
#include "harness/ops/sdpa/shape.h"

typedef struct TuneRow {
    AttnTuneEntry entry;             /* its shape is the text below                                   */
    char shape[ATTN_TUNE_SHAPE + 1]; /* anything that the reader accepts: it is written as it was read */
} TuneRow;

/* In the order of the file. */
typedef struct TuneRows {
    TuneRow *at;
    size_t count;
} TuneRows;

/* Append the rows of a loaded file; false: no memory. */
bool tune_rows_read(TuneRows *rows, const AttnTune *tune);

/* Insert a row in its place, which is fast at the end. A row of the same bucket is replaced if it was not measured with more rigor, or if
 * `again`. false: no memory. */
bool tune_rows_put(TuneRows *rows, const TuneRow *row, bool again);

/* The same for many rows in any order, in one pass. false: no memory, rows unchanged. */
bool tune_rows_merge(TuneRows *rows, const TuneRow *more, size_t count, bool again);
const TuneRow *tune_rows_find(const TuneRows *rows, const AttnTuneKey *key); /* NULL: none */
void tune_rows_free(TuneRows *rows);

/* The text of the file for a machine and a build; the caller frees it. NULL: no memory. */
char *tune_rows_text(const TuneRows *rows, const char *machine, const char *build, const char *compiler, size_t *length);

/* Merge rows into the file, creating it and its folders if missing. A file of another build, or a damaged one, is replaced, and note[] says
 * so (else it is ""); a file of another machine or another kind is left alone and is an error. With count 0 nothing is written, but
 * everything that can fail beforehand is tried. false: error[] says why. */
bool tune_file_update(const char *path, const TuneRow *rows, size_t count, bool again, char *note, size_t note_size, char *error,
                      size_t error_size);

/* Where `tune` writes: $ATTNZOO_TUNE_FILE or the user's own. false: error[] says what to set. */
bool tune_file_path(char *path, size_t size, char *error, size_t error_size);

#endif
