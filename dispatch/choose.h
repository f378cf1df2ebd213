/* choose.h - which kernel, and why. A pure function: no globals, no environment, no clock. */
#ifndef ATTN_CHOOSE_H
#define ATTN_CHOOSE_H

#include "dispatch/cpu.h"
#include "dispatch/options.h"

/* Verdict on one kernel. */
typedef struct AttnVerdict {
    const AttnKernel *kernel;
    bool accepted;
    double cost;   /* estimated cycles, if accepted                             */
    char why[120]; /* the clause that rejected it; "" if accepted               */
} AttnVerdict;

/* Can this kernel run this problem on this CPU under these settings? cpu NULL: a CPU that has everything; settings NULL: nothing
 * forbidden. */
AttnVerdict attn_choose_judge(const AttnKernel *kernel, const AttnProblem *problem, const AttnCpu *cpu, const AttnSettings *settings);

/* Judge `count` kernels into verdicts[] and return the index of the cheapest accepted one (ties: the earlier), or count if there is
 * none. A forced kernel is returned if accepted; else count. A kernel that settings->tune names for this problem wins over the cheapest,
 * if accepted. verdicts NULL: none wanted, and no sentence is formed; the choice is the same. */
size_t attn_choose(const AttnKernel *const *kernels, size_t count, const AttnProblem *problem, const AttnCpu *cpu,
                   const AttnSettings *settings, AttnVerdict *verdicts);

/* The entry for this problem under these settings: NULL if there is no file, no entry, or a kernel is forced. Whether the entry's kernel
 * can run is for the caller to judge. */
const AttnTuneEntry *attn_tune_find(const AttnProblem *problem, const AttnSettings *settings);

/* ATTN_HAS_* that the problem needs. */
uint32_t attn_problem_needs(const AttnProblem *problem);

/* The word for one of its bits: "band", "mask"; NULL if out of range. */
const char *attn_option_word(unsigned bit);

#endif
