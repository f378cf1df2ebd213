/* regress.h - two builds of the kernels against each other: the request and the findings.
 *
 * Order: the head must be right (verify), then the instruction gate, then the time gate: launches (launch.h), decisions (decide.h),
 * and for every pair that is not plainly "same" a second measurement of four times as many launches, whose samples alone decide. */
#ifndef HARNESS_REGRESS_REGRESS_H
#define HARNESS_REGRESS_REGRESS_H

#include <stdio.h>

#include "harness/cli/cli.h"
#include "harness/ops/verdict.h"
#include "harness/regress/allow.h"
#include "harness/regress/instructions.h"
#include "harness/regress/decide.h"
#include "harness/regress/pack.h"

typedef struct RegressOptions {
    const char *base, *head;       /* pack files                                              */
    const char *kernels, *shapes;  /* patterns (NULL: all), words                             */
    bool time, insn;               /* gates                                                   */
    bool confirm;                  /* measure again what is not plainly the same              */
    bool fail_all;                 /* kernels that dispatch does not take fail the gates too  */
    double min_effect;             /* 0: auto, at least REGRESS_LEAST_EFFECT                  */
    double alpha;
    double min_trial;              /* seconds                                                 */
    InsnMethod counter;            /* how to count; INSN_NONE: the first method that works    */
    double planted;                /* work added to the head of every pair; 0 except in tests */
    size_t launches, rounds, threads;
    uint64_t seed;
    const char *allow, *md, *junit, *jsonl; /* files; NULL: none                              */
} RegressOptions;

#define REGRESS_LEAST_EFFECT 0.02
#define REGRESS_PLANTED 0.05 /* of the positive control */
enum { REGRESS_CONFIRM = 4 };

/* EXIT_OK: continue; -1: the help was printed, or a child's work was done successfully; else the exit code. */
int regress_options_read(RegressOptions *options, int argc, char **argv);

#define REGRESS_DISPATCH "dispatch" /* stands for a kernel's name: whichever kernel each build's dispatch takes */

/* Whose dispatch takes a kernel for a shape. If a pack does not say, every kernel counts as taken. */
enum { TAKEN_BASE = 1, TAKEN_HEAD = 2 };

/* One kernel on one shape; or what dispatch takes on it (pair.kernel and pair.head_kernel). */
typedef struct RegressPair {
    LaunchPair pair;
    bool dispatch;
    unsigned taken;                  /* TAKEN_*: this kernel, on this shape            */
    bool gates;                      /* slower is a failure, inconclusive gives exit code 3 */
    VerifyResult verify;             /* of the head                                    */
    DecideSamples head, copy, planted; /* against the base, of the measurement that decided */
    DecideFinding found, same, more;  /* the findings for head, A/A, A/A + 5 % */
    double min_effect, adjusted;     /* threshold; p after Holm                        */
    double call;                     /* seconds of a call of the base                  */
    size_t trials, flagged;
    bool measured, again;            /* has samples; was measured a second time        */
    bool crashed;                    /* in a launch                                    */
    bool interrupted;                /* Ctrl-C came before it was decided: why[] says how far it was */
    bool controls;                   /* both hold                                      */
    Decision first, decision;         /* before and after the second measurement        */
    char why[300];                   /* why it is not measured or inconclusive         */
    const Waiver *waiver, *expired;
} RegressPair;

typedef struct RegressCount {
    LaunchPair pair;
    bool gates, counted, fails;
    uint64_t base, head;
    char why[300];
    const Waiver *waiver, *expired;
} RegressCount;

typedef struct Regress {
    const RegressOptions *options;
    Pack base, head;
    bool alike;              /* same compiler, same flags                           */
    bool chooses;            /* both packs tell what their dispatch takes           */
    RegressPair *pairs;
    size_t pair_count;
    RegressCount *counts;
    size_t count_count;
    InsnMethod method;
    char no_insn[300];       /* why nothing was counted                             */
    Waivers waivers;
    bool interrupted;        /* partial: what was decided before Ctrl-C, and what was not */
} Regress;

/* Open the packs and list what both can run. EXIT_OK, EXIT_NOTHING (with the reason printed), EXIT_USAGE. */
int regress_open(Regress *regress, const RegressOptions *options, const Cli *cli);
/* Verify, count, measure, decide. EXIT_OK: all was done; EXIT_INTERRUPTED: a part was done, whose decisions stand and should be written;
 * EXIT_NOTHING: a launch failed, with the reason printed. */
int regress_run(Regress *regress, const Cli *cli);
/* A pair's kernel, or "dispatch"; whose dispatch takes it, in a word; what dispatch takes in both, for people. */
const char *regress_name(const RegressPair *p);
const char *regress_taken(const Regress *regress, const RegressPair *p);
void regress_choice(const RegressPair *p, char *text, size_t size);
/* Was it found slower, and is that a failure? */
bool regress_fails(const RegressPair *p);
/* Is it in the outputs? Where only instructions are counted: what is wrong, and where dispatch takes another kernel. */
bool regress_shown(const Regress *regress, const RegressPair *p);
/* The exit code that follows from the findings. */
int regress_code(const Regress *regress);
void regress_close(Regress *regress);

/* Shown and written. A failed write to `to` shows in ferror(to); false: error[] says what else failed. */
struct Output;
void regress_print(const Regress *regress, const Cli *cli, const struct Output *out);
void regress_write_markdown(const Regress *regress, FILE *to);
void regress_write_junit(const Regress *regress, FILE *to);
bool regress_write_records(const Regress *regress, FILE *to, int code, char *error, size_t error_size);

#endif
