/* pipes.h - whole objects over a pipe: reads and writes that are cut short or interrupted are continued. */
#ifndef HARNESS_BASE_PIPES_H
#define HARNESS_BASE_PIPES_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* false: the other end is closed; errno says more. */
bool pipes_put(int to, const void *data, size_t size);

/* false: the other end was closed before `size` bytes were there, or *stop (NULL: never), which is polled five times per second. */
bool pipes_get(int from, void *data, size_t size, const volatile sig_atomic_t *stop);

#endif
