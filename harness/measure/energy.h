/* energy.h - joules of the processor packages, from Linux's powercap (RAPL), if they can be read. Since Linux 5.10 only root may read them.
 *
 * A counter counts microjoules and wraps at its own range, so a measurement must be shorter than one wrap (tens of seconds at full power)
 * and much longer than the counter's update interval of about a millisecond: a second or more. The idle power of the machine is included;
 * callers subtract it. */
#ifndef HARNESS_MEASURE_ENERGY_H
#define HARNESS_MEASURE_ENERGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENERGY_DOMAINS = 8 };

typedef struct Energy {
    size_t domains;                   /* packages                                  */
    char path[ENERGY_DOMAINS][300];   /* of the counter files                      */
    uint64_t range[ENERGY_DOMAINS];   /* microjoules at which each wraps           */
} Energy;

typedef struct EnergyReading {
    uint64_t uj[ENERGY_DOMAINS];
} EnergyReading;

/* The packages below root ("": this machine). false: why[] says what is missing. */
bool energy_open(Energy *energy, const char *root, char *why, size_t why_size);
bool energy_read(const Energy *energy, EnergyReading *reading);

/* Joules from one reading to a later one, all packages. */
double energy_between(const Energy *energy, const EnergyReading *from, const EnergyReading *to);

#endif
