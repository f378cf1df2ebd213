/* all.c - see all.h. */
#include "harness/ops/all/all.h"

#include <stdio.h>

#define DECLARE(name) extern const Op op_##name;
OPS(DECLARE)
#define ADDRESS(name) &op_##name,
const Op *const ops[] = {OPS(ADDRESS)};
const size_t op_count = sizeof ops / sizeof *ops;

const Op *op_of(const char *word)
{
    return ops[op_number(word)];
}

const char *ops_prefixes(char *buffer, size_t size)
{
    size_t used = 0;
    *buffer = '\0';
    for (size_t i = 1; i < op_count && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s:", i == 1 ? "" : i + 1 == op_count ? " and " : ", ", ops[i]->name);
    return buffer;
}
