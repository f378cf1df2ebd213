/* instructions.h - how many instructions a call of a kernel executes: a figure without noise, for machines whose clock is useless.
 *
 * One call of one kernel on one tiny case, in a separate process: single thread, fixed operands at fixed offsets in their pages, no address
 * randomisation. So identical code gives exactly identical counts. Methods, best first; the first that works here is used:
 *
 *   perf      the processor's counter, user space only; often missing in virtual machines and forbidden in containers
 *   ptrace    the process is stepped through the call, 50 to 100 thousand instructions per second; any instruction set, AVX-512 and AMX too
 *   valgrind  callgrind's count; kernels that use AVX-512 cannot run under it
 *
 * A count says what was executed, not how long it took. So it never ranks kernels; it only compares a kernel with its own past, built with
 * the same compiler and flags. */
#ifndef HARNESS_REGRESS_INSTRUCTIONS_H
#define HARNESS_REGRESS_INSTRUCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "harness/regress/launch.h"

typedef enum InsnMethod { INSN_NONE, INSN_PERF, INSN_PTRACE, INSN_VALGRIND, INSN_METHODS } InsnMethod;
const char *insn_method_name(InsnMethod method);

/* Count the instructions of one call of the pack's pair->kernel on pair->shape. false: error[] says why not. */
bool insn_count(InsnMethod method, const char *pack, const LaunchPair *pair, uint64_t seed, uint64_t *count, char *error,
                size_t error_size);

/* The best method that gives the same count for this pair twice in a row; if `only` is not INSN_NONE, only that method is tried. INSN_NONE:
 * error[] says why the last one failed. */
InsnMethod insn_choose(InsnMethod only, const char *pack, const LaunchPair *pair, uint64_t seed, char *error, size_t error_size);

/* Does the gate fail: more than 2 % and more than 64 additional instructions? */
bool insn_fails(uint64_t base, uint64_t head);

/* "equal", "fewer", "a few more", or "more": the last one is what the gate rejects. */
const char *insn_outcome(uint64_t base, uint64_t head);

/* What the child does: order from stdin. Returns its exit code. */
int insn_child(void);

#endif
