/* file.h - writes tune files: merges and sorts entries and replaces the file atomically, one writer at a time.
 *
 * The bytes depend only on the entries, not on their order of arrival: no date, no host name, no path. Writers hold flock on
 * <file>.lock, read what is there, merge, write beside the name and rename; so readers need no lock and see the old file or the new one.
 * The lock is a separate file because renaming would replace a locked file; it stays, empty. */
#ifndef HARNESS_TUNE_FILE_H
#define HARNESS_TUNE_FILE_H

#include "dispatch/tune.h"
#include "harness/ops/sdpa/shape.h"

typedef struct TuneRow {
    AttnTuneEntry entry;             /* its shape is the text below                                   */
    char shape[ATTN_TUNE_SHAPE + 1]; /* whatever the reader takes: what was read is written as it was */
} TuneRow;

/* In the order of the file. */
typedef struct TuneRows {
    TuneRow *at;
    size_t count;
} TuneRows;

/* Append what a loaded file holds; false: no memory. */
bool tune_rows_read(TuneRows *rows, const AttnTune *tune);

/* Put a row in its place: at once if that is the end, else what is behind it moves. One of the same bucket is replaced if it was measured
 * with no more rigor, or if `again`. false: no memory. */
bool tune_rows_put(TuneRows *rows, const TuneRow *row, bool again);

/* The same for many, in any order, in one pass over both. false: no memory, and rows as before. */
bool tune_rows_merge(TuneRows *rows, const TuneRow *more, size_t count, bool again);
const TuneRow *tune_rows_find(const TuneRows *rows, const AttnTuneKey *key); /* NULL: none */
void tune_rows_free(TuneRows *rows);

/* The file for a machine and a build; the caller frees it. NULL: no memory. */
char *tune_rows_text(const TuneRows *rows, const char *machine, const char *build, const char *compiler, size_t *length);

/* Merge rows into the file, making it and its folders where missing. A file of another build, or a damaged one, is replaced, and note[]
 * says so (else it is ""); one of another machine or another kind is left alone, and an error. With count 0 nothing is written, but all
 * is tried that can fail beforehand. false: error[] says why. */
bool tune_file_update(const char *path, const TuneRow *rows, size_t count, bool again, char *note, size_t note_size, char *error,
                      size_t error_size);

/* Where `tune` writes: $ATTNZOO_TUNE_FILE or the user's own. false: error[] says what to set. */
bool tune_file_path(char *path, size_t size, char *error, size_t error_size);

#endif
