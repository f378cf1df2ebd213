/* fuzz_shape.c - names of shapes and of verify's cases: lists with ranges, one word, attention, products, multi-head attention.
 * Whatever is accepted has a canonical name that parses to the same name again, a problem whose check answers, and counts that are finite. */
#include "harness/ops/all/all.h"
#include "harness/ops/linear/case.h"
#include "harness/ops/sdpa/case.h"
#include "harness/ops/sdpa/op.h"
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
    char error[MESSAGE] = "";
    OpShapes shapes = {0};
    if (words_split(&shapes, NULL, text, error, sizeof error)) {
        for (size_t i = 0; i < shapes.count && i < LOOKED_AT; i++) {
            const OpShape *shape = &shapes.at[i];
            OpShapes again = {0};
            fuzz_demand(op_of(shape->name) == shape->op, "a canonical name says its kind");
            fuzz_demand(shape->op->parse(&again, shape->name, error, sizeof error) && again.count == 1, "a canonical name parses");
            fuzz_demand(strcmp(again.at[0].name, shape->name) == 0, "a canonical name is its own canonical name");
            op_shapes_free(&again);
            if (shape->op == &op_sdpa) {
                const Shape attention = sdpa_shape(shape);
                look(&attention);
            }
        }
    } else {
        fuzz_demand(*error != '\0', "a refused list has a sentence");
    }
    op_shapes_free(&shapes);
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
