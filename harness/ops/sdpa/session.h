/* session.h - one case with its operands and its expected results, shared by all kernels that are judged on it. */
#ifndef HARNESS_OPS_SDPA_SESSION_H
#define HARNESS_OPS_SDPA_SESSION_H

#include "harness/ops/sdpa/agree.h"
#include "harness/ops/sdpa/case.h"

typedef struct Session {
    VerifyCase c;
    JudgeOptions options;
    Data data;
    Agree agree;    /* of the rounding class judged last */
    bool expected;  /* agree is filled                   */
    char error[200];
} Session;

/* false: session->error says why (memory). */
bool session_open(Session *session, const VerifyCase *c, const JudgeOptions *options);
void session_close(Session *session);

/* Run the kernel and judge it: guards, comparison with the oracle, and the same bits under an unusual floating-point control of the
 * caller. */
void session_judge(Session *session, const AttnKernel *kernel, VerifyResult *result);

#endif
