/* bench_options.h - what the command line of `attnzoo bench` asks for. */
#ifndef HARNESS_CMD_BENCH_OPTIONS_H
#define HARNESS_CMD_BENCH_OPTIONS_H

#include "harness/bench/vary.h"

typedef struct BenchWanted {
    const char *kernels; /* patterns; NULL: all             */
    const char *shapes;  /* never NULL after reading        */
    const char *suite;   /* shapes of the suite, if named   */
    const char *micro;   /* micro-benchmarks instead of shapes, a checked list; NULL: none */
    bool varies;         /* each kernel under the variants of `vary`       */
    Vary vary;
    BenchOptions bench;  /* filled with defaults beforehand */
} BenchWanted;

/* EXIT_OK: go on; -1: the help was printed; otherwise the code to leave with, after an error was printed. */
int bench_options_read(BenchWanted *wanted, int argc, char **argv);

#endif
