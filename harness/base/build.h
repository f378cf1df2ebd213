/* build.h - which build of the program this is. */
#ifndef HARNESS_BASE_BUILD_H
#define HARNESS_BASE_BUILD_H

/* Commit ("1a2b3c4d", "1a2b3c4d-dirty" or "unknown"), compiler, flags. */
const char *build_commit(void);
const char *build_compiler(void);
const char *build_flags(void);

#endif
