/* cpus.c - see cpus.h. Determined once, because workspace sizes depend on it. The quota is that of Linux control groups (version 2), which
 * limit containers: a process that exceeds it has all its threads stopped for the rest of each period. */
#include "dispatch/cpus.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

size_t attn_cpus_of_quota(const char *text)
{
    char *end;
    if (*text < '0' || *text > '9')
        return 0;
    const unsigned long long quota = strtoull(text, &end, 10);
    if (*end != ' ' || end[1] < '0' || end[1] > '9')
        return 0;
    const unsigned long long period = strtoull(end + 1, &end, 10);
    return period > 0 && (*end == '\n' || *end == '\0') ? (size_t)(quota / period + (quota % period > 0)) : 0;
}

#ifdef __linux__
enum { SETS = 64, /* of 1024 CPUs each */ LINE = 4096 };

/* The first bytes of a small file; "" where there is none. Allocates nothing: a run may be the first to ask. */
static void read_text(const char *path, char text[LINE])
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = fd >= 0 ? read(fd, text, LINE - 1) : 0;
    text[length > 0 ? length : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

/* The least quota from this process's group up to the root; 0: none. */
static size_t in_quota(void)
{
    char groups[LINE], path[LINE], text[LINE];
    size_t least = 0;
    read_text("/proc/self/cgroup", groups);
    const char *at = strncmp(groups, "0::", 3) == 0 ? groups : strstr(groups, "\n0::");
    if (!at)
        return 0;
    at = strchr(at, ':') + 2;
    for (size_t length = strcspn(at, "\n");; length--) { /* "/a/b", "/a", "" */
        if (length == 0 || at[length] == '/' || at[length] == '\n' || at[length] == '\0') {
            const int whole = snprintf(path, sizeof path, "/sys/fs/cgroup%.*s/cpu.max", (int)length, at);
            text[0] = '\0';
            if (whole > 0 && (size_t)whole < sizeof path)
                read_text(path, text);
            const size_t cpus = attn_cpus_of_quota(text);
            least = cpus > 0 && (least == 0 || cpus < least) ? cpus : least;
        }
        if (length == 0)
            return least;
    }
}

static size_t count_cpus(void)
{
    cpu_set_t set[SETS];
    const int count = sched_getaffinity(0, sizeof set, set) == 0 ? CPU_COUNT_S(sizeof set, set) : 0;
    const long online = count > 0 ? count : sysconf(_SC_NPROCESSORS_ONLN);
    const size_t cpus = online > 0 ? (size_t)online : 1, quota = in_quota();
    return quota > 0 && quota < cpus ? quota : cpus;
}
#else
static size_t count_cpus(void)
{
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}
#endif

size_t attn_cpus(void)
{
    static atomic_size_t known; /* two threads that ask at once find the same */
    size_t cpus = atomic_load_explicit(&known, memory_order_relaxed);
    if (cpus == 0) {
        cpus = count_cpus();
        atomic_store_explicit(&known, cpus, memory_order_relaxed);
    }
    return cpus;
}
