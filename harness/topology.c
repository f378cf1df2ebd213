/* topology.c - see topology.h. Sizes that hypervisors make up (a 480 MiB cache, say) are passed on as they are told. */
#include "harness/topology.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

bool topology_pin(size_t threads, char *text, size_t size)
{
    hwloc_topology_t t;
    if (!open_topology(&t)) {
        snprintf(text, size, "not pinned: hwloc cannot read the topology");
        return false;
    }
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    const size_t cores = objects(t, HWLOC_OBJ_CORE);
    bool bound = false;
    if (threads > cores) {
        snprintf(text, size, "not pinned: %zu threads, %zu cores", threads, cores);
    } else if (set) {
        for (size_t i = 0; i < threads; i++) {
            const hwloc_obj_t core = hwloc_get_obj_by_type(t, HWLOC_OBJ_CORE, (unsigned)i);
            const int first = hwloc_bitmap_first(core->cpuset);
            hwloc_bitmap_set(set, (unsigned)first);
        }
        bound = hwloc_set_cpubind(t, set, HWLOC_CPUBIND_PROCESS) == 0;
        if (!bound)
            snprintf(text, size, "not pinned: the system refused");
        else if (threads == 1)
            snprintf(text, size, "core 0");
        else
            snprintf(text, size, "cores 0-%zu", threads - 1);
    }
    hwloc_bitmap_free(set);
    hwloc_topology_destroy(t);
    return bound;
}

#elif defined(__linux__)
#include <sched.h>

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

static bool read_known(Topology *out)
{
    enum { MAX_CPUS = 1024 };
    long seen[MAX_CPUS];
    size_t highest_package = 0;
    for (size_t cpu = 0; cpu < MAX_CPUS; cpu++) {
        const long core = cpu_fact(cpu, "topology/core_id"), package = cpu_fact(cpu, "topology/physical_package_id");
        if (core < 0)
            break;
        const long key = core + 65536 * (package > 0 ? package : 0);
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
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        out->cpus = (size_t)CPU_COUNT(&set);
    return out->cores > 0;
}

bool topology_pin(size_t threads, char *text, size_t size)
{
    cpu_set_t may, set;
    CPU_ZERO(&set);
    size_t taken = 0;
    if (sched_getaffinity(0, sizeof may, &may) == 0)
        for (int cpu = 0; cpu < CPU_SETSIZE && taken < threads; cpu++)
            if (CPU_ISSET(cpu, &may)) {
                CPU_SET(cpu, &set);
                taken++;
            }
    if (taken < threads || sched_setaffinity(0, sizeof set, &set) != 0) {
        snprintf(text, size, "not pinned: %zu threads, %zu CPUs to use", threads, taken);
        return false;
    }
    snprintf(text, size, threads == 1 ? "%zu CPU" : "%zu CPUs", threads);
    return true;
}

#else
static bool read_known(Topology *out)
{
    (void)out;
    return false;
}

bool topology_pin(size_t threads, char *text, size_t size)
{
    snprintf(text, size, "%zu thread%s not pinned: no hwloc", threads, threads == 1 ? "" : "s");
    return false;
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
