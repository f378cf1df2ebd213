/* fixed.c - micro-benchmarks of the fixed costs of a call: run, plan, merge. docs/measuring.md says what is counted. */
#include <stdio.h>
#include <stdlib.h>

#include "dispatch/plan.h"
#include "dispatch/problem.h"
#include "dispatch/registry.h"
#include "harness/base/random.h"
#include "harness/bench/micro/micro.h"
#include "harness/bench/micro/micro_isa.h"

static bool failed(const char *what, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s: %.250s", what, attn_last_error()[0] ? attn_last_error() : "out of memory");
    return false;
}

/* ---- run -------------------------------------------------------------------------------------------------------------------------- */

enum { ROWS = 8, KEYS = 8, WIDTH = 64, MOST_KERNELS = MICRO_ROWS / 3 };
#define RUN_MOST 1e-6
#define PLAN_MOST 20e-6

typedef struct Small {
    AttnProblem problem; /* checked */
    AttnTensors tensors;
    float q[ROWS * WIDTH], k[KEYS * WIDTH], v[KEYS * WIDTH], o[ROWS * WIDTH];
} Small;

typedef struct RunArm {
    Small *small;
    const MicroIsa *isa;      /* of `bare`                      */
    const AttnKernel *kernel; /* of its run function            */
    AttnPlan *plan;           /* of attn_run                    */
    AttnArgs args;
    void *workspace;
    size_t size;
} RunArm;

static void run_bare(void *context, size_t iterations)
{
    const RunArm *arm = context;
    Small *s = arm->small;
    for (size_t n = 0; n < iterations; n++)
        arm->isa->bare(s->q, s->k, s->v, s->o, ROWS, KEYS, WIDTH);
}

static void run_kernel(void *context, size_t iterations)
{
    const RunArm *arm = context;
    const AttnSpan unit = {.row1 = ROWS, .key1 = KEYS};
    for (size_t n = 0; n < iterations; n++) {
        const uint64_t entered = arm->kernel->enter ? arm->kernel->enter() : 0;
        arm->kernel->run(&arm->args, unit, arm->workspace);
        if (arm->kernel->leave)
            arm->kernel->leave(entered);
    }
}

static void run_whole(void *context, size_t iterations)
{
    const RunArm *arm = context;
    for (size_t n = 0; n < iterations; n++)
        if (attn_run(arm->plan, &arm->small->tensors, arm->workspace, arm->size) != ATTN_OK)
            return;
}

static AttnProblem small_problem(void)
{
    return attn_problem(1, 1, 1, ROWS, KEYS, WIDTH, WIDTH);
}

static bool make_small(Small *s)
{
    float *const to[] = {s->q, s->k, s->v};
    const AttnProblem wanted = small_problem();
    for (size_t t = 0; t < 3; t++)
        for (size_t i = 0; i < ROWS * WIDTH; i++)
            to[t][i] = (float)random_normal(t, i);
    s->tensors = attn_tensors(s->q, s->k, s->v, s->o);
    return attn_problem_read(&wanted, &s->problem) == ATTN_OK;
}

/* Does the run function, called as attn_run calls it, give the same result as the bare loop? Otherwise the comparison would be
 * meaningless. */
static bool agree(const RunArm *bare, const RunArm *whole)
{
    float expected[ROWS * WIDTH];
    Small *s = bare->small;
    run_bare((void *)bare, 1);
    memcpy(expected, s->o, sizeof expected);
    memset(s->o, 0xff, sizeof s->o);
    run_whole((void *)whole, 1);
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        if (!(fabsf(expected[i] - s->o[i]) < 1e-4f))
            return false;
    return true;
}

static const MicroIsa *bare_of(const AttnKernel *kernel)
{
    const PeakIsa *isa = peaks_isa_of(kernel->isa);
    for (size_t i = 0; i < peak_isa_count; i++)
        if (peak_isas[i] == isa)
            return micro_isas[i];
    return micro_isas[0];
}

/* Rows of one kernel: its bare loop if it is the first at its ISA, its run function, attn_run. */
static bool add_kernel(MicroTable *t, RunArm *arm, Small *small, const AttnKernel *kernel, bool chosen, char *error, size_t error_size)
{
    size_t bare = 0;
    *arm = (RunArm){.small = small, .kernel = kernel, .isa = bare_of(kernel)};
    while (bare < t->count && ((RunArm *)t->rows[bare].context)->isa != arm->isa)
        bare++;
    if (attn_plan_create_with(kernel, &small->problem, 1, NULL, NULL, &arm->plan) != ATTN_OK)
        return failed("run", error, error_size);
    arm->size = attn_plan_workspace(arm->plan);
    arm->workspace = aligned_alloc(64, arm->size);
    arm->args = (AttnArgs){.p = &small->problem, .t = &small->tensors, .group = 1, .unit_rows = ROWS};
    if (!arm->workspace)
        return failed("run", error, error_size);
    if (bare == t->count)
        micro_row(t, arm->isa->name, run_bare, arm, 1, "the arithmetic, bare loops");
    if (!agree(arm, arm)) {
        snprintf(error, error_size, "run: %s does not give what the bare loop gives", kernel->name);
        return false;
    }
    if (!kernel->shared) /* what it prepares only attn_run gives it */
        micro_row(t, arm->isa->name, run_kernel, arm, 1, "%s, its run function", kernel->name)->against = bare;
    MicroRow *whole = micro_row(t, arm->isa->name, run_whole, arm, 1, "%s, attn_run", kernel->name);
    whole->against = bare;
    whole->in_use = chosen;
    whole->most = chosen ? RUN_MOST : 0;
    return true;
}

bool micro_run(const MicroContext *context, char *error, size_t error_size)
{
    MicroTable t = {.micro = "run", .unit = "call", .compare = MICRO_BEYOND,
                    .title = "run: 8 queries, 8 keys, d 64, one thread; beyond the arithmetic (bare loops of the same ISA)"};
    RunArm arm[MOST_KERNELS];
    size_t arms = 0;
    Small *small = aligned_alloc(64, (sizeof *small + 63) / 64 * 64);
    bool ok = small && make_small(small);
    if (!ok)
        failed("run", error, error_size);
    const AttnSettings *settings = &context->cli->settings;
    const size_t best = ok ? attn_choose(context->kernels, context->kernel_count, &small->problem, attn_cpu_this(), settings, NULL) : 0;
    for (size_t i = 0; ok && i < context->kernel_count && arms < MOST_KERNELS; i++) {
        const AttnKernel *kernel = context->kernels[i];
        if (!attn_choose_judge(kernel, &small->problem, attn_cpu_this(), settings).accepted)
            continue;
        ok = add_kernel(&t, &arm[arms++], small, kernel, i == best, error, error_size);
    }
    ok = ok && micro_measure(context, &t, error, error_size);
    for (size_t i = 0; i < arms; i++) {
        attn_plan_destroy(arm[i].plan);
        free(arm[i].workspace);
    }
    free(small);
    return ok;
}

/* ---- plan ------------------------------------------------------------------------------------------------------------------------- */

typedef struct PlanArm {
    AttnProblem problem;
    AttnOptions options;
    bool explain;
    Small *whole; /* not NULL: attn_sdpa on it */
} PlanArm;

static void run_plan(void *context, size_t iterations)
{
    const PlanArm *arm = context;
    AttnPlan *plan;
    for (size_t n = 0; n < iterations; n++) {
        if (arm->whole) {
            if (attn_sdpa(&arm->problem, &arm->whole->tensors) != ATTN_OK)
                return;
            continue;
        }
        if (attn_plan_create(&arm->problem, &arm->options, &plan) != ATTN_OK)
            return;
        if (arm->explain && !attn_plan_explain(plan)[0])
            return;
        attn_plan_destroy(plan);
    }
}

bool micro_plan(const MicroContext *context, char *error, size_t error_size)
{
    MicroTable t = {.micro = "plan", .unit = "call", .compare = MICRO_BEYOND,
                    .title = "plan: attn_plan_create and attn_plan_destroy of 8 queries, 8 keys, d 64; beyond that of the first row"};
    const struct {
        const char *name;
        bool explain, whole, forced, large;
    } kinds[] = {{"create and destroy", false, false, false, false},
                 {"create and destroy, kernel forced by name", false, false, true, false},
                 {"create and destroy, 4096 keys with frontier, window, lengths, lse", false, false, false, true},
                 {"create, explain and destroy", true, false, false, false},
                 {"attn_sdpa: create, allocate, run, free", false, true, false, false}};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    PlanArm arm[KINDS];
    Small *small = aligned_alloc(64, (sizeof *small + 63) / 64 * 64);
    bool ok = small && make_small(small);
    if (!ok)
        failed("plan", error, error_size);
    for (size_t i = 0; ok && i < KINDS; i++) {
        arm[i] = (PlanArm){.problem = small_problem(), .options = context->cli->options, .explain = kinds[i].explain,
                           .whole = kinds[i].whole ? small : NULL};
        if (kinds[i].large) {
            arm[i].problem = attn_problem(8, 32, 8, 512, 4096, 128, 128);
            arm[i].problem.causal = arm[i].problem.kv_lengths = arm[i].problem.window = true;
            arm[i].problem.window_left = 1023;
            arm[i].problem.window_right = -1;
            attn_problem_want_lse(&arm[i].problem);
        }
        if (kinds[i].forced)
            arm[i].options.kernel = ATTN_BASELINE;
        AttnPlan *plan;
        ok = attn_plan_create(&arm[i].problem, &arm[i].options, &plan) == ATTN_OK || failed("plan", error, error_size);
        if (!ok)
            break;
        attn_plan_destroy(plan);
        MicroRow *row = micro_row(&t, "", run_plan, &arm[i], 1, "%s", kinds[i].name);
        row->against = 0;
        row->in_use = i == 0;
        row->most = i == 0 ? PLAN_MOST : 0;
    }
    ok = ok && micro_measure(context, &t, error, error_size);
    free(small);
    return ok;
}

/* ---- merge ------------------------------------------------------------------------------------------------------------------------ */

enum { HEADS = 32, DV = 128, MOST_PARTS = 16 };

typedef struct MergeArm {
    AttnMerge merge;
    const float *o_part[MOST_PARTS], *lse_part[MOST_PARTS];
    float *o, *lse;
} MergeArm;

static void run_merge(void *context, size_t iterations)
{
    const MergeArm *arm = context;
    for (size_t n = 0; n < iterations; n++)
        if (attn_merge(&arm->merge, arm->o_part, arm->lse_part, arm->o, arm->lse) != ATTN_OK)
            return;
}

bool micro_merge(const MicroContext *context, char *error, size_t error_size)
{
    static const size_t parts[] = {1, 2, 4, 8, 16};
    enum { KINDS = sizeof parts / sizeof *parts, EACH = HEADS * DV + HEADS };
    MicroTable t = {.micro = "merge", .unit = "element", .compare = MICRO_SHARE,
                    .title = "merge: 32 heads of one row, 128 wide; time for an element of a part; share of the rate with one part"};
    MergeArm arm[KINDS];
    float *memory = calloc((MOST_PARTS + 1) * EACH, sizeof *memory);
    if (!memory)
        return failed("merge", error, error_size);
    for (size_t i = 0; i < MOST_PARTS * EACH; i++)
        memory[i] = (float)random_normal(11, i);
    bool ok = true;
    for (size_t i = 0; ok && i < KINDS; i++) {
        arm[i] = (MergeArm){.merge = attn_merge_of(parts[i], 1, HEADS, 1, DV), .o = memory + MOST_PARTS * EACH};
        arm[i].lse = arm[i].o + HEADS * DV;
        for (size_t n = 0; n < parts[i]; n++) {
            arm[i].o_part[n] = memory + n * EACH;
            arm[i].lse_part[n] = memory + n * EACH + HEADS * DV;
        }
        ok = attn_merge(&arm[i].merge, arm[i].o_part, arm[i].lse_part, arm[i].o, arm[i].lse) == ATTN_OK ||
             failed("merge", error, error_size);
        const char *plural = parts[i] == 1 ? "" : "s";
        micro_row(&t, "", run_merge, &arm[i], (double)(parts[i] * HEADS * DV), "%zu part%s", parts[i], plural)->against = 0;
    }
    ok = ok && micro_measure(context, &t, error, error_size);
    free(memory);
    return ok;
}
