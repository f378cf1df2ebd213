/* stop.h - the signals that ask for an end: Ctrl-C, SIGTERM, SIGHUP (unless nohup had it ignored), and SIGPIPE, when the reader of stdout
 * has closed it.
 *
 * The first one is only noted, so that a run ends in order: long loops check stop_signal, finish the current record and return
 * EXIT_INTERRUPTED. A second one, half a second later or more, ends the program at once. */
#ifndef HARNESS_BASE_STOP_H
#define HARNESS_BASE_STOP_H

#include <signal.h>
#include <stdbool.h>

/* The signal that asked for an end; 0: none. */
extern volatile sig_atomic_t stop_signal;

/* Was one of them SIGPIPE? A failed write to stdout is then not an error. */
extern volatile sig_atomic_t stop_pipe_closed;

/* Catch them from now on. */
void stop_catch(void);

/* Call this before reading stdin: such a signal then also ends the input. Otherwise a signal between the last check of stop_signal and the
 * read would leave the read waiting. */
void stop_ends_input(void);

/* In a child: leave these signals, which a terminal or `timeout` sends to the whole process group, to the parent. */
void stop_ignore(void);

/* The exit status for a code: EXIT_INTERRUPTED becomes 128 + the signal, and so does EXIT_USAGE after a signal, because it was the signal
 * that kept a file from being read or locked. stop_exit_name: the signal's name if the code says that one came, else NULL. */
int stop_exit_code(int code);
const char *stop_exit_name(int code);

#endif
