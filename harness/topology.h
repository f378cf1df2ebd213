/* topology.h - cores and caches: from hwloc if built with it, else from Linux's /sys; zeros where neither knows. */
#ifndef HARNESS_TOPOLOGY_H
#define HARNESS_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Topology {
    const char *source;                  /* "hwloc", "sysfs", "sysconf"                            */
    size_t sockets, numa, cores, cpus;   /* cpus: hardware threads that this process may use       */
    size_t l1d, l2, llc, line;           /* bytes; l1d and l2 of one core, llc the outermost cache */
} Topology;

void topology_read(Topology *topology);

/* Keep this process (and threads that it starts later) on the first `threads` cores, one hardware thread each. false, changing nothing,
 * where that cannot be done. text: "core 0", "cores 0-1" or why not. */
bool topology_pin(size_t threads, char *text, size_t size);

#endif
