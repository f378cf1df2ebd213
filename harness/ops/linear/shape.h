/* shape.h - names of matrix products: linear:<rows>x<inputs>x<outputs>, for example linear:512x1024x1024, or with ranges
 * linear:{1,8,64}x4096x{1024..4096*2}. */
#ifndef HARNESS_OPS_LINEAR_SHAPE_H
#define HARNESS_OPS_LINEAR_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct LinearShape {
    size_t rows, inputs, outputs;
} LinearShape;

/* A list that grows; free with linear_shapes_free. */
typedef struct LinearShapes {
    LinearShape *at;
    size_t count;
} LinearShapes;

bool linear_shape_is(const char *word); /* does it begin with "linear:"? */

/* One word. */
bool linear_shape_parse(LinearShape *shape, const char *word, char *error, size_t error_size);
const char *linear_shape_name(const LinearShape *shape, char *buffer, size_t size);
bool linear_shapes_add(LinearShapes *list, const LinearShape *shape); /* false: out of memory */
void linear_shapes_free(LinearShapes *list);

#endif
