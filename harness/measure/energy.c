/* energy.c - see energy.h. Packages only: their parts (core, uncore, dram) are included in them or do not belong to the processor. */
#include "harness/measure/energy.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool read_count(const char *path, uint64_t *count)
{
    errno = 0;
    FILE *file = fopen(path, "r");
    const bool read = file && fscanf(file, "%" SCNu64, count) == 1;
    const int reason = errno;
    if (file)
        fclose(file);
    errno = reason;
    return read;
}

static bool is_package(const char *folder)
{
    char path[300], name[64] = "";
    snprintf(path, sizeof path, "%s/name", folder);
    FILE *file = fopen(path, "r");
    const bool read = file && fgets(name, sizeof name, file);
    if (file)
        fclose(file);
    return read && strncmp(name, "package-", 8) == 0;
}

bool energy_open(Energy *energy, const char *root, char *why, size_t why_size)
{
    char pattern[300], path[300];
    glob_t found;
    uint64_t now;
    memset(energy, 0, sizeof *energy);
    snprintf(pattern, sizeof pattern, "%s/sys/class/powercap/*rapl:*", root);
    if (glob(pattern, 0, NULL, &found) != 0) {
        snprintf(why, why_size, "no RAPL in /sys/class/powercap: not on this processor, or a virtual machine");
        return false;
    }
    bool readable = true;
    for (size_t i = 0; i < found.gl_pathc && readable && energy->domains < ENERGY_DOMAINS; i++) {
        const char *folder = found.gl_pathv[i];
        if (!is_package(folder) || strlen(folder) > sizeof energy->path[0] - 32)
            continue;
        char *to = energy->path[energy->domains];
        snprintf(to, sizeof energy->path[0], "%s/energy_uj", folder);
        snprintf(path, sizeof path, "%.260s/max_energy_range_uj", folder);
        readable = read_count(to, &now);
        if (!readable)
            snprintf(why, why_size, "%.60s: %s", to + strlen(root), errno == EACCES ? "only root may read it" : errno ? strerror(errno) : "no number in it");
        else if (!read_count(path, &energy->range[energy->domains++]))
            energy->range[energy->domains - 1] = 0; /* the counter does not wrap */
    }
    globfree(&found);
    if (readable && energy->domains == 0)
        snprintf(why, why_size, "no package among the domains of /sys/class/powercap");
    return readable && energy->domains > 0;
}

bool energy_read(const Energy *energy, EnergyReading *reading)
{
    for (size_t d = 0; d < energy->domains; d++)
        if (!read_count(energy->path[d], &reading->uj[d]))
            return false;
    return true;
}

double energy_between(const Energy *energy, const EnergyReading *from, const EnergyReading *to)
{
    double joules = 0;
    for (size_t d = 0; d < energy->domains; d++) {
        const uint64_t wrapped = to->uj[d] < from->uj[d] ? energy->range[d] : 0;
        joules += 1e-6 * (double)(to->uj[d] + wrapped - from->uj[d]);
    }
    return joules;
}
