/* yardstick.h - kernels that exist only for comparison: they call a library that people would use instead. They are built into the program
 * if that library is found (-Dblas), never into libattnzoo, and dispatch never chooses them. They break the contract of kernels/kernel.h
 * where their library does; each says where.
 *
 * bench verifies and measures them like the rest; verify, conform and run take them when -k matches them. OpenBLAS 0.3.21 passes the full
 * suite on a real CPU; under qemu-user its calls crash. */
#ifndef HARNESS_OPS_YARDSTICK_YARDSTICK_H
#define HARNESS_OPS_YARDSTICK_YARDSTICK_H

#include "kernels/kernel.h"

/* BLAS on the calling thread alone: threads are up to the harness, and one thread is compared with one. */
void yardstick_one_thread(void);

#endif
