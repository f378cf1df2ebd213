/* op.c - y = x W^T + b as a kind of work (ops/op.h). flop = 2 rows inputs outputs; bytes: x, the weights, the bias and y once. Weights are
 * packed before the clock starts, as they are in a model. */
#include "harness/ops/linear/op.h"

#include <stdio.h>
#include <stdlib.h>

#include "dispatch/linear.h"
#include "harness/ops/linear/case.h"
#include "harness/ops/linear/mutants.h"
#include "harness/ops/linear/shape.h"

/* ---- Shapes and kernels ------------------------------------------------------------------------------------------------------------ */

static bool parse(OpShapes *list, const char *word, char *error, size_t error_size)
{
    LinearShape shape;
    char name[SHAPE_NAME];
    return linear_shape_parse(&shape, word, error, error_size) &&
           op_shapes_add(list, &op_linear, linear_shape_name(&shape, name, sizeof name), "", error, error_size);
}

/* The case of a canonical shape; normal numbers with a bias. */
static LinearCase case_of(const char *name, const OpSettings *settings)
{
    char error[300];
    LinearShape s = {0};
    (void)linear_shape_parse(&s, name, error, sizeof error);
    return (LinearCase){.rows = s.rows, .inputs = s.inputs, .outputs = s.outputs, .bias = true, .fill = LINEAR_NORMAL,
                        .seed = settings->seed, .fence = settings->fence, .threads = settings->threads};
}

static RoofWork work(const char *name)
{
    const LinearCase c = case_of(name, &(OpSettings){0});
    const double rows = (double)c.rows, inputs = (double)c.inputs, outputs = (double)c.outputs;
    return (RoofWork){.flop = 2.0 * rows * inputs * outputs,
                      .bytes = sizeof(float) * (rows * inputs + inputs * outputs + outputs + rows * outputs)};
}

static bool does(const AttnKernel *from, OpKernel *to)
{
    op_kernel_fill(to, from);
    to->op = &op_linear;
    return from->kind == ATTN_KIND_PRODUCT;
}

static size_t broken(OpKernel *to)
{
    return mutants_list(&linear_mutants, &op_linear, to);
}

/* ---- Cases ------------------------------------------------------------------------------------------------------------------------- */

static bool add(Suite *suite, const LinearCase *c)
{
    char name[LINEAR_NAME];
    return suite_add(suite, c->fill == LINEAR_EXACT ? JOB_EXACT : c->fill == LINEAR_SPECIAL ? JOB_SPECIAL : JOB_CASE,
                     linear_case_name(c, name, sizeof name));
}

static bool suite_of(Suite *suite, SuiteName name, uint64_t seed)
{
    enum { FUZZ = 12 }; /* the last ones, which are drawn */
    const bool full = name == SUITE_FULL || name == SUITE_FUZZ;
    for (size_t n = name == SUITE_FUZZ ? linear_case_count(true) - FUZZ : 0; n < linear_case_count(full); n++) {
        const LinearCase c = linear_case_at(full, n, seed);
        if (!add(suite, &c))
            return false;
    }
    return true;
}

static bool cases(Suite *suite, const char *shape, size_t number, const OpSettings *settings)
{
    LinearCase c = case_of(shape, settings);
    (void)number;
    c.fence = FENCE_AFTER;
    for (int fill = 0; fill < LINEAR_FILLS; fill++) {
        c.fill = (LinearFill)fill;
        if (!add(suite, &c))
            return false;
    }
    return true;
}

static bool job(Suite *suite, const char *text, char *error, size_t error_size)
{
    LinearCase c;
    if (!linear_case_parse(text, &c, error, error_size))
        return false;
    if (add(suite, &c))
        return true;
    snprintf(error, error_size, "out of memory for a list of cases");
    return false;
}

static void judge(const Job *job, const OpKernel *kernel, const JudgeOptions *options, void **kept, VerifyResult *result)
{
    LinearCase c;
    (void)options;
    (void)kept;
    if (linear_case_parse(job->name, &c, result->why, sizeof result->why))
        linear_case_judge(kernel->kernel, &c, result);
    else
        verdict_fail(result, JUDGE_ERROR, "case '%s' does not read back", job->name);
}

/* ---- Measuring --------------------------------------------------------------------------------------------------------------------- */

typedef struct Operands {
    LinearCase c;
    LinearData data;
} Operands;

static void *open_case(const char *name, const OpSettings *settings, char *error, size_t error_size)
{
    Operands *on = calloc(1, sizeof *on);
    if (on) {
        on->c = case_of(name, settings);
        if (linear_data_make(&on->data, &on->c))
            return on;
    }
    snprintf(error, error_size, "out of memory for %g bytes of operands", work(name).bytes);
    free(on);
    return NULL;
}

static void close_case(void *operands)
{
    Operands *on = operands;
    linear_data_free(&on->data);
    free(on);
}

static bool takes(const void *operands, const OpKernel *kernel, const AttnSettings *settings, char *why, size_t size)
{
    (void)operands;
    if (!settings->kernel || settings->kernel->kind != ATTN_KIND_PRODUCT || settings->kernel == kernel->kernel)
        return true;
    snprintf(why, size, "%s asks for %s", settings->kernel_from, settings->kernel->name);
    return false;
}

static VerifyResult verify(const void *operands, const OpKernel *kernel)
{
    const Operands *on = operands;
    return linear_case_judge_isolated(kernel->kernel, &on->c);
}

static AttnStatus call(const OpReady *ready)
{
    const Operands *on = ready->operands;
    attn_linear_run(ready->kernel, &on->data.linear, on->data.x.at, ready->workspace, on->data.bias.at, on->data.y.at, NULL, NULL,
                    on->c.threads);
    return ATTN_OK;
}

static bool ready(OpReady *to, const void *operands, const OpKernel *kernel, char *why, size_t size)
{
    const Operands *on = operands;
    const size_t bytes = attn_linear_bytes(kernel->kernel, on->c.inputs, on->c.outputs);
    *to = (OpReady){.call = call, .kernel = kernel->kernel, .operands = on, .workspace = aligned_alloc(64, bytes), .workspace_size = bytes};
    if (to->workspace)
        attn_linear_pack(kernel->kernel, on->c.inputs, on->c.outputs, on->data.w.at, (ptrdiff_t)on->c.inputs, to->workspace);
    else
        snprintf(why, size, "no memory for packed weights of %zu bytes", bytes);
    return to->workspace != NULL;
}

static void done(OpReady *ready)
{
    free(ready->workspace);
    *ready = (OpReady){0};
}

const Op op_linear = {
    .name = "linear", .computes = "a matrix product", .guarded = true,
    .parse = parse, .work = work, .kernel = does, .mutants = broken,
    .suite = suite_of, .cases = cases, .job = job, .judge = judge,
    .open = open_case, .close = close_case,
    .takes = takes, .verify = verify, .ready = ready, .done = done,
};
