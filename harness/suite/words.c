/* words.c - see words.h. */
#include "harness/suite/words.h"

#include <stdio.h>

typedef struct Split {
    Shapes *attention;
    LinearShapes *products;
    MhaShapes *mha;
} Split;

static bool no_room(size_t count, char *error, size_t error_size)
{
    snprintf(error, error_size, "out of memory for %zu shapes", count);
    return false;
}

static bool take(void *context, const char *word, char *error, size_t error_size)
{
    Split *split = context;
    LinearShape product;
    MhaShape heads;
    if (split->mha && mha_shape_is(word))
        return mha_shape_parse(&heads, word, error, error_size) &&
               (mha_shapes_add(split->mha, &heads) || no_room(split->mha->count, error, error_size));
    if (linear_shape_is(word))
        return linear_shape_parse(&product, word, error, error_size) &&
               (linear_shapes_add(split->products, &product) || no_room(split->products->count, error, error_size));
    return shapes_parse(split->attention, word, error, error_size);
}

bool words_split(Shapes *attention, LinearShapes *products, MhaShapes *mha, const char *text, char *error, size_t error_size)
{
    Split split = {attention, products, mha};
    return shapes_expand(text, take, &split, error, error_size);
}
