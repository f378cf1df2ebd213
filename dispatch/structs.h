/* structs.h - copies public structs across the border between caller and library, whose headers may differ in age. */
#ifndef ATTN_STRUCTS_H
#define ATTN_STRUCTS_H

#include "dispatch/error.h"

/* Bytes of a struct up to and including one member: with the last member of the first release, the smallest size ever made. */
#define ATTN_STRUCT_UP_TO(type, member) (offsetof(type, member) + sizeof ((type *)NULL)->member)

/* Copy a caller's struct into `to` (known bytes), members that an older caller lacks zero. The struct begins with its size_t `size`.
 * Refused: fewer bytes than `smallest`, and bytes beyond what this library knows that are not zero, for those are a request that it
 * cannot honour. `name` and `maker` are for the sentence: "problem", "attn_problem()". */
AttnStatus attn_struct_read(const char *name, const char *maker, const void *from, size_t smallest, void *to, size_t known);

/* Fill a caller's struct, whose `size` the caller has set, from ours (known bytes). What only a newer caller knows becomes zero. */
AttnStatus attn_struct_write(const char *name, void *to, size_t smallest, const void *from, size_t known);

#endif
