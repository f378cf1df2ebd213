/* fuzz_shape.c - names of shapes and of verify's cases: lists with ranges, one word, attention, products, multi-head attention.
 * Whatever is accepted has a canonical name that parses to the same name again, a problem whose check answers, and counts that are finite. */
#include "harness/ops/linear/case.h"
#include "harness/ops/linear/shape.h"
#include "harness/ops/sdpa/case.h"
#include "harness/suite/words.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE = 2048, LOOKED_AT = 64 };

static void look(const Shape *shape)
{
    char name[SHAPE_NAME], again[SHAPE_NAME], error[MESSAGE];
    Shape parsed;
    shape_name(shape, name, sizeof name);
    fuzz_demand(shape_parse(&parsed, name, error, sizeof error), "a canonical name parses");
    fuzz_demand(strcmp(shape_name(&parsed, again, sizeof again), name) == 0, "a canonical name is its own canonical name");
    const AttnProblem problem = shape_problem(shape);
    if (attn_problem_check(&problem) != ATTN_OK) {
        fuzz_demand(attn_last_error()[0] != '\0', "a refused problem has a sentence");
        return;
    }
    if ((double)shape->batch * (double)shape->q_len < 1e6) /* the counts walk the rows */
        fuzz_demand(isfinite(shape_flop(shape)) && shape_flop(shape) >= 0 && isfinite(shape_bytes(shape)), "work is finite");
}

static void look_at_lists(const char *text)
{
    char error[MESSAGE] = "", name[SHAPE_NAME];
    Shapes attention = {0};
    LinearShapes products = {0};
    MhaShapes mha = {0};
    if (words_split(&attention, &products, &mha, text, error, sizeof error)) {
        for (size_t i = 0; i < attention.count && i < LOOKED_AT; i++)
            look(&attention.at[i]);
        for (size_t i = 0; i < products.count && i < LOOKED_AT; i++) {
            LinearShape parsed;
            fuzz_demand(linear_shape_parse(&parsed, linear_shape_name(&products.at[i], name, sizeof name), error, sizeof error),
                        "a product's name parses");
        }
        for (size_t i = 0; i < mha.count && i < LOOKED_AT; i++) {
            MhaShape parsed;
            char again[SHAPE_NAME];
            fuzz_demand(mha_shape_parse(&parsed, mha_shape_name(&mha.at[i], name, sizeof name), error, sizeof error),
                        "a multi-head shape's name parses");
            fuzz_demand(strcmp(mha_shape_name(&parsed, again, sizeof again), name) == 0, "and is its own canonical name");
        }
    } else {
        fuzz_demand(*error != '\0', "a refused list has a sentence");
    }
    shapes_free(&attention);
    linear_shapes_free(&products);
    mha_shapes_free(&mha);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[MESSAGE] = "", name[CASE_NAME];
    VerifyCase c, again;
    LinearCase product, same;
    char *text = fuzz_text(data, size);
    look_at_lists(text);
    if (case_parse(text, &c, error, sizeof error)) {
        fuzz_demand(case_parse(case_name(&c, name, sizeof name), &again, error, sizeof error), "a case's name parses");
    } else {
        fuzz_demand(*error != '\0', "a refused case has a sentence");
    }
    *error = '\0';
    if (linear_case_parse(text, &product, error, sizeof error))
        fuzz_demand(linear_case_parse(linear_case_name(&product, name, sizeof name), &same, error, sizeof error),
                    "a product case's name parses");
    else
        fuzz_demand(*error != '\0', "a refused product case has a sentence");
    free(text);
    return 0;
}
