/* self.h - the path of this program's file: to start it again, and to find what was installed beside it. */
#ifndef HARNESS_BASE_SELF_H
#define HARNESS_BASE_SELF_H

#include <stdbool.h>
#include <stddef.h>

/* Its absolute path. false: error[] names what was tried and why it failed. */
bool self_path(char *path, size_t size, char *error, size_t error_size);

#endif
