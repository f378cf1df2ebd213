/* threads.c - micro-benchmark of threads: what an empty parallel region costs, and the library's threads against a caller's own loop. */
#include <stdio.h>
#include <stdlib.h>

#include "dispatch/plan.h"
#include "dispatch/threads.h"
#include "harness/base/stop.h"
#include "harness/bench/micro/micro.h"
#include "harness/machine/pool.h"
#include "harness/machine/topology.h"
#include "harness/ops/loops.h"
#include "harness/ops/sdpa/case.h"
#include "harness/ops/sdpa/verify.h"

enum { MOST_THREADS = 64 };

/* Each arm waits until the threads of the arm before it sleep. */
static void let_others_sleep(void *context)
{
    (void)context;
    topology_let_workers_sleep();
}

static bool failed(const char *what, char *error, size_t error_size)
{
    snprintf(error, error_size, "threads: %s", what);
    return false;
}

/* ---- Regions with nothing to do ---------------------------------------------------------------------------------------------------- */

static void do_nothing(void *context, size_t worker, size_t unit)
{
    (void)context, (void)worker, (void)unit;
    __asm__ volatile("" ::: "memory");
}

typedef struct RegionArm {
    AttnParallelFor loop;
    void *loop_context;
    size_t workers, units;
} RegionArm;

static void run_region(void *context, size_t iterations)
{
    const RegionArm *arm = context;
    for (size_t n = 0; n < iterations; n++)
        attn_threads_run(arm->loop, arm->loop_context, arm->workers, &(AttnPhase){.items = arm->units, .item = do_nothing}, NULL);
}

static bool regions(const MicroContext *context, size_t threads, Pool *pool, char *error, size_t error_size)
{
    MicroTable t = {.micro = "threads", .unit = "region", .compare = MICRO_BEYOND};
    RegionArm arms[] = {{NULL, NULL, 1, threads}, {NULL, NULL, threads, threads}, {pool_loop, pool, threads, threads},
                        {loop_threads, NULL, threads, threads}};
    const char *const names[] = {"this thread alone", "the library's own threads", "a caller's loop on threads that wait",
                                 "a caller's loop that starts threads"};
    snprintf(t.title, sizeof t.title, "threads: a region of %zu workers and as many empty units; beyond that of this thread alone",
             threads);
    for (size_t i = 0; i < sizeof arms / sizeof *arms; i++) {
        MicroRow *row = micro_row(&t, "", run_region, &arms[i], 1, "%s", names[i]);
        row->before = let_others_sleep;
        row->against = 0;
        row->in_use = i == 1;
    }
    return micro_measure(context, &t, error, error_size);
}

/* ---- Whole runs -------------------------------------------------------------------------------------------------------------------- */

typedef struct WholeArm {
    AttnPlan *plan;
    const AttnTensors *tensors;
    void *workspace;
    size_t size;
} WholeArm;

static void run_whole(void *context, size_t iterations)
{
    const WholeArm *arm = context;
    for (size_t n = 0; n < iterations; n++)
        if (attn_run(arm->plan, arm->tensors, arm->workspace, arm->size) != ATTN_OK)
            return;
}

static bool runs(const MicroContext *context, const char *shape, size_t threads, Pool *pool, char *error, size_t error_size)
{
    MicroTable t = {.micro = "threads", .unit = "flop", .by_rate = true, .compare = MICRO_SHARE};
    VerifyCase c = {.dist = DIST_NORMAL, .seed = context->options->seed, .fence = FENCE_NONE, .threads = threads};
    const char *const names[] = {"the library's own threads", "a caller's loop on threads that wait", "one thread"};
    const struct {
        size_t threads;
        AttnParallelFor loop;
    } kinds[] = {{threads, NULL}, {threads, pool_loop}, {1, NULL}};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    WholeArm arm[KINDS] = {{0}};
    Data data;
    if (!shape_parse(&c.shape, shape, error, error_size) || !case_data(&data, &c, error, error_size))
        return false;
    const AttnSettings *settings = &context->cli->settings;
    const size_t best = attn_choose(context->kernels, context->kernel_count, &data.problem, attn_cpu_this(), settings, NULL);
    bool ok = best < context->kernel_count || failed("no kernel that was asked for takes its shapes", error, error_size);
    const AttnKernel *kernel = ok ? context->kernels[best] : NULL;
    if (ok && verify_case_isolated(kernel, &c.shape, c.dist, c.seed, c.fence, threads).status != VERIFY_PASS)
        ok = failed("the kernel does not pass on its shape", error, error_size);
    for (size_t i = 0; i < KINDS && ok; i++) {
        void *loop_context = kinds[i].loop ? pool : NULL;
        ok = attn_plan_create_with(kernel, &data.problem, kinds[i].threads, kinds[i].loop, loop_context, &arm[i].plan) == ATTN_OK;
        arm[i].tensors = &data.tensors;
        arm[i].size = ok ? attn_plan_workspace(arm[i].plan) : 0;
        arm[i].workspace = ok ? aligned_alloc(64, arm[i].size) : NULL;
        ok = arm[i].workspace || failed("no plan, or no memory for its workspace", error, error_size);
        if (ok) {
            MicroRow *row = micro_row(&t, "", run_whole, &arm[i], shape_flop(&c.shape), "%s", names[i]);
            row->before = let_others_sleep;
            row->against = 0;
            row->in_use = i == 0;
        }
    }
    if (ok)
        snprintf(t.title, sizeof t.title, "threads: %s on %s, %zu units, %zu workers; share of the speed of the first row", kernel->name,
                 shape, attn_plan_units(arm[0].plan), threads);
    ok = ok && micro_measure(context, &t, error, error_size);
    for (size_t i = 0; i < KINDS; i++) {
        attn_plan_destroy(arm[i].plan);
        free(arm[i].workspace);
    }
    data_free(&data);
    return ok;
}

bool micro_threads(const MicroContext *context, char *error, size_t error_size)
{
    static const char *const shapes[] = {"b1_h8_q512_k512_d64", "b1_h8_q512_k512_d64_causal", "b1_h32g8_q1_k4096_d128"};
    const size_t threads = context->options->threads > 1 ? context->options->threads : 2;
    if (threads > MOST_THREADS)
        return failed("more than 64 threads are not measured", error, error_size);
    if (cli_granted(threads) < threads)
        return failed("they cannot be measured without threads", error, error_size);
    Pool *pool = pool_open(threads);
    bool ok = pool || failed("the system starts no threads", error, error_size);
    char cores[96];
    topology_pin(threads, cores, sizeof cores); /* the rest of --micro is pinned to one core, where workers would take turns */
    topology_pin_workers(threads);
    ok = ok && regions(context, threads, pool, error, error_size);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes && ok && !stop_signal; i++)
        ok = runs(context, shapes[i], threads, pool, error, error_size);
    pool_close(pool);
    topology_pin(context->options->threads, cores, sizeof cores);
    return ok;
}
