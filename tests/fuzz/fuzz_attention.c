/* fuzz_attention.c - any valid problem on every kernel that takes it, against reference.c; and calls that are not valid
 * (attention_hostile.c).
 *
 * Each case runs on the kernel that dispatch takes and, forced by name, on every kernel that can run here, in two ways (execution.h): the
 * numbers lie within the reference's bound, the bits of both ways are equal, nothing but the elements of outputs is written, floating-point
 * control and upper register halves are as they were. A valid problem may not be refused. Cost: 4 ms a case, 28 ms
 * under sanitizers (AMD family 26 model 2, gcc 12.2, 2026-11-30). */
#include <string.h>

#include "dispatch/plan.h"
#include "harness/ops/sdpa/mutants.h"
#include "tests/fuzz/attention_case.h"
#include "tests/fuzz/attention_hostile.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/target.h"

/* ---- Judgement ------------------------------------------------------------------------------------------------------------------- */

static bool judge_row(const AttentionCase *x, const RefOutputs *want, const char *runner, const RefEntry *entry, size_t h, size_t i)
{
    const AttnProblem *p = &x->p;
    const size_t b = entry->b, number = (b * p->q_heads + h) * p->q_len + i;
    const float *o = ref_o(p, &x->t, entry, h, i);
    for (size_t c = 0; c < p->dv; c++)
        if (!judge_number("o", runner, b, h, i, c, want->o[number * p->dv + c], o[c]))
            return false;
    if (p->lse.dtype != ATTN_NONE && !judge_number("lse", runner, b, h, i, 0, want->lse[number], *ref_lse(p, &x->t, entry, h, i)))
        return false;
    for (size_t j = 0; want->scores && j < p->k_len; j++)
        if (!judge_number("scores", runner, b, h, i, j, want->scores[number * p->k_len + j], x->t.scores[ref_cell(&p->scores, b, h, i, j)]))
            return false;
    return true;
}

static bool judge_all(const AttentionCase *x, const RefOutputs *want, const char *runner)
{
    for (size_t b = 0; b < x->p.batch; b++) {
        const RefEntry entry = ref_entry(&x->p, &x->t, b);
        for (size_t h = 0; h < x->p.q_heads; h++)
            for (size_t i = 0; i < entry.q_len; i++)
                if (!judge_row(x, want, runner, &entry, h, i))
                    return false;
    }
    return true;
}

/* ---- Runs ------------------------------------------------------------------------------------------------------------------------ */

/* A case and what it must give. */
typedef struct Due {
    AttentionCase *x;
    const RefOutputs *want;
} Due;

static AttnStatus plan_of(void *context, const AttnOptions *options, void **plan)
{
    const Due *due = context;
    AttnPlan *made = NULL;
    const AttnStatus status = attn_plan_create(&due->x->p, options, &made);
    *plan = made;
    return status;
}

static size_t workspace_of(const void *plan)
{
    return attn_plan_workspace(plan);
}

static AttnStatus call(void *context, const void *plan, void *workspace, size_t bytes)
{
    const Due *due = context;
    return attn_run(plan, &due->x->t, workspace, bytes);
}

static void destroy(void *plan)
{
    attn_plan_destroy(plan);
}

static const char *who(void *context, const void *plan, const char *kernel, char *buffer, size_t size)
{
    (void)context;
    snprintf(buffer, size, "%s", plan ? attn_plan_kernel(plan) : kernel ? kernel : "dispatch");
    return buffer;
}

static bool judge(void *context, const char *runner)
{
    const Due *due = context;
    return judge_all(due->x, due->want, runner);
}

static Subject subject_of(Due *due)
{
    return (Subject){"attn_plan_create", "attn_run", "problem", &due->x->rooms, due, plan_of, workspace_of, call, destroy, who, judge};
}

static bool run_all(AttentionCase *x, Choices *c, const RefOutputs *want)
{
    Due due = {x, want};
    const Subject subject = subject_of(&due);
    bool right = attn_problem_check(&x->p) == ATTN_OK || found("attn_problem_check of a valid problem: %s", attn_last_error());
    right = right && target_run_twice(&subject, c, NULL);
    for (size_t n = 0; right && n < attn_kernel_count(); n++) {
        AttnKernelInfo info = {.size = sizeof info};
        fuzz_demand(attn_kernel_query(n, &info) == ATTN_OK, "a kernel has a name");
        if (info.runnable)
            right = target_run_twice(&subject, c, info.name);
    }
    return right;
}

/* ---- Counts ---------------------------------------------------------------------------------------------------------------------- */

static void count(const AttentionCase *x)
{
    const char *name[ATTENTION_OPTIONS];
    bool on[ATTENTION_OPTIONS];
    target_count_case(attention_options(x, name, on), on);
}

void target_counts(FILE *to)
{
    const AttentionCase none = {.arrangement = "", .poison = ""};
    const char *name[ATTENTION_OPTIONS];
    bool on[ATTENTION_OPTIONS];
    target_print_counts(to, "runs of kernels", attention_options(&none, name, on), name);
}

/* ---- One input ------------------------------------------------------------------------------------------------------------------- */

static bool expect(AttentionCase *x, Choices *c, RefOutputs *want)
{
    fuzz_finding[0] = '\0';
    fuzz_case[0] = '\0';
    attention_decode(x, c);
    attention_describe(x, fuzz_case, sizeof fuzz_case);
    fuzz_demand(ref_attention(&x->p, &x->t, want), "there is memory for the reference");
    count(x);
    return true;
}

bool target_run(const uint8_t *data, size_t size)
{
    Choices c = choices_of(data, size);
    AttentionCase x;
    RefOutputs want;
    expect(&x, &c, &want);
    bool right = run_all(&x, &c, &want);
    for (size_t n = 0; n < 3 && right; n++)
        right = attention_hostile(&x, &c);
    ref_release(&want);
    attention_free(&x);
    return right;
}

/* ---- Kernels broken on purpose --------------------------------------------------------------------------------------------------- */

size_t target_mutants(void)
{
    return sdpa_mutants.count;
}

const char *target_mutant(size_t n)
{
    return sdpa_mutants.at[n].name;
}

/* An exponential that is 3e-6 off changes a mean by 3e-6 / 4 of the spread of two values, and two keys alone may round by 2e-6. The model
 * of `verify`, which knows what is usual, finds it. */
const char *target_mutant_excuse(size_t n)
{
    return strcmp(sdpa_mutants.at[n].name, "exp_rough") == 0 ? "too small for a bound" : NULL;
}

bool target_run_mutant(size_t n, const uint8_t *data, size_t size)
{
    Choices c = choices_of(data, size);
    AttentionCase x;
    RefOutputs want;
    AttnPlan *plan;
    attention_extremes = 60; /* some mistakes show nowhere else */
    bool right = expect(&x, &c, &want);
    Due due = {&x, &want};
    const Subject subject = subject_of(&due);
    const AttnKernel *mutant = &sdpa_mutants.at[n];
    mutants_arm(&sdpa_mutants, mutant);
    for (size_t time = 0; time < 2 && right; time++) {
        const Execution *execution = execution_draw(&c, false);
        if (execution->forgets || attn_plan_create_with(mutant, &x.p, execution->threads, execution->loop, NULL, &plan) != ATTN_OK)
            continue;
        right = target_run_once(&subject, &c, plan, execution, mutant->name);
        attn_plan_destroy(plan);
    }
    ref_release(&want);
    attention_free(&x);
    return right;
}
