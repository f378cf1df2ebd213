/* special.h - the special-value contract: NaN, infinities, hidden garbage, rows with nothing visible, empty problems. */
#ifndef HARNESS_OPS_SDPA_SPECIAL_H
#define HARNESS_OPS_SDPA_SPECIAL_H

#include "harness/ops/sdpa/verify.h"

size_t special_count(void);
const char *special_name(size_t index); /* "nan-in-k" */

/* Try rule `index` on `kernel`, into *result (pass, fail, or skip with the reason). */
void special_run(const AttnKernel *kernel, size_t index, VerifyResult *result);

#endif
