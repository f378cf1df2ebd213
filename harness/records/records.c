/* records.c - whole lines only: one write() per line to a file opened for appending; a line that was not written completely is truncated
 * away. */
#include "harness/base/build.h"
#include "harness/base/stop.h"
#include "harness/records/records.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "harness/base/whole.h"
#include "harness/machine/machine.h"

enum { RUN_LENGTH = 26, TYPES = 16 };

struct Records {
    int fd;            /* -1: no file                                  */
    FILE *extra;       /* copy of each line, or NULL                   */
    off_t whole;       /* length of the file up to its last whole line */
    size_t kept;       /* records in the file                          */
    int cause;         /* errno of the first failure; 0: none          */
    bool extra_failed; /* whether it was the copy that failed          */
    char run[RUN_LENGTH + 1];
    char path[1024];
    struct { char type[16]; size_t count; } types[TYPES];
};

/* A ULID: 48 bits of milliseconds, 80 random bits, in Crockford's base 32; sorts by time. */
static void make_run(char *run)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    unsigned char random[16] = {0};
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) { /* refused by a sandbox: use clock and process number */
        const uint64_t parts[2] = {(uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u, (uint64_t)getpid() * 0xbf58476d1ce4e5b9u};
        memcpy(random, parts, sizeof random);
    }
    for (int i = 9; i >= 0; i--, ms >>= 5)
        run[i] = digits[ms & 31];
    for (int i = 0; i < 16; i++)
        run[10 + i] = digits[random[i] & 31];
    run[RUN_LENGTH] = '\0';
}

static bool open_file(Records *r, const char *directory, const char *machine_key)
{
    char date[16];
    const time_t now = time(NULL);
    struct tm utc;
    strftime(date, sizeof date, "%Y%m%d", gmtime_r(&now, &utc));
    const int length = snprintf(r->path, sizeof r->path, "%s/%s", directory, machine_key);
    if (length < 0 || (size_t)length > sizeof r->path - 64) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (!whole_folders(r->path))
        return false;
    snprintf(r->path + length, sizeof r->path - (size_t)length, "/%s-%.8s-%s.jsonl", date, build_commit(), r->run);
    r->fd = open(r->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    return r->fd >= 0;
}

Records *records_open(const char *directory, const char *machine_key, FILE *extra, char *error, size_t error_size)
{
    Records *r = calloc(1, sizeof *r);
    if (!r) {
        snprintf(error, error_size, "results: out of memory");
        return NULL;
    }
    r->fd = -1;
    r->extra = extra;
    make_run(r->run);
    if (directory && !open_file(r, directory, machine_key)) {
        snprintf(error, error_size, "results: cannot write %s: %s; --results DIR names another folder, --no-results writes none", r->path,
                 strerror(errno));
        free(r);
        return NULL;
    }
#ifdef SIGXFSZ
    signal(SIGXFSZ, SIG_IGN); /* exceeding a file size limit must be an error of write(), not the end of the program */
#endif
    return r;
}

const char *records_path(const Records *records)
{
    return records->fd >= 0 ? records->path : "";
}

static void count_type(Records *r, const char *type)
{
    size_t i = 0;
    while (i < TYPES - 1 && r->types[i].count > 0 && strcmp(r->types[i].type, type) != 0)
        i++;
    snprintf(r->types[i].type, sizeof r->types[i].type, "%s", type);
    r->types[i].count++;
}

/* Append one line, or leave the file as it was. */
static bool append(Records *r, const char *line, size_t length)
{
    const ssize_t wrote = write(r->fd, line, length);
    if (wrote == (ssize_t)length) {
        r->whole += (off_t)length;
        r->kept++;
        return true;
    }
    r->cause = wrote < 0 ? errno : 0;
    if (wrote > 0) { /* writing the rest gives the reason */
        r->cause = write(r->fd, line + wrote, length - (size_t)wrote) < 0 ? errno : ENOSPC;
        if (ftruncate(r->fd, r->whole) != 0)
            r->cause = errno;
    }
    return false;
}

bool records_write(Records *r, const char *type, json_t *object)
{
    json_t *full = json_pack("{s:s, s:i, s:s}", "t", type, "v", 1, "run", r->run);
    char *text = NULL;
    if (full && object && json_object_update(full, object) == 0)
        text = json_dumps(full, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    json_decref(object);
    json_decref(full);
    if (!text) {
        r->cause = r->cause ? r->cause : ENOMEM;
        return false;
    }
    const size_t length = strlen(text);
    text[length] = '\n'; /* replaces the terminating zero, so that the line is one write */
    if (r->fd >= 0 && r->cause == 0 && append(r, text, length + 1))
        count_type(r, type);
    else if (r->fd < 0)
        count_type(r, type);
    if (r->extra && !r->extra_failed && fwrite(text, 1, length + 1, r->extra) != length + 1) {
        r->extra_failed = true;
        r->cause = r->cause ? r->cause : errno;
    }
    free(text);
    return r->cause == 0;
}

bool records_close(Records *r, int exit_code, char *error, size_t error_size)
{
    if (r->cause == 0) {
        json_t *counts = json_object();
        for (size_t i = 0; i < TYPES && r->types[i].count > 0; i++)
            json_object_set_new(counts, r->types[i].type, json_integer((json_int_t)r->types[i].count));
        const int code = stop_exit_code(exit_code);
        const char *signal = stop_exit_name(code);
        json_t *end = json_pack("{s:o, s:i}", "counts", counts, "exit", code);
        if (signal)
            json_object_set_new(end, "signal", json_string(signal));
        records_write(r, "end", end);
    }
    if (r->extra && !r->extra_failed && fflush(r->extra) != 0) {
        r->extra_failed = true;
        r->cause = r->cause ? r->cause : errno;
    }
    if (r->fd >= 0 && close(r->fd) != 0 && r->cause == 0)
        r->cause = errno;
    const bool whole = r->cause == 0;
    if (!whole && r->extra_failed)
        snprintf(error, error_size, "results: cannot write the copy: %s", strerror(r->cause));
    else if (!whole)
        snprintf(error, error_size, "results: cannot write %s: %s; %zu records kept", r->path, strerror(r->cause), r->kept);
    free(r);
    return whole;
}
