/* error.h - the sentence that says why something is refused, where a function has `char *error, size_t error_size` for it. */
#ifndef HARNESS_BASE_ERROR_H
#define HARNESS_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

/* Write it; returns false, for the caller to return. */
bool error_set(char *error, size_t error_size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
