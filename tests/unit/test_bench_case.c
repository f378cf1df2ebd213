/* test_bench_case.c - a kernel that crashes is one row of a table, and the others are measured all the same. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "harness/bench/case.h"
#include "harness/ops/sdpa/op.h"
#include "harness/ops/zoo.h"

static void crash(const AttnArgs *args, AttnSpan span, void *scratch)
{
    (void)args;
    (void)span;
    (void)scratch;
    raise(SIGSEGV);
}

Test(bench_case, a_kernel_that_crashes_is_one_row)
{
    AttnKernel broken = *zoo_find("naive_f32");
    broken.name = "broken_f32";
    broken.run = crash;
    const AttnKernel *const all[] = {&broken, zoo_find("naive_f32"), zoo_find("flash_f32")};
    OpKernel kernels[3];
    const BenchOptions options = {.budget = 0.05, .min_trial = 1e-5, .max_rounds = 12, .confidence = 0.99, .threads = 1};
    const AttnSettings settings = {.allowed = UINT64_MAX};
    Topology topology;
    OpShapes shapes = {0};
    BenchCase bench;
    char error[300] = "";
    topology_read(&topology);
    for (size_t i = 0; i < 3; i++)
        cr_assert(op_sdpa.kernel(all[i], &kernels[i]));
    cr_assert(op_sdpa.parse(&shapes, "b1_h1_q9_k9_d8", error, sizeof error), "%s", error);
    cr_assert(bench_case_run(&bench, &shapes.at[0], kernels, 3, &options, &settings, &topology, error, sizeof error), "%s", error);
    cr_assert_eq(bench.kernels[0].verify.status, VERIFY_CRASH);
    cr_assert(!bench.kernels[0].timed && strstr(bench.kernels[0].why, "signal 11"), "%s", bench.kernels[0].why);
    cr_assert_eq(bench.timed, 2);
    for (size_t i = 1; i < 3; i++)
        cr_assert(bench.kernels[i].timed && bench.kernels[i].time.median > 0, "%s", bench.kernels[i].why);
    bench_case_free(&bench);
    op_shapes_free(&shapes);
}
