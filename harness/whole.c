/* whole.c - write beside the name, then rename: a full disk or a crash never leaves half a file that looks whole. What exists and is no
 * regular file (a terminal, /dev/full, a pipe) cannot be renamed over, so it is written in place. */
#include "harness/whole.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool whole_open(Whole *whole, const char *path, char *error, size_t error_size)
{
    struct stat status;
    const bool in_place = stat(path, &status) == 0 && !S_ISREG(status.st_mode);
    *whole = (Whole){.path = path};
    if (!in_place && asprintf(&whole->partial, "%s.partial", path) < 0)
        whole->partial = NULL;
    if (in_place || whole->partial)
        whole->file = fopen(in_place ? path : whole->partial, "wb");
    if (whole->file) {
        errno = 0;
        return true;
    }
    snprintf(error, error_size, "%s: cannot write: %s", path, in_place || whole->partial ? strerror(errno) : "out of memory");
    free(whole->partial);
    return false;
}

bool whole_close(Whole *whole, bool keep, char *error, size_t error_size)
{
    const bool written = !ferror(whole->file); /* if not, errno is most likely still that of the write */
    int reason = errno ? errno : EIO;
    bool ok = written;
    if (written && fflush(whole->file) != 0) {
        ok = false;
        reason = errno;
    }
    if (fclose(whole->file) != 0 && ok) {
        ok = false;
        reason = errno;
    }
    if (ok && keep && whole->partial && rename(whole->partial, whole->path) != 0) {
        ok = false;
        reason = errno;
    }
    if (whole->partial && !(ok && keep))
        unlink(whole->partial);
    free(whole->partial);
    if (!ok)
        snprintf(error, error_size, "%s: cannot write: %s", whole->path, strerror(reason));
    *whole = (Whole){0};
    return ok;
}

bool whole_folders(char *path)
{
    for (char *c = path + 1; *c; c++)
        if (*c == '/') {
            *c = '\0';
            const bool made = mkdir(path, 0777) == 0 || errno == EEXIST;
            *c = '/';
            if (!made)
                return false;
        }
    return mkdir(path, 0777) == 0 || errno == EEXIST;
}
