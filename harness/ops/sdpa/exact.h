/* exact.h - oracles that need no tolerance: results known in advance, to the bit or to the integer. */
#ifndef HARNESS_OPS_SDPA_EXACT_H
#define HARNESS_OPS_SDPA_EXACT_H

#include "harness/ops/sdpa/verify.h"

size_t exact_count(void);
const char *exact_name(size_t index); /* "permutation/gqa-causal" */

/* Run oracle `index` on `kernel`, into *result (pass, fail, or skip with the reason). */
void exact_run(const AttnKernel *kernel, size_t index, VerifyResult *result);

#endif
