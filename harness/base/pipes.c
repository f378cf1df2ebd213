/* pipes.c - see pipes.h. */
#include "harness/base/pipes.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { POLL_MS = 200 };

bool pipes_put(int to, const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        const ssize_t n = write(to, at, size);
        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

bool pipes_get(int from, void *data, size_t size, const volatile sig_atomic_t *stop)
{
    for (char *at = data; size > 0;) {
        struct pollfd wait = {.fd = from, .events = POLLIN};
        const int ready = poll(&wait, 1, POLL_MS);
        if (stop && *stop)
            return false;
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        const ssize_t n = read(from, at, size);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        at += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return true;
}
