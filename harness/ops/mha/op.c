/* op.c - multi-head attention as a kind of work (ops/op.h). flop: those of the four projections and of the attention inside; exp: of that
 * attention; bytes: sources, weights, biases and y once. Weights are packed before the clock starts, as they are in a model. */
#include "harness/ops/mha/op.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/base/random.h"
#include "harness/ops/mha/case.h"

enum { REFERENCE_ROWS = 8 };

static const char help[] =
    "Multi-head attention, projections included\n"
    "  mha:b<batch>_h<heads>[g<KV heads>]_q<rows>_d<head width>_e<width>[_causal][_rope][_nobias]\n"
    "  with keys and values from another source, instead of _causal:\n"
    "      ..._e<width>_cross_k<rows>[_kdim<width>][_vdim<width>][_rope][_nobias]\n"
    "  mha:<preset>: mha:bert-base/encoder@128, mha:llama3-8b/prefill@512, mha:whisper-large/cross\n";

/* ---- Shapes and kernels ------------------------------------------------------------------------------------------------------------ */

static bool parse(OpShapes *list, const char *word, char *error, size_t error_size)
{
    MhaShape shape;
    char name[SHAPE_NAME];
    return mha_shape_parse(&shape, word, error, error_size) &&
           op_shapes_add(list, &op_mha, mha_shape_name(&shape, name, sizeof name), "", error, error_size);
}

static MhaShape shape_of(const char *name)
{
    char error[400];
    MhaShape shape = {0};
    (void)mha_shape_parse(&shape, name, error, sizeof error);
    return shape;
}

static RoofWork work(const char *name)
{
    const MhaShape shape = shape_of(name), *s = &shape;
    const Shape inner = mha_shape_inner(s);
    const double q_rows = (double)s->batch * (double)s->q_len, k_rows = (double)s->batch * (double)s->k_len, e = (double)s->embed;
    const double q = (double)s->q_heads * (double)s->d, k = (double)s->kv_heads * (double)s->d;
    const double kdim = (double)s->kdim, vdim = (double)s->vdim;
    const double sources = q_rows * e + (s->cross ? k_rows * kdim : 0.0) + (s->separate ? k_rows * vdim : 0.0);
    RoofWork work = shape_work(&inner);
    work.flop += 2.0 * (q_rows * e * q + k_rows * (kdim + vdim) * k + q_rows * q * e);
    work.bytes = sizeof(float) * (sources + q_rows * e + 2.0 * q * e + (kdim + vdim) * k + (s->no_bias ? 0.0 : q + 2.0 * k + e));
    return work;
}

static bool does(const AttnKernel *from, OpKernel *to)
{
    const bool found = mha_pair(from, to);
    to->op = &op_mha;
    return found;
}

static size_t broken(OpKernel *to)
{
    if (to)
        mha_mutants(to);
    for (size_t i = 0; to && i < MHA_MUTANTS; i++)
        to[i].op = &op_mha;
    return MHA_MUTANTS;
}

/* ---- Cases: drawn at random ---------------------------------------------------------------------------------------------------------- */

static bool add(Suite *suite, uint64_t seed)
{
    char name[32];
    snprintf(name, sizeof name, "mha:0x%" PRIx64, seed);
    return suite_add(suite, JOB_CASE, name);
}

static bool suite_of(Suite *suite, SuiteName name, uint64_t seed)
{
    static const size_t counts[] = {
        [SUITE_FULL] = 300, [SUITE_SMOKE] = 8, [SUITE_ADVERSARIAL] = 0, [SUITE_FUZZ] = 12, [SUITE_MUTANTS] = 60};
    for (size_t n = 0; n < counts[name]; n++)
        if (!add(suite, random_bits(seed ^ 0x3ea4, n) >> 32))
            return false;
    return true;
}

static uint64_t seed_of(const char *name)
{
    return strtoull(name + sizeof "mha:" - 1, NULL, 16);
}

static bool job(Suite *suite, const char *text, char *error, size_t error_size)
{
    char name[32];
    snprintf(name, sizeof name, "mha:0x%" PRIx64, seed_of(text));
    if (strcmp(name, text) == 0 && add(suite, seed_of(text)))
        return true;
    snprintf(error, error_size, "case '%s' is not mha:0x<seed>, as printed with a failure", text);
    return false;
}

static void judge(const Job *job, const OpKernel *kernel, const JudgeOptions *options, void **kept, VerifyResult *result)
{
    (void)options;
    (void)kept;
    mha_case_judge_drawn(kernel, seed_of(job->name), result);
}

/* ---- Measuring --------------------------------------------------------------------------------------------------------------------- */

typedef struct Operands {
    MhaCase x;
    Reference r;
    size_t threads;
} Operands;

static void close_case(void *operands)
{
    reference_release();
    free(operands);
}

static void *open_case(const char *name, const OpSettings *settings, char *error, size_t error_size)
{
    const MhaShape shape = shape_of(name);
    Operands *on = calloc(1, sizeof *on);
    const bool made = on && mha_case_make(&on->x, &shape, settings->seed, REFERENCE_ROWS);
    if (made) {
        on->threads = settings->threads;
        on->r = reference(&on->x, RIGHT);
        if (on->r.y)
            return on;
        snprintf(error, error_size, "out of memory for the reference");
    } else {
        snprintf(error, error_size, "out of memory for %g bytes of operands", work(name).bytes);
    }
    close_case(on);
    return NULL;
}

static bool takes(const void *operands, const OpKernel *kernel, const AttnSettings *settings, char *why, size_t size)
{
    (void)operands;
    if (!settings->kernel || settings->kernel == kernel->kernel || settings->kernel == kernel->inner)
        return true;
    snprintf(why, size, "%s asks for %s", settings->kernel_from, settings->kernel->name);
    return false;
}

static VerifyResult verify(const void *operands, const OpKernel *kernel)
{
    const Operands *on = operands;
    return mha_case_judge_isolated(kernel, &on->x, &on->r, on->threads);
}

static AttnStatus call(const OpReady *ready)
{
    return attn_mha_run(ready->plan, ready->operands, ready->workspace, ready->workspace_size);
}

static bool ready(OpReady *to, const void *operands, const OpKernel *kernel, char *why, size_t size)
{
    const Operands *on = operands;
    AttnMha *mha = NULL;
    AttnMhaPlan *plan = NULL;
    *to = (OpReady){.call = call, .kernel = kernel->kernel, .operands = &on->x.t};
    if (mha_case_plan(kernel, &on->x, on->threads, &mha, &plan) != ATTN_OK) {
        snprintf(why, size, "%s", attn_last_error());
        return false;
    }
    to->object = mha;
    to->plan = plan;
    to->workspace_size = attn_mha_plan_workspace(plan);
    to->workspace = aligned_alloc(64, to->workspace_size);
    if (!to->workspace)
        snprintf(why, size, "no memory for a workspace of %zu bytes", to->workspace_size);
    return to->workspace != NULL;
}

static void done(OpReady *ready)
{
    attn_mha_plan_destroy(ready->plan);
    attn_mha_destroy(ready->object);
    free(ready->workspace);
    *ready = (OpReady){0};
}

const Op op_mha = {
    .name = "mha", .computes = "multi-head attention", .help = help,
    .parse = parse, .work = work, .kernel = does, .mutants = broken,
    .suite = suite_of, .job = job, .judge = judge,
    .open = open_case, .close = close_case,
    .takes = takes, .verify = verify, .ready = ready, .done = done,
};
