/* audit.c - one function per check. Limits: a share of time that would visibly disturb a paired median, or the setting that the kernel's
 * own documentation recommends for steady results. */
#include "harness/base/clock.h"
#include "harness/base/stats.h"
#include "harness/machine/audit.h"

#include <ctype.h>
#include <glob.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/machine/chain.h"

#define SAMPLE_SECONDS 0.33
enum { TEXT = 256, PATH = 512, SAMPLES = 4000 };

typedef struct Reader {
    const char *root;
    const AuditSample *sample;
    long cpus; /* online CPUs according to the tree; at least 1 */
} Reader;

static void add(Audit *audit, const char *check, AuditState state, const char *hint, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
static void add(Audit *audit, const char *check, AuditState state, const char *hint, const char *format, ...)
{
    va_list args;
    if (audit->count == AUDIT_MAX)
        return;
    AuditFinding *f = &audit->at[audit->count++];
    f->check = check;
    f->state = state;
    f->hint = state == AUDIT_NOISE ? hint : "";
    va_start(args, format);
    vsnprintf(f->found, sizeof f->found, format, args);
    va_end(args);
}

/* First line of root/path without its newline. */
static bool text_of(const Reader *r, const char *path, char *text)
{
    char full[PATH];
    snprintf(full, sizeof full, "%s%s", r->root, path);
    FILE *file = fopen(full, "r");
    const bool read = file && fgets(text, TEXT, file);
    if (file)
        fclose(file);
    if (read)
        text[strcspn(text, "\n")] = '\0';
    return read;
}

/* A number at the start of a file; NaN if there is none. */
static double number_of(const Reader *r, const char *path)
{
    char text[TEXT], *end;
    if (!text_of(r, path, text))
        return NAN;
    const double value = strtod(text, &end);
    return end == text ? NAN : value;
}

/* The value of `name` in a file of "name value" lines, such as cpu.stat. */
static double field_of(const Reader *r, const char *path, const char *name)
{
    char full[PATH], line[TEXT];
    double value = NAN;
    snprintf(full, sizeof full, "%s%s", r->root, path);
    FILE *file = fopen(full, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ' ')
            value = strtod(line + strlen(name), NULL);
    if (file)
        fclose(file);
    return value;
}

static void check_governor(Audit *audit, const Reader *r)
{
    char text[TEXT], pattern[PATH], other[TEXT] = "";
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor", r->root);
    size_t count = 0;
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            if (text_of(r, found.gl_pathv[i] + strlen(r->root), text) && ++count && strcmp(text, "performance") != 0)
                snprintf(other, sizeof other, "%s", text);
        globfree(&found);
    }
    if (count == 0)
        add(audit, "governor", AUDIT_UNKNOWN, "", "no cpufreq here, as in most virtual machines");
    else
        add(audit, "governor", other[0] ? AUDIT_NOISE : AUDIT_OK, "cpupower frequency-set -g performance", "%s",
            other[0] ? other : "performance");
}

static void check_turbo(Audit *audit, const Reader *r)
{
    const double no_turbo = number_of(r, "/sys/devices/system/cpu/intel_pstate/no_turbo");
    const double boost = number_of(r, "/sys/devices/system/cpu/cpufreq/boost");
    if (isnan(no_turbo) && isnan(boost))
        add(audit, "turbo", AUDIT_UNKNOWN, "", "not readable");
    else if (no_turbo == 1 || boost == 0)
        add(audit, "turbo", AUDIT_OK, "", "off");
    else
        add(audit, "turbo", AUDIT_NOISE, "the clock follows heat and the other cores: echo 1 > intel_pstate/no_turbo, or echo 0 > cpufreq/boost", "on");
}

static void check_smt(Audit *audit, const Reader *r)
{
    const double active = number_of(r, "/sys/devices/system/cpu/smt/active");
    if (isnan(active))
        add(audit, "smt", AUDIT_UNKNOWN, "", "not readable");
    else
        add(audit, "smt", active == 1 ? AUDIT_NOISE : AUDIT_OK, "two threads share a core: leave the siblings idle, or echo off > /sys/devices/system/cpu/smt/control",
            "%s", active == 1 ? "siblings are on" : "one thread a core");
}

static void check_load(Audit *audit, const Reader *r)
{
    const double load = number_of(r, "/proc/loadavg"), busy = r->sample->busy;
    if (isnan(load))
        add(audit, "load", AUDIT_UNKNOWN, "", "no /proc/loadavg");
    else
        add(audit, "load", load > 0.5 ? AUDIT_NOISE : AUDIT_OK, "end what else runs, or wait", "%.2f on %ld CPUs over a minute", load, r->cpus);
    if (isnan(busy))
        add(audit, "others", AUDIT_UNKNOWN, "", "no /proc/stat");
    else
        add(audit, "others", busy > 0.1 ? AUDIT_NOISE : AUDIT_OK, "end what else runs: top shows it", "others keep %.1f of %ld CPUs busy now", busy, r->cpus);
}

static void check_steal(Audit *audit, const Reader *r)
{
    if (isnan(r->sample->steal))
        add(audit, "steal", AUDIT_UNKNOWN, "", "no /proc/stat");
    else
        add(audit, "steal", r->sample->steal > 0.005 ? AUDIT_NOISE : AUDIT_OK, "the hypervisor runs others on these CPUs: a dedicated instance",
            "%.1f %% of the time goes to other machines", 100 * r->sample->steal);
}

static void check_drift(Audit *audit, const Reader *r)
{
    if (isnan(r->sample->drift))
        add(audit, "clock", AUDIT_UNKNOWN, "", "not measured");
    else
        add(audit, "clock", r->sample->drift > 0.02 ? AUDIT_NOISE : AUDIT_OK, "trust paired ratios only; see governor, turbo, others, steal",
            "a fixed chain of multiplications takes %.1f %% longer in its slowest tenth", 100 * r->sample->drift);
}

/* Folder of this process in a hierarchy: the line "0::/path" (v2), or "N:...,cpu,...:/path" (v1). */
static bool cgroup_path(const Reader *r, bool v2, char *path)
{
    char full[PATH], line[PATH];
    bool found = false;
    snprintf(full, sizeof full, "%s/proc/self/cgroup", r->root);
    FILE *file = fopen(full, "r");
    while (file && !found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *names = strchr(line, ':'), *where = names ? strchr(names + 1, ':') : NULL;
        if (!where)
            continue;
        *where++ = '\0';
        names++;
        const char *cpu = strstr(names, "cpu");
        while (cpu && !((cpu == names || cpu[-1] == ',') && (cpu[3] == '\0' || cpu[3] == ',')))
            cpu = strstr(cpu + 1, "cpu");
        found = v2 ? *names == '\0' : cpu != NULL;
        if (found)
            snprintf(path, TEXT, "%.*s", TEXT - 1, where);
    }
    if (file)
        fclose(file);
    return found;
}

/* The smallest quota from here up to the root, in CPUs, and throttled periods; NaN if none is readable. */
static void cgroup_limits(const Reader *r, bool v2, double *quota, double *throttled)
{
    char path[TEXT], file[PATH], text[TEXT];
    const char *mount = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    if (!cgroup_path(r, v2, path))
        return;
    for (;;) {
        double most = NAN, period = NAN;
        if (v2) {
            snprintf(file, sizeof file, "%s%s/cpu.max", mount, path);
            if (text_of(r, file, text) && sscanf(text, "%lf %lf", &most, &period) != 2)
                most = strncmp(text, "max", 3) == 0 ? INFINITY : NAN;
        } else {
            snprintf(file, sizeof file, "%s%s/cpu.cfs_quota_us", mount, path);
            most = number_of(r, file);
            most = most < 0 ? INFINITY : most;
            snprintf(file, sizeof file, "%s%s/cpu.cfs_period_us", mount, path);
            period = number_of(r, file);
        }
        *quota = fmin(*quota, isinf(most) ? most : most / period); /* fmin ignores NaN */
        snprintf(file, sizeof file, "%s%s/cpu.stat", mount, path);
        *throttled = fmax(*throttled, field_of(r, file, "nr_throttled"));
        char *slash = strrchr(path, '/');
        if (!slash || path[0] == '\0')
            return;
        *slash = '\0';
    }
}

static void check_cgroup(Audit *audit, const Reader *r)
{
    double quota = NAN, throttled = NAN;
    cgroup_limits(r, true, &quota, &throttled);
    cgroup_limits(r, false, &quota, &throttled);
    if (isnan(quota))
        add(audit, "quota", AUDIT_UNKNOWN, "", "no CPU quota of a cgroup is readable");
    else if (isinf(quota))
        add(audit, "quota", AUDIT_OK, "", "none");
    else
        add(audit, "quota", AUDIT_NOISE, "this container is stopped when its share is used up: no --cpus, or whole CPUs by --cpuset-cpus", "%.2f CPUs", quota);
    if (!isnan(throttled))
        add(audit, "throttling", throttled > 0 ? AUDIT_NOISE : AUDIT_OK, "the quota did stop this container: raise it", "%.0f times so far", throttled);
}

static void check_heat(Audit *audit, const Reader *r)
{
    char pattern[PATH];
    glob_t found;
    double most = NAN;
    snprintf(pattern, sizeof pattern, "%s/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count", r->root);
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            most = fmax(most, number_of(r, found.gl_pathv[i] + strlen(r->root)));
        globfree(&found);
    }
    if (isnan(most))
        add(audit, "heat", AUDIT_UNKNOWN, "", "no count of thermal throttling");
    else
        add(audit, "heat", most > 0 ? AUDIT_NOISE : AUDIT_OK, "the CPU slowed down to cool since boot: cooling, or fewer cores", "%.0f times too hot", most);
}

static void check_power(Audit *audit, const Reader *r)
{
    char pattern[PATH], text[TEXT];
    glob_t found;
    bool battery = false, draining = false;
    snprintf(pattern, sizeof pattern, "%s/sys/class/power_supply/*/status", r->root);
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            if (text_of(r, found.gl_pathv[i] + strlen(r->root), text)) {
                battery = true;
                draining |= strcmp(text, "Discharging") == 0;
            }
        globfree(&found);
    }
    add(audit, "power", draining ? AUDIT_NOISE : AUDIT_OK, "plug it in: power management saves where it can", "%s",
        draining ? "on battery" : battery ? "mains, with a battery" : "no battery");
}

static void check_memory(Audit *audit, const Reader *r)
{
    char text[TEXT];
    const bool read = text_of(r, "/sys/kernel/mm/transparent_hugepage/enabled", text);
    if (!read)
        add(audit, "hugepages", AUDIT_UNKNOWN, "", "not readable");
    else
        add(audit, "hugepages", strstr(text, "[never]") ? AUDIT_NOISE : AUDIT_OK,
            "operands lie in small pages, where and when they fall: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled", "%s", text);
    const double balancing = number_of(r, "/proc/sys/kernel/numa_balancing");
    if (!isnan(balancing))
        add(audit, "numa", balancing > 0 ? AUDIT_NOISE : AUDIT_OK, "pages move between nodes while they are read: sysctl kernel.numa_balancing=0", "balancing %s",
            balancing > 0 ? "on" : "off");
}

static void check_layout(Audit *audit, const Reader *r)
{
    const double aslr = number_of(r, "/proc/sys/kernel/randomize_va_space");
    if (isnan(aslr))
        add(audit, "layout", AUDIT_UNKNOWN, "", "not readable");
    else
        add(audit, "layout", aslr == 0 ? AUDIT_NOISE : AUDIT_OK, "every launch has the same lucky or unlucky addresses: sysctl kernel.randomize_va_space=2",
            "address randomisation %s", aslr == 0 ? "off" : "on");
}

static void check_counters(Audit *audit, const Reader *r)
{
    char path[PATH];
    snprintf(path, sizeof path, "%s/sys/bus/event_source/devices/cpu", r->root);
    const bool there = access(path, F_OK) == 0;
    snprintf(path, sizeof path, "%s/sys/bus/event_source/devices/armv8_pmuv3_0", r->root);
    const double paranoid = number_of(r, "/proc/sys/kernel/perf_event_paranoid");
    if (!there && access(path, F_OK) != 0)
        add(audit, "counters", AUDIT_UNKNOWN, "", "no performance counters here: a virtual machine without them");
    else
        add(audit, "counters", paranoid > 2 ? AUDIT_NOISE : AUDIT_OK, "instructions cannot be counted: sysctl kernel.perf_event_paranoid=2",
            "paranoid %.0f", paranoid);
}

void audit_read(Audit *audit, const char *root, const AuditSample *sample)
{
    char text[TEXT];
    Reader r = {root, sample, 1};
    audit->count = 0;
    if (text_of(&r, "/sys/devices/system/cpu/online", text)) { /* "0-3,6" */
        r.cpus = 0;
        for (char *part = strtok(text, ","); part; part = strtok(NULL, ",")) {
            const long first = atol(part);
            const char *dash = strchr(part, '-');
            r.cpus += (dash ? atol(dash + 1) : first) - first + 1;
        }
    }
    check_governor(audit, &r);
    check_turbo(audit, &r);
    check_smt(audit, &r);
    check_load(audit, &r);
    check_steal(audit, &r);
    check_drift(audit, &r);
    check_cgroup(audit, &r);
    check_heat(audit, &r);
    check_power(audit, &r);
    check_memory(audit, &r);
    check_layout(audit, &r);
    check_counters(audit, &r);
}

/* ---- What only time tells -------------------------------------------------------------------------------------------------------- */

typedef struct Ticks {
    double user, nice, system, idle, wait, irq, soft, steal;
} Ticks;

static bool read_ticks(Ticks *t)
{
    FILE *file = fopen("/proc/stat", "r");
    const bool read = file && fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &t->user, &t->nice, &t->system, &t->idle, &t->wait, &t->irq,
                                     &t->soft, &t->steal) == 8;
    if (file)
        fclose(file);
    return read;
}

static double own_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

AuditSample audit_sample(void)
{
    AuditSample sample = {NAN, NAN, NAN};
    Ticks a, b;
    static double chain[SAMPLES], work[SAMPLES];
    size_t n = 0;
    const bool before = read_ticks(&a);
    const double own = own_seconds(), start = clock_seconds();
    double now = start;
    while (now - start < SAMPLE_SECONDS && n < SAMPLES) {
        chain_run();
        const double then = clock_seconds();
        chain[n++] = then - now;
        now = then;
    }
    const double mine = own_seconds() - own;
    if (before && read_ticks(&b)) {
        const double hz = (double)sysconf(_SC_CLK_TCK);
        const double busy = b.user - a.user + b.nice - a.nice + b.system - a.system + b.irq - a.irq + b.soft - a.soft;
        const double steal = b.steal - a.steal, total = busy + steal + b.idle - a.idle + b.wait - a.wait;
        sample.busy = now > start ? fmax(0, (busy / hz - mine) / (now - start)) : NAN; /* a clock may stand still */
        sample.steal = total > 0 ? steal / total : NAN;
    }
    const StatsSummary s = stats_summary(chain, n, work);
    sample.drift = s.median > 0 ? s.p90 / s.median - 1 : NAN;
    return sample;
}

const char *audit_state_name(AuditState state)
{
    static const char *const names[] = {[AUDIT_OK] = "ok", [AUDIT_NOISE] = "noise", [AUDIT_UNKNOWN] = "unknown"};
    return names[state];
}

json_t *audit_json(const Audit *audit)
{
    json_t *list = json_array();
    for (size_t i = 0; i < audit->count; i++) {
        const AuditFinding *f = &audit->at[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "check", f->check, "state", audit_state_name(f->state), "found", f->found,
                                              "hint", f->hint[0] ? json_string(f->hint) : json_null()));
    }
    return list;
}
