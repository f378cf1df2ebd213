/* input.h - the only way in which the program opens a file named by a user: it never blocks, and reads regular files only. */
#ifndef HARNESS_BASE_INPUT_H
#define HARNESS_BASE_INPUT_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* Open a regular file for reading. NULL: error[] is one sentence that begins with the path and says what is wrong. */
FILE *input_open(const char *path, char *error, size_t error_size);

/* Length of the UTF-8 byte order mark that some editors put at the beginning of a text: 3, or 0 without one. */
size_t input_mark(const char *text, size_t length);

/* All of a JSON file of at most `most` bytes; duplicate names are an error. NULL: as input_open. */
json_t *input_json(const char *path, size_t most, char *error, size_t error_size);

#endif
