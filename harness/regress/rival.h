/* rival.h - kernels of packs on one case, ready to be called: what `regress`, `selftest` and the instruction counter run.
 *
 * All rivals of a case share its operands and one workspace, so that no arm of a comparison has better addresses than another. Their
 * addresses depend on a seed: each launch has different offsets, so that lucky ones average out over several launches. */
#ifndef HARNESS_REGRESS_RIVAL_H
#define HARNESS_REGRESS_RIVAL_H

#include "harness/base/fence.h"
#include "harness/regress/pack.h"

struct PackKind; /* kinds.h */

typedef struct RivalCase {
    const struct PackKind *kind;
    void *operands;    /* of that kind                                           */
    Arena workspace;   /* of plans, as large as the largest rival needs          */
    size_t threads;
} RivalCase;

typedef struct Rival {
    const AttnPackV1 *v1;
    size_t index;              /* of the kernel in the pack  */
    RivalCase *on;
    AttnPlan *plan;            /* attention                  */
    size_t workspace;          /* bytes that it needs        */
    Arena weights;  /* a product's packed weights */
    AttnStatus status;         /* of the last call           */
} Rival;

/* Operands of a canonical shape word ("b1_h2_q64_k64_d64", "linear:8x64x64"). offsets 0: every arena begins at the same offset in its page;
 * else it is moved by up to 63 cache lines. false: error[] says why. */
bool rival_case_open(RivalCase *on, const char *word, size_t threads, uint64_t seed, uint64_t offsets, char *error, size_t error_size);
void rival_case_close(RivalCase *on);

/* false: the kernel does not take the case, or no memory; error[] says which. Open all rivals of a case before the first call. */
bool rival_open(Rival *rival, const Pack *pack, size_t index, RivalCase *on, uint64_t offsets, char *error, size_t error_size);
void rival_close(Rival *rival);

void rival_call(Rival *rival);

#endif
