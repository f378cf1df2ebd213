/* write.c - findings of regress for programs: JUnit XML, and records (results/README.md has the fields). */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/json.h"
#include "harness/machine/machine.h"
#include "harness/measure/peaks.h"
#include "harness/records/records.h"
#include "harness/regress/regress.h"

/* ---- JUnit ------------------------------------------------------------------------------------------------------------------------ */

/* Text inside an attribute. Control characters are not allowed in XML 1.0 in any form. */
static void put_escaped(FILE *to, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&': fputs("&amp;", to); break;
        case '<': fputs("&lt;", to); break;
        case '>': fputs("&gt;", to); break;
        case '"': fputs("&quot;", to); break;
        default: fputc((unsigned char)*text < 32 ? ' ' : *text, to);
        }
}

typedef enum Outcome { PASSED, FAILED, SKIPPED } Outcome;

static void put_case(FILE *to, const char *gate, const char *kernel, const char *shape, Outcome outcome, const char *message)
{
    fprintf(to, "  <testcase classname=\"regress.%s.", gate);
    put_escaped(to, kernel);
    fputs("\" name=\"", to);
    put_escaped(to, shape);
    if (outcome == PASSED) {
        fputs("\"/>\n", to);
        return;
    }
    fprintf(to, "\"><%s message=\"", outcome == FAILED ? "failure" : "skipped");
    put_escaped(to, message);
    fputs("\"/></testcase>\n", to);
}

static Outcome pair_outcome(const RegressPair *p, char *text, size_t size)
{
    if (p->crashed || p->verify.status == VERIFY_FAIL || p->verify.status == VERIFY_CRASH) {
        snprintf(text, size, "%s", p->why);
        return FAILED;
    }
    if (!p->measured) {
        snprintf(text, size, "%s", p->why[0] ? p->why : "not measured");
        return SKIPPED;
    }
    char choice[160] = "";
    if (p->dispatch)
        regress_choice(p, choice, sizeof choice);
    const bool harmless = p->decision == DECISION_SLOWER && !p->gates;
    const char *rest = p->waiver    ? p->waiver->reason
                       : p->expired ? "its waiver has ended"
                       : harmless   ? "dispatch does not take it"
                                    : p->why;
    snprintf(text, size, "%s%shead/base %.3f [%.3f, %.3f]%s%s", choice, choice[0] ? ": " : "", p->found.ratio.median, p->found.ratio.lo,
             p->found.ratio.hi, rest[0] ? "; " : "", rest);
    return p->decision == DECISION_INCONCLUSIVE || p->waiver || harmless ? SKIPPED : regress_fails(p) ? FAILED : PASSED;
}

static Outcome count_outcome(const RegressCount *c, char *text, size_t size)
{
    if (!c->counted) {
        snprintf(text, size, "not counted: %s", c->why);
        return SKIPPED;
    }
    snprintf(text, size, "%llu -> %llu instructions%s", (unsigned long long)c->base, (unsigned long long)c->head,
             c->waiver ? "; waived" : c->expired ? "; its waiver has ended" : c->gates ? "" : "; dispatch does not take the kernel");
    return c->fails ? FAILED : c->waiver ? SKIPPED : PASSED;
}

/* Two passes over the same cases: the counts appear in the first line. */
static void put_cases(const Regress *r, FILE *to, size_t counts[3])
{
    char text[800];
    for (size_t i = 0; i < r->pair_count; i++) {
        if (!regress_shown(r, &r->pairs[i]))
            continue;
        const Outcome outcome = pair_outcome(&r->pairs[i], text, sizeof text);
        counts[outcome]++;
        if (to)
            put_case(to, "time", regress_name(&r->pairs[i]), r->pairs[i].pair.shape, outcome, text);
    }
    for (size_t i = 0; i < r->count_count; i++) {
        const Outcome outcome = count_outcome(&r->counts[i], text, sizeof text);
        counts[outcome]++;
        if (to)
            put_case(to, "instructions", r->counts[i].pair.kernel, r->counts[i].pair.shape, outcome, text);
    }
}

void regress_write_junit(const Regress *r, FILE *to)
{
    size_t counts[3] = {0}, again[3] = {0};
    put_cases(r, NULL, counts);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", to);
    fprintf(to, "<testsuite name=\"attnzoo regress\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\">\n",
            counts[PASSED] + counts[FAILED] + counts[SKIPPED], counts[FAILED], counts[SKIPPED]);
    put_cases(r, to, again);
    if (r->interrupted)
        fputs("  <system-out>partial: interrupted</system-out>\n", to);
    fputs("</testsuite>\n", to);
}

/* ---- Records ---------------------------------------------------------------------------------------------------------------------- */

static json_t *finding_json(const DecideFinding *f)
{
    return json_pack("{s:o, s:o, s:o, s:i}", "ratio", json_number_or_null(f->ratio.median), "lo", json_number_or_null(f->ratio.lo), "hi",
                     json_number_or_null(f->ratio.hi), "n", (int)f->ratio.n);
}

static json_t *pair_json(const Regress *r, const RegressPair *p)
{
    json_t *object = finding_json(&p->found), *launches = json_array();
    for (size_t l = 0; l < p->head.launches; l++)
        json_array_append_new(launches, json_number_or_null(p->head.launch[l]));
    json_t *took = p->dispatch ? json_pack("{s:s, s:s}", "base", p->pair.kernel, "head", p->pair.head_kernel) : json_null();
    json_t *rest = json_pack("{s:s, s:s, s:s, s:b, s:o, s:s, s:s, s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:o, s:o}", "shape",
                             p->pair.shape, "kernel", regress_name(p), "taken", regress_taken(r, p), "gates", p->gates, "took", took,
                             "base", r->base.v1->commit, "head", r->head.v1->commit,
                             "verdict", p->measured ? decision_name(p->decision) : p->crashed || p->verify.status == VERIFY_CRASH ? "crash"
                             : p->verify.status == VERIFY_FAIL ? "wrong" : "inconclusive",
                             "first", p->measured ? json_string(decision_name(p->first)) : json_null(), "again", p->again,
                             "launches", launches, "min_effect", json_number_or_null(p->min_effect), "holm_p", json_number_or_null(p->adjusted),
                             "aa", finding_json(&p->same), "planted", finding_json(&p->more), "trials", (int)p->trials, "flagged",
                             (int)p->flagged, "why", p->why[0] ? json_string(p->why) : json_null(),
                             "waiver", p->waiver ? json_string(p->waiver->reason) : json_null());
    json_object_update(object, rest);
    json_decref(rest);
    return object;
}

static json_t *count_json(const Regress *r, const RegressCount *c)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:b, s:b, s:o, s:o}", "shape", c->pair.shape, "kernel", c->pair.kernel, "base",
                     r->base.v1->commit, "head", r->head.v1->commit, "src", insn_method_name(r->method), "insn",
                     c->counted ? json_pack("[I, I]", (json_int_t)c->base, (json_int_t)c->head) : json_null(), "fails", c->fails, "gates",
                     c->gates, "why",
                     c->counted ? json_null() : json_string(c->why), "waiver", c->waiver ? json_string(c->waiver->reason) : json_null());
}

static json_t *pack_json(const Pack *pack)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:i}", "commit", pack->v1->commit, "cc", pack->v1->compiler, "cflags", pack->v1->flags, "hash",
                     pack->hash, "kernels", (int)pack->v1->count);
}

bool regress_write_records(const Regress *r, FILE *to, int code, char *error, size_t error_size)
{
    Machine machine;
    machine_read(&machine);
    Records *records = records_open(NULL, machine.key, to, error, error_size);
    if (!records)
        return false;
    json_t *host = machine_json(&machine);
    peaks_record(NULL, host);
    json_object_set_new(host, "packs", json_pack("{s:o, s:o}", "base", pack_json(&r->base), "head", pack_json(&r->head)));
    records_write(records, "host", host);
    for (size_t i = 0; i < r->pair_count; i++)
        if (regress_shown(r, &r->pairs[i]))
            records_write(records, "regress", pair_json(r, &r->pairs[i]));
    for (size_t i = 0; i < r->count_count; i++)
        records_write(records, "insn", count_json(r, &r->counts[i]));
    return records_close(records, code, error, error_size);
}
