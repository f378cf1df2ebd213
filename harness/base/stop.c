/* stop.c - see stop.h. */
#include "harness/base/clock.h"
#include "harness/base/exit.h"
#include "harness/base/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

volatile sig_atomic_t stop_signal, stop_pipe_closed;
static volatile sig_atomic_t empty = -1; /* replaces stdin */

/* Signals that ask the program to end. SIGPIPE means that the reader of stdout has closed it: the run ends in order, with its records,
 * instead of being killed. */
static const struct { int number; const char *name; } stops[] = {
    {SIGINT, "SIGINT"}, {SIGTERM, "SIGTERM"}, {SIGHUP, "SIGHUP"}, {SIGPIPE, "SIGPIPE"}};
enum { STOPS = sizeof stops / sizeof *stops };

/* The first signal asks, the second kills. `timeout`, and a terminal that closes, signal both the program and its process group: signals
 * within half a second count as the same request. */
static void interrupt(int number)
{
    static double asked;
    const int reason = errno;
    const double now = clock_seconds();
    stop_pipe_closed = stop_pipe_closed || number == SIGPIPE;
    if (!stop_signal) {
        asked = now;
        stop_signal = number;
        if (empty >= 0)
            dup2(empty, STDIN_FILENO);
    } else if (number != SIGPIPE && now - asked > 0.5) {
        signal(number, SIG_DFL);
        raise(number); /* delivered when this returns */
    }
    errno = reason;
}

void stop_ignore(void)
{
    for (size_t i = 0; i < STOPS; i++)
        if (stops[i].number != SIGPIPE)
            signal(stops[i].number, SIG_IGN);
}

int stop_exit_code(int code)
{
    return (code == EXIT_INTERRUPTED || code == EXIT_USAGE) && stop_signal ? 128 + (int)stop_signal : code;
}

const char *stop_exit_name(int code)
{
    for (size_t i = 0; i < STOPS; i++)
        if (code == 128 + stops[i].number)
            return stops[i].name;
    return NULL;
}

void stop_catch(void)
{
    /* No SA_RESTART, so that a blocking read ends too. */
    struct sigaction action = {.sa_handler = interrupt}, before;
    for (size_t i = 0; i < STOPS; i++)
        sigaddset(&action.sa_mask, stops[i].number);
    for (size_t i = 0; i < STOPS; i++)
        if (sigaction(stops[i].number, NULL, &before) != 0 || stops[i].number != SIGHUP || before.sa_handler != SIG_IGN)
            sigaction(stops[i].number, &action, NULL);
}

void stop_ends_input(void)
{
    if (empty < 0)
        empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (stop_signal && empty >= 0)
        dup2(empty, STDIN_FILENO);
}
