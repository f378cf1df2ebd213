/* kind_sdpa.c - attention of packs. Rivals share one workspace, as large as the largest of them needs. */
#include <stdio.h>
#include <stdlib.h>

#include "harness/ops/sdpa/case.h"
#include "harness/ops/sdpa/op.h"
#include "harness/regress/kinds.h"
#include "harness/regress/offsets.h"

static bool problem_of(const char *name, AttnProblem *problem, char *error, size_t error_size)
{
    Shape shape;
    if (!shape_parse(&shape, name, error, error_size))
        return false;
    *problem = shape_problem(&shape);
    return true;
}

static bool takes(const Pack *pack, size_t index, const char *shape)
{
    AttnProblem problem;
    AttnPlan *plan = NULL;
    char error[400];
    if (pack->v1->kernel(index)->linear || !problem_of(shape, &problem, error, sizeof error) ||
        pack_plan(pack->v1, index, &problem, 1, &plan) != ATTN_OK)
        return false;
    pack->v1->destroy(plan);
    return true;
}

static const char *choice(const Pack *pack, const char *shape, const AttnOptions *options, char *why, size_t size)
{
    AttnProblem problem;
    return problem_of(shape, &problem, why, size) ? pack_choice(pack, &problem, options) : NULL;
}

/* Tensors may share an arena (interleaved q, k and v), so each pointer follows the arena that it points into. */
static bool move_tensors(Data *data, uint64_t offsets)
{
    AttnTensors *t = &data->tensors;
    const void **const inputs[] = {&t->q, &t->k, &t->v, &t->mask, &t->k_past, &t->v_past};
    void *writable[] = {t->o, t->lse, t->scores};
    const void *bias = t->bias;
    enum { INPUTS = sizeof inputs / sizeof *inputs, WRITABLE = sizeof writable / sizeof *writable };
    for (size_t a = DATA_Q; a <= DATA_V_PAST; a++) {
        Arena *arena = &data->arena[a];
        const char *low = arena->at, *high = low + arena->bytes;
        ptrdiff_t by;
        if (arena->bytes == 0)
            continue;
        if (!offsets_move(arena, offsets, a, &by))
            return false;
        for (size_t i = 0; i < INPUTS; i++)
            if ((const char *)*inputs[i] >= low && (const char *)*inputs[i] < high)
                *inputs[i] = (const char *)*inputs[i] + by;
        for (size_t i = 0; i < WRITABLE; i++)
            if ((char *)writable[i] >= low && (char *)writable[i] < high)
                writable[i] = (char *)writable[i] + by;
        if ((const char *)bias >= low && (const char *)bias < high)
            bias = (const char *)bias + by;
    }
    t->o = writable[0];
    t->lse = writable[1];
    t->scores = writable[2];
    t->bias = bias;
    return true;
}

static void *open_case(const char *name, size_t threads, uint64_t seed, uint64_t offsets, char *error, size_t error_size)
{
    VerifyCase c = {.dist = DIST_NORMAL, .seed = seed, .fence = FENCE_NONE, .threads = threads};
    if (!shape_parse(&c.shape, name, error, error_size))
        return NULL;
    Data *data = calloc(1, sizeof *data);
    if (!data) {
        snprintf(error, error_size, "no memory for the operands of %s", name);
        return NULL;
    }
    if (!case_data(data, &c, error, error_size)) {
        free(data);
        return NULL;
    }
    if (move_tensors(data, offsets))
        return data;
    snprintf(error, error_size, "no memory for the operands of %s", name);
    data_free(data);
    free(data);
    return NULL;
}

static void close_case(void *operands)
{
    data_free(operands);
    free(operands);
}

static bool ready(Rival *rival, uint64_t offsets, char *error, size_t error_size)
{
    const AttnPackV1 *v1 = rival->v1;
    RivalCase *on = rival->on;
    const Data *data = on->operands;
    if (v1->kernel(rival->index)->linear) {
        snprintf(error, error_size, "computes a matrix product, not attention");
        return false;
    }
    if (pack_plan(v1, rival->index, &data->problem, on->threads, &rival->plan) != ATTN_OK) {
        snprintf(error, error_size, "%s", v1->last_error());
        return false;
    }
    rival->workspace = v1->workspace(rival->plan);
    if (rival->workspace > on->workspace.bytes) {
        fence_unmap(&on->workspace);
        if (!offsets_map(&on->workspace, rival->workspace, offsets, 101)) {
            snprintf(error, error_size, "no memory for a workspace of %zu bytes", rival->workspace);
            return false;
        }
    }
    return true;
}

static void done(Rival *rival)
{
    if (rival->plan)
        rival->v1->destroy(rival->plan);
}

static void call(Rival *rival)
{
    const Data *data = rival->on->operands;
    rival->status = pack_run(rival->v1, rival->plan, &data->tensors, rival->on->workspace.at, rival->workspace);
}

const PackKind pack_kind_sdpa = {.op = &op_sdpa, .takes = takes, .choice = choice, .open = open_case, .close = close_case, .ready = ready,
                                 .done = done, .call = call};
