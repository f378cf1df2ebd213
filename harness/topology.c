/* topology.c - see topology.h. Sizes that hypervisors make up (a 480 MiB cache, say) are passed on as they are told. */
#include "harness/topology.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

#include "dispatch/threads.h"

enum { MAX_CORES = 1024 };

/* A core that this process may use. */
typedef struct Core {
    int cpu;       /* one of its hardware threads that the process may use */
    size_t number; /* among all cores                                      */
} Core;
static size_t read_cores(Core *core, size_t most);

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

static size_t read_cores(Core *core, size_t most)
{
    hwloc_topology_t t;
    size_t count = 0;
    if (!open_topology(&t))
        return 0;
    hwloc_bitmap_t may = hwloc_bitmap_alloc(), here = hwloc_bitmap_alloc();
    if (may && here && hwloc_get_cpubind(t, may, HWLOC_CPUBIND_PROCESS) != 0)
        hwloc_bitmap_fill(may);
    for (size_t i = 0; may && here && i < objects(t, HWLOC_OBJ_CORE) && count < most; i++) {
        hwloc_bitmap_and(here, may, hwloc_get_obj_by_type(t, HWLOC_OBJ_CORE, (unsigned)i)->cpuset);
        if (!hwloc_bitmap_iszero(here))
            core[count++] = (Core){hwloc_bitmap_first(here), i};
    }
    hwloc_bitmap_free(may);
    hwloc_bitmap_free(here);
    hwloc_topology_destroy(t);
    return count;
}

#elif defined(__linux__)
/* The text of a small file of /sys, without its newline; false if there is none. */
static bool read_line(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    const bool read = fgets(text, (int)size, file) != NULL;
    fclose(file);
    text[read ? strcspn(text, "\n") : 0] = '\0';
    return read;
}

static long cpu_fact(size_t cpu, const char *what)
{
    char path[128], text[64];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%zu/%s", cpu, what);
    return read_line(path, text, sizeof text) ? atol(text) : -1;
}

static void read_caches(Topology *out)
{
    for (int i = 0; i < 8; i++) {
        char what[64], path[128], type[32], size[32];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/type", i);
        if (!read_line(path, type, sizeof type))
            return;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        if (strcmp(type, "Instruction") == 0 || !read_line(path, size, sizeof size))
            continue;
        const size_t bytes = (size_t)atol(size) * (strchr(size, 'M') ? 1048576 : 1024);
        snprintf(what, sizeof what, "cache/index%d/level", i);
        const long level = cpu_fact(0, what);
        if (level == 1) {
            snprintf(what, sizeof what, "cache/index%d/coherency_line_size", i);
            const long line = cpu_fact(0, what);
            out->l1d = bytes;
            out->line = line > 0 ? (size_t)line : 0;
        } else if (level == 2) {
            out->l2 = bytes;
        }
        out->llc = bytes; /* listed from the inside out */
    }
}

/* Number of a CPU's core and package in one; -1: no such CPU. */
static long core_key(size_t cpu)
{
    const long core = cpu_fact(cpu, "topology/core_id"), package = cpu_fact(cpu, "topology/physical_package_id");
    return core < 0 ? -1 : core + 65536 * (package > 0 ? package : 0);
}

static size_t read_cores(Core *core, size_t most)
{
    long seen[MAX_CORES];
    cpu_set_t may;
    size_t cores = 0, count = 0;
    if (sched_getaffinity(0, sizeof may, &may) != 0)
        return 0;
    for (size_t cpu = 0; cpu < CPU_SETSIZE && cores < MAX_CORES; cpu++) {
        const long key = core_key(cpu);
        if (key < 0)
            break;
        size_t i = 0;
        while (i < cores && seen[i] != key)
            i++;
        if (i == cores)
            seen[cores++] = key;
        size_t have = 0;
        while (have < count && core[have].number != i)
            have++;
        if (have == count && count < most && CPU_ISSET(cpu, &may))
            core[count++] = (Core){(int)cpu, i};
    }
    return count;
}

static bool read_known(Topology *out)
{
    enum { MAX_CPUS = 1024 };
    long seen[MAX_CPUS];
    size_t highest_package = 0;
    for (size_t cpu = 0; cpu < MAX_CPUS; cpu++) {
        const long key = core_key(cpu), package = cpu_fact(cpu, "topology/physical_package_id");
        if (key < 0)
            break;
        size_t i = 0;
        while (i < out->cores && seen[i] != key)
            i++;
        if (i == out->cores)
            seen[out->cores++] = key;
        if (package > (long)highest_package)
            highest_package = (size_t)package;
    }
    out->sockets = out->cores > 0 ? highest_package + 1 : 0;
    read_caches(out);
    out->source = "sysfs";
    out->cpus = topology_cpus();
    return out->cores > 0;
}

#else
static bool read_known(Topology *out)
{
    (void)out;
    return false;
}

static size_t read_cores(Core *core, size_t most)
{
    (void)core, (void)most;
    return 0;
}
#endif

void topology_read(Topology *topology)
{
    memset(topology, 0, sizeof *topology);
    if (!read_known(topology)) {
        const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        topology->source = "sysconf";
        topology->cpus = topology->cores = cpus > 0 ? (size_t)cpus : 1;
    }
}

/* ---- Keeping threads where they are ------------------------------------------------------------------------------------------------ */

/* Read once, before anything is pinned. */
static Core cores[MAX_CORES];
static size_t core_count;
static bool cores_known;

size_t topology_cores(int *cpu, size_t most)
{
    if (!cores_known)
        core_count = read_cores(cores, MAX_CORES);
    cores_known = true;
    for (size_t i = 0; i < most && i < core_count; i++)
        cpu[i] = cores[i].cpu;
    return most < core_count ? most : core_count;
}

#ifdef __linux__
static bool bind_calling_thread(const int *cpu, size_t count)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t i = 0; i < count; i++)
        CPU_SET((size_t)cpu[i], &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}
#elif defined(ATTN_HWLOC)
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
#else
static bool bind_calling_thread(const int *cpu, size_t count)
{
    (void)cpu, (void)count;
    return false;
}
#endif

size_t topology_cpus(void)
{
#ifdef __linux__
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (size_t)CPU_COUNT(&set) : 0;
#else
    return 0;
#endif
}

static size_t pinned; /* cores that the process was put on */

bool topology_pin(size_t threads, char *text, size_t size)
{
    int cpu[MAX_CORES];
    const size_t most = topology_cores(cpu, MAX_CORES);
    if (threads > most) {
        snprintf(text, size, "not pinned: %zu threads, %zu core%s", threads, most, most == 1 ? "" : "s");
        return false;
    }
    pinned = bind_calling_thread(cpu, threads) ? threads : 0;
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

/* Holds each worker in its unit until every worker has one, so that no thread takes two; then each goes to its core. */
typedef struct Gathering {
    size_t threads;
    atomic_size_t arrived;
    const int *cpu;
    pthread_t caller;
} Gathering;

static void gather(void *context, size_t worker, size_t unit)
{
    Gathering *g = context;
    (void)worker;
    atomic_fetch_add(&g->arrived, 1);
    for (size_t turns = 0; atomic_load(&g->arrived) < g->threads && turns < 100000; turns++)
        usleep(10); /* a second at most: a runner may have fewer threads than were asked for */
    topology_pin_thread(g->cpu[pthread_equal(g->caller, pthread_self()) ? 0 : unit]); /* each begins with the unit of its number */
}

void topology_pin_workers(size_t threads)
{
    int cpu[MAX_CORES];
    if (threads > pinned || topology_cores(cpu, MAX_CORES) < threads)
        return;
    Gathering g = {.threads = threads, .cpu = cpu, .caller = pthread_self()};
    atomic_init(&g.arrived, 0);
    if (threads > 1 && attn_threads_own())
        attn_threads_run(NULL, NULL, threads, threads, 1, gather, &g);
    else if (threads > 1)
        topology_pin_thread(cpu[0]);
}

void topology_free_caller(void)
{
    int cpu[MAX_CORES];
    if (pinned > 0)
        bind_calling_thread(cpu, topology_cores(cpu, pinned));
}
