/* file.c - see file.h. dispatch/tune_text.c has the words of a line. */
#include "harness/base/grow.h"
#include "harness/base/stop.h"
#include "harness/tune/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "dispatch/options.h"
#include "harness/base/whole.h"

_Static_assert(SHAPE_NAME <= ATTN_TUNE_SHAPE + 1, "the reader takes what the writer writes");

/* ---- Rows ------------------------------------------------------------------------------------------------------------------------ */

static int compare_keys(const AttnTuneKey *a, const AttnTuneKey *b)
{
    char text[2][ATTN_TUNE_LINE];
    attn_tune_key_text(a, text[0], sizeof text[0]);
    attn_tune_key_text(b, text[1], sizeof text[1]);
    return strcmp(text[0], text[1]);
}

const TuneRow *tune_rows_find(const TuneRows *rows, const AttnTuneKey *key)
{
    for (size_t i = 0; i < rows->count; i++)
        if (memcmp(&rows->at[i].entry.key, key, sizeof *key) == 0)
            return &rows->at[i];
    return NULL;
}

/* The first place whose key is not below `key`, or rows->count; *same: its key equals `key`. The last row is checked first, because rows
 * mostly arrive in order. */
static size_t place_of(const TuneRows *rows, const AttnTuneKey *key, bool *same)
{
    size_t low = 0, high = rows->count;
    *same = false;
    for (size_t middle = high - (high > 0); low < high; middle = low + (high - low) / 2) {
        const int order = compare_keys(&rows->at[middle].entry.key, key);
        *same = *same || order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool tune_rows_put(TuneRows *rows, const TuneRow *row, bool again)
{
    bool same;
    const size_t place = place_of(rows, &row->entry.key, &same);
    if (same) {
        if (again || row->entry.rigor >= rows->at[place].entry.rigor)
            rows->at[place] = *row;
        return true;
    }
    TuneRow *at = grow_by_one(rows->at, rows->count, sizeof *at);
    if (!at)
        return false;
    rows->at = at;
    memmove(&rows->at[place + 1], &rows->at[place], (rows->count - place) * sizeof *rows->at);
    rows->at[place] = *row;
    rows->count++;
    return true;
}

/* By key; equal keys keep their order. */
static int compare_rows(const void *a, const void *b)
{
    const TuneRow *const *x = a, *const *y = b;
    const int order = compare_keys(&(*x)->entry.key, &(*y)->entry.key);
    return order != 0 ? order : *x < *y ? -1 : *x > *y;
}

bool tune_rows_merge(TuneRows *rows, const TuneRow *more, size_t count, bool again)
{
    TuneRows all = {0};
    const TuneRow **sorted = malloc((count > 0 ? count : 1) * sizeof *sorted);
    bool good = sorted != NULL;
    for (size_t i = 0; good && i < count; i++)
        sorted[i] = &more[i];
    if (good)
        qsort(sorted, count, sizeof *sorted, compare_rows);
    for (size_t old = 0, new = 0; good && (old < rows->count || new < count);) {
        const bool take_old = new == count || (old < rows->count && compare_keys(&rows->at[old].entry.key, &sorted[new]->entry.key) <= 0);
        good = tune_rows_put(&all, take_old ? &rows->at[old++] : sorted[new++], again);
    }
    free(sorted);
    TuneRows *loser = good ? rows : &all;
    free(loser->at);
    if (good)
        *rows = all;
    return good;
}

bool tune_rows_read(TuneRows *rows, const AttnTune *tune)
{
    for (size_t i = 0; i < tune->count; i++) {
        TuneRow row = {.entry = tune->entries[i]};
        snprintf(row.shape, sizeof row.shape, "%.*s", (int)row.entry.shape_length, row.entry.shape);
        row.entry.shape = NULL;
        if (!tune_rows_put(rows, &row, false))
            return false;
    }
    return true;
}

void tune_rows_free(TuneRows *rows)
{
    free(rows->at);
    *rows = (TuneRows){0};
}

char *tune_rows_text(const TuneRows *rows, const char *machine, const char *build, const char *compiler, size_t *length)
{
    char *text = NULL, line[ATTN_TUNE_LINE];
    FILE *to = open_memstream(&text, length);
    if (!to)
        return NULL;
    attn_tune_head_text(machine, build, compiler, line, sizeof line);
    bool written = fprintf(to, "%s\n", line) > 0;
    for (size_t i = 0; i < rows->count; i++) {
        AttnTuneEntry entry = rows->at[i].entry;
        entry.shape = rows->at[i].shape;
        entry.shape_length = strlen(entry.shape);
        attn_tune_entry_text(&entry, line, sizeof line);
        written = fprintf(to, "%s\n", line) > 0 && written;
    }
    written = fflush(to) == 0 && written;
    if (written) {
        attn_tune_end_text(text, *length, rows->count, line, sizeof line);
        written = fprintf(to, "%s\n", line) > 0;
    }
    if (fclose(to) == 0 && written)
        return text;
    free(text);
    return NULL;
}

/* ---- Files ----------------------------------------------------------------------------------------------------------------------- */

bool tune_file_path(char *path, size_t size, char *error, size_t error_size)
{
    AttnTunePaths paths;
    attn_settings_tune_paths_environment(attn_tune_machine(), &paths);
    if (paths.count == 0 || paths.system_only) {
        snprintf(error, error_size, "no place for a tune file: neither ATTNZOO_TUNE_FILE nor XDG_CACHE_HOME nor HOME is set, or it is too "
                 "long; --file names one");
        return false;
    }
    if (strcmp(paths.at[0], "off") == 0) {
        snprintf(error, error_size, "ATTNZOO_TUNE_FILE is off; --file names a tune file all the same");
        return false;
    }
    snprintf(path, size, "%s", paths.at[0]);
    return true;
}

/* Wait for the lock of a file; its folder is made first. The lock lies beside the file itself, so that writers who reach it by different
 * links wait for each other. -1: error[] says why. Ctrl-C ends the wait. */
static int take_lock(const char *path, char *error, size_t error_size)
{
    char name[4200];
    char *target = whole_target(path);
    if (!target) {
        snprintf(error, error_size, "tune file: cannot follow %s: %s", path, strerror(errno));
        return -1;
    }
    const int length = snprintf(name, sizeof name, "%s.lock", target);
    free(target);
    if (length < 0 || (size_t)length >= sizeof name) {
        snprintf(error, error_size, "tune file: the name '%.60s...' is too long", path);
        return -1;
    }
    char *slash = strrchr(name, '/');
    if (slash && slash > name) {
        *slash = '\0';
        const bool made = whole_folders(name);
        if (!made) {
            snprintf(error, error_size, "tune file: cannot make the folder %s: %s", name, strerror(errno));
            return -1;
        }
        *slash = '/';
    }
    const int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    bool locked = false;
    while (fd >= 0 && !locked && !stop_signal) { /* a blocking call could miss a signal that arrives just before it */
        locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (!locked && errno != EINTR && errno != EWOULDBLOCK)
            break;
        if (!locked)
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    if (locked)
        return fd;
    snprintf(error, error_size, "tune file: cannot lock %s: %s", name, stop_signal ? "interrupted" : strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Read the present file; false if we must not replace it. */
static bool read_present(const char *path, TuneRows *rows, char *note, size_t note_size, char *error, size_t error_size)
{
    AttnTune *tune = attn_tune_load(path);
    bool mine = tune && (tune->state != ATTN_TUNE_REFUSED || tune->fault == ATTN_TUNE_OTHER_BUILD || tune->fault == ATTN_TUNE_DAMAGED);
    if (!mine)
        snprintf(error, error_size, "%s: %s; it was not touched: delete it, or name another file with --file", path,
                 tune ? tune->why : "no memory");
    else if (tune->state == ATTN_TUNE_REFUSED)
        snprintf(note, note_size, "%s is replaced: %s", path, tune->why);
    if (mine && !tune_rows_read(rows, tune)) {
        snprintf(error, error_size, "%s: no memory for %zu entries", path, tune->count);
        mine = false;
    }
    attn_tune_free(tune);
    return mine;
}

static bool write_rows(const char *path, const TuneRows *rows, char *error, size_t error_size)
{
    size_t length = 0;
    char *text = tune_rows_text(rows, attn_tune_machine(), attn_tune_build(), attn_tune_compiler(), &length);
    Whole whole;
    bool written = text != NULL && length <= ATTN_TUNE_MOST_BYTES;
    if (!written)
        snprintf(error, error_size, "%s: %s", path, text ? "a tune file of more than 1 MiB would not be read" : "no memory to write it");
    else if (whole_open(&whole, path, error, error_size))
        written = whole_close(&whole, fwrite(text, 1, length, whole.file) == length, error, error_size);
    else
        written = false;
    free(text);
    return written;
}

bool tune_file_update(const char *path, const TuneRow *rows, size_t count, bool again, char *note, size_t note_size, char *error,
                      size_t error_size)
{
    TuneRows all = {0};
    note[0] = '\0';
    const int lock = take_lock(path, error, error_size);
    if (lock < 0)
        return false;
    bool done = read_present(path, &all, note, note_size, error, error_size);
    if (done && !tune_rows_merge(&all, rows, count, again)) {
        snprintf(error, error_size, "%s: no memory for %zu entries", path, all.count + count);
        done = false;
    }
    if (done && count > 0)
        done = write_rows(path, &all, error, error_size);
    tune_rows_free(&all);
    close(lock);
    return done;
}
