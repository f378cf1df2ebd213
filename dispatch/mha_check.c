/* mha_check.c - do the pointers of a run fit its plan? Everything is checked before the first write, including writes to the cache. */
#include "dispatch/mha_views.h"

#include <inttypes.h>

#include "dispatch/error.h"
#include "dispatch/problem.h"
#include "dispatch/structs.h"

static AttnView rows_view(const char *name, const char *letters, bool wanted, AttnRows at, size_t batch, size_t rows, size_t cols)
{
    return (AttnView){name, letters, wanted ? sizeof(float) : 0, {batch, 1, rows, cols}, {at.batch, 0, at.row, 1}};
}

static AttnView score_view(const char *name, const AttnScoreLayout *l, size_t element, const AttnProblem *p)
{
    return (AttnView){name,
                      "[B,Hq,Sq,keys]",
                      l->dtype != ATTN_NONE ? element : 0,
                      {p->batch, p->q_heads, p->q_len, p->k_len},
                      {l->batch, l->head, l->row, l->col}};
}

static AttnView array_view(const char *name, const char *letters, bool wanted, size_t element, size_t rows, size_t cols)
{
    return (AttnView){name, letters, wanted ? element : 0, {1, 1, rows, cols}, {0, 0, (ptrdiff_t)cols, 1}};
}

static AttnView cache_view(const char *name, const char *letters, const AttnLayout *l, const AttnProblem *p, size_t width)
{
    return (AttnView){
        name, letters, l->dtype != ATTN_NONE ? sizeof(float) : 0, {p->batch, p->kv_heads, p->k_len, width}, {l->batch, l->head, l->row, 1}};
}

void attn_mha_views(const AttnMhaPlan *plan, AttnView view[MHA_VIEWS])
{
    const AttnMhaConfig *c = &plan->mha->c;
    const AttnMhaShape *s = &plan->s;
    const AttnProblem *p = &plan->stated;
    const bool self = c->sources == ATTN_MHA_SELF;
    view[MHA_Y] = rows_view("y", "[B,1,Sq,width]", true, s->y, s->batch, s->q_len, plan->mha->y_width);
    view[MHA_WEIGHTS] = (AttnView){"weights",
                                   "[B,H,Sq,keys]",
                                   s->weights ? sizeof(float) : 0,
                                   {s->batch, s->weights == ATTN_MHA_WEIGHTS_HEADS ? c->q_heads : 1, s->q_len, plan->keys},
                                   {s->weights_batch, s->weights_head, s->weights_row, 1}};
    view[MHA_K_CACHE] = cache_view("k_cache", "[B,Hkv,capacity,d]", &s->k_cache, p, c->d);
    view[MHA_V_CACHE] = cache_view("v_cache", "[B,Hkv,capacity,dv]", &s->v_cache, p, c->dv);
    view[MHA_XQ] = rows_view("xq", "[B,1,Sq,E]", true, s->xq, s->batch, s->q_len, c->embed);
    view[MHA_XK] = rows_view("xk", "[B,1,Sk,kdim]", !self, s->xk, s->batch, s->k_len, c->kdim);
    view[MHA_XV] = rows_view("xv", "[B,1,Sk,vdim]", c->sources == ATTN_MHA_SEPARATE, s->xv, s->batch, s->k_len, c->vdim);
    view[MHA_KEY_MASK] = (AttnView){"key_mask", "[B,1,1,keys]", s->key_mask, {s->batch, 1, 1, p->k_len}, {s->key_mask_batch, 0, 0, 1}};
    view[MHA_MASK] = score_view("mask", &s->mask, 1, p);
    view[MHA_BIAS] = score_view("bias", &s->bias, sizeof(float), p);
    view[MHA_OFFSETS] = array_view("offsets", "[B]", s->align == ATTN_ALIGN_OFFSETS, sizeof(int64_t), 1, s->batch);
    view[MHA_KV_LENGTHS] = array_view("kv_lengths", "[B]", s->kv_lengths, sizeof(int64_t), 1, s->batch);
    view[MHA_SLOPES] = array_view("alibi_slopes", "[Hq]", s->alibi, sizeof(float), 1, c->q_heads);
    view[MHA_SINKS] = array_view("sinks", "[Hq]", s->sinks, sizeof(float), 1, c->q_heads);
    view[MHA_Q_POSITIONS] = array_view("q_positions", "[B,Sq]", s->positions, sizeof(int64_t), s->batch, s->q_len);
    view[MHA_K_POSITIONS] = array_view("k_positions", "[B,Sk]", s->positions && !self, sizeof(int64_t), s->batch, s->k_len);
    view[MHA_PAST] = array_view("past", "[B]", s->capacity > 0, sizeof(int64_t), 1, s->batch);
}

static AttnStatus check_positions(const char *name, const int64_t *position, size_t batch, size_t rows)
{
    const int64_t most = (int64_t)ATTN_MAX_SIZE;
    for (size_t i = 0; position && i < batch * rows; i++)
        if (position[i] < -most || position[i] > most)
            return attn_fail(ATTN_ERROR_VALUE, "tensors.%s[%zu][%zu] is %" PRId64 "; allowed: %" PRId64 " to %" PRId64, name, i / rows,
                             i % rows, position[i], -most, most);
    return ATTN_OK;
}

static AttnStatus check_pointers(const AttnMhaPlan *plan, const AttnMhaTensors *t)
{
    AttnView view[MHA_VIEWS];
    AttnRegion region[MHA_VIEWS];
    const void *const pointer[MHA_VIEWS] = {
        t->y,    t->weights, t->k_cache,    t->v_cache,      t->xq,    t->xk,          t->xv,          t->key_mask, t->mask,
        t->bias, t->offsets, t->kv_lengths, t->alibi_slopes, t->sinks, t->q_positions, t->k_positions, t->past};
    AttnStatus status = ATTN_OK;
    attn_mha_views(plan, view);
    memset(region, 0, sizeof region); /* an absent or empty tensor is an empty region */
    for (size_t i = 0; i < MHA_VIEWS && status == ATTN_OK; i++)
        status = attn_view_check_pointer("shape", &view[i], pointer[i], &region[i]);
    for (size_t output = 0; output < MHA_OUTPUTS && status == ATTN_OK; output++)
        status = attn_view_check_apart(view, region, MHA_VIEWS, output);
    return status;
}

AttnTensors attn_mha_stated(const AttnMhaPlan *plan, const AttnMhaTensors *t, const AttnMhaRooms *rooms)
{
    const bool cache = plan->s.capacity > 0;
    AttnTensors a = attn_tensors(rooms->q.at, cache ? t->k_cache : rooms->k.at, cache ? t->v_cache : rooms->v.at,
                                 plan->mha->c.output ? rooms->o.at : t->y);
    a.mask = t->mask;
    a.bias = t->bias;
    a.offsets = cache ? t->past : t->offsets;
    a.kv_lengths = cache ? rooms->lengths : t->kv_lengths;
    a.alibi_slopes = t->alibi_slopes;
    a.sinks = t->sinks;
    return a;
}

AttnTensors attn_mha_inner(const AttnMhaPlan *plan, const AttnMhaTensors *t, const AttnMhaRooms *rooms)
{
    AttnTensors a = attn_mha_stated(plan, t, rooms);
    if (plan->fold)
        a.offsets = a.kv_lengths = NULL;
    if (plan->build_mask)
        a.mask = rooms->mask;
    else if (plan->s.key_mask)
        a.mask = t->key_mask;
    if (plan->build_bias)
        a.bias = rooms->bias;
    a.scores = plan->s.weights == ATTN_MHA_WEIGHTS_MEAN ? rooms->scores : t->weights;
    return a;
}

AttnStatus attn_mha_check(const AttnMhaPlan *plan, const AttnMhaTensors *tensors, const AttnMhaRooms *rooms, AttnMhaTensors *out)
{
    AttnTensors copy;
    AttnStatus status = attn_struct_read(&attn_struct_mha_tensors, tensors, out);
    if (status == ATTN_OK)
        status = check_pointers(plan, out);
    if (status == ATTN_OK)
        status = check_positions("q_positions", out->q_positions, plan->s.batch, plan->s.q_len);
    if (status == ATTN_OK)
        status = check_positions("k_positions", out->k_positions, plan->s.batch, plan->s.k_len);
    if (status == ATTN_OK && plan->s.capacity > 0)
        status = attn_mha_check_cache(plan, out, rooms->lengths);
    if (status != ATTN_OK)
        return status;
    /* What is left are the numbers that the attention reads: offsets and lengths. */
    const AttnTensors stated = attn_mha_stated(plan, out, rooms);
    return attn_tensors_read(&plan->stated, &stated, &copy);
}
