/* structs.h - copies public structs between caller and library, which may be built from different headers. */
#ifndef ATTN_STRUCTS_H
#define ATTN_STRUCTS_H

#include "dispatch/error.h"

/* Bytes of a struct up to and including one member: with the last member of the first release, the smallest size ever made. */
#define ATTN_STRUCT_UP_TO(type, member) (offsetof(type, member) + sizeof ((type *)NULL)->member)

/* First byte of a member, and one past its last. */
typedef struct AttnField {
    size_t begin, end;
} AttnField;

/* A public struct: what a sentence calls it, who makes it, and its members in their order. */
typedef struct AttnStruct {
    const char *name, *maker; /* "problem", "attn_problem()"                          */
    size_t smallest, known;   /* bytes: of the first release, and here                */
    size_t alignment;         /* its size is a multiple                               */
    size_t made;              /* offset of its member `made`; 0: has none             */
    const AttnField *fields;  /* all of them: structs.c has the lists                 */
    size_t count;
} AttnStruct;

/* All public structs with a size, by the names of their descriptions: attn_struct_problem and so on. */
#define ATTN_STRUCTS(X)                                                                                                                    \
    X(problem) X(tensors) X(options) X(cpu_info) X(kernel_info) X(merge) X(mha_config) X(mha_weights) X(mha_shape) X(mha_tensors)
#define X(id) extern const AttnStruct attn_struct_##id;
ATTN_STRUCTS(X)
#undef X

/* Copy a caller's struct into `to` (kind->known bytes), members that an older caller lacks zero. The struct begins with its size_t `size`.
 * Refused: NULL; a size that no header ever gave it, which is one that does not end with a member (or with the padding behind it); a struct
 * that is large enough to be marked as made and is not; and bytes beyond what this library knows that are not zero, for those are a request
 * that it cannot honour. */
AttnStatus attn_struct_read(const AttnStruct *kind, const void *from, void *to);

/* Fill a caller's struct, whose `size` the caller has set, from ours. What only a newer caller knows becomes zero. */
AttnStatus attn_struct_write(const AttnStruct *kind, void *to, const void *from);

/* The same for a struct whose memory holds nothing yet, `size` bytes of it. */
AttnStatus attn_struct_make(const AttnStruct *kind, void *to, size_t size, const void *from);

#endif
