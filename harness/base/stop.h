/* stop.h - the signals that ask for an end: Ctrl-C, SIGTERM, SIGHUP (unless nohup had it ignored), and SIGPIPE of a reader who had enough.
 *
 * The first one is noted, so that a run ends in order: long loops look at stop_signal, finish the record at hand and return
 * EXIT_INTERRUPTED. A second one, half a second later or more, ends the program at once. */
#ifndef HARNESS_BASE_STOP_H
#define HARNESS_BASE_STOP_H

#include <signal.h>
#include <stdbool.h>

/* The signal that asked for an end; 0: none did. */
extern volatile sig_atomic_t stop_signal;

/* Was one of them SIGPIPE? What stdout refuses is then no error. */
extern volatile sig_atomic_t stop_pipe_closed;

/* Catch them from now on. */
void stop_catch(void);

/* Whoever reads stdin calls this first: such a signal then also empties it. Without that, one that comes after the last look at stop_signal and
 * before the read would leave the read waiting. */
void stop_ends_input(void);

/* In a child: leave those signals, which a terminal or `timeout` send to the whole group, to the parent. */
void stop_ignore(void);

/* What the outside sees of a code: EXIT_INTERRUPTED is 128 + the signal, and so is EXIT_USAGE once one came, since a file that could not be read
 * or locked then was interrupted. Its name where a code says that one came, else NULL. */
int stop_exit_code(int code);
const char *stop_exit_name(int code);

#endif
