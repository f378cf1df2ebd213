/* whole.c - write beside the name, then rename: a full disk or a crash never leaves half a file that looks whole. What exists and is no
 * regular file (a terminal, /dev/full, a pipe) cannot be renamed over, so it is written in place. Each writer has a name of its own beside
 * the path, so of two at once the later one's whole file stays. */
#include "harness/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* A new file "PATH.<8 random digits>.partial", with the rights of any new file; its name in *name, to be freed. -1: errno says why. */
static int open_beside(const char *path, char **name)
{
    for (int try = 0; try < 100; try++) {
        unsigned number;
        if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
            number = (unsigned)getpid() + (unsigned)try;
        if (asprintf(name, "%s.%08x.partial", path, number) < 0)
            break;
        const int file = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file >= 0)
            return file;
        const int reason = errno;
        free(*name);
        errno = reason;
        if (reason != EEXIST)
            break;
    }
    *name = NULL;
    return -1;
}

bool whole_open(Whole *whole, const char *path, char *error, size_t error_size)
{
    struct stat status;
    const bool in_place = stat(path, &status) == 0 && !S_ISREG(status.st_mode);
    *whole = (Whole){.path = path};
    errno = ENOMEM; /* where a call below fails without a word */
    const int file = in_place ? open(path, O_WRONLY | O_TRUNC | O_CLOEXEC) : open_beside(path, &whole->partial);
    whole->file = file >= 0 ? fdopen(file, "wb") : NULL;
    if (whole->file) {
        errno = 0;
        return true;
    }
    snprintf(error, error_size, "%s: cannot write: %s", path, strerror(errno));
    if (file >= 0)
        close(file);
    if (whole->partial)
        unlink(whole->partial);
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
