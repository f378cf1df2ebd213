/* scoreboard.h - what each kernel has passed and failed so far, and how that is shown. */
#ifndef HARNESS_SUITE_SCOREBOARD_H
#define HARNESS_SUITE_SCOREBOARD_H

#include "harness/cli/cli.h"
#include "harness/ops/op.h"
#include "harness/records/records.h"

/* One kernel. */
typedef struct Score {
    OpKernel who;
    size_t passed[3], ran[3];    /* by JobKind                                  */
    size_t due[3];               /* jobs begun for it; all are judged, unless the run was stopped */
    size_t skipped;              /* jobs that the kernel does not take          */
    size_t unable;               /* jobs that could not be set up: no memory    */
    char no_room[240];           /* why the first of them could not             */
    size_t caught[JUDGE_COUNT];  /* failures by the judge that found them first */
    double eta, z;               /* worst of the cases                          */
    char why[240];               /* why it cannot run, or its first skip        */
    bool runnable;
} Score;

typedef struct Scoreboard {
    const Cli *cli;
    Score *scores;
    size_t count;
    Records *records; /* NULL: none          */
    FILE *notes;      /* where FAIL lines go */
    bool bitwise;
    bool longdouble;  /* the reference is the oracle's second implementation, where there is one */
    bool silent;      /* mutants: they are meant to fail       */
    bool broken;      /* a record could not be written         */
    size_t unable;    /* cases that could not be set up        */
    char last_unable[CASE_NAME];
} Scoreboard;

/* Count a result; prints FAIL and repro lines, writes a record. */
void scoreboard_add(Scoreboard *board, size_t kernel, const Job *job, const VerifyResult *result);

/* After a whole suite: fail each kernel that can run but ran no job of some kind that was due. So a kernel that takes too little does not
 * pass for a correct one. Yardsticks are exempt. */
void scoreboard_demand_all(Scoreboard *board);

/* The table and the closing line. Returns the exit code. */
int scoreboard_finish(const Scoreboard *board);

/* The same for mutants: which judge killed which. The first kernel of each kind of work is unbroken: the control. */
int scoreboard_finish_mutants(const Scoreboard *board);

#endif
