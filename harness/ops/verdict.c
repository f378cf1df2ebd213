/* verdict.c - names of verdicts; faults, refusals and crashes as results; judging in a child process. */
#include "harness/ops/verdict.h"

#include <stdarg.h>
#include <stdio.h>

#include "harness/base/isolate.h"

const char *verify_judge_name(VerifyJudge judge)
{
    static const char *const names[JUDGE_COUNT] = {"none",    "eta",   "z",       "nonfinite", "canary", "state",
                                                   "bitwise", "exact", "special", "crash",     "error"};
    return judge < JUDGE_COUNT ? names[judge] : "unknown";
}

const char *verify_status_name(VerifyStatus status)
{
    static const char *const names[] = {[VERIFY_PASS] = "pass", [VERIFY_FAIL] = "fail", [VERIFY_SKIP] = "skip", [VERIFY_CRASH] = "crash",
                                        [VERIFY_UNABLE] = "skip"};
    return names[status];
}

bool verdict_fail(VerifyResult *result, VerifyJudge judge, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->why, sizeof result->why, format, arguments);
    va_end(arguments);
    result->status = VERIFY_FAIL;
    result->judge = judge;
    return false;
}

bool verdict_unable(VerifyResult *result, const char *format, ...)
{
    char sentence[sizeof result->why - 16];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    snprintf(result->why, sizeof result->why, "not run: %s", sentence);
    result->status = VERIFY_UNABLE;
    result->judge = JUDGE_NONE;
    return false;
}

bool verdict_refused(VerifyResult *result, AttnStatus status)
{
    return status == ATTN_ERROR_MEMORY ? verdict_unable(result, "%s", attn_last_error())
                                       : verdict_fail(result, JUDGE_ERROR, "%s", attn_last_error());
}

void verdict_crash(VerifyResult *result, const char *sentence)
{
    verdict_fail(result, JUDGE_CRASH, "%s", sentence);
    result->status = VERIFY_CRASH;
}

typedef struct Isolated {
    void (*judge)(const void *what, VerifyResult *result);
    const void *what;
    VerifyResult result;
} Isolated;

static void judge_isolated(void *context, size_t item, void *result)
{
    const Isolated *isolated = context;
    (void)item;
    isolated->judge(isolated->what, result);
}

static bool collect_isolated(void *context, size_t item, const void *result, const char *crash)
{
    Isolated *isolated = context;
    (void)item;
    if (result)
        isolated->result = *(const VerifyResult *)result;
    else
        verdict_crash(&isolated->result, crash);
    return true;
}

VerifyResult verdict_isolated(void (*judge)(const void *what, VerifyResult *result), const void *what, unsigned timeout)
{
    Isolated isolated = {judge, what, {0}};
    const IsolateJob job = {.items = 1, .group = 1, .workers = 1, .result_size = sizeof(VerifyResult), .timeout = timeout,
                            .context = &isolated, .work = judge_isolated, .done = collect_isolated};
    const char *error;
    if (!isolate_run(&job, &error))
        verdict_unable(&isolated.result, "%s", error ? error : "stopped");
    return isolated.result;
}
