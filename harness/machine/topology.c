/* topology.c - see topology.h. Sizes that hypervisors invent (a 480 MiB cache, say) are passed on unchanged. */
#include "harness/machine/topology.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dispatch/helpers.h"
#include "dispatch/threads.h"
#include "harness/machine/topology_linux.h"

#ifdef ATTN_HWLOC
#include <hwloc.h>

static size_t cache(hwloc_topology_t t, hwloc_obj_type_t type, size_t *line)
{
    const hwloc_obj_t at = hwloc_get_obj_by_type(t, type, 0);
    if (!at)
        return 0;
    if (line && at->attr->cache.linesize > 0)
        *line = at->attr->cache.linesize;
    return at->attr->cache.size;
}

static size_t objects(hwloc_topology_t t, hwloc_obj_type_t type)
{
    const int n = hwloc_get_nbobjs_by_type(t, type);
    return n > 0 ? (size_t)n : 0;
}

static bool open_topology(hwloc_topology_t *t)
{
    if (hwloc_topology_init(t) != 0)
        return false;
    if (hwloc_topology_load(*t) == 0)
        return true;
    hwloc_topology_destroy(*t);
    return false;
}

static bool read_known(Topology *out)
{
    hwloc_topology_t t;
    if (!open_topology(&t))
        return false;
    out->source = "hwloc";
    out->sockets = objects(t, HWLOC_OBJ_PACKAGE);
    out->numa = objects(t, HWLOC_OBJ_NUMANODE);
    out->cores = objects(t, HWLOC_OBJ_CORE);
    out->cpus = objects(t, HWLOC_OBJ_PU);
    out->l1d = cache(t, HWLOC_OBJ_L1CACHE, &out->line);
    out->l2 = cache(t, HWLOC_OBJ_L2CACHE, NULL);
    out->llc = out->l2;
    const hwloc_obj_type_t outer[] = {HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L4CACHE};
    for (size_t i = 0; i < 2; i++) {
        const size_t size = cache(t, outer[i], NULL);
        out->llc = size > 0 ? size : out->llc;
    }
    hwloc_topology_destroy(t);
    return true;
}

static TopologyCore *read_cores(size_t *count)
{
    hwloc_topology_t t;
    *count = 0;
    if (!open_topology(&t))
        return NULL;
    hwloc_bitmap_t may = hwloc_bitmap_alloc(), here = hwloc_bitmap_alloc();
    TopologyCore *core = calloc(objects(t, HWLOC_OBJ_CORE) + 1, sizeof *core);
    const bool room = may && here && core;
    if (room && hwloc_get_cpubind(t, may, HWLOC_CPUBIND_PROCESS) != 0)
        hwloc_bitmap_fill(may);
    for (size_t i = 0; room && i < objects(t, HWLOC_OBJ_CORE); i++) {
        hwloc_bitmap_and(here, may, hwloc_get_obj_by_type(t, HWLOC_OBJ_CORE, (unsigned)i)->cpuset);
        if (!hwloc_bitmap_iszero(here))
            core[(*count)++] = (TopologyCore){hwloc_bitmap_first(here), i};
    }
    hwloc_bitmap_free(may);
    hwloc_bitmap_free(here);
    hwloc_topology_destroy(t);
    return core;
}

#else
static bool read_known(Topology *out)
{
    out->source = "sysfs";
    return topology_linux_read("", out);
}

static TopologyCore *read_cores(size_t *count)
{
    size_t allowed_count;
    int *allowed = topology_linux_allowed(&allowed_count);
    TopologyCore *core = topology_linux_cores("", allowed, allowed_count, count);
    free(allowed);
    return core;
}
#endif

void topology_read(Topology *topology)
{
    memset(topology, 0, sizeof *topology);
    if (!read_known(topology))
        *topology = (Topology){.source = "sysconf"};
    const size_t allowed = topology_cpus();
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    if (allowed > 0)
        topology->cpus = allowed;
    else if (topology->cpus == 0)
        topology->cpus = online > 0 ? (size_t)online : 0;
}

size_t topology_cpus(void)
{
    size_t count;
    free(topology_linux_allowed(&count));
    return count;
}

/* ---- Keeping threads where they are ------------------------------------------------------------------------------------------------ */

/* Read once, before any thread is pinned. */
static TopologyCore *cores;
static size_t core_count;
static bool cores_known;

size_t topology_cores(int *cpu, size_t most)
{
    if (!cores_known)
        cores = read_cores(&core_count);
    cores_known = true;
    for (size_t i = 0; i < most && i < core_count; i++)
        cpu[i] = cores[i].cpu;
    return most < core_count ? most : core_count;
}

int topology_core(size_t index)
{
    topology_cores(NULL, 0);
    return index < core_count ? cores[index].cpu : -1;
}

#if defined(__linux__) || !defined(ATTN_HWLOC)
static bool bind_calling_thread(const int *cpu, size_t count)
{
    return topology_linux_bind(cpu, count);
}
#else
static bool bind_calling_thread(const int *cpu, size_t count)
{
    hwloc_topology_t t;
    if (!open_topology(&t))
        return false;
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    for (size_t i = 0; set && i < count; i++)
        hwloc_bitmap_set(set, (unsigned)cpu[i]);
    const bool bound = set && hwloc_set_cpubind(t, set, HWLOC_CPUBIND_THREAD) == 0;
    hwloc_bitmap_free(set);
    hwloc_topology_destroy(t);
    return bound;
}
#endif

/* Bind the calling thread to the first `count` cores. */
static bool bind_to_cores(size_t count)
{
    int *cpu = malloc(count * sizeof *cpu);
    const bool bound = cpu && topology_cores(cpu, count) == count && bind_calling_thread(cpu, count);
    free(cpu);
    return bound;
}

static size_t pinned; /* cores that the process was pinned to */

bool topology_pin(size_t threads, char *text, size_t size)
{
    topology_cores(NULL, 0);
    const size_t all = core_count;
    if (threads > all) {
        if (all == 0)
            snprintf(text, size, "not pinned: the cores are not known here");
        else
            snprintf(text, size, "not pinned: %zu threads, %zu core%s", threads, all, all == 1 ? "" : "s");
        return false;
    }
    pinned = bind_to_cores(threads) ? threads : 0;
    bool in_order = true;
    for (size_t i = 1; i < threads; i++)
        in_order = in_order && cores[i].number == cores[i - 1].number + 1;
    if (!pinned)
        snprintf(text, size, "not pinned: the system refused");
    else if (threads == 1)
        snprintf(text, size, "core %zu", cores[0].number);
    else if (in_order)
        snprintf(text, size, "cores %zu-%zu, one worker each", cores[0].number, cores[threads - 1].number);
    else
        snprintf(text, size, "%zu cores from %zu to %zu, one worker each", threads, cores[0].number, cores[threads - 1].number);
    return pinned > 0;
}

bool topology_pin_thread(int cpu)
{
    return bind_calling_thread(&cpu, 1);
}

/* Holds each worker in its unit until every worker has one, so that no thread takes two; then each is pinned to its core. */
typedef struct Gathering {
    size_t threads;
    atomic_size_t arrived;
    pthread_t caller;
} Gathering;

static void gather(void *context, size_t worker, size_t unit)
{
    Gathering *g = context;
    (void)worker;
    atomic_fetch_add(&g->arrived, 1);
    for (size_t turns = 0; atomic_load(&g->arrived) < g->threads && turns < 100000; turns++)
        usleep(10); /* a second at most: a worker may be busy for another caller */
    topology_pin_thread(cores[pthread_equal(g->caller, pthread_self()) ? 0 : unit].cpu); /* worker n begins with unit n */
}

void topology_pin_workers(size_t threads)
{
    if (threads <= 1 || threads > pinned || threads > core_count)
        return;
    const size_t granted = 1 + attn_helpers_make(threads - 1);
    Gathering g = {.threads = threads < granted ? threads : granted, .caller = pthread_self()};
    atomic_init(&g.arrived, 0);
    attn_threads_run(NULL, NULL, g.threads, &(AttnPhase){.items = g.threads, .item = gather}, &g);
}

void topology_let_workers_sleep(void)
{
    usleep(10000); /* the library's workers spin for two milliseconds, OpenMP's in packs of older commits for a few */
}

void topology_free_caller(void)
{
    if (pinned > 0)
        bind_to_cores(pinned);
}
