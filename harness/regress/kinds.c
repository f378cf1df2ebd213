/* kinds.c - the list of kinds that packs carry. */
#include "harness/regress/kinds.h"

#include "harness/ops/all/all.h"

static const PackKind *kind_of(const Op *op)
{
    static const PackKind *const kinds[] = {&pack_kind_sdpa, &pack_kind_linear};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i]->op == op)
            return kinds[i];
    return NULL;
}

const PackKind *pack_kind(const char *shape)
{
    return kind_of(op_of(shape));
}

bool pack_carries(const Op *op)
{
    return kind_of(op) != NULL;
}
