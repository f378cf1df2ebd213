/* peaks.c - the peak loops of harness/measure/peak/ as arms; buffers for the levels of memory. */
#include "harness/base/json.h"
#include "harness/machine/chain.h"
#include "harness/measure/peaks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dispatch/isa.h"
#include "dispatch/threads.h"
#include "harness/base/isolate.h"

#define ISA(name) extern const PeakIsa peak_##name;
#include "isa_list.def"
#undef ISA

const PeakIsa *const peak_isas[] = {
#define ISA(name) &peak_##name,
#include "isa_list.def"
#undef ISA
};
const size_t peak_isa_count = sizeof peak_isas / sizeof *peak_isas;

enum {
    EXP_FLOATS = 1024,        /* in and out: 8 KiB, in L1                                          */
    STEP_FLOATS = 1 << 18,    /* of DRAM, 1 MiB per iteration: a trial need not read the whole part */
    READ_MULTIPLE = 128
};
#define MAX_DRAM ((size_t)1 << 30)
#define MAX_LLC ((size_t)16 << 20)

/* If the system does not say: small enough to fit into that cache on any CPU that runs this. */
static size_t known(size_t bytes, size_t otherwise)
{
    return bytes > 0 ? bytes : otherwise;
}

const PeakIsa *peaks_isa_of(uint64_t kernel_isa)
{
    const PeakIsa *isa = peak_isas[0];
    for (size_t i = 1; i < peak_isa_count; i++)
        if (kernel_isa & attn_isa_tells(peak_isas[i]->name))
            isa = peak_isas[i];
    return isa;
}

const PeakIsa *peaks_isa_best(uint64_t features)
{
    const PeakIsa *isa = peak_isas[0];
    for (size_t i = 1; i < peak_isa_count; i++)
        if ((features & peak_isas[i]->needs) == peak_isas[i]->needs)
            isa = peak_isas[i];
    return isa;
}

const char *peaks_level_name(PeakLevel level)
{
    static const char *const names[PEAK_LEVELS] = {"l1", "l2", "llc", "dram"};
    return names[level];
}

PeakLevel peaks_level_of(const Topology *topology, size_t threads, double bytes)
{
    if (bytes <= (double)threads * (double)known(topology->l1d, 32 << 10))
        return LEVEL_L1;
    if (bytes <= (double)threads * (double)known(topology->l2, 256 << 10))
        return LEVEL_L2;
    return bytes <= (double)known(topology->llc, 4 << 20) ? LEVEL_LLC : LEVEL_DRAM;
}

/* Bytes that one thread reads repeatedly to measure a level: well within it, and well beyond the level before. */
static size_t level_bytes(PeakLevel level, size_t threads, const Topology *topology)
{
    const size_t l1 = known(topology->l1d, 32 << 10), l2 = known(topology->l2, 256 << 10), llc = known(topology->llc, 4 << 20);
    size_t bytes = l1 / 2;
    if (level == LEVEL_L2)
        bytes = l2 / 2;
    if (level == LEVEL_LLC)
        bytes = (llc / 2 < MAX_LLC ? llc / 2 : MAX_LLC) / threads;
    if (level == LEVEL_DRAM) {
        const size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
        bytes = 4 * llc < MAX_DRAM ? 4 * llc : MAX_DRAM;
        bytes = (bytes < memory / 8 ? bytes : memory / 8) / threads;
    }
    return bytes;
}

static bool make(Peak *peak, PeakKind kind, const PeakIsa *isa, unsigned which, bool plain, size_t threads, const Topology *topology)
{
    memset(peak, 0, sizeof *peak);
    peak->kind = kind;
    peak->plain = plain;
    peak->isa = isa;
    peak->threads = threads;
    if (kind == PEAK_FMA) {
        snprintf(peak->name, sizeof peak->name, "f32.%s", isa->name);
        peak->units = isa->flop * (double)threads;
        return true;
    }
    if (kind == PEAK_EXP) {
        if (which >= PEAK_EXPS || !isa->exp[which].name)
            return false;
        peak->exp = &isa->exp[which];
        snprintf(peak->name, sizeof peak->name, "exp.f32.%s.%s", isa->name, peak->exp->name);
        peak->units = (double)EXP_FLOATS * (double)threads;
        peak->part = (size_t)2 * EXP_FLOATS;
    } else {
        peak->level = (PeakLevel)which;
        snprintf(peak->name, sizeof peak->name, "bw.%s%s", peaks_level_name(peak->level), plain ? ".4k" : "");
        peak->part = level_bytes(peak->level, threads, topology) / sizeof(float) / READ_MULTIPLE * READ_MULTIPLE;
        peak->step = peak->level == LEVEL_DRAM && peak->part > STEP_FLOATS ? STEP_FLOATS : peak->part;
        peak->part = peak->part / peak->step * peak->step;
        peak->units = (double)(peak->step * sizeof(float)) * (double)threads;
    }
    peak->mapped = threads * peak->part * sizeof(float);
    void *memory = mmap(NULL, peak->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
#ifdef MADV_HUGEPAGE
    madvise(memory, peak->mapped, plain ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
#endif
    peak->buffer = memory;
    for (size_t i = 0; i < threads * peak->part; i++)
        peak->buffer[i] = -8.0f * (float)(i % 1000) / 1000.0f; /* typical arguments of 2^x in a softmax */
    return true;
}

bool peak_make(Peak *peak, PeakKind kind, const PeakIsa *isa, unsigned which, size_t threads, const Topology *topology)
{
    return make(peak, kind, isa, which, false, threads, topology);
}

bool peak_make_plain(Peak *peak, const PeakIsa *isa, PeakLevel level, size_t threads, const Topology *topology)
{
    return make(peak, PEAK_READ, isa, level, true, threads, topology);
}

void peak_make_dot(Peak *peak, const PeakDot *dot, size_t threads)
{
    memset(peak, 0, sizeof *peak);
    peak->kind = PEAK_DOT;
    peak->dot = dot;
    peak->threads = threads;
    peak->units = dot->flop * (double)threads;
    snprintf(peak->name, sizeof peak->name, "%s", dot->name);
}

typedef struct Share {
    Peak *peak;
    size_t iterations;
} Share;

static void run_share(void *context, size_t worker, size_t unit)
{
    const Share *share = context;
    const Peak *peak = share->peak;
    float *part = peak->buffer ? peak->buffer + unit * peak->part : NULL;
    (void)worker;
    float total = 0;
    switch (peak->kind) {
    case PEAK_FMA:
        total = peak->isa->fma(share->iterations);
        break;
    case PEAK_EXP:
        for (size_t n = 0; n < share->iterations; n++)
            peak->exp->run(part + EXP_FLOATS, part, EXP_FLOATS);
        total = part[EXP_FLOATS];
        break;
    case PEAK_DOT:
        total = peak->dot->run(share->iterations);
        break;
    case PEAK_READ:
        for (size_t n = 0, at = peak->at; n < share->iterations; n++, at = (at + peak->step) % peak->part)
            total += peak->isa->read(part + at, peak->step);
        break;
    }
    if (unit == 0)
        share->peak->sink = total;
}

void peak_run(void *context, size_t iterations)
{
    Peak *peak = context;
    Share share = {peak, iterations};
    if (peak->threads == 1)
        run_share(&share, 0, 0);
    else
        attn_threads_run(NULL, NULL, peak->threads, &(AttnPhase){.items = peak->threads, .item = run_share}, &share);
    if (peak->kind == PEAK_READ)
        peak->at = (peak->at + iterations * peak->step) % peak->part;
}

void peak_free(Peak *peak)
{
    if (peak->buffer)
        munmap(peak->buffer, peak->mapped);
    peak->buffer = NULL;
}

static void try_dot(void *context, size_t item, void *result)
{
    const PeakDot *dot = context;
    (void)item;
    const float total = dot->run(2);
    *(bool *)result = isfinite(total) && total != 0;
}

static bool tried_dot(void *context, size_t item, const void *result, const char *crash)
{
    (void)context;
    (void)item;
    return !crash && *(const bool *)result;
}

bool peak_dot_works(const PeakDot *dot)
{
    const char *error;
    const IsolateJob job = {.items = 1, .group = 1, .workers = 1, .result_size = sizeof(bool), .timeout = 10,
                            .context = (void *)(uintptr_t)dot, .work = try_dot, .done = tried_dot};
    return isolate_run(&job, &error);
}

static size_t add_narrow(Peak *made, uint64_t features, size_t threads, const Topology *topology)
{
    size_t count = 0;
    for (size_t file = 0; file < peak_dot_files; file++)
        for (const PeakDot *dot = peak_dots[file]; dot->name; dot++)
            if ((features & dot->needs) == dot->needs && peak_dot_works(dot))
                peak_make_dot(&made[count++], dot, threads);
    for (unsigned level = LEVEL_LLC; level < PEAK_LEVELS; level++)
        count += peak_make_plain(&made[count], peaks_isa_best(features), level, threads, topology);
    return count;
}

static bool measure(Peaks *peaks, bool all, uint64_t features, size_t threads, const Topology *topology, double seconds, const volatile sig_atomic_t *stop)
{
    Peak made[PEAKS_MAX];
    PairedArm arms[PEAKS_MAX];
    size_t count = 0;
    memset(arms, 0, sizeof arms);
    memset(peaks, 0, sizeof *peaks);
    peaks->threads = threads;
    for (size_t i = 0; i < peak_isa_count; i++) {
        const PeakIsa *isa = peak_isas[i];
        if ((features & isa->needs) != isa->needs)
            continue;
        count += peak_make(&made[count], PEAK_FMA, isa, 0, threads, topology);
        for (unsigned e = 0; e < PEAK_EXPS; e++)
            count += peak_make(&made[count], PEAK_EXP, isa, e, threads, topology);
    }
    for (unsigned level = 0; level < PEAK_LEVELS; level++)
        count += peak_make(&made[count], PEAK_READ, peaks_isa_best(features), level, threads, topology);
    if (all)
        count += add_narrow(made + count, features, threads, topology);
    for (size_t k = 0; k < count; k++) {
        arms[k].run = peak_run;
        arms[k].context = &made[k];
    }
    PairedConfig config = paired_config();
    config.budget = seconds;
    config.stop = stop;
    PairedRun run;
    const bool measured = paired_measure(&config, arms, count, &run);
    for (size_t k = 0; k < count && measured; k++) {
        const StatsSummary s = paired_summary(&run, &arms[k]);
        memcpy(peaks->at[k].name, made[k].name, sizeof made[k].name);
        peaks->at[k].kind = made[k].kind;
        peaks->at[k].rate = made[k].units / s.median;
        peaks->at[k].best = made[k].units / s.min;
    }
    if (measured) {
        peaks->count = count;
        peaks->ghz = (double)CHAIN_LENGTH * CHAIN_LATENCY / run.sentinel.median * 1e-9;
        paired_free(arms, count);
    }
    for (size_t k = 0; k < count; k++)
        peak_free(&made[k]);
    return measured;
}

bool peaks_measure(Peaks *peaks, uint64_t features, size_t threads, const Topology *topology, double seconds, const volatile sig_atomic_t *stop)
{
    return measure(peaks, false, features, threads, topology, seconds, stop);
}

bool peaks_measure_all(Peaks *peaks, uint64_t features, size_t threads, const Topology *topology, double seconds, const volatile sig_atomic_t *stop)
{
    return measure(peaks, true, features, threads, topology, seconds, stop);
}

static json_t *peaks_json(const Peaks *peaks)
{
    if (!peaks)
        return json_null();
    json_t *rates = json_object(), *by_threads = json_object();
    for (size_t k = 0; k < peaks->count; k++)
        json_object_set_new(rates, peaks->at[k].name, json_number_or_null(peaks->at[k].rate));
    char threads[24];
    snprintf(threads, sizeof threads, "t%zu", peaks->threads);
    json_object_set_new(by_threads, threads, rates);
    return by_threads;
}

void peaks_record(const Peaks *peaks, json_t *host)
{
    json_object_set_new(host, "peaks", peaks_json(peaks));
    if (peaks)
        json_object_set_new(host, "probe_ghz", json_number_or_null(peaks->ghz));
}
