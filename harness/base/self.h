/* self.h - the file of this program, for those who start it again or look for what was installed beside it. */
#ifndef HARNESS_BASE_SELF_H
#define HARNESS_BASE_SELF_H

#include <stdbool.h>
#include <stddef.h>

/* Its absolute path. false: error[] names what was asked and the reason. */
bool self_path(char *path, size_t size, char *error, size_t error_size);

#endif
