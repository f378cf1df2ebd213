/* audit.h - what on this machine disturbs measurements, and what could be done about it. Nothing is changed: the hints are for a person.
 *
 * Facts come from files below `root` ("" is the machine itself; tests bring their own tree) and from watching the clock and /proc/stat for
 * a third of a second. A fact that cannot be read is "unknown", never "ok". */
#ifndef HARNESS_MACHINE_AUDIT_H
#define HARNESS_MACHINE_AUDIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum AuditState { AUDIT_OK, AUDIT_NOISE, AUDIT_UNKNOWN } AuditState;

typedef struct AuditFinding {
    const char *check;  /* "governor", "load" …                      */
    AuditState state;
    char found[160];    /* what was found, in words                  */
    const char *hint;   /* what a person can do; "" if nothing is wrong */
} AuditFinding;

enum { AUDIT_MAX = 24 };
typedef struct Audit {
    size_t count;
    AuditFinding at[AUDIT_MAX];
} Audit;

/* What has to be observed over time; NaN where unknown. */
typedef struct AuditSample {
    double busy;  /* CPUs that others kept busy meanwhile, 0 to the number of CPUs   */
    double steal; /* share of CPU time that the hypervisor took                      */
    double drift; /* 90th percentile over median of one chain of multiplications - 1 */
} AuditSample;

AuditSample audit_sample(void); /* takes a third of a second */
void audit_read(Audit *audit, const char *root, const AuditSample *sample);

const char *audit_state_name(AuditState state); /* "ok", "noise", "unknown" */
json_t *audit_json(const Audit *audit);

#endif
