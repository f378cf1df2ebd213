/* self.c - see self.h. On Linux /proc has it. A container may lack /proc; then the name by which the program was started still leads to the
 * file, because the program never changes its working folder. */
#include "harness/base/self.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/auxv.h>
#endif

static const char *started_by(void)
{
#ifdef __linux__
    const unsigned long name = getauxval(AT_EXECFN);
    return name ? (const char *)name : "";
#else
    return "";
#endif
}

bool self_path(char *path, size_t size, char *error, size_t error_size)
{
    char found[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", found, sizeof found - 1);
    const int reason = errno;
    found[length > 0 ? length : 0] = '\0';
    if (length <= 0 && (!realpath(started_by(), found) || access(found, X_OK) != 0)) {
        snprintf(error, error_size, "this program does not find its own file: /proc/self/exe: %s; its name '%s': %s", strerror(reason),
                 started_by(), strerror(errno));
        return false;
    }
    if ((size_t)snprintf(path, size, "%s", found) < size)
        return true;
    snprintf(error, error_size, "the path of this program, %.60s..., is longer than %zu bytes", found, size - 1);
    return false;
}
