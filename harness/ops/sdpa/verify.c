/* verify.c - the one-case judgement behind verify.h. */
#include "harness/ops/sdpa/verify.h"

#include <stdio.h>

#include "harness/ops/sdpa/oracle.h"
#include "harness/ops/sdpa/session.h"
#include "harness/ops/sdpa/trial.h"

enum { ISOLATED_TIMEOUT = 900 }; /* seconds; the slowest kernel on the largest shape of bench takes minutes */

static const JudgeOptions plain = {.flop_limit = ORACLE_FLOP_LIMIT};

typedef struct Pair {
    const AttnKernel *kernel;
    const VerifyCase *c;
} Pair;

static void judge_pair(const void *what, VerifyResult *result)
{
    const Pair *pair = what;
    Session session;
    memset(result, 0, sizeof *result);
    if (session_open(&session, pair->c, &plain)) {
        session_judge(&session, pair->kernel, result);
        session_close(&session);
    } else
        verdict_unable(result, "%s", session.error);
}

VerifyResult verify_case_isolated(const AttnKernel *kernel, const Shape *shape, DataDist dist, uint64_t seed, Fence fence,
                                  size_t threads)
{
    const VerifyCase c = {.shape = *shape, .dist = dist, .seed = seed, .fence = fence, .threads = threads};
    VerifyResult result = verdict_isolated(judge_pair, &(Pair){kernel, &c}, ISOLATED_TIMEOUT);
    char name[CASE_NAME];
    snprintf(result.repro, sizeof result.repro, "attnzoo verify --repro v1:%s:%s", kernel->name, case_name(&c, name, sizeof name));
    return result;
}
