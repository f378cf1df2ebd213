/* mha_cache.c - the caller's cache of keys and values: checks that there is room, and appends the new rows. */
#include "dispatch/mha.h"

#include <inttypes.h>

#include "dispatch/error.h"
#include "dispatch/threads.h"

AttnStatus attn_mha_check_cache(const AttnMhaPlan *plan, const AttnMhaTensors *t, int64_t *lengths)
{
    const AttnMhaShape *s = &plan->s;
    const int64_t most = (int64_t)(s->capacity - s->k_len);
    for (size_t b = 0; b < s->batch; b++) {
        if (t->past[b] < 0 || t->past[b] > most)
            return attn_fail(ATTN_ERROR_VALUE,
                             "tensors.past[%zu] is %" PRId64 "; allowed: 0 to %" PRId64
                             ", for shape.k_len, which is %zu, more rows shall fit "
                             "shape.capacity, which is %zu",
                             b, t->past[b], most, s->k_len, s->capacity);
        lengths[b] = t->past[b] + (int64_t)s->k_len;
    }
    return ATTN_OK;
}

typedef struct Append {
    const AttnMhaPlan *plan;
    const AttnMhaTensors *t;
    const AttnMhaRooms *rooms;
} Append;

static void append_row(const AttnLayout *cache, float *to, size_t b, int64_t row, const AttnPlace *from, size_t j, size_t heads,
                       size_t width)
{
    const float *x = from->at + (ptrdiff_t)b * from->batch + (ptrdiff_t)j * from->row;
    for (size_t g = 0; g < heads; g++)
        memcpy(to + (ptrdiff_t)b * cache->batch + (ptrdiff_t)g * cache->head + (ptrdiff_t)row * cache->row, x + g * width,
               width * sizeof *x);
}

static void append_unit(void *context, size_t worker, size_t unit)
{
    const Append *a = context;
    const AttnMhaConfig *c = &a->plan->mha->c;
    const AttnMhaShape *s = &a->plan->s;
    const size_t b = unit / s->k_len, j = unit % s->k_len;
    const int64_t row = a->t->past[b] + (int64_t)j;
    (void)worker;
    append_row(&s->k_cache, a->t->k_cache, b, row, &a->rooms->k, j, c->kv_heads, c->d);
    append_row(&s->v_cache, a->t->v_cache, b, row, &a->rooms->v, j, c->kv_heads, c->dv);
}

void attn_mha_append(const AttnMhaPlan *plan, const AttnMhaTensors *t, const AttnMhaRooms *rooms)
{
    Append append = {plan, t, rooms};
    const AttnPhase rows = {.items = plan->s.batch * plan->s.k_len, .item = append_unit};
    attn_threads_run(plan->settings.parallel_for, plan->settings.parallel_context, plan->workers, &rows, &append);
}
