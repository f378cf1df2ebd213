/* test_mutants.c - every kernel that is broken on purpose is caught; the one that is not broken passes everything. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/base/isolate.h"
#include "harness/ops/sdpa/mutants.h"
#include "harness/ops/sdpa/op.h"
#include "harness/ops/sdpa/session.h"

typedef struct Hunt {
    Suite suite;
    const Job *job; /* judged last                */
    void *kept;     /* of it                      */
    size_t *caught, *ran; /* of each mutant */
    char first[256]; /* what caught the unbroken one, if anything did */
} Hunt;

static void work(void *context, size_t item, void *answer)
{
    Hunt *hunt = context;
    const JudgeOptions options = {.bitwise = true, .flop_limit = 1e9};
    const Job *job = &hunt->suite.at[item / sdpa_mutants.count];
    OpKernel kernel;
    cr_assert(op_sdpa.kernel(&sdpa_mutants.at[item % sdpa_mutants.count], &kernel));
    if (hunt->kept && hunt->job != job) {
        op_sdpa.forget(hunt->kept);
        hunt->kept = NULL;
    }
    hunt->job = job;
    op_sdpa.judge(job, &kernel, &options, &hunt->kept, answer);
}

static bool done(void *context, size_t item, const void *answer, const char *crash)
{
    Hunt *hunt = context;
    const VerifyResult *result = answer;
    const size_t mutant = item % sdpa_mutants.count;
    const bool caught = crash || result->status == VERIFY_FAIL;
    hunt->ran[mutant]++;
    hunt->caught[mutant] += caught;
    if (mutant == 0 && caught && !hunt->first[0])
        snprintf(hunt->first, sizeof hunt->first, "%s", crash ? crash : result->why);
    return true;
}

Test(mutants, all_are_killed_and_the_unbroken_one_lives, .timeout = HANG_SECONDS)
{
    static Hunt hunt;
    const char *error;
    cr_assert_geq(sdpa_mutants.count, 60);
    hunt.caught = calloc(sdpa_mutants.count, sizeof *hunt.caught);
    hunt.ran = calloc(sdpa_mutants.count, sizeof *hunt.ran);
    cr_assert(op_sdpa.suite(&hunt.suite, SUITE_SMOKE, 0x5eed));
    const IsolateJob job = {.items = hunt.suite.count * sdpa_mutants.count, .group = sdpa_mutants.count, .workers = 2,
                            .result_size = sizeof(VerifyResult), .timeout = 120, .context = &hunt, .work = work, .done = done};
    cr_assert(isolate_run(&job, &error), "%s", error);
    cr_expect_eq(hunt.caught[0], 0, "the unbroken kernel fails %zu of %zu: %s", hunt.caught[0], hunt.ran[0], hunt.first);
    for (size_t i = 1; i < sdpa_mutants.count; i++)
        cr_expect_gt(hunt.caught[i], 0, "%s survives: %s", sdpa_mutants.at[i].name, sdpa_mutants.at[i].summary);
    suite_free(&hunt.suite);
    free(hunt.caught);
    free(hunt.ran);
}

/* Each judge objects by itself where it should: none of them lives off the others. */
Test(mutants, each_judge_catches_its_own)
{
    static const struct {
        const char *mutant, *on;
        VerifyJudge judge;
    } cases[] = {
        {"causal_late", "b1_h1_q9_k20_d8_causal:normal:1:after:t1", JUDGE_BOUND},
        {"exp_rough", "b1_h2_q20_k60_d16_lse:normal:1:after:t1", JUDGE_MODEL},
        {"dead_nan", "b1_h1_q5_k5_d4_causal-off-2:normal:1:after:t1", JUDGE_NONFINITE},
        {"write_past", "b1_h1_q5_k5_d4:normal:1:none:t1:x2", JUDGE_CANARY},
        {"control_trusted", "b1_h2_q20_k60_d16_lse:normal:1:after:t1", JUDGE_BITWISE},
        {"stale_maximum", "b1_h2_q20_k60_d16:normal:1:after:t1", JUDGE_BITWISE},
#if defined(__x86_64__) || defined(__aarch64__)
        {"ftz_left", "b1_h1_q3_k5_d4:normal:1:after:t1", JUDGE_STATE},
#endif
    };
    const JudgeOptions options = {.bitwise = true, .flop_limit = 1e9};
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        VerifyCase c;
        Session session;
        VerifyResult result = {0};
        char error[200];
        cr_assert(case_parse(cases[n].on, &c, error, sizeof error), "%s", error);
        cr_assert(session_open(&session, &c, &options));
        for (size_t i = 0; i < sdpa_mutants.count; i++)
            if (strcmp(sdpa_mutants.at[i].name, cases[n].mutant) == 0) {
                mutants_arm(&sdpa_mutants, &sdpa_mutants.at[i]);
                session_judge(&session, &sdpa_mutants.at[i], &result);
            }
        session_close(&session);
        cr_expect_eq(result.judge, cases[n].judge, "%s is judged by %s: %s", cases[n].mutant, verify_judge_name(result.judge), result.why);
    }
}
