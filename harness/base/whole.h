/* whole.h - files that appear under their name only when they are whole. */
#ifndef HARNESS_BASE_WHOLE_H
#define HARNESS_BASE_WHOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct Whole {
    FILE *file;          /* write here                                                       */
    const char *path;    /* the final name                                                   */
    char *target;        /* the file that the name resolves to                               */
    char *partial;       /* its temporary name; NULL: written in place (a device, a pipe)    */
} Whole;

/* false: error[] names the file and the reason; nothing is left to close. `path` must live until whole_close. */
bool whole_open(Whole *whole, const char *path, char *error, size_t error_size);

/* Flush to the disk, rename, close. With `keep` false, or after a failed write, the partial file is removed. */
bool whole_close(Whole *whole, bool keep, char *error, size_t error_size);

/* The file that a name leads to through symbolic links, whether it exists or not; to be freed. NULL: errno says why. */
char *whole_target(const char *path);

/* Make a folder and those above it (mkdir -p); `path` is not empty; it is restored before returning. false: errno says why. */
bool whole_folders(char *path);

#endif
