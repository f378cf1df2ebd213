/* verdict.c - the one writer of verdicts. Their fields are explained in results/README.md. */
#include "harness/records/verdict.h"

#include "harness/base/json.h"

static json_t *number(const VerifyResult *r, double x)
{
    return r->rows > 0 ? json_number_or_null(x) : json_null();
}

static json_t *text(const char *words)
{
    return words[0] ? json_string(words) : json_null();
}

json_t *verdict_json(const VerifyResult *r, const char *ref, const char *why)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "status", verify_status_name(r->status), "judge",
                     verify_judge_name(r->judge), "ref", ref, "rows", (json_int_t)r->rows, "eta", number(r, r->eta), "z", number(r, r->z),
                     "max_abs", number(r, r->max_abs), "max_ulp", number(r, r->max_ulp), "rel_l2_row", number(r, r->rel_l2), "why",
                     text(why));
}

json_t *verdict_record(const char *id, const OpKernel *kernel, const VerifyResult *r, const char *ref, const char *why)
{
    json_t *record = json_pack("{s:s, s:s, s:s}", "case", id, "kernel", kernel->name, "isa", op_isa_name(kernel));
    json_t *verdict = verdict_json(r, ref, why);
    if (!record || !verdict || json_object_update(record, verdict) != 0 || json_object_set_new(record, "repro", text(r->repro)) != 0) {
        json_decref(record);
        record = NULL;
    }
    json_decref(verdict);
    return record;
}
