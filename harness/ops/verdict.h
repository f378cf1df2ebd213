/* verdict.h - verdicts of the judges of all kinds of work on a kernel and a case. */
#ifndef HARNESS_OPS_VERDICT_H
#define HARNESS_OPS_VERDICT_H

#include "attnzoo.h"

typedef enum VerifyStatus {
    VERIFY_PASS,
    VERIFY_FAIL,
    VERIFY_SKIP,   /* the kernel does not take the case                                            */
    VERIFY_CRASH,
    VERIFY_UNABLE  /* the case could not be set up: no memory. No verdict; why says "not run: ..." */
} VerifyStatus;
const char *verify_status_name(VerifyStatus status); /* in records: "pass", "fail", "skip" (of unable, too), "crash" */

/* The judge that found the fault. */
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

/* result->status = VERIFY_FAIL, with judge and a formatted sentence; returns false. */
bool verdict_fail(VerifyResult *result, VerifyJudge judge, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* result->status = VERIFY_UNABLE, with "not run: " and the sentence; returns false. verdict_refused: that, if the library had no memory, else
 * a failure, in its words. */
bool verdict_unable(VerifyResult *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool verdict_refused(VerifyResult *result, AttnStatus status);

/* The same for a case whose child crashed, as `sentence` says: VERIFY_CRASH, found by JUDGE_CRASH. */
void verdict_crash(VerifyResult *result, const char *sentence);

/* Judge one case in a child process, where judge(what, result) is called. A crash is a result, and so is a time-out after `timeout`
 * seconds. */
VerifyResult verdict_isolated(void (*judge)(const void *what, VerifyResult *result), const void *what, unsigned timeout);

#endif
