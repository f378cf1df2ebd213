/* vary.h - one shape, each kernel under several variants, in one paired run: numbers of threads (`bench --scaling`) or what the operands
 * hold (`bench --dist` with a list). A kernel is compared with itself under the first variant. */
#ifndef HARNESS_BENCH_VARY_H
#define HARNESS_BENCH_VARY_H

#include "harness/base/render.h"
#include "harness/bench/case.h"
#include "harness/records/records.h"

enum { VARY_MOST = 16 };

/* What varies, and the variants; the first is what the others are compared with. */
typedef struct Vary {
    bool by_threads; /* else by the data */
    size_t count;
    size_t threads[VARY_MOST];
    struct {
        DataDist dist;
        bool ragged; /* keys of varying number: pad50 in the shape; longer batches only  */
        bool masked; /* a boolean mask                                                   */
    } data[VARY_MOST];
    char name[VARY_MOST][16];
} Vary;

/* "1,2,4": ascending numbers of threads. "peaky,ragged" or "all": normal is put in front if it is not named. false after printing an
 * error. */
bool vary_read_threads(Vary *vary, const char *text);
bool vary_read_data(Vary *vary, const char *text);

typedef struct VaryOutputs {
    Records *records;
    RenderTable *all; /* rows of all cases, or NULL */
    bool silent;      /* no table on stdout         */
    bool *unable;     /* set to true if a shape could not be set up or measured completely */
} VaryOutputs;

/* Verify, measure, show and record one shape. Kernels without yardsticks. Returns an exit code: EXIT_DISAGREE also if a kernel has less
 * than half its speed on the first data, with the whole interval below; EXIT_NOTHING if no kernel takes the shape. */
int vary_case(const Vary *vary, const Shape *shape, const AttnKernel *const *kernels, size_t count, const BenchOptions *options,
              const AttnSettings *settings, const Topology *topology, const VaryOutputs *out);

RenderTable *vary_table(const Vary *vary, bool with_case);

#endif
