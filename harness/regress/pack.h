/* pack.h - uses kernel packs (pack_abi.h): load, check, name, and wrap a pack's kernel as an AttnKernel. */
#ifndef HARNESS_REGRESS_PACK_H
#define HARNESS_REGRESS_PACK_H

#include "harness/regress/pack_abi.h"
#include "kernels/kernel.h"

typedef struct Pack {
    void *handle;           /* of the loader                      */
    const AttnPackV1 *v1;
    char hash[17];          /* of the file: FNV-1a, 64 bits, hex  */
    char path[1024];        /* as given                           */
} Pack;

/* Load a pack. The loader returns the same library for the same file; to get a second copy in memory, `copy` loads it from a temporary copy
 * of the file. false: error[] names the file and the reason: not there, not a pack, another ABI. */
bool pack_open(Pack *pack, const char *path, bool copy, char *error, size_t error_size);
void pack_close(Pack *pack);

/* Index of a kernel; v1->count if the pack has none of that name. */
size_t pack_find(const Pack *pack, const char *name);

/* Does the pack say what its dispatch takes? Older ones do not. What it takes for a problem, or, problem NULL, for products; "": nothing,
 * and why is in v1->last_error(). Settled by this CPU, the options and the environment, and by no tune file, which fits one build only. */
bool pack_chooses(const Pack *pack);
const char *pack_choice(const Pack *pack, const AttnProblem *problem, const AttnOptions *options);

/* v1->plan and v1->run, with the structs as a pack of that age expects them. */
AttnStatus pack_plan(const AttnPackV1 *v1, size_t index, const AttnProblem *problem, size_t threads, AttnPlan **plan);
AttnStatus pack_run(const AttnPackV1 *v1, const AttnPlan *plan, const AttnTensors *tensors, void *workspace, size_t size);

/* CPU features that kernel `index` needs; false: it needs one unknown to this program, which therefore cannot tell whether the kernel may
 * run. */
bool pack_needs(const Pack *pack, size_t index, uint64_t *features);

/* An AttnKernel that computes with kernel `index` of the pack, whole problems at a time, for the judges of verify, which need descriptors.
 * There is one descriptor per process: the next call overwrites it. The pack must stay loaded. */
const AttnKernel *pack_stand_in(const Pack *pack, size_t index);

#endif
