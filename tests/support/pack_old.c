/* pack_old.c - a pack as they were before they told what dispatch takes: the functions up to `choice`, and a size that says so. Its structs
 * end before the member `made`, and it refuses what it does not know. */
#define attn_pack_v1 whole_pack
#include "harness/regress/pack_export.c"
#undef attn_pack_v1

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "dispatch/error.h"

ATTN_API AttnPackEntry attn_pack_v1;

static AttnStatus refuse_unknown(uint64_t made)
{
    return made == 0 ? ATTN_OK : attn_fail(ATTN_ERROR_STRUCT, "a field that this pack does not know is 0x%" PRIx64, made);
}

static AttnStatus old_plan(size_t kernel, const AttnProblem *problem, size_t threads, AttnPlan **made)
{
    AttnProblem copy = *problem;
    copy.size = offsetof(AttnProblem, made);
    const AttnStatus status = refuse_unknown(problem->made);
    return status == ATTN_OK ? plan(kernel, &copy, threads, made) : status;
}

static AttnStatus old_run(const AttnPlan *planned, const AttnTensors *tensors, void *workspace, size_t size)
{
    AttnTensors copy = *tensors;
    copy.size = offsetof(AttnTensors, made);
    const AttnStatus status = refuse_unknown(tensors->made);
    return status == ATTN_OK ? attn_run(planned, &copy, workspace, size) : status;
}

const AttnPackV1 *attn_pack_v1(void)
{
    static AttnPackV1 old;
    memcpy(&old, whole_pack(), offsetof(AttnPackV1, choice));
    old.size = offsetof(AttnPackV1, choice);
    old.plan = old_plan;
    old.run = old_run;
    return &old;
}
