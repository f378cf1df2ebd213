/* verify.c - the one-case judgement behind verify.h, in this process or in a child. */
#include "harness/verify.h"

#include <stdio.h>

#include "harness/isolate.h"
#include "harness/session.h"
#include "harness/trial.h"

enum { ISOLATED_TIMEOUT = 900 }; /* seconds; the slowest kernel on the largest shape of bench takes minutes */

const char *verify_judge_name(VerifyJudge judge)
{
    static const char *const names[JUDGE_COUNT] = {"none",    "eta",   "z",       "nonfinite", "canary", "state",
                                                   "bitwise", "exact", "special", "crash",     "error"};
    return judge < JUDGE_COUNT ? names[judge] : "unknown";
}

static const SessionOptions plain = {.flop_limit = 5e8};

static void judge(const AttnKernel *kernel, const VerifyCase *c, VerifyResult *result)
{
    Session session;
    memset(result, 0, sizeof *result);
    if (session_open(&session, c, &plain)) {
        session_judge(&session, kernel, result);
        session_close(&session);
    } else
        trial_fail(result, JUDGE_ERROR, "%s", session.error);
}

static void add_repro(VerifyResult *result, const AttnKernel *kernel, const VerifyCase *c)
{
    char name[CASE_NAME];
    snprintf(result->repro, sizeof result->repro, "attnzoo verify --repro v1:%s:%s", kernel->name, case_name(c, name, sizeof name));
}

VerifyResult verify_case(const AttnKernel *kernel, const Shape *shape, DataDist dist, uint64_t seed, DataFence fence, size_t threads)
{
    const VerifyCase c = {.shape = *shape, .dist = dist, .seed = seed, .fence = fence, .threads = threads};
    VerifyResult result;
    judge(kernel, &c, &result);
    add_repro(&result, kernel, &c);
    return result;
}

typedef struct Alone {
    const AttnKernel *kernel;
    const VerifyCase *c;
    VerifyResult result;
} Alone;

static void judge_alone(void *context, size_t item, void *result)
{
    const Alone *alone = context;
    (void)item;
    judge(alone->kernel, alone->c, result);
}

static bool collect_alone(void *context, size_t item, const void *result, const char *crash)
{
    Alone *alone = context;
    (void)item;
    if (result)
        alone->result = *(const VerifyResult *)result;
    else {
        alone->result.status = VERIFY_CRASH;
        alone->result.judge = JUDGE_CRASH;
        snprintf(alone->result.why, sizeof alone->result.why, "%s", crash);
    }
    return true;
}

VerifyResult verify_case_isolated(const AttnKernel *kernel, const Shape *shape, DataDist dist, uint64_t seed, DataFence fence,
                                  size_t threads)
{
    const VerifyCase c = {.shape = *shape, .dist = dist, .seed = seed, .fence = fence, .threads = threads};
    Alone alone = {kernel, &c, {0}};
    const IsolateJob job = {.items = 1, .group = 1, .workers = 1, .result_size = sizeof(VerifyResult), .timeout = ISOLATED_TIMEOUT,
                            .context = &alone, .work = judge_alone, .done = collect_alone};
    const char *error;
    if (!isolate_run(&job, &error))
        trial_fail(&alone.result, JUDGE_ERROR, "%s", error ? error : "stopped");
    add_repro(&alone.result, kernel, &c);
    return alone.result;
}
