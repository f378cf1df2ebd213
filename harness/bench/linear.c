/* linear.c - see bench_linear.h. flop = 2 rows inputs outputs; bytes: x, the weights, the bias and y once. */
#include "harness/base/stop.h"
#include "harness/bench/linear.h"

#include <stdio.h>
#include <stdlib.h>

#include "dispatch/linear.h"
#include "harness/ops/linear/case.h"

typedef struct Operands {
    LinearData data;
    size_t threads;
} Operands;

static AttnStatus call_product(BenchKernel *k)
{
    const Operands *on = k->operands;
    attn_linear_run(k->kernel, &on->data.linear, on->data.x.at, k->workspace, on->data.bias.at, on->data.y.at, NULL, NULL, on->threads);
    return ATTN_OK;
}

/* Verify one kernel; on success it has packed weights. */
static void prepare(BenchKernel *k, const LinearCase *c, const Operands *operands, const AttnSettings *settings)
{
    if (settings->kernel && settings->kernel->kind == ATTN_KIND_PRODUCT && settings->kernel != k->kernel) {
        snprintf(k->why, sizeof k->why, "%s asks for %s", settings->kernel_from, settings->kernel->name);
        return;
    }
    k->verify = linear_case_judge_isolated(k->kernel, c);
    if (k->verify.status != VERIFY_PASS) {
        snprintf(k->why, sizeof k->why, "%s", k->verify.why);
        return;
    }
    const size_t bytes = attn_linear_bytes(k->kernel, c->inputs, c->outputs);
    k->call = call_product;
    k->operands = operands;
    k->workspace = aligned_alloc(64, bytes);
    k->workspace_size = bytes;
    k->timed = k->workspace != NULL;
    if (k->timed)
        attn_linear_pack(k->kernel, c->inputs, c->outputs, operands->data.w.at, (ptrdiff_t)c->inputs, k->workspace);
    else
        bench_case_unable(k, "no memory for packed weights of %zu bytes", bytes);
}

bool bench_linear_run(BenchCase *bench, const LinearShape *shape, const AttnKernel *const *kernels, size_t count,
                      const BenchOptions *options, const AttnSettings *settings, const Topology *topology, char *error, size_t error_size)
{
    memset(bench, 0, sizeof *bench);
    bench->what = (VerifyCase){.dist = DIST_NORMAL, .seed = options->seed, .fence = FENCE_NONE, .threads = options->threads};
    linear_shape_name(shape, bench->shape, sizeof bench->shape);
    const double rows = (double)shape->rows, inputs = (double)shape->inputs, outputs = (double)shape->outputs;
    const RoofWork work = {.flop = 2.0 * rows * inputs * outputs,
                           .bytes = sizeof(float) * (rows * inputs + inputs * outputs + outputs + rows * outputs)};
    const LinearCase c = {.rows = shape->rows, .inputs = shape->inputs, .outputs = shape->outputs, .bias = true, .fill = LINEAR_NORMAL,
                          .seed = options->seed, .fence = FENCE_NONE, .threads = options->threads};
    Operands operands = {.threads = options->threads};
    if (!bench_case_open(bench, "linear", kernels, count, options, settings, topology, work, error, error_size))
        return false;
    if (!linear_data_make(&operands.data, &c)) {
        snprintf(error, error_size, "%s: out of memory for %g bytes of operands", bench->shape, work.bytes);
        return false;
    }
    for (size_t i = 0; i < count && !stop_signal; i++) {
        bench_case_verifying(bench, i);
        prepare(&bench->kernels[i], &c, &operands, settings);
    }
    const bool measured = bench_case_measure(bench, settings, topology, error, error_size);
    linear_data_free(&operands.data);
    return measured;
}
