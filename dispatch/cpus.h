/* cpus.h - how many CPUs this process may use. */
#ifndef ATTN_CPUS_H
#define ATTN_CPUS_H

#include <stddef.h>

/* CPUs in the affinity of the thread that asked first, but no more than the control group's quota comes to. >= 1. */
size_t attn_cpus(void);

/* What a quota in the words of Linux's cpu.max comes to, "microseconds period" or "max period", in whole CPUs rounded up; 0: no limit, or
 * not understood. */
size_t attn_cpus_of_quota(const char *text);

#endif
