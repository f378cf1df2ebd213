/* test_micro.c - what micro-benchmarks time is right, threads stand where bench says, and the loop of the pool keeps its contract. */
#include <criterion/criterion.h>

#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "dispatch/cpu.h"
#include "dispatch/threads.h"
#include "harness/base/random.h"
#include "harness/bench/micro/micro.h"
#include "harness/bench/micro/micro_isa.h"
#include "harness/machine/pool.h"
#include "harness/ops/sdpa/verify.h"

static bool usable(size_t i)
{
    return (attn_cpu_this()->features & peak_isas[i]->needs) == peak_isas[i]->needs;
}

enum { D = 64, N = 24, VALUES = 64, MOST_LANES = 64 };

static float q[D * MOST_LANES], k[N * D], v[VALUES * D], p[VALUES * MOST_LANES], o[MOST_LANES * D];

static void fill(float *x, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(random_uniform(seed, i) - 0.5);
}

/* Every candidate, every number that a whole tile writes; nothing else is touched. */
Test(micro, score_tiles_are_right)
{
    for (size_t i = 0; i < peak_isa_count; i++) {
        const MicroIsa *isa = micro_isas[i];
        cr_assert_str_eq(isa->name, peak_isas[i]->name);
        if (!usable(i))
            continue;
        for (const MicroTile *tile = isa->scores; tile->rows; tile++)
            for (int exponential = 0; exponential < 2; exponential++) {
                const size_t lanes = (size_t)tile->vectors * isa->vl, rows = N / (size_t)tile->rows * (size_t)tile->rows;
                const MicroOperands x = {.d = D, .keys = N, .lanes = 4 * isa->vl, .q = q, .k = k, .p = p};
                fill(q, D * lanes, 1);
                fill(k, N * D, 2);
                memset(p, 0xff, sizeof p);
                isa->score(*tile, exponential, &x);
                for (size_t r = 0; r < rows; r++)
                    for (size_t c = 0; c < lanes; c++) {
                        double s = 0;
                        for (size_t n = 0; n < D; n++)
                            s += (double)k[r * D + n] * (double)q[n * lanes + c];
                        cr_assert_float_eq(p[r * lanes + c], exponential ? exp2(s) : s, 1e-5, "%s %dx%d, key %zu, lane %zu",
                                           isa->name, tile->rows, tile->vectors, r, c);
                    }
                cr_assert(isnan(p[rows * lanes]), "%s %dx%d writes beyond its tiles", isa->name, tile->rows, tile->vectors);
            }
    }
}

Test(micro, value_tiles_are_right)
{
    for (size_t i = 0; i < peak_isa_count; i++) {
        const MicroIsa *isa = micro_isas[i];
        if (!usable(i))
            continue;
        for (const MicroTile *tile = isa->values; tile->rows; tile++) {
            const size_t lanes = 4 * isa->vl, width = (size_t)tile->vectors * isa->vl;
            const size_t rows = lanes / (size_t)tile->rows * (size_t)tile->rows, columns = D / width * width;
            const MicroOperands x = {.d = D, .keys = VALUES, .lanes = lanes, .v = v, .p = p, .o = o};
            fill(v, VALUES * D, 3);
            fill(p, VALUES * lanes, 4);
            for (size_t n = 0; n < lanes * D; n++)
                o[n] = 1.0f;
            isa->value(*tile, &x);
            for (size_t r = 0; r < lanes; r++)
                for (size_t c = 0; c < D; c++) {
                    double sum = 1;
                    for (size_t n = 0; n < VALUES && r < rows && c < columns; n++)
                        sum += (double)p[n * lanes + r] * (double)v[n * D + c];
                    cr_assert_float_eq(o[r * D + c], sum, 1e-5, "%s %dx%d, row %zu, column %zu", isa->name, tile->rows,
                                       tile->vectors, r, c);
                }
        }
    }
}

Test(micro, exponentials_and_bare_loops_are_right)
{
    enum { ROWS = 5, KEYS = 7, FLOATS = 128 };
    float in[FLOATS], out[FLOATS];
    for (size_t i = 0; i < peak_isa_count; i++) {
        const MicroIsa *isa = micro_isas[i];
        if (!usable(i))
            continue;
        for (const int *chains = isa->chains; *chains; chains++) {
            for (size_t n = 0; n < FLOATS; n++)
                in[n] = -20.0f * (float)random_uniform(5, n);
            isa->exp(*chains, out, in, FLOATS);
            for (size_t n = 0; n < FLOATS; n++)
                cr_assert(fabs(out[n] / exp2((double)in[n]) - 1) < 1e-6, "%s, %d at a time, 2^%g is %g", isa->name, *chains,
                          (double)in[n], (double)out[n]);
        }
        fill(q, ROWS * D, 6);
        fill(k, KEYS * D, 7);
        fill(v, KEYS * D, 8);
        isa->bare(q, k, v, o, ROWS, KEYS, D);
        for (size_t r = 0; r < ROWS; r++) {
            double w[KEYS], l = 0;
            for (size_t j = 0; j < KEYS; j++) {
                double s = 0;
                for (size_t c = 0; c < D; c++)
                    s += (double)q[r * D + c] * (double)k[j * D + c];
                l += w[j] = exp(s / 8);
            }
            for (size_t c = 0; c < D; c++) {
                double sum = 0;
                for (size_t j = 0; j < KEYS; j++)
                    sum += w[j] / l * (double)v[j * D + c];
                cr_assert_float_eq(o[r * D + c], sum, 1e-6, "%s, row %zu, column %zu", isa->name, r, c);
            }
        }
    }
}

/* The tiles marked as those of the kernels are among the candidates, or the tables could not show that they are the best. */
Test(micro, the_kernels_tiles_are_candidates)
{
    for (size_t i = 0; i < peak_isa_count; i++) {
        const MicroKernel *kernel = micro_kernels[i];
        bool score = false, value = false;
        for (const MicroTile *t = micro_isas[i]->scores; t->rows; t++)
            score |= t->rows == kernel->mr && t->vectors == kernel->nq;
        for (const MicroTile *t = micro_isas[i]->values; t->rows; t++)
            value |= t->rows == kernel->pq && t->vectors == kernel->nv;
        cr_expect(score, "%s: %dx%d is not tried", kernel->name, kernel->mr, kernel->nq);
        cr_expect(value, "%s: %dx%d is not tried", kernel->name, kernel->pq, kernel->nv);
    }
}

Test(micro, blocks_of_every_length_agree)
{
    static const size_t blocks[] = {64, 1024};
    Shape shape;
    char error[200];
    cr_assert(shape_parse(&shape, "b1_h1_q70_k300_d16_causal", error, sizeof error), "%s", error);
    for (size_t i = 0; i < peak_isa_count; i++)
        for (size_t b = 0; usable(i) && b < sizeof blocks / sizeof *blocks; b++) {
            micro_kernels[i]->set_block(blocks[b]);
            for (int whole = 0; whole < 2; whole++) {
                AttnKernel kernel = *micro_kernels[i]->kernel;
                kernel.unit_panels = whole ? micro_kernels[i]->unit_panels : 1;
                const VerifyResult r = verify_case_isolated(&kernel, &shape, DIST_STAIRS, 5, FENCE_AFTER, 1);
                cr_expect_eq(r.status, VERIFY_PASS, "%s, blocks of %zu, %zu panels: %s", kernel.name, blocks[b], kernel.unit_panels, r.why);
            }
        }
}

/* ---- Cores ------------------------------------------------------------------------------------------------------------------------ */

#ifdef __linux__
typedef struct WorkerCpus {
    int cpu[64];
    atomic_size_t count, allowed;
} WorkerCpus;

static void see(void *context, size_t worker, size_t unit)
{
    WorkerCpus *cpus = context;
    cpu_set_t set;
    (void)worker, (void)unit;
    sched_getaffinity(0, sizeof set, &set);
    atomic_store(&cpus->allowed, (size_t)CPU_COUNT(&set));
    const size_t at = atomic_fetch_add(&cpus->count, 1);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set))
            cpus->cpu[at] = cpu;
    while (atomic_load(&cpus->count) < 2)
        sched_yield(); /* so that two units are on two threads */
}

Test(micro, each_worker_has_a_core_of_its_own, .timeout = HANG_SECONDS)
{
    int cpu[64];
    char text[96];
    const size_t cores = topology_cores(cpu, 64);
    for (size_t i = 1; i < cores; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert_neq(cpu[i], cpu[j]);
    if (cores < 2)
        cr_skip_test("one core");
    cr_assert(topology_pin(2, text, sizeof text), "%s", text);
    AttnSettings settings = {.threads = 2};
    topology_pin_workers(attn_threads_workers(&settings));
    WorkerCpus cpus = {0};
    attn_threads_run(NULL, NULL, 2, &(AttnPhase){.items = 2, .item = see}, &cpus);
    cr_expect_eq(cpus.count, 2);
    cr_expect_eq(cpus.allowed, 1, "a worker may go to %zu CPUs", (size_t)cpus.allowed);
    cr_expect(cpus.cpu[0] + cpus.cpu[1] == cpu[0] + cpu[1] && cpus.cpu[0] != cpus.cpu[1], "workers on CPUs %d and %d", cpus.cpu[0],
              cpus.cpu[1]);
    topology_free_caller();
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    cr_expect_eq(CPU_COUNT(&set), 2);
    cr_expect_not(topology_pin(cores + 1, text, sizeof text));
    cr_expect_not_null(strstr(text, "not pinned: "), "%s", text);
}
#endif

/* ---- The pool --------------------------------------------------------------------------------------------------------------------- */

typedef struct Tally {
    atomic_int done[300];
    atomic_int wrong;
} Tally;

static void tally(void *argument, size_t i)
{
    Tally *t = argument;
    if (i < 300)
        atomic_fetch_add(&t->done[i], 1);
    else
        atomic_fetch_add(&t->wrong, 1);
}

Test(micro, the_pool_calls_each_index_once, .timeout = HANG_SECONDS)
{
    static const size_t threads[] = {1, 2, 3, 7};
    for (size_t at = 0; at < sizeof threads / sizeof *threads; at++) {
        Pool *pool = pool_open(threads[at]);
        cr_assert_not_null(pool);
        for (size_t round = 0; round < 300; round++) {
            Tally t = {0};
            const size_t n = round * 7 % 300;
            if (round % 100 == 99)
                usleep(20000); /* long enough for the threads to fall asleep */
            pool_loop(pool, n, tally, &t);
            cr_assert_eq(t.wrong, 0);
            for (size_t i = 0; i < 300; i++)
                cr_assert_eq(t.done[i], i < n, "%zu threads, n %zu: index %zu was called %d times", threads[at], n, i, (int)t.done[i]);
        }
        pool_close(pool);
    }
    pool_close(NULL);
}
