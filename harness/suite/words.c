/* words.c - see words.h. */
#include "harness/suite/words.h"

#include "harness/ops/all/all.h"
#include "harness/ops/sdpa/shape.h"

typedef struct Split {
    OpShapes all;
    bool (*wants)(const Op *op);
} Split;

static bool take(void *context, const char *word, char *error, size_t error_size)
{
    Split *split = context;
    const Op *op = op_of(word);
    return (!split->wants || split->wants(op) ? op : ops[0])->parse(&split->all, word, error, error_size);
}

bool words_split(OpShapes *list, bool (*wants)(const Op *op), const char *text, char *error, size_t error_size)
{
    Split split = {.wants = wants};
    bool ok = shapes_expand(text, take, &split, error, error_size);
    for (size_t o = 0; ok && o < op_count; o++)
        for (size_t i = 0; ok && i < split.all.count; i++) {
            const OpShape *shape = &split.all.at[i];
            ok = shape->op != ops[o] || op_shapes_add(list, shape->op, shape->name, shape->alias, error, error_size);
        }
    op_shapes_free(&split.all);
    return ok;
}
