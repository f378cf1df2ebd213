/* counters.c - see counters.h. Each event is opened by itself, not in a group: a group larger than the number of available counters would
 * never run. */
#include "harness/measure/counters.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char *const names[COUNTERS] = {
    [COUNTER_CYCLES] = "cycles",       [COUNTER_INSTRUCTIONS] = "insn",     [COUNTER_LLC_MISSES] = "llc_miss",
    [COUNTER_L1D_MISSES] = "l1d_miss", [COUNTER_DTLB_MISSES] = "dtlb_miss",
};

const char *counter_name(Counter counter)
{
    return names[counter];
}

#ifdef __linux__
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CACHE_MISS(cache) ((cache) | PERF_COUNT_HW_CACHE_OP_READ << 8 | PERF_COUNT_HW_CACHE_RESULT_MISS << 16)

static const struct {
    uint32_t type;
    uint64_t config;
} events[COUNTERS] = {
    [COUNTER_CYCLES] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
    [COUNTER_INSTRUCTIONS] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
    [COUNTER_LLC_MISSES] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
    [COUNTER_L1D_MISSES] = {PERF_TYPE_HW_CACHE, CACHE_MISS(PERF_COUNT_HW_CACHE_L1D)},
    [COUNTER_DTLB_MISSES] = {PERF_TYPE_HW_CACHE, CACHE_MISS(PERF_COUNT_HW_CACHE_DTLB)},
};

static int open_event(Counter counter)
{
    struct perf_event_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.size = sizeof attr;
    attr.type = events[counter].type;
    attr.config = events[counter].config;
    attr.disabled = 1;
    attr.exclude_kernel = 1;
    attr.exclude_hv = 1;
    attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

bool counters_open(Counters *counters, char *why, size_t why_size)
{
    for (int c = 0; c < COUNTERS; c++) {
        counters->fd[c] = open_event((Counter)c);
        if (counters->fd[c] < 0 && c <= COUNTER_INSTRUCTIONS) {
            const int reason = errno;
            for (int before = 0; before < c; before++)
                close(counters->fd[before]);
            if (reason == EACCES || reason == EPERM)
                snprintf(why, why_size, "not allowed: kernel.perf_event_paranoid above 2, or a container's seccomp");
            else if (reason == ENOENT || reason == EOPNOTSUPP || reason == ENODEV)
                snprintf(why, why_size, "no performance counters here: a virtual machine without them");
            else
                snprintf(why, why_size, "perf_event_open: %s", strerror(reason));
            return false;
        }
    }
    return true;
}

void counters_close(Counters *counters)
{
    for (int c = 0; c < COUNTERS; c++)
        if (counters->fd[c] >= 0)
            close(counters->fd[c]);
}

void counters_start(const Counters *counters)
{
    for (int c = 0; c < COUNTERS; c++)
        if (counters->fd[c] >= 0) {
            ioctl(counters->fd[c], PERF_EVENT_IOC_RESET, 0);
            ioctl(counters->fd[c], PERF_EVENT_IOC_ENABLE, 0);
        }
}

void counters_stop(const Counters *counters, double values[COUNTERS])
{
    for (int c = 0; c < COUNTERS; c++)
        if (counters->fd[c] >= 0)
            ioctl(counters->fd[c], PERF_EVENT_IOC_DISABLE, 0);
    for (int c = 0; c < COUNTERS; c++) {
        uint64_t read_out[3]; /* value, time enabled, time running */
        values[c] = NAN;
        if (counters->fd[c] >= 0 && read(counters->fd[c], read_out, sizeof read_out) == (ssize_t)sizeof read_out && read_out[2] > 0)
            values[c] = (double)read_out[0] * ((double)read_out[1] / (double)read_out[2]);
    }
}

#else
bool counters_open(Counters *counters, char *why, size_t why_size)
{
    memset(counters->fd, -1, sizeof counters->fd);
    snprintf(why, why_size, "performance counters are read on Linux only");
    return false;
}

void counters_close(Counters *counters)
{
    (void)counters;
}

void counters_start(const Counters *counters)
{
    (void)counters;
}

void counters_stop(const Counters *counters, double values[COUNTERS])
{
    (void)counters;
    for (int c = 0; c < COUNTERS; c++)
        values[c] = NAN;
}
#endif
