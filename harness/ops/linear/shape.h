/* shape.h - names of matrix products: linear:<rows>x<inputs>x<outputs>, for example linear:512x1024x1024, or with ranges
 * linear:{1,8,64}x4096x{1024..4096*2}. */
#ifndef HARNESS_OPS_LINEAR_SHAPE_H
#define HARNESS_OPS_LINEAR_SHAPE_H

#include "harness/ops/mha/shape.h"

typedef struct LinearShape {
    size_t rows, inputs, outputs;
} LinearShape;

/* A list that grows; free with linear_shapes_free. */
typedef struct LinearShapes {
    LinearShape *at;
    size_t count;
} LinearShapes;

/* One word. */
bool linear_shape_parse(LinearShape *shape, const char *word, char *error, size_t error_size);
const char *linear_shape_name(const LinearShape *shape, char *buffer, size_t size);

/* Words of all kinds, mixed as they like: attention to one list, products to another, multi-head attention to the third (NULL: it is
 * refused). false: error[] says why; free all. */
bool linear_shapes_split(Shapes *attention, LinearShapes *products, MhaShapes *mha, const char *text, char *error, size_t error_size);
void linear_shapes_free(LinearShapes *list);

#endif
