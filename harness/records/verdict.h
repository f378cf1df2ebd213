/* verdict.h - a judge's verdict on a kernel, as JSON. */
#ifndef HARNESS_RECORDS_VERDICT_H
#define HARNESS_RECORDS_VERDICT_H

#include <jansson.h>

#include "harness/ops/op.h"

/* status, judge, ref (the reference arithmetic), rows, errors, why. Errors are null if no row was compared. */
json_t *verdict_json(const VerifyResult *result, const char *ref, const char *why);

/* The `verify` record of one kernel: id is a case of the run, or the name of what was tried. */
json_t *verdict_record(const char *id, const OpKernel *kernel, const VerifyResult *result, const char *ref, const char *why);

#endif
