/* rival.c - operands at drawn offsets, plans and packed weights of packs' kernels, one call. */
#include "harness/base/random.h"
#include "harness/regress/rival.h"

#include <stdio.h>
#include <string.h>

#include "harness/base/fence.h"

enum { LINES = 64, LINE = 64 }; /* an arena may be moved by so many lines, a page in all */

/* Move an arena to new pages, `offsets`-th line of them; its contents come along, canaries do not. The distance is what pointers into it
 * have to be moved by. */
static bool move(Arena *arena, uint64_t offsets, uint64_t which, ptrdiff_t *distance)
{
    Arena fresh = {0};
    *distance = 0;
    if (offsets == 0 || !arena->base)
        return true;
    if (!fence_map(&fresh, arena->bytes + LINES * LINE, FENCE_NONE, 0))
        return false;
    fresh.at = (char *)fresh.at + LINE * (random_bits(offsets, which) % LINES);
    fresh.bytes = arena->bytes;
    memcpy(fresh.at, arena->at, arena->bytes);
    *distance = (char *)fresh.at - (char *)arena->at;
    fence_unmap(arena);
    *arena = fresh;
    return true;
}

/* Tensors may share an arena (packed q, k and v), so each pointer follows the arena that it points into. */
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
        if (!move(arena, offsets, a, &by))
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

static bool open_product(RivalCase *on, const char *word, uint64_t seed, uint64_t offsets, char *error, size_t error_size)
{
    LinearShape s;
    if (!linear_shape_parse(&s, word, error, error_size))
        return false;
    const LinearCase c = {.rows = s.rows, .inputs = s.inputs, .outputs = s.outputs, .bias = true, .fill = LINEAR_NORMAL, .seed = seed,
                          .fence = FENCE_NONE, .threads = on->threads};
    ptrdiff_t by;
    bool ok = linear_data_make(&on->product, &c);
    Arena *const arenas[] = {&on->product.x, &on->product.w, &on->product.bias, &on->product.y};
    for (size_t i = 0; ok && i < sizeof arenas / sizeof *arenas; i++)
        ok = move(arenas[i], offsets, i, &by);
    if (!ok)
        snprintf(error, error_size, "no memory for the operands of %s", word);
    return ok;
}

bool rival_case_open(RivalCase *on, const char *word, size_t threads, uint64_t seed, uint64_t offsets, char *error, size_t error_size)
{
    memset(on, 0, sizeof *on);
    on->threads = threads;
    on->linear = strncmp(word, "linear:", 7) == 0;
    if (on->linear)
        return open_product(on, word, seed, offsets, error, error_size);
    VerifyCase c = {.dist = DIST_NORMAL, .seed = seed, .fence = FENCE_NONE, .threads = threads};
    if (!shape_parse(&c.shape, word, error, error_size) || !case_data(&on->data, &c, error, error_size))
        return false;
    if (move_tensors(&on->data, offsets))
        return true;
    snprintf(error, error_size, "no memory for the operands of %s", word);
    return false;
}

void rival_case_close(RivalCase *on)
{
    fence_unmap(&on->workspace);
    if (on->linear)
        linear_data_free(&on->product);
    else
        data_free(&on->data);
    memset(on, 0, sizeof *on);
}

static bool map_moved(Arena *arena, size_t bytes, uint64_t offsets, uint64_t which)
{
    ptrdiff_t by;
    return fence_map(arena, bytes, FENCE_NONE, 0) && move(arena, offsets, which, &by);
}

bool rival_open(Rival *rival, const Pack *pack, size_t index, RivalCase *on, uint64_t offsets, char *error, size_t error_size)
{
    const AttnPackV1 *v1 = pack->v1;
    *rival = (Rival){.v1 = v1, .index = index, .on = on};
    if ((v1->kernel(index)->linear != 0) != on->linear) {
        snprintf(error, error_size, on->linear ? "computes attention, not a matrix product" : "computes a matrix product, not attention");
        return false;
    }
    if (on->linear) {
        const AttnLinear *l = &on->product.linear;
        const size_t bytes = v1->packed(index, l->inputs, l->outputs);
        if (bytes == 0 || !map_moved(&rival->weights, bytes, offsets, 100)) {
            snprintf(error, error_size, "no memory for packed weights of %zu bytes", bytes);
            return false;
        }
        v1->pack(index, l->inputs, l->outputs, on->product.w.at, (ptrdiff_t)l->inputs, rival->weights.at);
        return true;
    }
    if (pack_plan(v1, index, &on->data.problem, on->threads, &rival->plan) != ATTN_OK) {
        snprintf(error, error_size, "%s", v1->last_error());
        return false;
    }
    rival->workspace = v1->workspace(rival->plan);
    if (rival->workspace > on->workspace.bytes) {
        fence_unmap(&on->workspace);
        if (!map_moved(&on->workspace, rival->workspace, offsets, 101)) {
            snprintf(error, error_size, "no memory for a workspace of %zu bytes", rival->workspace);
            return false;
        }
    }
    return true;
}

void rival_close(Rival *rival)
{
    if (rival->plan)
        rival->v1->destroy(rival->plan);
    fence_unmap(&rival->weights);
    memset(rival, 0, sizeof *rival);
}

void rival_call(Rival *rival)
{
    RivalCase *on = rival->on;
    if (!on->linear) {
        rival->status = pack_run(rival->v1, rival->plan, &on->data.tensors, on->workspace.at, rival->workspace);
        return;
    }
    const AttnLinear *l = &on->product.linear;
    const AttnPackProductV1 p = {.size = sizeof p, .rows = l->rows, .inputs = l->inputs, .outputs = l->outputs, .x_row = l->x_row,
                                 .y_row = l->y_row, .x = on->product.x.at, .bias = on->product.bias.at, .packed = rival->weights.at,
                                 .y = on->product.y.at};
    rival->v1->product(rival->index, &p, on->threads);
}
