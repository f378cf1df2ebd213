/* shape.c - parse and print the names of matrix products. */
#include "harness/ops/linear/shape.h"

#include <stdio.h>
#include <string.h>

static const char prefix[] = "linear:";

/* Digits up to `end`, 1 to 2^20. Returns what follows, or NULL. */
static const char *read_size(const char *text, char end, size_t *size)
{
    const size_t most = (size_t)1 << 20;
    *size = 0;
    if (*text == '0')
        return NULL;
    for (; *text >= '0' && *text <= '9' && *size <= most; text++)
        *size = 10 * *size + (size_t)(*text - '0');
    return *size >= 1 && *size <= most && *text == end ? text + 1 : NULL;
}

bool linear_shape_parse(LinearShape *shape, const char *word, char *error, size_t error_size)
{
    LinearShape s;
    const char *at = strncmp(word, prefix, sizeof prefix - 1) == 0 ? word + sizeof prefix - 1 : NULL;
    at = at ? read_size(at, 'x', &s.rows) : NULL;
    at = at ? read_size(at, 'x', &s.inputs) : NULL;
    at = at ? read_size(at, '\0', &s.outputs) : NULL;
    if (at) {
        *shape = s;
        return true;
    }
    snprintf(error, error_size,
             "shape '%s' is no matrix product; allowed: linear:<rows>x<inputs>x<outputs>, sizes from 1 to %zu, for example "
             "linear:512x1024x1024",
             word, (size_t)1 << 20);
    return false;
}

const char *linear_shape_name(const LinearShape *shape, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s%zux%zux%zu", prefix, shape->rows, shape->inputs, shape->outputs);
    return buffer;
}
