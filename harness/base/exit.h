/* exit.h - exit codes of the program; documented in --help, README and the man page. */
#include "harness/base/stop.h"
#ifndef HARNESS_BASE_EXIT_H
#define HARNESS_BASE_EXIT_H

enum {
    EXIT_OK = 0,           /* success                                                                */
    EXIT_DISAGREE = 1,     /* verification failed, or a regression is confirmed                      */
    EXIT_USAGE = 2,        /* bad arguments, names, shapes, files                                    */
    EXIT_INCONCLUSIVE = 3, /* noise or too little power to decide                                    */
    EXIT_NOTHING = 4,      /* nothing to run: ISA missing, filter empty; never reported as success   */
    EXIT_CRASHED = 5,      /* a kernel crashed in isolation                                          */
    EXIT_INTERRUPTED = 130 /* stopped by a signal; every finished record was kept. stop_exit_code: 128 + signal */
};

#endif
