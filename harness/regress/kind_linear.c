/* kind_linear.c - matrix products of packs. */
#include <stdio.h>
#include <stdlib.h>

#include "harness/ops/linear/case.h"
#include "harness/ops/linear/op.h"
#include "harness/ops/linear/shape.h"
#include "harness/regress/kinds.h"
#include "harness/regress/offsets.h"

static bool takes(const Pack *pack, size_t index, const char *shape)
{
    (void)shape;
    return pack->v1->kernel(index)->linear;
}

static const char *choice(const Pack *pack, const char *shape, const AttnOptions *options, char *why, size_t size)
{
    (void)shape;
    (void)why;
    (void)size;
    return pack_choice(pack, NULL, options);
}

static void close_case(void *operands)
{
    linear_data_free(operands);
    free(operands);
}

static void *open_case(const char *name, size_t threads, uint64_t seed, uint64_t offsets, char *error, size_t error_size)
{
    LinearShape s;
    if (!linear_shape_parse(&s, name, error, error_size))
        return NULL;
    const LinearCase c = {.rows = s.rows, .inputs = s.inputs, .outputs = s.outputs, .bias = true, .fill = LINEAR_NORMAL, .seed = seed,
                          .fence = FENCE_NONE, .threads = threads};
    LinearData *data = calloc(1, sizeof *data);
    bool ok = data && linear_data_make(data, &c);
    for (size_t i = 0; ok && i < 4; i++) {
        Arena *const arenas[] = {&data->x, &data->w, &data->bias, &data->y};
        ptrdiff_t by;
        ok = offsets_move(arenas[i], offsets, i, &by);
    }
    if (ok)
        return data;
    snprintf(error, error_size, "no memory for the operands of %s", name);
    if (data)
        close_case(data);
    return NULL;
}

static bool ready(Rival *rival, uint64_t offsets, char *error, size_t error_size)
{
    const AttnPackV1 *v1 = rival->v1;
    const LinearData *data = rival->on->operands;
    const AttnLinear *l = &data->linear;
    if (!v1->kernel(rival->index)->linear) {
        snprintf(error, error_size, "computes attention, not a matrix product");
        return false;
    }
    const size_t bytes = v1->packed(rival->index, l->inputs, l->outputs);
    if (bytes == 0 || !offsets_map(&rival->weights, bytes, offsets, 100)) {
        snprintf(error, error_size, "no memory for packed weights of %zu bytes", bytes);
        return false;
    }
    v1->pack(rival->index, l->inputs, l->outputs, data->w.at, (ptrdiff_t)l->inputs, rival->weights.at);
    return true;
}

static void done(Rival *rival)
{
    fence_unmap(&rival->weights);
}

static void call(Rival *rival)
{
    const LinearData *data = rival->on->operands;
    const AttnLinear *l = &data->linear;
    const AttnPackProductV1 p = {.size = sizeof p, .rows = l->rows, .inputs = l->inputs, .outputs = l->outputs, .x_row = l->x_row,
                                 .y_row = l->y_row, .x = data->x.at, .bias = data->bias.at, .packed = rival->weights.at,
                                 .y = data->y.at};
    rival->v1->product(rival->index, &p, rival->on->threads);
}

const PackKind pack_kind_linear = {.op = &op_linear, .takes = takes, .choice = choice, .open = open_case, .close = close_case,
                                   .ready = ready, .done = done, .call = call};
