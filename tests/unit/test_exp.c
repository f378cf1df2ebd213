/* test_exp.c - the error of 2^x over every float from -126 to 126, and of tanh over every float, for each vector header, against the bounds
 * that algo/exp.h and algo/tanh.h state.
 *
 * Floats below 2^-30 in size are taken together: there 2^x rounds to 1 or its neighbours, and every 4096th is looked at. The rest, about a
 * billion a sign, is split over the processors. The reference is exp2 of the C library in double (error below 2^-52). */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dispatch/cpu.h"
#include "dispatch/cpus.h"
#include "dispatch/threads.h"
#include "tests/support/vocabulary.h"

#define VOCABULARY(isa) extern const Vocabulary vocabulary_##isa;
#include "vocabulary_list.def"
#undef VOCABULARY

static const Vocabulary *const all[] = {
#define VOCABULARY(isa) &vocabulary_##isa,
#include "vocabulary_list.def"
#undef VOCABULARY
};
enum { COUNT = sizeof all / sizeof *all, CHUNK = 4096, CHUNKS_TOGETHER = 64, WORKERS_MOST = 256 };

/* A function under test: all headers' versions of it, the truth, and the largest |x| of interest. */
typedef struct Function {
    const char *name;
    double (*truth)(double);
    void (*get)(const Vocabulary *, const float *x, float *y);
    float end;
} Function;

static void get_exp2(const Vocabulary *v, const float *x, float *y)
{
    v->exp2(x, y, CHUNK);
}

static void get_tanh(const Vocabulary *v, const float *x, float *y)
{
    v->tanh(x, y, CHUNK);
}

static const Function exp2_function = {"2^x", exp2, get_exp2, 126.0f};
static const Function tanh_function = {"tanh", tanh, get_tanh, FLT_MAX};

/* Bits of the floats step apart from `first` on, with sign; the worst relative error of each header goes to worst[]. Denormal arguments and
 * results count as zero inside kernels, so they do not count here. */
static void sweep(const Function *f, uint32_t first, uint32_t step, uint32_t sign, double worst[COUNT])
{
    float x[CHUNK], y[CHUNK];
    double truth[CHUNK];
    for (uint32_t i = 0; i < CHUNK; i++) {
        const uint32_t bits = (first + i * step) | sign;
        memcpy(&x[i], &bits, sizeof bits);
        truth[i] = f->truth((double)x[i]);
    }
    for (size_t v = 0; v < COUNT; v++) {
        if (all[v]->features & ~attn_cpu_this()->features)
            continue;
        f->get(all[v], x, y);
        for (uint32_t i = 0; i < CHUNK; i++) {
            const double error = truth[i] == 0.0 ? 0.0 : fabs((double)y[i] - truth[i]) / fabs(truth[i]) * 0x1p23;
            if (!(error <= worst[v]) && fabsf(x[i]) <= f->end && fabs(truth[i]) >= FLT_MIN)
                worst[v] = isnan(error) ? INFINITY : error;
        }
    }
}

/* Every step-th float from `first` to `end` in bits, both signs, over all processors. */
typedef struct Range {
    const Function *f;
    uint32_t first, end, step;
    double worst[WORKERS_MOST][COUNT];
} Range;

static void sweep_share(void *context, size_t worker, size_t unit)
{
    Range *range = context;
    const uint64_t stretch = (uint64_t)CHUNK * range->step, begin = range->first + unit / 2 * CHUNKS_TOGETHER * stretch;
    for (uint64_t at = begin; at < begin + CHUNKS_TOGETHER * stretch && at < range->end; at += stretch)
        sweep(range->f, (uint32_t)at, range->step, (uint32_t)(unit % 2) << 31, range->worst[worker]);
}

static void sweep_range(const Function *f, uint32_t first, uint32_t end, uint32_t step, double worst[COUNT])
{
    Range range = {.f = f, .first = first, .end = end, .step = step};
    const uint64_t stretch = (uint64_t)CHUNK * step * CHUNKS_TOGETHER;
    const size_t workers = attn_cpus() < WORKERS_MOST ? attn_cpus() : WORKERS_MOST;
    attn_threads_run(NULL, NULL, workers, &(AttnPhase){.items = 2 * (size_t)((end - first + stretch - 1) / stretch), .item = sweep_share}, &range);
    for (size_t w = 0; w < workers; w++)
        for (size_t v = 0; v < COUNT; v++)
            worst[v] = range.worst[w][v] > worst[v] ? range.worst[w][v] : worst[v];
}

/* low: what a polynomial in floats cannot undercut. */
static void report(const Function *f, const double worst[COUNT], const double stated[COUNT], double low)
{
    for (size_t v = 0; v < COUNT; v++) {
        if (all[v]->features & ~attn_cpu_this()->features) {
            fprintf(stderr, "skipped: %s, not on this CPU\n", all[v]->name);
            continue;
        }
        fprintf(stderr, "%s of %s: worst error %.4f units of 2^-23, stated %.2f\n", f->name, all[v]->name, worst[v], stated[v]);
        cr_expect_leq(worst[v], stated[v], "%s of %s: worst error %.4f, stated %.2f", f->name, all[v]->name, worst[v], stated[v]);
        cr_expect_gt(worst[v], low, "%s of %s: an error of %.4f is too good to be of this polynomial", f->name, all[v]->name, worst[v]);
    }
}

Test(exp, every_float_in_range)
{
    const uint32_t tiny = (127u - 30u) << 23, end = 0x42fc0000u; /* 2^-30 and 126 */
    double worst[COUNT] = {0}, stated[COUNT];
    for (size_t v = 0; v < COUNT; v++)
        stated[v] = all[v]->exp_ulp;
    sweep_range(&exp2_function, 0, tiny, 4096, worst);
    sweep_range(&exp2_function, tiny, end, 1, worst);
    report(&exp2_function, worst, stated, 0.25);
}

/* tanh x = x to the last bit below 2^-13, and 1 beyond 9.1: there every 512th float; every single one in between. */
Test(exp, tanh_of_every_float)
{
    const uint32_t tiny = (127u - 13u) << 23, saturated = 0x41180000u; /* 2^-13 and 9.5 */
    double worst[COUNT] = {0}, stated[COUNT];
    for (size_t v = 0; v < COUNT; v++)
        stated[v] = all[v]->tanh_ulp;
    sweep_range(&tanh_function, 0x00800000u, tiny, 512, worst);
    sweep_range(&tanh_function, tiny, saturated, 1, worst);
    sweep_range(&tanh_function, saturated, 0x7f800000u, 512, worst);
    report(&tanh_function, worst, stated, 0.5);
}
