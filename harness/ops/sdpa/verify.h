/* verify.h - does a kernel agree with the truth on one case? The same judgement for `attnzoo verify`, `bench` and the tests. */
#ifndef HARNESS_OPS_SDPA_VERIFY_H
#define HARNESS_OPS_SDPA_VERIFY_H

#include "harness/ops/sdpa/data.h"
#include "kernels/kernel.h"

typedef enum VerifyStatus {
    VERIFY_PASS,
    VERIFY_FAIL,
    VERIFY_SKIP,   /* the kernel does not take the case                                            */
    VERIFY_CRASH,
    VERIFY_UNABLE  /* the case could not be set up: no memory. No verdict; why says "not run: ..." */
} VerifyStatus;
const char *verify_status_name(VerifyStatus status); /* in records: "pass", "fail", "skip" (of unable, too), "crash" */

/* Who found the fault. */
typedef enum VerifyJudge {
    JUDGE_NONE,     /* no fault                                                     */
    JUDGE_BOUND,    /* eta > 1                                                      */
    JUDGE_MODEL,    /* z > 12                                                       */
    JUDGE_NONFINITE,/* NaN or infinity where the oracle has none, or the reverse    */
    JUDGE_CANARY,   /* wrote outside its output                                     */
    JUDGE_STATE,    /* floating-point control or register state changed             */
    JUDGE_BITWISE,  /* bits depend on threads, order, alignment, scratch or control */
    JUDGE_EXACT,    /* an exact oracle                                              */
    JUDGE_SPECIAL,  /* the special-value contract                                   */
    JUDGE_CRASH,    /* signal or time-out                                           */
    JUDGE_ERROR,    /* the library refused a valid problem                          */
    JUDGE_COUNT
} VerifyJudge;
const char *verify_judge_name(VerifyJudge judge);

typedef struct VerifyResult {
    VerifyStatus status;
    VerifyJudge judge;   /* the first one that disagreed                                  */
    double eta;          /* largest |error| / bound over the checked outputs; > 1 fails   */
    double z;            /* largest |error| / modelled sigma; > 12 fails                  */
    double max_abs;      /* largest |error|                                               */
    double max_ulp;      /* largest error in units in the last place of the output        */
    double rel_l2;       /* worst row: |error|_2 / |reference|_2                          */
    size_t rows;         /* rows compared                                                 */
    char why[240];       /* first disagreement, skip reason or signal; "" on pass         */
    char repro[640];     /* `attnzoo verify …` command line that repeats exactly this     */
} VerifyResult;

/* Run `kernel` on the case in this process and judge it against the double-precision oracle by eta and z, NaN and infinity rules included,
 * canaries, machine state. threads >= 1. */
VerifyResult verify_case(const AttnKernel *kernel, const Shape *shape, DataDist dist, uint64_t seed, Fence fence, size_t threads);

/* The same in a child process, so that a crash is a result (VERIFY_CRASH). */
VerifyResult verify_case_isolated(const AttnKernel *kernel, const Shape *shape, DataDist dist, uint64_t seed, Fence fence,
                                  size_t threads);

#endif
