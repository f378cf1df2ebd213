/* topology_linux.c - see topology_linux.h. An offline CPU has a folder but no topology in it; numbers of CPUs, cores and packages may have
 * gaps. Cost: two or three small files per CPU, once. */
#include "harness/machine/topology_linux.h"

#ifdef __linux__
#include <ctype.h>
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/grow.h"

enum { PATH = 512, MOST_CPUS = 1 << 20 };

/* ---- The affinity mask ----------------------------------------------------------------------------------------------------------- */

int *topology_linux_allowed(size_t *count)
{
    *count = 0;
    for (size_t cpus = 1024; cpus <= MOST_CPUS; cpus *= 2) { /* the system refuses masks smaller than its own */
        cpu_set_t *set = CPU_ALLOC(cpus);
        const size_t bytes = CPU_ALLOC_SIZE(cpus);
        const bool read = set && sched_getaffinity(0, bytes, set) == 0;
        int *list = read ? malloc((size_t)CPU_COUNT_S(bytes, set) * sizeof *list + 1) : NULL;
        for (size_t cpu = 0; list && cpu < cpus; cpu++)
            if (CPU_ISSET_S(cpu, bytes, set))
                list[(*count)++] = (int)cpu;
        CPU_FREE(set);
        if (read)
            return list;
    }
    return NULL;
}

bool topology_linux_bind(const int *cpu, size_t count)
{
    size_t cpus = 1024;
    for (size_t i = 0; i < count; i++)
        while (cpus <= (size_t)cpu[i])
            cpus *= 2;
    cpu_set_t *set = CPU_ALLOC(cpus);
    const size_t bytes = CPU_ALLOC_SIZE(cpus);
    if (!set)
        return false;
    CPU_ZERO_S(bytes, set);
    for (size_t i = 0; i < count; i++)
        CPU_SET_S((size_t)cpu[i], bytes, set);
    const bool bound = sched_setaffinity(0, bytes, set) == 0;
    CPU_FREE(set);
    return bound;
}

/* ---- /sys ------------------------------------------------------------------------------------------------------------------------ */

/* The text of a small file about a CPU, without its newline; false if the file is missing. */
static bool read_line(const char *root, int cpu, const char *what, char *text, size_t size)
{
    char path[PATH];
    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/%s", root, cpu, what);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    const bool read = fgets(text, (int)size, file) != NULL;
    fclose(file);
    text[read ? strcspn(text, "\n") : 0] = '\0';
    return read;
}

/* A non-negative number; -1: none. */
static long read_number(const char *root, int cpu, const char *what)
{
    char text[64];
    return read_line(root, cpu, what, text, sizeof text) && isdigit((unsigned char)text[0]) ? atol(text) : -1;
}

/* The numbers N of the folders "<prefix>N" below a folder, in order, in a new array. */
static int *numbered(const char *root, const char *folder, const char *prefix, size_t *count)
{
    char path[PATH];
    int *list = NULL;
    *count = 0;
    snprintf(path, sizeof path, "%s/sys/devices/system/%s", root, folder);
    DIR *directory = opendir(path);
    for (const struct dirent *at; directory && (at = readdir(directory));) {
        const char *digits = at->d_name + strlen(prefix);
        if (strncmp(at->d_name, prefix, strlen(prefix)) != 0 || !*digits || strlen(digits) > 7 || digits[strspn(digits, "0123456789")])
            continue;
        int *more = grow_by_one(list, *count, sizeof *list);
        if (!more)
            break;
        list = more;
        size_t i = (*count)++; /* readdir returns them nearly in order */
        for (; i > 0 && list[i - 1] > atoi(digits); i--)
            list[i] = list[i - 1];
        list[i] = atoi(digits);
    }
    if (directory)
        closedir(directory);
    return list;
}

/* A CPU that is online, and its place in the topology. */
typedef struct Place {
    int cpu;
    long package, die, core; /* -1: unknown */
    size_t number;           /* of the core, among all, in the order of their first CPUs */
} Place;

/* All online CPUs, in order. *cores: the number of their cores. */
static Place *read_places(const char *root, size_t *count, size_t *cores)
{
    size_t folders;
    int *cpu = numbered(root, "cpu", "cpu", &folders);
    Place *places = folders ? calloc(folders, sizeof *places) : NULL;
    *count = *cores = 0;
    for (size_t i = 0; places && i < folders; i++) {
        const long core = read_number(root, cpu[i], "topology/core_id");
        if (core < 0)
            continue; /* offline */
        Place *p = &places[*count];
        *p = (Place){cpu[i], read_number(root, cpu[i], "topology/physical_package_id"), read_number(root, cpu[i], "topology/die_id"), core,
                     *cores};
        size_t before = 0;
        while (before < *count && (places[before].package != p->package || places[before].die != p->die || places[before].core != core))
            before++;
        if (before < *count)
            p->number = places[before].number;
        else
            ++*cores;
        ++*count;
    }
    free(cpu);
    return places;
}

static void read_caches(const char *root, int cpu, Topology *out)
{
    for (int i = 0; i < 8; i++) {
        char what[64], type[32], text[32];
        snprintf(what, sizeof what, "cache/index%d/type", i);
        if (!read_line(root, cpu, what, type, sizeof type))
            return;
        snprintf(what, sizeof what, "cache/index%d/size", i);
        if (strcmp(type, "Instruction") == 0 || !read_line(root, cpu, what, text, sizeof text) || !isdigit((unsigned char)text[0]))
            continue;
        const size_t bytes = (size_t)atol(text) * (strchr(text, 'M') ? 1048576 : 1024);
        snprintf(what, sizeof what, "cache/index%d/level", i);
        const long level = read_number(root, cpu, what);
        if (level == 1) {
            snprintf(what, sizeof what, "cache/index%d/coherency_line_size", i);
            const long line = read_number(root, cpu, what);
            out->l1d = bytes;
            out->line = line > 0 ? (size_t)line : 0;
        } else if (level == 2) {
            out->l2 = bytes;
        }
        out->llc = bytes; /* listed from the inside out */
    }
}

bool topology_linux_read(const char *root, Topology *out)
{
    size_t count, packages = 0;
    Place *places = read_places(root, &count, &out->cores);
    for (size_t i = 0; i < count; i++) {
        size_t before = 0;
        while (before < i && places[before].package != places[i].package)
            before++;
        packages += before == i && places[i].package >= 0;
    }
    out->sockets = packages;
    free(numbered(root, "node", "node", &out->numa));
    if (count > 0)
        read_caches(root, places[0].cpu, out);
    free(places);
    return count > 0;
}

TopologyCore *topology_linux_cores(const char *root, const int *allowed, size_t allowed_count, size_t *count)
{
    size_t places_count, all, at = 0;
    Place *places = read_places(root, &places_count, &all);
    TopologyCore *cores = places_count ? calloc(all, sizeof *cores) : NULL;
    *count = 0;
    for (size_t i = 0; cores && i < places_count; i++) {
        while (at < allowed_count && allowed[at] < places[i].cpu)
            at++;
        size_t have = 0;
        while (have < *count && cores[have].number != places[i].number)
            have++;
        if (have == *count && at < allowed_count && allowed[at] == places[i].cpu)
            cores[(*count)++] = (TopologyCore){places[i].cpu, places[i].number};
    }
    free(places);
    return cores;
}
#else
int *topology_linux_allowed(size_t *count)
{
    *count = 0;
    return NULL;
}

bool topology_linux_bind(const int *cpu, size_t count)
{
    (void)cpu, (void)count;
    return false;
}

bool topology_linux_read(const char *root, Topology *topology)
{
    (void)root, (void)topology;
    return false;
}

TopologyCore *topology_linux_cores(const char *root, const int *allowed, size_t allowed_count, size_t *count)
{
    (void)root, (void)allowed, (void)allowed_count;
    *count = 0;
    return NULL;
}
#endif
