/* mha_plan.c - one shape on one set of weights: the problem of the attention inside, and the layout of the workspace.
 *
 * The attention inside reads q, k and v where the projections left them (or the cache), and writes its heads where the output projection
 * reads them (or to y). Only options that SDPA does not have cost more: a key mask together with a mask, and extra rows (bias_k,
 * zero_attn), to which no structural option applies, so that structure becomes a mask of bytes. */
#include "dispatch/mha.h"

#include <inttypes.h>
#include <stdlib.h>

#include "dispatch/error.h"
#include "dispatch/mha_views.h"
#include "dispatch/problem.h"
#include "dispatch/structs.h"
#include "dispatch/threads.h"
#include "kernels/scratch.h"

/* ---- Workspace ------------------------------------------------------------------------------------------------------------------- */

/* Room for [a][b][c][d] elements. */
static void *room(AttnCarve *carve, AttnMhaRooms *rooms, size_t a, size_t b, size_t c, size_t d, size_t element)
{
    const size_t factor[] = {a, b, c, d, element};
    size_t bytes = 1;
    for (size_t i = 0; i < sizeof factor / sizeof *factor; i++)
        if (__builtin_mul_overflow(bytes, factor[i], &bytes) || bytes > PTRDIFF_MAX / 32)
            bytes = rooms->overflow = true;
    return attn_carve(carve, bytes, 1);
}

static AttnPlace rows_room(AttnCarve *carve, AttnMhaRooms *rooms, size_t batch, size_t rows, size_t width)
{
    return (AttnPlace){room(carve, rooms, batch, rows, width, 1, sizeof(float)), (ptrdiff_t)(rows * width), (ptrdiff_t)width};
}

/* Columns of `place` from `first` on. */
static AttnPlace columns(AttnPlace place, size_t first)
{
    if (place.at)
        place.at += first;
    return place;
}

AttnMhaRooms attn_mha_rooms(const AttnMhaPlan *plan, void *workspace)
{
    const AttnMha *mha = plan->mha;
    const AttnMhaShape *s = &plan->s;
    const AttnScoreLayout *mask = &plan->problem.mask, *bias = &plan->problem.bias;
    AttnMhaRooms r = {0};
    AttnCarve carve = {.base = workspace};
    if (mha->c.norm == ATTN_NORM_PRE)
        r.normed = rows_room(&carve, &r, s->batch, s->q_len, mha->c.embed);
    for (size_t i = 0; i < mha->inputs; i++) {
        const size_t rows = i == 0 ? s->q_len + (mha->inputs == 1 ? mha->extras : 0) : s->k_len + mha->extras;
        r.in[i] = rows_room(&carve, &r, s->batch, rows, mha->in[i].outputs);
    }
    const size_t before_k = mha->inputs == 1 ? mha->q_width : 0, before_v = mha->inputs == 3 ? 0 : before_k + mha->k_width;
    r.q = r.in[0];
    r.k = columns(r.in[mha->inputs == 1 ? 0 : 1], before_k);
    r.v = columns(r.in[mha->inputs - 1], before_v);
    if (mha->c.output)
        r.o = rows_room(&carve, &r, s->batch, s->q_len, mha->o_width);
    if (plan->build_mask)
        r.mask = room(&carve, &r, s->batch, mask->head ? mha->c.q_heads : 1, mask->row ? s->q_len : 1, plan->keys, 1);
    if (plan->build_bias)
        r.bias = room(&carve, &r, bias->batch ? s->batch : 1, bias->head ? mha->c.q_heads : 1, bias->row ? s->q_len : 1, plan->keys,
                      sizeof *r.bias);
    if (s->weights == ATTN_MHA_WEIGHTS_MEAN)
        r.scores = room(&carve, &r, s->batch, mha->c.q_heads, s->q_len, plan->keys, sizeof *r.scores);
    if (s->capacity > 0)
        r.lengths = room(&carve, &r, s->batch, 1, 1, 1, sizeof *r.lengths);
    if (plan->attention)
        r.attention = room(&carve, &r, attn_plan_workspace(plan->attention), 1, 1, 1, 1);
    r.bytes = carve.used < 64 ? 64 : carve.used;
    return r;
}

/* ---- Checks ---------------------------------------------------------------------------------------------------------------------- */

static AttnStatus check_sizes(const AttnMha *mha, const AttnMhaShape *s)
{
    const struct {
        const char *name;
        size_t value;
    } size[] = {{"batch", s->batch}, {"q_len", s->q_len}, {"k_len", s->k_len}, {"capacity", s->capacity}};
    for (size_t i = 0; i < sizeof size / sizeof *size; i++)
        if (size[i].value > ATTN_MAX_SIZE)
            return attn_fail(ATTN_ERROR_VALUE, "shape.%s is %zu; allowed: 0 to %zu", size[i].name, size[i].value, ATTN_MAX_SIZE);
    if (mha->c.sources == ATTN_MHA_SELF && s->k_len != s->q_len)
        return attn_fail(ATTN_ERROR_VALUE, "shape.k_len is %zu; allowed with ATTN_MHA_SELF: shape.q_len, which is %zu", s->k_len, s->q_len);
    return ATTN_OK;
}

static AttnStatus check_cache(const AttnMha *mha, const AttnMhaShape *s)
{
    const bool cache = s->capacity > 0;
    const AttnDtype dtype[] = {s->k_cache.dtype, s->v_cache.dtype};
    if (cache && s->k_len > s->capacity)
        return attn_fail(ATTN_ERROR_VALUE, "shape.k_len is %zu; allowed: 0 to shape.capacity, which is %zu", s->k_len, s->capacity);
    for (size_t i = 0; i < 2; i++)
        if (dtype[i] != (cache ? ATTN_F32 : ATTN_NONE))
            return attn_fail(ATTN_ERROR_VALUE, "shape.%s_cache.dtype is %d; allowed: %s", i ? "v" : "k", (int)dtype[i],
                             cache ? "ATTN_F32 (1)" : "ATTN_NONE (0), because shape.capacity is 0");
    if (!cache)
        return ATTN_OK;
    if (s->align != ATTN_ALIGN_TOP_LEFT || s->offset != 0)
        return attn_fail(ATTN_ERROR_VALUE, "shape.align is %d and shape.offset %" PRId64 "; allowed with a cache: 0, past[b] is the offset",
                         (int)s->align, s->offset);
    if (s->kv_lengths)
        return attn_fail(ATTN_ERROR_VALUE, "shape.kv_lengths is true; allowed with a cache: false, the lengths are past[b] + k_len");
    if (mha->extras > 0)
        return attn_fail(ATTN_ERROR_VALUE,
                         "shape.capacity is %zu; allowed with bias_k or zero_attn: 0, a cache has no place for their rows", s->capacity);
    return ATTN_OK;
}

static AttnStatus check_positions(const AttnMhaConfig *c, const AttnMhaShape *s)
{
    const int64_t most = (int64_t)ATTN_MAX_SIZE, first[] = {s->q_position, s->k_position};
    if (s->positions && c->rope == ATTN_ROPE_NONE)
        return attn_fail(ATTN_ERROR_VALUE, "shape.positions is true, but config.rope is ATTN_ROPE_NONE; allowed: false");
    for (size_t i = 0; i < 2; i++) {
        const char *why = c->rope == ATTN_ROPE_NONE               ? "config.rope is ATTN_ROPE_NONE"
                          : s->positions                          ? "shape.positions gives each"
                          : i == 1 && c->sources == ATTN_MHA_SELF ? "q_position is for both with ATTN_MHA_SELF"
                                                                  : NULL;
        if (why && first[i] != 0)
            return attn_fail(ATTN_ERROR_VALUE, "shape.%s_position is %" PRId64 ", but %s; allowed: 0", i ? "k" : "q", first[i], why);
        if (first[i] < -most || first[i] > most)
            return attn_fail(ATTN_ERROR_VALUE, "shape.%s_position is %" PRId64 "; allowed: %" PRId64 " to %" PRId64, i ? "k" : "q",
                             first[i], -most, most);
    }
    return ATTN_OK;
}

static AttnStatus check_options(const AttnMha *mha, const AttnMhaShape *s)
{
    if ((unsigned)s->weights > ATTN_MHA_WEIGHTS_HEADS)
        return attn_fail(ATTN_ERROR_VALUE, "shape.weights is %d; allowed: 0 to %d, one of ATTN_MHA_WEIGHTS_*", (int)s->weights,
                         ATTN_MHA_WEIGHTS_HEADS);
    if (s->weights != ATTN_MHA_WEIGHTS_HEADS && s->weights_head != 0)
        return attn_fail(ATTN_ERROR_VALUE, "shape.weights_head is %td; allowed: 0 unless shape.weights is ATTN_MHA_WEIGHTS_HEADS",
                         s->weights_head);
    if (s->weights == ATTN_MHA_WEIGHTS_NONE && (s->weights_batch != 0 || s->weights_row != 0))
        return attn_fail(ATTN_ERROR_VALUE,
                         "shape.weights_batch is %td and shape.weights_row %td, but shape.weights is "
                         "ATTN_MHA_WEIGHTS_NONE; allowed: 0",
                         s->weights_batch, s->weights_row);
    if (!s->key_mask && s->key_mask_batch != 0)
        return attn_fail(ATTN_ERROR_VALUE, "shape.key_mask_batch is %td, but shape.key_mask is false; allowed: 0", s->key_mask_batch);
    if (s->alibi && mha->extras > 0)
        return attn_fail(ATTN_ERROR_VALUE, "shape.alibi is true; allowed with bias_k or zero_attn: false, their rows have no place");
    return check_positions(&mha->c, s);
}

static AttnStatus check_views(const AttnMhaPlan *plan)
{
    AttnView view[MHA_VIEWS];
    AttnStatus status = ATTN_OK;
    attn_mha_views(plan, view);
    for (size_t i = 0; i < MHA_VIEWS && status == ATTN_OK; i++)
        if (view[i].element > 0)
            status = attn_view_check_addresses("shape", &view[i], i != MHA_MASK && i != MHA_BIAS && i != MHA_KEY_MASK);
    for (size_t i = 0; i < MHA_OUTPUTS && status == ATTN_OK; i++)
        if (view[i].element > 0)
            status = attn_view_check_distinct("shape", &view[i]);
    return status;
}

/* Strides that nothing steps along become 0. */
static void settle_layouts(AttnMhaPlan *plan)
{
    AttnMhaShape *s = &plan->s;
    const size_t heads = s->weights == ATTN_MHA_WEIGHTS_HEADS ? plan->mha->c.q_heads : 1;
    AttnLayout weights = {ATTN_F32, s->weights_batch, s->weights_head, s->weights_row};
    AttnRows key_mask = {s->key_mask_batch, 0};
    attn_rows_settle(&s->xq, s->batch, s->q_len);
    attn_rows_settle(&s->xk, s->batch, s->k_len);
    attn_rows_settle(&s->xv, s->batch, s->k_len);
    attn_rows_settle(&s->y, s->batch, s->q_len);
    attn_layout_settle(&s->k_cache, s->batch, plan->mha->c.kv_heads, s->capacity);
    attn_layout_settle(&s->v_cache, s->batch, plan->mha->c.kv_heads, s->capacity);
    attn_layout_settle(&weights, s->batch, heads, plan->keys > 0 ? s->q_len : 0);
    attn_rows_settle(&key_mask, s->batch, plan->stated.k_len > 0);
    s->weights_batch = weights.batch;
    s->weights_head = weights.head;
    s->weights_row = weights.row;
    s->key_mask_batch = key_mask.batch;
}

/* ---- Problem --------------------------------------------------------------------------------------------------------------------- */

static AttnLayout heads_of(AttnPlace place, size_t width)
{
    return (AttnLayout){ATTN_F32, place.batch, (ptrdiff_t)width, place.row};
}

/* The caller's options over the keys that the caller knows. */
static void state_problem(AttnMhaPlan *plan)
{
    const AttnMhaConfig *c = &plan->mha->c;
    const AttnMhaShape *s = &plan->s;
    const bool cache = s->capacity > 0;
    const AttnMhaRooms r = attn_mha_rooms(plan, NULL);
    AttnProblem p = attn_problem(s->batch, c->q_heads, c->kv_heads, s->q_len, cache ? s->capacity : s->k_len, c->d, c->dv);
    p.q = heads_of(r.q, c->d);
    p.k = cache ? s->k_cache : heads_of(r.k, c->d);
    p.v = cache ? s->v_cache : heads_of(r.v, c->dv);
    p.o = heads_of(c->output ? r.o : (AttnPlace){NULL, s->y.batch, s->y.row}, c->dv);
    p.scale = s->scale;
    p.mask = s->mask;
    p.bias = s->bias;
    p.causal = s->causal;
    p.align = cache ? ATTN_ALIGN_OFFSETS : s->align;
    p.offset = s->offset;
    p.window = s->window;
    p.window_left = s->window_left;
    p.window_right = s->window_right;
    p.softcap = s->softcap;
    p.alibi = s->alibi;
    p.sinks = s->sinks;
    p.kv_lengths = cache || s->kv_lengths;
    plan->stated = p;
}

/* From stated to what is solved: extra rows, one mask, weights out. */
static void derive_problem(AttnMhaPlan *plan)
{
    const AttnMhaShape *s = &plan->s;
    const AttnProblem *stated = &plan->stated;
    const bool mask = stated->mask.dtype != ATTN_NONE, bias = stated->bias.dtype != ATTN_NONE, extras = plan->mha->extras > 0;
    AttnProblem p = *stated;
    const ptrdiff_t keys = (ptrdiff_t)plan->keys, matrix = (ptrdiff_t)(p.q_len * plan->keys);
    p.k_len = plan->keys;
    plan->fold = extras && (p.causal || p.window || p.kv_lengths);
    plan->build_mask = plan->fold || (extras && (mask || s->key_mask)) || (mask && s->key_mask);
    plan->build_bias = extras && bias;
    if (plan->fold) {
        p.causal = p.window = p.kv_lengths = false;
        p.window_left = p.window_right = p.offset = 0;
        p.align = ATTN_ALIGN_TOP_LEFT;
    }
    if (plan->build_mask) {
        const bool by_row = plan->fold || (mask && s->mask.row != 0), by_head = mask && s->mask.head != 0;
        const ptrdiff_t head = by_row ? matrix : keys;
        p.mask = (AttnScoreLayout){ATTN_BOOL, by_head ? head * (ptrdiff_t)p.q_heads : head, by_head ? head : 0, by_row ? keys : 0, 1};
    } else if (s->key_mask) {
        p.mask = (AttnScoreLayout){ATTN_BOOL, s->key_mask_batch, 0, 0, 1};
    }
    if (plan->build_bias) {
        const ptrdiff_t head = s->bias.row != 0 ? matrix : keys, batch = s->bias.head != 0 ? head * (ptrdiff_t)p.q_heads : head;
        p.bias = (AttnScoreLayout){ATTN_F32, s->bias.batch != 0 ? batch : 0, s->bias.head != 0 ? head : 0, s->bias.row != 0 ? keys : 0, 1};
    }
    if (s->weights == ATTN_MHA_WEIGHTS_HEADS)
        p.scores = (AttnScoreLayout){ATTN_F32, s->weights_batch, s->weights_head, s->weights_row, 1};
    else if (s->weights == ATTN_MHA_WEIGHTS_MEAN)
        p.scores = (AttnScoreLayout){ATTN_F32, matrix * (ptrdiff_t)p.q_heads, matrix, keys, 1};
    p.scores_stage = s->weights != ATTN_MHA_WEIGHTS_NONE ? ATTN_STAGE_WEIGHTS : ATTN_STAGE_RAW;
    plan->problem = p;
}

/* ---- Create ---------------------------------------------------------------------------------------------------------------------- */

static AttnStatus make_problem(AttnMhaPlan *plan)
{
    const AttnMha *mha = plan->mha;
    const AttnMhaShape *s = &plan->s;
    AttnProblem copy;
    AttnStatus status = check_sizes(mha, s);
    if (status == ATTN_OK)
        status = check_cache(mha, s);
    if (status == ATTN_OK)
        status = check_options(mha, s);
    if (status != ATTN_OK)
        return status;
    plan->keys = s->capacity > 0 ? s->capacity : s->k_len + mha->extras;
    /* The products of sizes that make strides may not wrap around, signed as they are. */
    size_t most = 4;
    for (size_t i = 0; i < 4; i++)
        if (__builtin_mul_overflow(most, (const size_t[]){s->batch + 1, mha->c.q_heads, s->q_len + 1, plan->keys + 1}[i], &most) ||
            most > PTRDIFF_MAX / 32)
            return attn_fail(ATTN_ERROR_OVERFLOW,
                             "shape.batch %zu, q_len %zu and %zu keys under %zu heads overflow; allowed: scores of at most "
                             "%td bytes",
                             s->batch, s->q_len, plan->keys, mha->c.q_heads, PTRDIFF_MAX / 32);
    state_problem(plan);
    status = attn_problem_read(&plan->stated, &copy);
    if (status == ATTN_OK)
        status = check_views(plan);
    if (status != ATTN_OK)
        return status;
    settle_layouts(plan);
    derive_problem(plan);
    if (attn_mha_rooms(plan, NULL).overflow)
        return attn_fail(ATTN_ERROR_OVERFLOW,
                         "the workspace for shape.batch %zu, q_len %zu, k_len %zu overflows; allowed: parts of it of at most %td bytes",
                         s->batch, s->q_len, s->k_len, PTRDIFF_MAX / 32);
    return ATTN_OK;
}

static AttnStatus fill_plan(AttnMhaPlan *plan, const AttnOptions *options)
{
    const AttnMhaConfig *c = &plan->mha->c;
    AttnStatus status = make_problem(plan);
    if (status == ATTN_OK)
        status = attn_settings_read_environment(options, &plan->settings);
    if (status == ATTN_OK)
        status = attn_plan_create(&plan->problem, options, &plan->attention);
    if (status != ATTN_OK)
        return status;
    plan->workers = attn_threads_workers(&plan->settings);
    if (c->rope != ATTN_ROPE_NONE) {
        plan->frequency = malloc(c->rope_dims / 2 * sizeof *plan->frequency);
        if (!plan->frequency)
            return attn_fail(ATTN_ERROR_MEMORY, "no memory for %zu rotary frequencies", c->rope_dims / 2);
        attn_rope_frequencies(c->rope_dims, c->rope_base, plan->frequency);
    }
    const AttnMhaRooms rooms = attn_mha_rooms(plan, NULL);
    if (rooms.overflow)
        return attn_fail(ATTN_ERROR_OVERFLOW, "the workspace of %zu workers overflows; allowed: fewer threads", plan->workers);
    plan->workspace = rooms.bytes;
    return ATTN_OK;
}

AttnStatus attn_mha_plan_create(const AttnMha *mha, const AttnMhaShape *shape, const AttnOptions *options, AttnMhaPlan **out)
{
    if (!out)
        return attn_fail(ATTN_ERROR_NULL, "plan is NULL; allowed: the address of a pointer for the result");
    *out = NULL;
    if (!mha)
        return attn_fail(ATTN_ERROR_NULL, "mha is NULL; allowed: one made by attn_mha_create");
    AttnMhaPlan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return attn_fail(ATTN_ERROR_MEMORY, "no memory for a plan of %zu bytes", sizeof *plan);
    plan->mha = mha;
    AttnStatus status = attn_struct_read(&attn_struct_mha_shape, shape, &plan->s);
    if (status == ATTN_OK)
        status = fill_plan(plan, options);
    if (status != ATTN_OK) {
        attn_mha_plan_destroy(plan);
        return status;
    }
    *out = plan;
    return ATTN_OK;
}

void attn_mha_plan_destroy(AttnMhaPlan *plan)
{
    if (!plan)
        return;
    attn_plan_destroy(plan->attention);
    free(plan->frequency);
    free(plan);
}

size_t attn_mha_plan_workspace(const AttnMhaPlan *plan)
{
    return plan->workspace;
}

const AttnPlan *attn_mha_plan_attention(const AttnMhaPlan *plan)
{
    return plan->attention;
}
