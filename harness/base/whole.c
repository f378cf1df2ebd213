/* whole.c - write to a temporary name beside the path, then rename: a full disk or a crash never leaves a partial file that looks complete.
 * Anything that is not a regular file (a terminal, /dev/full, a pipe) cannot be replaced by renaming, so it is written in place, and so is
 * the file that stdout was redirected to. Each writer has its own temporary name, so of two concurrent writers the later one's complete
 * file stays. A symbolic link remains a link: the file that it points to is replaced, with its owner and permissions.
 *
 * A writer holds a lock on its partial file, which the system releases however the process ends. The next writer of the same name removes
 * partial files that nobody has locked: their writers are gone. */
#include "harness/base/whole.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".partial"
enum { DIGITS = 8, MOST_LINKS = 40 };

char *whole_target(const char *path)
{
    char *at = strdup(path);
    for (int links = 0; at && links < MOST_LINKS; links++) {
        char to[4096];
        const ssize_t length = readlink(at, to, sizeof to - 1);
        if (length < 0)
            return at;
        to[length] = '\0';
        const char *slash = to[0] == '/' ? NULL : strrchr(at, '/');
        char *next = NULL;
        if (asprintf(&next, "%.*s%s", slash ? (int)(slash + 1 - at) : 0, at, to) < 0)
            next = NULL;
        free(at);
        at = next;
    }
    errno = at ? ELOOP : ENOMEM;
    free(at);
    return NULL;
}

/* The folder of a file, open; -1: errno says why. */
static int folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup(".");
    const int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(folder);
    return fd;
}

/* Is `name` one that open_beside makes for `base`? */
static bool is_partial(const char *name, const char *base)
{
    const size_t length = strlen(base);
    return strncmp(name, base, length) == 0 && name[length] == '.' && strspn(name + length + 1, "0123456789abcdef") == DIGITS &&
           strcmp(name + length + 1 + DIGITS, SUFFIX) == 0;
}

/* Remove the partial files of `path` that nobody has locked. A failure merely leaves a file there. */
static void remove_stale(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const int folder = folder_of(path);
    DIR *entries = folder >= 0 ? fdopendir(folder) : NULL;
    if (folder >= 0 && !entries)
        close(folder);
    for (const struct dirent *entry; entries && (entry = readdir(entries));) {
        if (!is_partial(entry->d_name, base))
            continue;
        const int file = openat(dirfd(entries), entry->d_name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0)
            unlinkat(dirfd(entries), entry->d_name, 0);
        if (file >= 0)
            close(file);
    }
    if (entries)
        closedir(entries);
}

/* Lock a partial file that was just created. false: another writer removed it as stale in between. */
static bool lock(int file)
{
    struct stat status;
    if (flock(file, LOCK_EX | LOCK_NB) != 0)
        return errno != EWOULDBLOCK; /* a file system without locks: nobody gets one, so nothing is removed */
    return fstat(file, &status) == 0 && status.st_nlink > 0;
}

/* A new file "PATH.<8 random digits>.partial", with the permissions of any new file; its name in *name, to be freed. -1: errno says why. */
static int open_beside(const char *path, char **name)
{
    for (int try = 0; try < 100; try++) {
        unsigned number;
        if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
            number = (unsigned)getpid() + (unsigned)try;
        if (asprintf(name, "%s.%0*x" SUFFIX, path, DIGITS, number) < 0)
            break;
        const int file = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file >= 0 && lock(file))
            return file;
        const int reason = errno;
        if (file >= 0)
            close(file);
        free(*name);
        errno = reason;
        if (file < 0 && reason != EEXIST)
            break;
    }
    *name = NULL;
    return -1;
}

/* Take over the permissions and, if allowed, the owner of the file to be replaced. */
static void take_rights(int file, const struct stat *before)
{
    struct stat now;
    if (fstat(file, &now) == 0 && (now.st_uid != before->st_uid || now.st_gid != before->st_gid) &&
        fchown(file, before->st_uid, before->st_gid) != 0)
        (void)!fchown(file, (uid_t)-1, before->st_gid);
    (void)!fchmod(file, before->st_mode & 07777);
}

/* Open what `path` names; if that fails, errno says why. */
static int open_for(Whole *whole, const char *path)
{
    struct stat status, out;
    const bool there = stat(path, &status) == 0;
    if (there && fstat(STDOUT_FILENO, &out) == 0 && status.st_dev == out.st_dev && status.st_ino == out.st_ino)
        return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0); /* "> x" made it: a new file of that name would not be the one that is written */
    if (there && !S_ISREG(status.st_mode))
        return open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
    if (there && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
        return -1;
    whole->target = whole_target(path);
    if (!whole->target)
        return -1;
    struct stat end;
    if (there && (stat(whole->target, &end) != 0 || end.st_dev != status.st_dev || end.st_ino != status.st_ino))
        return open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY); /* a link of /proc to an open file that has no name */
    remove_stale(whole->target);
    const int file = open_beside(whole->target, &whole->partial);
    if (file >= 0 && there)
        take_rights(file, &status);
    return file;
}

bool whole_open(Whole *whole, const char *path, char *error, size_t error_size)
{
    *whole = (Whole){.path = path};
    errno = ENOMEM; /* if a call below fails without setting errno */
    const int file = open_for(whole, path);
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
    free(whole->target);
    *whole = (Whole){0};
    return false;
}

/* Flush from the program to the disk. Pipes, devices and some file systems cannot sync. */
static bool flush(FILE *file)
{
    return fflush(file) == 0 && (fsync(fileno(file)) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP);
}

/* Rename, and let the new name survive a crash of the system. */
static bool rename_whole(const Whole *whole)
{
    if (rename(whole->partial, whole->target) != 0)
        return false;
    const int folder = folder_of(whole->target);
    if (folder >= 0) {
        (void)!fsync(folder);
        close(folder);
    }
    return true;
}

bool whole_close(Whole *whole, bool keep, char *error, size_t error_size)
{
    bool ok = !ferror(whole->file); /* if false, errno is most likely still from the failed write */
    int reason = errno ? errno : EIO;
    if (ok && keep && !flush(whole->file)) {
        ok = false;
        reason = errno;
    }
    if (ok && keep && whole->partial && !rename_whole(whole)) {
        ok = false;
        reason = errno;
    }
    if (whole->partial && !(ok && keep))
        unlink(whole->partial);
    if (fclose(whole->file) != 0 && ok) { /* releases the lock, so it comes after the partial name is gone */
        ok = false;
        reason = errno;
    }
    free(whole->partial);
    free(whole->target);
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
