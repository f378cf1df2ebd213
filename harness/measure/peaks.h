/* peaks.h - the machine's peaks: multiply-adds in registers, exponentials in L1, reads from each level of memory, multiply-adds of narrower
 * types where the CPU has instructions for them.
 *
 * Each peak is an arm of the paired engine, so "% of peak" compares measurements of the same minute, not of today's kernel with last year's
 * machine. With several threads, each does one thread's work. */
#ifndef HARNESS_MEASURE_PEAKS_H
#define HARNESS_MEASURE_PEAKS_H

#include "harness/machine/topology.h"
#include "harness/measure/paired.h"
#include "harness/measure/peak/dot.h"
#include "harness/measure/peak/peak.h"

#include <jansson.h>

typedef enum PeakKind { PEAK_FMA, PEAK_EXP, PEAK_READ, PEAK_DOT } PeakKind;
typedef enum PeakLevel { LEVEL_L1, LEVEL_L2, LEVEL_LLC, LEVEL_DRAM, PEAK_LEVELS } PeakLevel;

typedef struct Peak {
    char name[32];          /* "f32.avx512" (flop/s), "exp.f32.avx512.poly" (1/s), "bw.l2" (B/s)  */
    PeakKind kind;
    const PeakIsa *isa;
    const PeakExp *exp;     /* PEAK_EXP                                                          */
    PeakLevel level;        /* PEAK_READ                                                         */
    bool plain;             /* PEAK_READ from pages of the usual size: "bw.dram.4k"              */
    const PeakDot *dot;     /* PEAK_DOT                                                          */
    size_t threads;
    double units;           /* flop, exponentials or bytes of one iteration, all threads         */
    float *buffer;          /* `threads` parts, each of `part` floats                            */
    size_t mapped, part;    /* bytes of buffer; floats                                           */
    size_t step, at;        /* floats read per iteration; where in the part the next one begins  */
    volatile float sink;    /* keeps the results, or the compiler would drop the work            */
} Peak;

/* The row of peaks for a kernel that needs these features, and the highest row that a CPU with these features can run. */
const PeakIsa *peaks_isa_of(uint64_t kernel_isa);
const PeakIsa *peaks_isa_best(uint64_t features);

const char *peaks_level_name(PeakLevel level); /* "l1", "l2", "llc", "dram" */

/* The smallest level that holds `bytes` spread over the threads' caches. */
PeakLevel peaks_level_of(const Topology *topology, size_t threads, double bytes);

/* which: the exponential (PEAK_EXP) or the level (PEAK_READ). false: there is no such peak, or no memory. */
bool peak_make(Peak *peak, PeakKind kind, const PeakIsa *isa, unsigned which, size_t threads, const Topology *topology);
bool peak_make_plain(Peak *peak, const PeakIsa *isa, PeakLevel level, size_t threads, const Topology *topology); /* PEAK_READ, plain */
void peak_make_dot(Peak *peak, const PeakDot *dot, size_t threads);
void peak_run(void *peak, size_t iterations); /* PairedArm.run */
void peak_free(Peak *peak);

/* All peaks of a CPU with these features, measured together. */
enum { PEAKS_MAX = 40 };
typedef struct Peaks {
    size_t count, threads;
    struct {
        char name[32];
        PeakKind kind;
        double rate, best; /* median and best trial, units per second */
    } at[PEAKS_MAX];
    double ghz;            /* from the sentinel: CHAIN_LENGTH multiplications of 3 cycles */
} Peaks;

/* seconds: roughly how long it may take. false: out of memory. */
bool peaks_measure(Peaks *peaks, uint64_t features, size_t threads, const Topology *topology, double seconds, const volatile sig_atomic_t *stop);

/* Additionally PEAK_DOT of every narrow type, and reads from plain pages besides those from huge ones. A narrow loop is first tried in a
 * child process; if it crashes there, it is left out (a hypervisor may announce instructions that it does not support). */
bool peaks_measure_all(Peaks *peaks, uint64_t features, size_t threads, const Topology *topology, double seconds, const volatile sig_atomic_t *stop);

/* false: it crashed the process that tried it, or gave no number. */
bool peak_dot_works(const PeakDot *dot);

/* Adds `peaks` and `probe_ghz` to a `host` record (results/README.md); NULL: none were measured. */
void peaks_record(const Peaks *peaks, json_t *host);

#endif
