/* trial.c - plan, fenced workspace, run, guards: the part shared by verify, exact oracles and special values. */
#include "harness/ops/sdpa/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/choose.h"
#include "dispatch/plan.h"
#include "harness/base/fence.h"
#include "harness/machine/cpu_state.h"

bool trial_fits(const AttnKernel *kernel, const AttnProblem *problem, char *why, size_t size)
{
    const AttnVerdict verdict = attn_choose_judge(kernel, problem, attn_cpu_this(), NULL);
    if (!verdict.accepted)
        snprintf(why, size, "%s", verdict.why);
    return verdict.accepted;
}

bool trial_open(const AttnKernel *kernel, const VerifyCase *c, Data *data, VerifyResult *result)
{
    const AttnProblem problem = case_problem(c);
    char error[200];
    memset(result, 0, sizeof *result);
    if (!trial_fits(kernel, &problem, result->why, sizeof result->why)) {
        result->status = VERIFY_SKIP;
        return false;
    }
    return case_data(data, c, error, sizeof error) || verdict_unable(result, "%s", error);
}

/* A plan decides which units there are and in which order they run. To run them backwards a stand-in takes the kernel's place: it notes
 * each unit, and when it is given the last one it runs them all with the real kernel. */
static struct {
    const AttnKernel *kernel;
    struct Unit {
        AttnArgs args;
        AttnSpan span;
    } * units;
    size_t noted, count;
} stand_in;

static void note_unit(const AttnArgs *args, AttnSpan unit, void *scratch)
{
    stand_in.units[stand_in.noted++] = (struct Unit){*args, unit};
    while (stand_in.noted == stand_in.count && stand_in.count > 0) {
        const struct Unit *last = &stand_in.units[--stand_in.count];
        stand_in.kernel->run(&last->args, last->span, scratch);
        stand_in.noted--;
    }
}

/* Between setting and restoring an unusual control there is nothing but attn_run. */
static AttnStatus run_guarded(const AttnPlan *plan, const AttnTensors *tensors, void *workspace, size_t size, const Trial *trial,
                              MachineState *before, MachineState *after)
{
    const uint64_t restore = trial->unusual ? state_unusual_set(*trial->unusual) : 0;
    state_clear_upper();
    *before = state_read();
    const AttnStatus status = attn_run(plan, tensors, workspace, size);
    *after = state_read();
    if (trial->unusual)
        state_restore(restore);
    return status;
}

bool trial_run(const AttnKernel *kernel, Data *data, const Trial *trial, VerifyResult *result)
{
    AttnPlan *plan;
    AttnKernel noter = *kernel;
    noter.run = note_unit;
    const AttnStatus planned =
        attn_plan_create_with(trial->backwards ? &noter : kernel, &data->problem, trial->threads, trial->loop, NULL, &plan);
    if (planned != ATTN_OK)
        return verdict_refused(result, planned);
    const size_t size = attn_plan_workspace(plan), units = attn_plan_units(plan);
    Arena workspace = {0};
    stand_in.kernel = kernel;
    stand_in.units = trial->backwards ? calloc(units + 1, sizeof *stand_in.units) : NULL;
    stand_in.noted = 0;
    stand_in.count = units;
    if ((trial->backwards && !stand_in.units) || !fence_map(&workspace, size, FENCE_AFTER, trial->dirt)) {
        free(stand_in.units);
        attn_plan_destroy(plan);
        return verdict_unable(result, "no memory for a workspace of %zu bytes", size);
    }
    data_poison_output(data);
    MachineState before, after;
    const AttnStatus status = run_guarded(plan, &data->tensors, workspace.at, size, trial, &before, &after);
    const bool margins = fence_margins_intact(&workspace, trial->dirt);
    fence_unmap(&workspace);
    free(stand_in.units);
    attn_plan_destroy(plan);
    if (status != ATTN_OK)
        return verdict_refused(result, status);
    char why[160];
    if (state_changed(&before, &after, why, sizeof why))
        return verdict_fail(result, JUDGE_STATE, "%s", why);
    if (!margins)
        return verdict_fail(result, JUDGE_CANARY, "wrote before the beginning of its workspace of %zu bytes", size);
    if (!data_canaries_intact(data))
        return verdict_fail(result, JUDGE_CANARY, "wrote outside the elements of o or lse: a canary in a gap or margin is gone");
    return true;
}
