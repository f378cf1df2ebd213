/* input.h - the one way in which the program opens a file that somebody named: it never waits and never reads what is no file. */
#ifndef HARNESS_BASE_INPUT_H
#define HARNESS_BASE_INPUT_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* A regular file, for reading. NULL: error[] is one sentence that begins with the path and says what is wrong with it. */
FILE *input_open(const char *path, char *error, size_t error_size);

/* Bytes of the byte order mark at the beginning of a text, which editors of other systems put there: 3, or 0 without one. */
size_t input_mark(const char *text, size_t length);

/* All of a JSON file of at most `most` bytes; names given twice are an error. NULL: as input_open. */
json_t *input_json(const char *path, size_t most, char *error, size_t error_size);

#endif
