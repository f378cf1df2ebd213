/* op.c - attention as a kind of work (ops/op.h). */
#include "harness/ops/sdpa/op.h"

#include <stdio.h>
#include <stdlib.h>

#include "dispatch/plan.h"
#include "dispatch/registry.h"
#include "harness/ops/sdpa/exact.h"
#include "harness/ops/sdpa/mutants.h"
#include "harness/ops/sdpa/session.h"
#include "harness/ops/sdpa/special.h"
#include "harness/ops/sdpa/suite.h"

/* ---- Shapes and kernels ------------------------------------------------------------------------------------------------------------ */

void sdpa_word(OpShape *to, const Shape *shape)
{
    to->op = &op_sdpa;
    shape_name(shape, to->name, sizeof to->name);
    snprintf(to->alias, sizeof to->alias, "%s", shape->name);
}

static Shape shape_of(const char *name)
{
    char error[300];
    Shape shape = {0};
    (void)shape_parse(&shape, name, error, sizeof error);
    return shape;
}

Shape sdpa_shape(const OpShape *word)
{
    Shape shape = shape_of(word->name);
    snprintf(shape.name, sizeof shape.name, "%s", word->alias);
    return shape;
}

static bool parse(OpShapes *list, const char *word, char *error, size_t error_size)
{
    Shapes shapes = {0};
    bool ok = shapes_parse(&shapes, word, error, error_size);
    for (size_t i = 0; ok && i < shapes.count; i++) {
        char name[SHAPE_NAME];
        ok = op_shapes_add(list, &op_sdpa, shape_name(&shapes.at[i], name, sizeof name), shapes.at[i].name, error, error_size);
    }
    shapes_free(&shapes);
    return ok;
}

static RoofWork work(const char *name)
{
    const Shape shape = shape_of(name);
    return shape_work(&shape);
}

static bool does(const AttnKernel *from, OpKernel *to)
{
    op_kernel_fill(to, from);
    to->op = &op_sdpa;
    return from->kind == ATTN_KIND_ATTENTION;
}

static size_t broken(OpKernel *to)
{
    return mutants_list(&sdpa_mutants, &op_sdpa, to);
}

/* ---- Cases ------------------------------------------------------------------------------------------------------------------------- */

static bool cases(Suite *suite, const char *name, size_t number, const OpSettings *settings)
{
    const Shape shape = shape_of(name);
    return sdpa_suite_shape(suite, &shape, number, settings);
}

static void forget(void *kept)
{
    session_close(kept);
    free(kept);
}

/* A session is kept: operands and expected results serve all kernels. */
static void judge_case(const char *name, const OpKernel *kernel, const JudgeOptions *options, void **kept, VerifyResult *result)
{
    VerifyCase c;
    Session *session = *kept;
    if (!session) {
        if (!case_parse(name, &c, result->why, sizeof result->why)) {
            verdict_fail(result, JUDGE_ERROR, "case '%s' does not read back", name);
            return;
        }
        session = malloc(sizeof *session);
        if (!session || !session_open(session, &c, options)) {
            verdict_unable(result, "%s", session ? session->error : "no memory for a session");
            free(session);
            return;
        }
        *kept = session;
    }
    session_judge(session, kernel->kernel, result);
}

static void judge(const Job *job, const OpKernel *kernel, const JudgeOptions *options, void **kept, VerifyResult *result)
{
    JobKind kind;
    size_t index;
    mutants_arm(&sdpa_mutants, kernel->kernel);
    if (!sdpa_suite_find(job->name, &kind, &index, result->why, sizeof result->why))
        verdict_fail(result, JUDGE_ERROR, "case '%s' does not read back", job->name);
    else if (kind == JOB_EXACT)
        exact_run(kernel->kernel, index, result);
    else if (kind == JOB_SPECIAL)
        special_run(kernel->kernel, index, result);
    else
        judge_case(job->name, kernel, options, kept, result);
}

/* ---- Measuring --------------------------------------------------------------------------------------------------------------------- */

typedef struct Operands {
    VerifyCase c;
    Data data;
} Operands;

static void *open_case(const char *name, const OpSettings *settings, char *error, size_t error_size)
{
    Operands *on = calloc(1, sizeof *on);
    if (!on) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    on->c = (VerifyCase){.shape = shape_of(name), .seed = settings->seed, .fence = settings->fence, .threads = settings->threads};
    (void)data_dist_find(settings->dist, &on->c.dist);
    if (case_data(&on->data, &on->c, error, error_size))
        return on;
    free(on);
    return NULL;
}

static void close_case(void *operands)
{
    Operands *on = operands;
    data_free(&on->data);
    free(on);
}

static bool takes(const void *operands, const OpKernel *kernel, const AttnSettings *settings, char *why, size_t size)
{
    const Operands *on = operands;
    const AttnVerdict verdict = attn_choose_judge(kernel->kernel, &on->data.problem, attn_cpu_this(), settings);
    if (!verdict.accepted)
        snprintf(why, size, "%s", verdict.why);
    return verdict.accepted;
}

static VerifyResult verify(const void *operands, const OpKernel *kernel)
{
    const VerifyCase *c = &((const Operands *)operands)->c;
    return verify_case_isolated(kernel->kernel, &c->shape, c->dist, c->seed, c->fence, c->threads);
}

static AttnStatus call(const OpReady *ready)
{
    return attn_run(ready->plan, ready->operands, ready->workspace, ready->workspace_size);
}

static bool ready(OpReady *to, const void *operands, const OpKernel *kernel, char *why, size_t size)
{
    const Operands *on = operands;
    AttnPlan *plan = NULL;
    *to = (OpReady){.call = call, .kernel = kernel->kernel, .operands = &on->data.tensors};
    if (attn_plan_create_with(kernel->kernel, &on->data.problem, on->c.threads, NULL, NULL, &plan) != ATTN_OK) {
        snprintf(why, size, "%s", attn_last_error());
        return false;
    }
    to->plan = plan;
    to->workspace_size = attn_plan_workspace(plan);
    to->workspace = aligned_alloc(64, to->workspace_size);
    if (!to->workspace)
        snprintf(why, size, "no memory for a workspace of %zu bytes", to->workspace_size);
    return to->workspace != NULL;
}

static void done(OpReady *ready)
{
    attn_plan_destroy(ready->plan);
    free(ready->workspace);
    *ready = (OpReady){0};
}

static const AttnKernel *chosen(const void *operands, const AttnSettings *settings, const char **by)
{
    const Operands *on = operands;
    const AttnProblem *problem = &on->data.problem;
    AttnSettings own = *settings;
    own.threads = on->c.threads;
    const AttnTuneEntry *entry = attn_tune_find(problem, &own);
    const size_t taken = attn_choose(attn_registry, attn_registry_count, problem, attn_cpu_this(), &own, NULL);
    const AttnKernel *kernel = taken < attn_registry_count ? attn_registry[taken] : NULL;
    *by = own.kernel ? "option" : entry && entry->kernel == kernel ? "tune" : "estimate";
    return kernel;
}

const Op op_sdpa = {
    .name = "sdpa", .computes = "attention", .guarded = true, .longdouble = true, .dists = true,
    .parse = parse, .work = work, .kernel = does, .mutants = broken,
    .suite = sdpa_suite, .cases = cases, .job = sdpa_suite_job, .judge = judge, .forget = forget,
    .open = open_case, .close = close_case,
    .takes = takes, .verify = verify, .ready = ready, .done = done,
    .chosen = chosen,
};
