/* rival.c - see rival.h. What is particular to a kind of work is its row in kinds.h. */
#include "harness/regress/rival.h"

#include <stdio.h>
#include <string.h>

#include "harness/regress/kinds.h"

bool rival_case_open(RivalCase *on, const char *word, size_t threads, uint64_t seed, uint64_t offsets, char *error, size_t error_size)
{
    *on = (RivalCase){.kind = pack_kind(word), .threads = threads};
    if (!on->kind)
        snprintf(error, error_size, "shape '%s' is of a kind that packs do not carry", word);
    on->operands = on->kind ? on->kind->open(word, threads, seed, offsets, error, error_size) : NULL;
    return on->operands != NULL;
}

void rival_case_close(RivalCase *on)
{
    fence_unmap(&on->workspace);
    if (on->operands)
        on->kind->close(on->operands);
    memset(on, 0, sizeof *on);
}

bool rival_open(Rival *rival, const Pack *pack, size_t index, RivalCase *on, uint64_t offsets, char *error, size_t error_size)
{
    *rival = (Rival){.v1 = pack->v1, .index = index, .on = on};
    return on->kind->ready(rival, offsets, error, error_size);
}

void rival_close(Rival *rival)
{
    if (rival->on)
        rival->on->kind->done(rival);
    memset(rival, 0, sizeof *rival);
}

void rival_call(Rival *rival)
{
    rival->on->kind->call(rival);
}
