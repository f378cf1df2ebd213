/* kinds.h - kinds of work that packs carry. A pack's interface (pack_abi.h) has separate functions for each; a row here says what to call,
 * and with what. */
#ifndef HARNESS_REGRESS_KINDS_H
#define HARNESS_REGRESS_KINDS_H

#include "harness/ops/op.h"
#include "harness/regress/rival.h"

typedef struct PackKind {
    const Op *op;

    /* Does kernel `index` of the pack take the shape? What does the pack's dispatch take: its name, or "", and the pack's last_error() says
     * why; NULL: the shape cannot be read, and why[] says so. */
    bool (*takes)(const Pack *pack, size_t index, const char *shape);
    const char *(*choice)(const Pack *pack, const char *shape, const AttnOptions *options, char *why, size_t size);

    /* As in rival.h, of the operands and of one rival. NULL or false: error[]. */
    void *(*open)(const char *shape, size_t threads, uint64_t seed, uint64_t offsets, char *error, size_t error_size);
    void (*close)(void *operands);
    bool (*ready)(Rival *rival, uint64_t offsets, char *error, size_t error_size);
    void (*done)(Rival *rival); /* also what was readied in part */
    void (*call)(Rival *rival);
} PackKind;

extern const PackKind pack_kind_sdpa, pack_kind_linear;

/* The row for the word of a shape; NULL: packs do not carry its kind. And do packs carry this kind? */
const PackKind *pack_kind(const char *shape);
bool pack_carries(const Op *op);

#endif
