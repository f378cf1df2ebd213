/* chain.h - a chain of dependent 64-bit multiplications: its time depends only on the core's clock. */
#ifndef HARNESS_MACHINE_CHAIN_H
#define HARNESS_MACHINE_CHAIN_H

#include <stddef.h>

enum {
    CHAIN_LENGTH = 16384, /* multiplications of chain_run                              */
    CHAIN_LATENCY = 3     /* cycles each, on every x86-64 and ARMv8-A core known to us */
};
void chain_run(void);
void chain_multiply(size_t count); /* such a chain of `count` multiplications, a multiple of 16 */

#endif
