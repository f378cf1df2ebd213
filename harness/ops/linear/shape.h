/* shape.h - names of matrix products: linear:<rows>x<inputs>x<outputs>, for example linear:512x1024x1024, or with ranges
 * linear:{1,8,64}x4096x{1024..4096*2}. */
#ifndef HARNESS_OPS_LINEAR_SHAPE_H
#define HARNESS_OPS_LINEAR_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct LinearShape {
    size_t rows, inputs, outputs;
} LinearShape;

/* One word. */
bool linear_shape_parse(LinearShape *shape, const char *word, char *error, size_t error_size);
const char *linear_shape_name(const LinearShape *shape, char *buffer, size_t size);

#endif
