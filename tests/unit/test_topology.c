/* test_topology.c - what is known of cores and caches on machines that are trees of files, and under masks of any size. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/machine/topology_linux.h"

#ifdef __linux__
#include <sched.h>

static char root[64];

static void begin(void)
{
    snprintf(root, sizeof root, "topology_XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static void end(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(topology, .init = begin, .fini = end);

/* A few lines of shell in the tree; cpu N CORE PACKAGE is a CPU that is online. */
static void shell(const char *text)
{
    char command[3000];
    snprintf(command, sizeof command,
             "mkdir -p %s/sys/devices/system/cpu && cd %s/sys/devices/system/cpu && cpu() { mkdir -p cpu$1/topology && "
             "echo $2 >cpu$1/topology/core_id && echo $3 >cpu$1/topology/physical_package_id; }; cache() { "
             "mkdir -p cpu$1/cache/index$2 && cd cpu$1/cache/index$2 && echo $3 >type && echo $4 >level && echo $5 >size && "
             "echo 64 >coherency_line_size && cd ../../..; }; %s",
             root, root, text);
    cr_assert_eq(system(command), 0, "%s", command);
}

/* ---- The mask: the test's own, of 4096 CPUs ---- */

static int only[2] = {-1, -1}; /* what the mask holds; -1, -1: all that the system's says */

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    (void)pid;
    if (size < 4096 / 8) {
        errno = EINVAL;
        return -1;
    }
    memset(set, 0, size);
    for (size_t i = 0; i < 2; i++)
        if (only[i] >= 0)
            CPU_SET_S((size_t)only[i], size, set);
    return 0;
}

Test(topology, masks_of_more_than_1024_cpus_are_read)
{
    size_t count;
    only[0] = 3;
    only[1] = 4000;
    int *allowed = topology_linux_allowed(&count);
    cr_assert_eq(count, 2);
    cr_assert_eq(allowed[0], 3);
    cr_assert_eq(allowed[1], 4000);
    free(allowed);
    cr_assert_eq(topology_cpus(), 2);
    only[1] = -1;
    Topology t;
    topology_read(&t); /* whoever is asked, the mask says how many there are to use */
    cr_assert_eq(t.cpus, 1, "%s says %zu", t.source, t.cpus);
}

/* ---- /sys ---- */

Test(topology, offline_cpus_do_not_hide_those_behind_them)
{
    Topology t = {0};
    size_t count;
    shell("cpu 0 0 0; cpu 1 0 0; mkdir -p cpu2 cpu3; cpu 4 2 0; cpu 5 2 0; cpu 6 0 3; mkdir cpufreq cpuidle; cache 0 0 Data 1 48K; "
          "cache 0 1 Instruction 1 32K; cache 0 2 Unified 2 2M; cache 0 3 Unified 3 30M");
    cr_assert(topology_linux_read(root, &t));
    cr_expect_eq(t.cores, 3, "%zu cores", t.cores);
    cr_expect_eq(t.sockets, 2, "%zu sockets", t.sockets);
    cr_expect_eq(t.l1d, 48 << 10);
    cr_expect_eq(t.l2, 2 << 20);
    cr_expect_eq(t.llc, 30 << 20);
    cr_expect_eq(t.line, 64);
    const int allowed[] = {1, 5, 6, 9};
    TopologyCore *cores = topology_linux_cores(root, allowed, 4, &count);
    cr_assert_eq(count, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_expect_eq(cores[i].cpu, allowed[i]);
        cr_expect_eq(cores[i].number, i);
    }
    free(cores);
}

Test(topology, the_first_cpu_may_be_offline)
{
    Topology t = {0};
    shell("mkdir cpu0; cpu 1 0 0; cache 1 0 Data 1 32K");
    cr_assert(topology_linux_read(root, &t));
    cr_expect_eq(t.cores, 1);
    cr_expect_eq(t.l1d, 32 << 10);
}

Test(topology, more_than_1024_cpus)
{
    Topology t = {0};
    size_t count;
    shell("i=0; while [ $i -lt 1500 ]; do cpu $i $((i / 2)) 0; i=$((i + 1)); done");
    cr_assert(topology_linux_read(root, &t));
    cr_expect_eq(t.cores, 750, "%zu cores", t.cores);
    const int allowed[] = {1400, 1401, 1499};
    TopologyCore *cores = topology_linux_cores(root, allowed, 3, &count);
    cr_assert_eq(count, 2);
    cr_expect_eq(cores[0].cpu, 1400);
    cr_expect_eq(cores[1].cpu, 1499);
    cr_expect_eq(cores[1].number, 749);
    free(cores);
}

Test(topology, what_is_not_told_is_not_known)
{
    Topology t = {0};
    size_t count;
    cr_assert_not(topology_linux_read(root, &t));
    cr_expect_eq(t.cores, 0);
    shell("mkdir -p cpu0/topology && echo 0 >cpu0/topology/core_id && echo -1 >cpu0/topology/physical_package_id");
    cr_assert(topology_linux_read(root, &t));
    cr_expect_eq(t.cores, 1);
    cr_expect_eq(t.sockets, 0);
    cr_expect_eq(t.numa, 0);
    cr_expect_eq(t.line, 0);
    TopologyCore *cores = topology_linux_cores(root, NULL, 0, &count);
    cr_expect_eq(count, 0);
    free(cores);
}
#endif
