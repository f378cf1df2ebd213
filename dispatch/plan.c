/* plan.c - from a problem to a result: validate, choose, bind; attn_run walks the units. The file to read first.
 *
 *     problem --attn_problem_read--> checked copy --attn_choose--> kernel --fix_units, fix_phases--> plan    once
 *     plan + tensors + workspace --attn_run--> o, lse                                                        often
 *
 * A run is up to three phases, each of independent items for threads: prepare K and V (where the kernel does so), compute work units, merge
 * the parts of keys that were split. The workspace holds what was prepared, then the scratch of each worker, then the parts.
 *
 * Everything that can fail does so before the first output element is written. What depends on sizes alone (kernel, units, scratch) is
 * fixed in the plan; nothing depends on the number of threads, so the bits of the result do not either. */
#include "dispatch/plan.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatch/choose.h"
#include "dispatch/error.h"
#include "dispatch/problem.h"
#include "dispatch/registry.h"
#include "dispatch/split.h"
#include "dispatch/structs.h"
#include "dispatch/threads.h"
#include "kernels/fpenv.h"

enum { SHORT_PANELS = 4 }; /* panels of a unit, at least, where units are cut shorter to be more */

typedef enum Phase { PREPARE, UNITS, MERGE, PHASES } Phase; /* of a run, one after the other; one without items is passed over */

struct AttnPlan {
    AttnProblem problem;       /* checked copy                                              */
    const AttnKernel *kernel;  /* who computes                                              */
    size_t group;              /* query heads per KV head                                   */
    AttnStretch stretch;       /* rows that units divide among themselves                   */
    size_t unit_rows;          /* rows of a full unit, a multiple of kernel->panel          */
    size_t stretch_units;      /* units in a stretch                                        */
    size_t whole_units;        /* in the whole problem                                      */
    AttnSplit split;           /* of their keys, where the units are few                    */
    size_t key_spans;          /* that the keys of a batch entry are prepared in            */
    AttnPhase phase[PHASES];   /* units are counted with their parts                        */
    size_t workers;            /* items that may run at once, each with its own scratch     */
    size_t shared_bytes;       /* of what is prepared, a multiple of 64                     */
    size_t worker_bytes;       /* scratch of one worker, a multiple of 64                   */
    AttnParallelFor parallel_for;
    void *parallel_context;
    bool was_chosen;           /* among all kernels, under `settings`; false: bound by name  */
    AttnSettings settings;
    _Atomic(char *) explanation; /* made when somebody asks                                  */
};

const char *attn_version(void)
{
    return ATTNZOO_VERSION;
}

size_t attn_kernel_count(void)
{
    return attn_registry_count;
}

static size_t quotient_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* Units of one problem: rows of a stretch in equal parts, each a whole number of panels and none longer than the kernel wants. Where the
 * units would be few, they are cut shorter: eleven of them on two threads are 6 rounds for 5.5, a speed-up of 1.83. Whatever the number of
 * threads, so that plans do not differ. */
static void fix_units(AttnPlan *plan)
{
    const AttnProblem *p = &plan->problem;
    const size_t panel = plan->kernel->panel, panels = plan->kernel->unit_panels;
    plan->group = p->q_heads / p->kv_heads;
    plan->stretch = attn_stretch(p, panel);
    const size_t rows = plan->stretch.rows;
    if (rows > 0) {
        const size_t fewest = quotient_up(rows, panel * panels);
        const size_t most = quotient_up(rows, panel * (panels < SHORT_PANELS ? panels : SHORT_PANELS));
        const size_t wanted = plan->stretch.count > 0 ? quotient_up(ATTN_UNITS_WANTED, plan->stretch.count) : 1;
        const size_t parts = wanted < fewest ? fewest : wanted > most ? most : wanted;
        plan->unit_rows = quotient_up(quotient_up(rows, parts), panel) * panel;
        plan->stretch_units = quotient_up(rows, plan->unit_rows);
    }
    plan->whole_units = plan->stretch.count * plan->stretch_units;
}

/* Rows of the longest unit. */
static size_t longest_unit(const AttnPlan *plan)
{
    return plan->unit_rows < plan->stretch.rows ? plan->unit_rows : plan->stretch.rows;
}

static void prepare_keys(void *context, size_t worker, size_t number);
static void run_unit(void *context, size_t worker, size_t number);
static void merge_head(void *context, size_t worker, size_t number);

/* What each phase consists of. */
static void fix_phases(AttnPlan *plan)
{
    const AttnProblem *p = &plan->problem;
    const AttnKernel *kernel = plan->kernel;
    const bool prepares = kernel->shared && plan->whole_units > 0;
    plan->key_spans = quotient_up(p->k_len, ATTN_PREPARE_KEYS);
    plan->phase[PREPARE] = (AttnPhase){
        .items = prepares ? p->batch * p->kv_heads * plan->key_spans : 0,
        .together = plan->key_spans,
        .item = prepare_keys,
        .enter = kernel->enter,
        .leave = kernel->leave,
    };
    plan->phase[UNITS] = (AttnPhase){
        .items = plan->whole_units * plan->split.parts,
        .together = plan->stretch_units * plan->split.parts,
        .item = run_unit,
        .enter = kernel->enter,
        .leave = kernel->leave,
    };
    plan->phase[MERGE] = (AttnPhase){
        .items = plan->split.parts > 1 ? p->batch * p->q_heads : 0,
        .item = merge_head,
        .enter = attn_fp_enter,
        .leave = attn_fp_leave,
    };
}

/* Sizes of the workspace's regions. false: their sum overflows. */
static bool fix_workspace(AttnPlan *plan)
{
    const AttnKernel *kernel = plan->kernel;
    size_t bytes;
    plan->shared_bytes = kernel->shared ? quotient_up(kernel->shared(&plan->problem), 64) * 64 : 0;
    plan->worker_bytes = quotient_up(kernel->scratch(&plan->problem, longest_unit(plan)), 64) * 64;
    return !__builtin_mul_overflow(plan->workers, plan->worker_bytes, &bytes) &&
           !__builtin_add_overflow(bytes, plan->shared_bytes, &bytes) && !__builtin_add_overflow(bytes, plan->split.bytes, &bytes) &&
           bytes <= PTRDIFF_MAX / 2;
}

/* Bind kernel, units, workers and scratch. problem is already checked and the kernel accepted. */
static AttnStatus bind(const AttnProblem *problem, const AttnKernel *kernel, size_t threads, AttnParallelFor parallel_for, void *context,
                       AttnPlan **out)
{
    AttnPlan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return attn_fail(ATTN_ERROR_MEMORY, "no memory for a plan of %zu bytes", sizeof *plan);
    plan->problem = *problem;
    plan->kernel = kernel;
    plan->parallel_for = parallel_for;
    plan->parallel_context = context;
    fix_units(plan);
    const bool fits = attn_split_fix(&plan->split, problem, kernel, plan->whole_units, plan->stretch.rows);
    fix_phases(plan);
    const size_t units = plan->phase[UNITS].items, most = threads < units ? threads : units;
    plan->workers = most > 0 ? most : 1;
    if (!fits || !fix_workspace(plan)) {
        free(plan);
        return attn_fail(ATTN_ERROR_OVERFLOW, "workspace of %zu workers overflows; allowed: fewer threads or a shorter k_len (%zu)",
                         threads, problem->k_len);
    }
    *out = plan;
    return ATTN_OK;
}

AttnStatus attn_plan_create_with(const AttnKernel *kernel, const AttnProblem *problem, size_t threads, AttnParallelFor parallel_for,
                                 void *parallel_context, AttnPlan **out)
{
    *out = NULL;
    AttnProblem p;
    const AttnStatus status = attn_problem_read(problem, &p);
    if (status != ATTN_OK)
        return status;
    const AttnVerdict verdict = attn_choose_judge(kernel, &p, NULL, NULL);
    if (!verdict.accepted)
        return attn_fail(ATTN_ERROR_UNSUPPORTED, "kernel %s does not take this problem: %s", kernel->name, verdict.why);
    return bind(&p, kernel, threads, parallel_for, parallel_context, out);
}

/* Was there a tune file, and was it taken? Nothing where nobody left one. */
static void explain_tune(FILE *to, const AttnTune *tune)
{
    if (tune && tune->state == ATTN_TUNE_LOADED)
        fprintf(to, "tune file %s: %zu entries\n", tune->path, tune->count);
    else if (tune && tune->state == ATTN_TUNE_REFUSED)
        fprintf(to, "tune file %s: refused, %s\n", tune->path ? tune->path : "", tune->why);
}

/* "kernel: reason" lines: the chosen one first, then the others in registry order. The judgement is a pure function of what the plan
 * holds, so it can be repeated at any time. NULL: no memory. */
static char *explain(const AttnPlan *plan)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return NULL;
    const AttnLocale locale = attn_locale_enter();
    const AttnSettings *settings = &plan->settings;
    const AttnTuneEntry *tuned = attn_tune_find(&plan->problem, settings);
    if (settings->kernel)
        fprintf(to, "%s: forced by %s\n", plan->kernel->name, settings->kernel_from);
    else if (tuned && tuned->kernel == plan->kernel)
        fprintf(to, "%s: tuned, takes %.3f [%.3f, %.3f] of the time of %s\n", plan->kernel->name, tuned->ratio, tuned->lo, tuned->hi,
                tuned->over->name);
    else
        fprintf(to, "%s: lowest estimate of those that can run, %.3g cycles\n", plan->kernel->name, plan->kernel->cost(&plan->problem));
    for (size_t i = 0; i < attn_registry_count; i++) {
        if (attn_registry[i] == plan->kernel)
            continue;
        const AttnVerdict verdict = attn_choose_judge(attn_registry[i], &plan->problem, attn_cpu_this(), settings);
        if (!verdict.accepted)
            fprintf(to, "%s: rejected, %s\n", verdict.kernel->name, verdict.why);
        else
            fprintf(to, "%s: could run, estimate %.3g cycles\n", verdict.kernel->name, verdict.cost);
    }
    explain_tune(to, settings->tune);
    attn_locale_leave(locale);
    if (fclose(to) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* ATTNZOO_VERBOSE=dispatch: the one thing the library prints, on request, to stderr. */
static void print_verdicts(const AttnProblem *p, const AttnSettings *settings, size_t chosen)
{
    const AttnTuneEntry *tuned = attn_tune_find(p, settings);
    for (size_t i = 0; i < attn_registry_count; i++) {
        const AttnVerdict verdict = attn_choose_judge(attn_registry[i], p, attn_cpu_this(), settings);
        fprintf(stderr, "attnzoo_verbose,v1,dispatch,b%zu_h%zug%zu_q%zu_k%zu_d%zuv%zu,%s,%s,%s\n", p->batch, p->q_heads, p->kv_heads,
                p->q_len, p->k_len, p->d, p->dv, verdict.kernel->name,
                i == chosen        ? "chosen"
                : verdict.accepted ? "slower"
                                   : "rejected",
                verdict.accepted ? (i == chosen && tuned && tuned->kernel == verdict.kernel ? "tuned" : "") : verdict.why);
    }
    const AttnTune *tune = settings->tune;
    if (tune && tune->path)
        fprintf(stderr, "attnzoo_verbose,v1,tune,%s,%s,%s\n", tune->path,
                tune->state == ATTN_TUNE_LOADED    ? "loaded"
                : tune->state == ATTN_TUNE_REFUSED ? "refused"
                                                   : "none",
                tune->why);
}

/* Choose among all registered kernels, bind the winner. */
static AttnStatus choose_and_bind(const AttnProblem *p, const AttnSettings *settings, AttnPlan **out)
{
    const size_t chosen = attn_choose(attn_registry, attn_registry_count, p, attn_cpu_this(), settings, NULL);
    if (settings->verbose_dispatch)
        print_verdicts(p, settings, chosen);
    if (chosen == attn_registry_count) {
        const AttnKernel *asked = settings->kernel ? settings->kernel : attn_registry_baseline();
        const AttnVerdict verdict = attn_choose_judge(asked, p, attn_cpu_this(), settings);
        if (settings->kernel)
            return attn_fail(ATTN_ERROR_UNSUPPORTED, "%s is %s, which cannot run this problem here: %s", settings->kernel_from,
                             settings->kernel->name, verdict.why);
        return attn_fail(ATTN_ERROR_UNSUPPORTED, "no kernel takes this problem here; the most general one, %s, says: %s",
                         verdict.kernel->name, verdict.why);
    }
    const AttnStatus status = bind(p, attn_registry[chosen], attn_threads_workers(settings), settings->parallel_for,
                                   settings->parallel_context, out);
    if (status == ATTN_OK) {
        (*out)->settings = *settings;
        (*out)->was_chosen = true;
    }
    return status;
}

AttnStatus attn_plan_create(const AttnProblem *problem, const AttnOptions *options, AttnPlan **plan)
{
    if (!plan)
        return attn_fail(ATTN_ERROR_NULL, "plan is NULL; allowed: the address of a pointer for the result");
    *plan = NULL;
    AttnProblem p;
    AttnSettings settings;
    AttnStatus status = attn_problem_read(problem, &p);
    if (status == ATTN_OK)
        status = attn_settings_read_environment(options, &settings);
    return status == ATTN_OK ? choose_and_bind(&p, &settings, plan) : status;
}

size_t attn_plan_workspace(const AttnPlan *plan)
{
    const size_t bytes = plan->shared_bytes + plan->workers * plan->worker_bytes + plan->split.bytes;
    return bytes < 64 ? 64 : bytes;
}

const char *attn_plan_kernel(const AttnPlan *plan)
{
    return plan->kernel->name;
}

/* Formed at the first call, because hardly anybody asks and forming it takes longer than all the rest of a plan. Two threads may form it at
 * once; the first to finish is kept, so that every caller gets the same address. */
const char *attn_plan_explain(const AttnPlan *plan)
{
    AttnPlan *owner = (AttnPlan *)plan; /* plans come from bind() only, so none is a const object */
    char *text = atomic_load(&owner->explanation);
    if (!text && plan->was_chosen) {
        char *fresh = explain(plan);
        if (atomic_compare_exchange_strong(&owner->explanation, &text, fresh))
            text = fresh;
        else
            free(fresh);
    }
    return text ? text : "";
}

size_t attn_plan_units(const AttnPlan *plan)
{
    return plan->phase[UNITS].items;
}

void attn_plan_destroy(AttnPlan *plan)
{
    if (plan)
        free(atomic_load(&plan->explanation));
    free(plan);
}

typedef struct Run {
    const AttnPlan *plan;
    AttnArgs args;
    AttnArgs part[ATTN_PARTS_MOST]; /* what each part of the keys runs on, where they are split */
    char *shared, *scratch, *partial; /* the regions of the workspace                           */
} Run;

/* Keys are prepared in spans, those of a KV head together. */
static void prepare_keys(void *context, size_t worker, size_t number)
{
    const Run *run = context;
    const AttnPlan *plan = run->plan;
    const AttnProblem *p = &plan->problem;
    const size_t kv = number / plan->key_spans, key = number % plan->key_spans * ATTN_PREPARE_KEYS;
    const AttnKeySpan span = {
        .b = kv / p->kv_heads,
        .kv_head = kv % p->kv_heads,
        .key0 = key,
        .key1 = p->k_len - key < ATTN_PREPARE_KEYS ? p->k_len : key + ATTN_PREPARE_KEYS,
    };
    (void)worker;
    plan->kernel->prepare(&run->args, span, run->shared);
}

/* Unit `number` of the plan: those of a head together, and of them later rows first, because under a causal frontier they are the longer
 * ones and must not come last. */
static AttnSpan unit_of(const AttnPlan *plan, size_t number)
{
    const AttnProblem *p = &plan->problem;
    const size_t keys = number % plan->split.parts, u = number / plan->split.parts, rows = plan->stretch.rows;
    const size_t part = plan->stretch_units - 1 - u % plan->stretch_units, stretch = u / plan->stretch_units;
    const size_t per_kv_head = plan->stretch.count / (p->batch * p->kv_heads);
    const size_t kv = stretch / per_kv_head, base = stretch % per_kv_head * rows;
    const size_t begin = part * plan->unit_rows, end = begin + plan->unit_rows;
    return (AttnSpan){
        .b = kv / p->kv_heads,
        .kv_head = kv % p->kv_heads,
        .row0 = base + begin,
        .row1 = base + (end < rows ? end : rows),
        .key0 = keys * plan->split.chunk,
        .key1 = keys + 1 == plan->split.parts ? p->k_len : (keys + 1) * plan->split.chunk,
    };
}

static void run_unit(void *context, size_t worker, size_t number)
{
    const Run *run = context;
    const AttnPlan *plan = run->plan;
    const size_t parts = plan->split.parts;
    AttnSpan unit = unit_of(plan, number);
    if (parts == 1 && number + 1 < plan->phase[UNITS].items) {
        const AttnSpan next = unit_of(plan, number + 1);
        unit.next.b = next.b;
        unit.next.kv_head = next.kv_head;
        unit.next.row0 = next.row0;
        unit.next.row1 = next.row1;
    }
    plan->kernel->run(parts > 1 ? &run->part[number % parts] : &run->args, unit, run->scratch + worker * plan->worker_bytes);
}

/* Head h of batch entry b, number b * q_heads + h: the parts of its keys become one result. */
static void merge_head(void *context, size_t worker, size_t number)
{
    const Run *run = context;
    const size_t heads = run->plan->problem.q_heads;
    (void)worker;
    attn_split_merge(&run->plan->split, &run->args, run->partial, number / heads, number % heads);
}

static void run_phases(const AttnPlan *plan, const AttnTensors *tensors, char *workspace)
{
    Run run;
    run.plan = plan;
    run.shared = workspace;
    run.scratch = run.shared + plan->shared_bytes;
    run.partial = run.scratch + plan->workers * plan->worker_bytes;
    run.args = (AttnArgs){
        .p = &plan->problem,
        .t = tensors,
        .group = plan->group,
        .unit_rows = longest_unit(plan),
        .shared = plan->kernel->shared ? run.shared : NULL,
    };
    if (plan->split.parts > 1)
        attn_split_open(&plan->split, &run.args, run.partial, run.part);
    for (Phase n = 0; n < PHASES; n++)
        if (plan->phase[n].items > 0)
            attn_threads_run(plan->parallel_for, plan->parallel_context, plan->workers, &plan->phase[n], &run);
}

AttnStatus attn_run(const AttnPlan *plan, const AttnTensors *tensors, void *workspace, size_t workspace_size)
{
    if (!plan)
        return attn_fail(ATTN_ERROR_NULL, "plan is NULL; allowed: one made by attn_plan_create");
    AttnTensors t;
    const AttnStatus status = attn_tensors_read(&plan->problem, tensors, &t);
    if (status != ATTN_OK)
        return status;
    if (!workspace)
        return attn_fail(ATTN_ERROR_NULL, "workspace is NULL; allowed: %zu bytes aligned to 64", attn_plan_workspace(plan));
    if (workspace_size < attn_plan_workspace(plan))
        return attn_fail(ATTN_ERROR_WORKSPACE, "workspace_size is %zu; allowed: at least %zu", workspace_size, attn_plan_workspace(plan));
    if ((uintptr_t)workspace % 64 != 0)
        return attn_fail(ATTN_ERROR_WORKSPACE, "workspace is at %p; allowed: an address divisible by 64", workspace);
    run_phases(plan, &t, workspace);
    return ATTN_OK;
}

AttnStatus attn_sdpa(const AttnProblem *problem, const AttnTensors *tensors)
{
    AttnPlan *plan;
    AttnStatus status = attn_plan_create(problem, NULL, &plan);
    if (status != ATTN_OK)
        return status;
    const size_t size = attn_plan_workspace(plan);
    void *workspace = aligned_alloc(64, size);
    if (workspace)
        status = attn_run(plan, tensors, workspace, size);
    else
        status = attn_fail(ATTN_ERROR_MEMORY, "no memory for a workspace of %zu bytes", size);
    free(workspace);
    attn_plan_destroy(plan);
    return status;
}

AttnStatus attn_kernel_query(size_t index, AttnKernelInfo *info)
{
    if (!info)
        return attn_fail(ATTN_ERROR_NULL, "info is NULL; allowed: the address of an AttnKernelInfo with its size set");
    if (index >= attn_registry_count)
        return attn_fail(ATTN_ERROR_VALUE, "index is %zu; allowed: 0 to %zu", index, attn_registry_count - 1);
    const AttnKernel *kernel = attn_registry[index];
    const AttnKernelInfo ours = {
        .size = sizeof ours,
        .name = kernel->name,
        .summary = kernel->summary,
        .needs = attn_registry_needs(index),
        .runnable = (kernel->isa & ~attn_cpu_this()->features) == 0,
    };
    return attn_struct_write(&attn_struct_kernel_info, info, &ours);
}
