/* clock.c - another clock, put in front of the system's with LD_PRELOAD: CLOCK_STEP=NS, what it shows is a multiple of that; CLOCK_STANDS=1, it
 * never moves; CLOCK_BACK=1, every 50 ms it goes back by 20 ms. All clocks of clock_gettime but those of CPU time. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long number(const char *name)
{
    const char *text = getenv(name);
    return text ? atoll(text) : 0;
}

int clock_gettime(clockid_t which, struct timespec *t)
{
    static long long step = -1, stands, back;
    const int code = (int)syscall(SYS_clock_gettime, which, t);
    if (step < 0) {
        stands = number("CLOCK_STANDS");
        back = number("CLOCK_BACK");
        step = number("CLOCK_STEP");
    }
    if (code != 0 || which == CLOCK_PROCESS_CPUTIME_ID || which == CLOCK_THREAD_CPUTIME_ID)
        return code;
    long long ns = (long long)t->tv_sec * 1000000000 + t->tv_nsec;
    if (back)
        ns -= ns / 50000000 * 20000000;
    if (step)
        ns = ns / step * step;
    if (stands)
        ns = 1000000000;
    t->tv_sec = (time_t)(ns / 1000000000);
    t->tv_nsec = (long)(ns % 1000000000);
    return 0;
}
