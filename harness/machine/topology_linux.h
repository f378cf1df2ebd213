/* topology_linux.h - cores and caches as Linux's /sys tells them, and the affinity mask; for builds without hwloc, and for any number of
 * CPUs. */
#ifndef HARNESS_MACHINE_TOPOLOGY_LINUX_H
#define HARNESS_MACHINE_TOPOLOGY_LINUX_H

#include "harness/machine/topology.h"

/* The hardware threads that the calling thread may use, in order, in a new array; NULL with *count 0: not known. */
int *topology_linux_allowed(size_t *count);

/* Pin the calling thread to these. */
bool topology_linux_bind(const int *cpu, size_t count);

/* Everything but `cpus`, from the tree of files below `root` ("": the machine's own). What cannot be read stays 0. false: no cores were
 * found. */
bool topology_linux_read(const char *root, Topology *topology);

/* One of the `allowed` hardware threads of each core, in the order of cores, in a new array; NULL with *count 0: not known. */
TopologyCore *topology_linux_cores(const char *root, const int *allowed, size_t allowed_count, size_t *count);

#endif
