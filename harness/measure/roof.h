/* roof.h - the shortest time that the machine's peaks allow for a problem (Williams, Waterman & Patterson 2009), with a third roof:
 * attention needs one exponential per score, and where multiply-adds are cheap, that is the bound.
 *
 *     t_roof = max(flop / peak, exp / peak_exp, bytes / bandwidth of the smallest cache that holds the operands)
 *
 * flop = 2 (d + dv) and exp = 1 for each visible pair of a query and a key; bytes are compulsory: q and o once, k and v once
 * per KV head. */
#ifndef HARNESS_MEASURE_ROOF_H
#define HARNESS_MEASURE_ROOF_H

#include "harness/measure/peaks.h"

typedef struct RoofWork {
    double flop, exp, bytes;
} RoofWork;

typedef struct Roof {
    double seconds;
    PeakKind bound;    /* which of the three applies */
    const char *name;  /* "fma", "exp", "l1", "l2", "llc", "dram" */
} Roof;

/* Rates in flop/s, 1/s, B/s. A rate of NaN or 0 sets no bound. */
Roof roof_of(const RoofWork *work, double fma_rate, double exp_rate, double read_rate, PeakLevel level);

#endif
