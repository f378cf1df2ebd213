/* session.c - judges kernels on one case. The oracle is by far the most expensive part, so it runs once per case and rounding class. */
#include "harness/ops/sdpa/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "harness/machine/cpu_state.h"
#include "harness/ops/loops.h"
#include "harness/ops/sdpa/trial.h"

#define UNUSUAL_FLOP 1e8 /* above this, no run under an unusual control: smaller cases have it */

bool session_open(Session *session, const VerifyCase *c, const JudgeOptions *options)
{
    memset(session, 0, sizeof *session);
    session->c = *c;
    session->options = *options;
    if (!case_data(&session->data, c, session->error, sizeof session->error))
        return false;
    data_lock_inputs(&session->data);
    return true;
}

void session_close(Session *session)
{
    if (session->expected)
        agree_free(&session->agree);
    data_free(&session->data);
}

static bool expect(Session *session, const AttnAccuracy *accuracy)
{
    if (session->expected && agree_serves(&session->agree, accuracy))
        return true;
    if (session->expected)
        agree_free(&session->agree);
    session->expected = agree_expect(&session->agree, &session->data.problem, &session->data.tensors, accuracy, session->c.seed,
                                     session->options.flop_limit, session->options.longdouble);
    return session->expected;
}

enum { OUTPUTS = DATA_LAST_OUTPUT - DATA_FIRST_OUTPUT + 1 };

/* Copies of the blocks of the outputs. */
typedef struct Bits {
    void *block[OUTPUTS];
} Bits;

static void drop(Bits *bits)
{
    for (size_t n = 0; n < OUTPUTS; n++)
        free(bits->block[n]);
}

static bool keep(Bits *bits, const Data *data)
{
    memset(bits, 0, sizeof *bits);
    for (size_t n = 0; n < OUTPUTS; n++) {
        const Arena *arena = &data->arena[DATA_FIRST_OUTPUT + n];
        bits->block[n] = malloc(arena->bytes + 1);
        if (!bits->block[n]) {
            drop(bits);
            return false;
        }
        memcpy(bits->block[n], arena->bytes ? arena->at : bits->block[n], arena->bytes);
    }
    return true;
}

/* Run again under other conditions: every bit must be the same. */
static bool repeat(const AttnKernel *kernel, const Bits *bits, Data *data, const Trial *trial, const char *how, VerifyResult *result)
{
    if (!trial_run(kernel, data, trial, result))
        return false;
    for (size_t n = 0; n < OUTPUTS; n++) {
        const Arena *arena = &data->arena[DATA_FIRST_OUTPUT + n];
        const unsigned char *now = arena->at, *then = bits->block[n];
        for (size_t byte = 0; byte < arena->bytes; byte++)
            if (now[byte] != then[byte])
                return verdict_fail(result, JUDGE_BITWISE, "%s: float %zu of %s's block has other bits than in the first run", how,
                                  byte / sizeof(float), data_tensor_name((DataTensor)(DATA_FIRST_OUTPUT + n)));
    }
    return true;
}

static bool repeat_elsewhere(const Session *session, const AttnKernel *kernel, const Bits *bits, VerifyResult *result)
{
    const Trial plain = {.threads = 1, .dirt = 0xff};
    for (int fence = FENCE_NONE; fence <= FENCE_BEFORE; fence++) {
        VerifyCase c = session->c;
        c.fence = (Fence)fence;
        Data data;
        char how[60];
        if (c.fence == session->c.fence)
            continue;
        if (!case_data(&data, &c, result->why, sizeof result->why))
            return verdict_unable(result, "no memory for operands at another alignment");
        snprintf(how, sizeof how, "other alignment (fence %s)", fence_name(c.fence));
        const bool same = repeat(kernel, bits, &data, &plain, how, result);
        data_free(&data);
        if (!same)
            return false;
    }
    return true;
}

static bool repeat_all_ways(Session *session, const AttnKernel *kernel, const Bits *bits, VerifyResult *result)
{
    static const struct {
        const char *how;
        Trial trial;
    } ways[] = {
        {"workspace of zeros", {.threads = 1, .dirt = 0}},
        {"workspace of 0x3f3f3f3f", {.threads = 1, .dirt = 0x3f}},
        {"units in reverse order", {.threads = 1, .dirt = 0xff, .backwards = true}},
        {"workers in reverse order", {.threads = 4, .dirt = 0x3f, .loop = loop_reversed}},
        {"3 threads of the caller", {.threads = 3, .dirt = 0xff, .loop = loop_threads}},
        {"2 threads", {.threads = 2, .dirt = 0xff}},
        {"3 threads", {.threads = 3, .dirt = 0}},
        {"7 threads", {.threads = 7, .dirt = 0xff}},
    };
    for (size_t n = 0; n < sizeof ways / sizeof *ways; n++)
        if (!repeat(kernel, bits, &session->data, &ways[n].trial, ways[n].how, result))
            return false;
    for (size_t unusual = 0; state_unusual_name(unusual); unusual++) {
        const Trial trial = {.threads = 1, .dirt = 0xff, .unusual = &unusual};
        if (!repeat(kernel, bits, &session->data, &trial, state_unusual_name(unusual), result))
            return false;
    }
    return repeat_elsewhere(session, kernel, bits, result);
}

static size_t count_unusual(void)
{
    size_t n = 0;
    while (state_unusual_name(n))
        n++;
    return n;
}

static bool judge_bits(Session *session, const AttnKernel *kernel, VerifyResult *result)
{
    Bits bits;
    if (!keep(&bits, &session->data))
        return verdict_unable(result, "no memory for a copy of the output");
    bool same;
    if (session->options.bitwise)
        same = repeat_all_ways(session, kernel, &bits, result);
    else {
        const size_t unusual = session->c.seed % count_unusual();
        const Trial trial = {.threads = 1, .dirt = 0xff, .unusual = &unusual};
        same = repeat(kernel, &bits, &session->data, &trial, state_unusual_name(unusual), result);
    }
    drop(&bits);
    return same;
}

void session_judge(Session *session, const AttnKernel *kernel, VerifyResult *result)
{
    memset(result, 0, sizeof *result);
    if (!trial_fits(kernel, &session->data.problem, result->why, sizeof result->why)) {
        result->status = VERIFY_SKIP;
        return;
    }
    const Trial trial = {.threads = session->c.threads, .dirt = 0xff, .loop = session->c.threads > 1 ? loop_threads : NULL};
    if (!trial_run(kernel, &session->data, &trial, result))
        return;
    if (!expect(session, &kernel->accuracy)) {
        verdict_unable(result, "no memory for the oracle");
        return;
    }
    agree_judge(&session->agree, kernel->accuracy.exp_ulp, &session->data.tensors, result);
    if (result->judge == JUDGE_NONE && (session->options.bitwise || shape_flop(&session->c.shape) < UNUSUAL_FLOP))
        judge_bits(session, kernel, result);
}
