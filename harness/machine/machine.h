/* machine.h - which machine and which build a result came from: the key, the `host` record, machine.json. */
#ifndef HARNESS_MACHINE_MACHINE_H
#define HARNESS_MACHINE_MACHINE_H

#include <jansson.h>
#include <stdint.h>

#include "dispatch/cpu.h"
#include "harness/machine/topology.h"

typedef struct Machine {
    char key[64]; /* "amd-avx512-2c-kvm-1a2b3c4d": hashes only what stays: vendor, usable ISA, caches, cores, hypervisor */
    const AttnCpu *cpu;
    Topology topology;
    char hypervisor[16]; /* "kvm", "vmware" …; "vm" if only its presence is known; "" none                                 */
    char microcode[24], kernel[80], governor[24], thp[16]; /* "" where unknown                                           */
    double memory, loadavg;                                /* bytes; NaN where unknown                                   */
    size_t page;
    int aslr, turbo; /* -1 where unknown */
} Machine;

void machine_read(Machine *machine);


/* The `host` record (results/README.md) without its peaks, which peaks_record adds. */
json_t *machine_json(const Machine *machine);

/* Write results/<key>/machine.json if it does not exist yet: under another name, then renamed. The folder must exist. false: error[] says
 * what failed. */
bool machine_write_once(const Machine *machine, const char *directory, char *error, size_t error_size);

#endif
