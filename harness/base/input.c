/* input.c - see input.h. O_NONBLOCK: otherwise opening a FIFO waits for a writer, forever if there is none; regular files are unaffected.
 * O_NOCTTY: an opened terminal must not become the controlling terminal. */
#include "harness/base/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *kind_of(mode_t mode)
{
    return S_ISFIFO(mode)   ? "a FIFO"
           : S_ISDIR(mode)  ? "a folder"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISBLK(mode)  ? "a block device"
           : S_ISCHR(mode)  ? "a character device"
                            : "something else";
}

FILE *input_open(const char *path, char *error, size_t error_size)
{
    struct stat status;
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    FILE *file = NULL;
    if (fd < 0 && errno == ENXIO) /* the error of a socket */
        snprintf(error, error_size, "%s: is no regular file", path);
    else if (fd < 0 || fstat(fd, &status) != 0)
        snprintf(error, error_size, "%s: cannot open: %s", path, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        snprintf(error, error_size, "%s: is %s, not a regular file", path, kind_of(status.st_mode));
    else if (!(file = fdopen(fd, "rb")))
        snprintf(error, error_size, "%s: cannot open: %s", path, strerror(errno));
    if (!file && fd >= 0)
        close(fd);
    return file;
}

size_t input_mark(const char *text, size_t length)
{
    return length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

json_t *input_json(const char *path, size_t most, char *error, size_t error_size)
{
    json_error_t why;
    json_t *root = NULL;
    FILE *file = input_open(path, error, error_size);
    if (!file)
        return NULL;
    char *text = malloc(most + 1);
    const size_t length = text ? fread(text, 1, most + 1, file) : 0, mark = input_mark(text, length);
    if (!text)
        snprintf(error, error_size, "%s: out of memory for %zu bytes", path, most);
    else if (ferror(file))
        snprintf(error, error_size, "%s: cannot read: %s", path, strerror(errno));
    else if (length > most)
        snprintf(error, error_size, "%s: is larger than %zu bytes", path, most);
    else if (!(root = json_loadb(text + mark, length - mark, JSON_REJECT_DUPLICATES, &why)))
        snprintf(error, error_size, "%s: not JSON: line %d: %s", path, why.line, why.text);
    free(text);
    fclose(file);
    return root;
}
