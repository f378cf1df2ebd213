/* topology.h - cores and caches: from hwloc if built with it, else from Linux's /sys; zeros where neither knows, shown as "unknown". */
#ifndef HARNESS_MACHINE_TOPOLOGY_H
#define HARNESS_MACHINE_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Topology {
    const char *source;                  /* "hwloc", "sysfs", "sysconf"                            */
    size_t sockets, numa, cores, cpus;   /* cpus: hardware threads that this process may use       */
    size_t l1d, l2, llc, line;           /* bytes; l1d and l2 of one core, llc the outermost cache */
} Topology;

/* A core that this process may use. */
typedef struct TopologyCore {
    int cpu;       /* one of its hardware threads that the process may use */
    size_t number; /* among all cores                                      */
} TopologyCore;

void topology_read(Topology *topology);

/* Hardware threads that this process may use now, by its affinity; 0: not known here. The only source of this number. */
size_t topology_cpus(void);

/* One hardware thread of each physical core that this process may use (according to its affinity at the first call), in order: never two
 * threads of one core. Returns how many, at most `most`. 0: not known here. */
size_t topology_cores(int *cpu, size_t most);

/* The same for core `index` only; -1: there is none. */
int topology_core(size_t index);

/* Keep this process (and threads that it starts later) on the first `threads` of those cores, one hardware thread each. false, changing
 * nothing, if that is impossible. text: "core 0", "cores 0-1, one worker each" or the reason. */
bool topology_pin(size_t threads, char *text, size_t size);

/* Keep the calling thread on one hardware thread. */
bool topology_pin_thread(int cpu);

/* Pin each of the library's own workers to its own core, the calling thread to the first. Call it again when more workers are wanted. No
 * effect if topology_pin failed or pinned to fewer cores. */
void topology_pin_workers(size_t threads);

/* Wait until idle workers sleep. Before that they spin, on the cores that the next arm's threads need. */
void topology_let_workers_sleep(void);

/* Let the calling thread run on any of topology_pin's cores again, so that its children and threads may use all of them. */
void topology_free_caller(void);

#endif
