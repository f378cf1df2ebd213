/* test_audit.c - noise sources on machines that are trees of files. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/machine/audit.h"

static char root[64];
static Audit audit;

static void begin(void)
{
    snprintf(root, sizeof root, "audit_XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static void end(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(audit, .init = begin, .fini = end);

static void put(const char *path, const char *text)
{
    char command[600];
    snprintf(command, sizeof command, "mkdir -p \"$(dirname %s%s)\" && printf %%b '%s' >%s%s", root, path, text, root, path);
    cr_assert_eq(system(command), 0);
}

static const AuditSample quiet = {0, 0, 0.005}, loud = {1.7, 0.08, 0.4};

/* The check is in this state, and its words hold `word`. A noise has a hint, others none. */
static void expect(const char *check, AuditState state, const char *word)
{
    for (size_t i = 0; i < audit.count; i++)
        if (strcmp(audit.at[i].check, check) == 0) {
            cr_assert_eq(audit.at[i].state, state, "%s is %s: %s", check, audit_state_name(audit.at[i].state), audit.at[i].found);
            cr_assert(strstr(audit.at[i].found, word), "%s: '%s' lacks '%s'", check, audit.at[i].found, word);
            cr_assert_eq(audit.at[i].hint[0] != '\0', state == AUDIT_NOISE, "%s", check);
            return;
        }
    cr_assert_fail("no check %s", check);
}

Test(audit, a_quiet_machine_is_well)
{
    put("/sys/devices/system/cpu/online", "0-3");
    put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\\n");
    put("/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\\n");
    put("/sys/devices/system/cpu/intel_pstate/no_turbo", "1\\n");
    put("/sys/devices/system/cpu/smt/active", "0\\n");
    put("/sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "0\\n");
    put("/proc/loadavg", "0.02 0.1 0.2 1/99 1234\\n");
    put("/proc/self/cgroup", "0::/user/box\\n");
    put("/sys/fs/cgroup/user/cpu.max", "max 100000\\n");
    put("/sys/fs/cgroup/user/box/cpu.max", "max 100000\\n");
    put("/sys/fs/cgroup/user/box/cpu.stat", "usage_usec 5\\nnr_throttled 0\\n");
    put("/sys/class/power_supply/BAT0/status", "Charging\\n");
    put("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\\n");
    put("/proc/sys/kernel/numa_balancing", "0\\n");
    put("/proc/sys/kernel/randomize_va_space", "2\\n");
    put("/proc/sys/kernel/perf_event_paranoid", "2\\n");
    put("/sys/bus/event_source/devices/cpu/type", "4\\n");
    audit_read(&audit, root, &quiet);
    for (size_t i = 0; i < audit.count; i++)
        cr_assert_eq(audit.at[i].state, AUDIT_OK, "%s: %s", audit.at[i].check, audit.at[i].found);
    cr_assert_geq(audit.count, 15);
    expect("load", AUDIT_OK, "0.02 on 4 CPUs");
}

Test(audit, each_source_of_noise_is_named_with_a_hint)
{
    put("/sys/devices/system/cpu/online", "0,2-3");
    put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\\n");
    put("/sys/devices/system/cpu/cpu12/cpufreq/scaling_governor", "powersave\\n");
    put("/sys/devices/system/cpu/cpufreq/boost", "1\\n");
    put("/sys/devices/system/cpu/smt/active", "1\\n");
    put("/sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "17\\n");
    put("/proc/loadavg", "4.50 0.1 0.2 1/99 1234\\n");
    put("/proc/self/cgroup", "0::/user/box\\n");
    put("/sys/fs/cgroup/user/cpu.max", "150000 100000\\n");
    put("/sys/fs/cgroup/user/box/cpu.max", "max 100000\\n");
    put("/sys/fs/cgroup/user/box/cpu.stat", "nr_throttled 12\\n");
    put("/sys/class/power_supply/BAT0/status", "Discharging\\n");
    put("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\\n");
    put("/proc/sys/kernel/numa_balancing", "1\\n");
    put("/proc/sys/kernel/randomize_va_space", "0\\n");
    put("/proc/sys/kernel/perf_event_paranoid", "4\\n");
    put("/sys/bus/event_source/devices/cpu/type", "4\\n");
    audit_read(&audit, root, &loud);
    expect("governor", AUDIT_NOISE, "powersave");
    expect("turbo", AUDIT_NOISE, "on");
    expect("smt", AUDIT_NOISE, "siblings");
    expect("heat", AUDIT_NOISE, "17");
    expect("load", AUDIT_NOISE, "4.50 on 3 CPUs");
    expect("others", AUDIT_NOISE, "1.7 of 3");
    expect("steal", AUDIT_NOISE, "8.0 %");
    expect("clock", AUDIT_NOISE, "40.0 %");
    expect("quota", AUDIT_NOISE, "1.50 CPUs");
    expect("throttling", AUDIT_NOISE, "12 times");
    expect("power", AUDIT_NOISE, "battery");
    expect("hugepages", AUDIT_NOISE, "[never]");
    expect("numa", AUDIT_NOISE, "on");
    expect("layout", AUDIT_NOISE, "off");
    expect("counters", AUDIT_NOISE, "paranoid 4");
}

Test(audit, a_quota_of_the_older_hierarchy_is_found)
{
    put("/proc/self/cgroup", "4:memory:/x\\n3:cpuset:/y\\n2:cpu,cpuacct:/docker/abc\\n0::/\\n");
    put("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "50000\\n");
    put("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\\n");
    audit_read(&audit, root, &quiet);
    expect("quota", AUDIT_NOISE, "0.50 CPUs");
    put("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "-1\\n");
    audit_read(&audit, root, &quiet);
    expect("quota", AUDIT_OK, "none");
}

Test(audit, what_cannot_be_read_is_unknown_and_never_well)
{
    const AuditSample nothing = {NAN, NAN, NAN};
    audit_read(&audit, root, &nothing);
    for (size_t i = 0; i < audit.count; i++)
        if (strcmp(audit.at[i].check, "power") != 0)
            cr_assert_eq(audit.at[i].state, AUDIT_UNKNOWN, "%s: %s", audit.at[i].check, audit.at[i].found);
    json_t *list = audit_json(&audit);
    cr_assert_eq(json_array_size(list), audit.count);
    cr_assert(json_is_null(json_object_get(json_array_get(list, 0), "hint")));
    json_decref(list);
}

Test(audit, a_sample_of_this_machine_is_made_of_numbers)
{
    const AuditSample sample = audit_sample();
    cr_assert(sample.drift >= 0 && isfinite(sample.drift));
    cr_assert(isnan(sample.busy) || (sample.busy >= 0 && sample.busy < 10000));
    cr_assert(isnan(sample.steal) || (sample.steal >= 0 && sample.steal <= 1));
}
