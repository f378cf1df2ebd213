/* peak.h - the loops that define the machine's peaks: one row per ISA level, each a file here, compiled with that row's flags of
 * kernels/meson.build. */
#ifndef HARNESS_MEASURE_PEAK_PEAK_H
#define HARNESS_MEASURE_PEAK_PEAK_H

#include "kernels/kernel.h"

enum { PEAK_STEPS = 1024 /* loop turns per iteration of PeakIsa.fma */, PEAK_EXPS = 2 };

/* A vectorised 2^x over n floats (a multiple of 64), from L1 to L1, as the kernels use it. */
typedef struct PeakExp {
    const char *name; /* "poly", "sleef"; NULL: no more */
    void (*run)(float *out, const float *in, size_t n);
} PeakExp;

typedef struct PeakIsa {
    const char *name; /* "sse2", "avx2", "avx512", "neon", "portable": the rows of kernels/meson.build, and but
                         for "portable" the label of their level                                        */
    uint64_t needs;   /* what these loops need to run                                                       */
    double flop;      /* of one iteration of fma()                                                          */
    float (*fma)(size_t iterations);
    float (*read)(const float *x, size_t n); /* sum of x[0..n), n a multiple of 128: loads at full width    */
    PeakExp exp[PEAK_EXPS];
} PeakIsa;

/* Ascending, baseline first: a kernel's peaks are the last row whose level (dispatch/isa.h) it needs. */
extern const PeakIsa *const peak_isas[];
extern const size_t peak_isa_count;

#endif
