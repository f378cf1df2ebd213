/* fuzz.c - see fuzz.h. The file lies in memory where the system has such files (Linux), else below TMPDIR. */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void fuzz_demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

char *fuzz_text(const uint8_t *data, size_t size)
{
    const size_t length = strnlen((const char *)data, size);
    char *text = malloc(length + 1);
    fuzz_demand(text != NULL, "there is memory for the input");
    memcpy(text, data, length);
    text[length] = '\0';
    return text;
}

const char *fuzz_file(const uint8_t *data, size_t size)
{
    static char path[64];
    static int fd = -1;
    if (fd < 0) {
#ifdef MFD_CLOEXEC
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
#else
        snprintf(path, sizeof path, "/tmp/fuzzXXXXXX");
        fd = mkstemp(path);
#endif
    }
    fuzz_demand(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "there is room for a file");
    return path;
}
