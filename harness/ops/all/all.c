/* all.c - see all.h. */
#include "harness/ops/all/all.h"

#define DECLARE(name) extern const Op op_##name;
OPS(DECLARE)
#define ADDRESS(name) &op_##name,
const Op *const ops[] = {OPS(ADDRESS)};
const size_t op_count = sizeof ops / sizeof *ops;

const Op *op_of(const char *word)
{
    return ops[op_number(word)];
}
