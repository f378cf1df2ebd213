/* suites.c - see suites.h. */
#include "harness/suite/suites.h"

#include "harness/ops/all/all.h"

bool suites_add(Suite *suite, SuiteName name, uint64_t seed)
{
    bool ok = true;
    for (size_t o = 0; ok && o < op_count; o++) {
        suite->op = ops[o];
        ok = ops[o]->suite(suite, name, seed);
    }
    return ok;
}

bool suites_take(const Op *op)
{
    return op->cases != NULL;
}

bool suites_add_shapes(Suite *suite, const OpShapes *shapes, const OpSettings *settings)
{
    bool ok = true;
    size_t number = 0;
    for (size_t i = 0; ok && i < shapes->count; i++, number++) {
        const OpShape *shape = &shapes->at[i];
        if (i > 0 && shape->op != shapes->at[i - 1].op)
            number = 0;
        suite->op = shape->op;
        ok = shape->op->cases(suite, shape->name, number, settings);
    }
    return ok;
}

bool suites_add_job(Suite *suite, const char *text, char *error, size_t error_size)
{
    suite->op = op_of(text);
    return suite->op->job(suite, text, error, error_size);
}
