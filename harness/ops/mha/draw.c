/* draw.c - see draw.h. */
#include "harness/base/random.h"
#include "harness/ops/mha/draw.h"

static size_t pick(MhaDraw *draw, size_t n)
{
    return (size_t)(random_bits(draw->seed, draw->at++) % n);
}

static bool coin(MhaDraw *draw, size_t one_in)
{
    return pick(draw, one_in) == 0;
}

float *mha_numbers(MhaDraw *draw, size_t n, double scale)
{
    float *x = reference_room(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * random_normal(draw->seed, draw->at++));
    return x;
}

const void *mha_flags(MhaDraw *draw, size_t n, size_t one_in)
{
    uint8_t *x = reference_room(n);
    for (size_t i = 0; i < n; i++)
        x[i] = coin(draw, one_in) ? 0 : (uint8_t)(1 + pick(draw, 255));
    return x;
}

int64_t *mha_integers(MhaDraw *draw, size_t n, int64_t least, size_t values)
{
    int64_t *x = reference_room(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = least + (int64_t)pick(draw, values);
    return x;
}

void mha_draw_weights(MhaCase *x, MhaDraw *draw, bool biases)
{
    const AttnMhaConfig *c = &x->c;
    const size_t q = c->q_heads * c->d, k = c->kv_heads * c->d, v = c->kv_heads * c->dv, o = c->q_heads * c->dv;
    /* One by one: arguments of a call are made in any order. */
    x->w = attn_mha_weights(NULL, NULL, NULL, NULL);
    x->w.wq = mha_numbers(draw, q * c->embed, 1.0 / sqrt((double)c->embed));
    x->w.wk = mha_numbers(draw, k * c->kdim, 1.0 / sqrt((double)c->kdim));
    x->w.wv = mha_numbers(draw, v * c->vdim, 1.0 / sqrt((double)c->vdim));
    x->w.wo = c->output ? mha_numbers(draw, c->embed * o, 1.0 / sqrt((double)o)) : NULL;
    if (biases) {
        x->w.bq = mha_numbers(draw, q, 0.5);
        x->w.bk = coin(draw, 4) ? NULL : mha_numbers(draw, k, 0.5);
        x->w.bv = mha_numbers(draw, v, 0.5);
        x->w.bo = c->output ? mha_numbers(draw, c->embed, 0.5) : NULL;
    }
    if (c->norm != ATTN_NORM_NONE && !coin(draw, 3)) {
        const size_t width = c->norm == ATTN_NORM_PRE || c->output ? c->embed : o;
        x->w.norm_weight = mha_numbers(draw, width, 1.0);
        x->w.norm_bias = mha_numbers(draw, width, 1.0);
    }
}

/* Sources, with gaps between rows and entries where `gap` says so. */
void mha_draw_sources(MhaCase *x, MhaDraw *draw, size_t gap)
{
    const AttnMhaConfig *c = &x->c;
    AttnMhaShape *s = &x->s;
    const size_t width = c->output ? c->embed : c->q_heads * c->dv;
    const struct {
        AttnRows *at;
        size_t rows, width;
    } tensor[] = {{&s->xq, s->q_len, c->embed}, {&s->xk, s->k_len, c->kdim}, {&s->xv, s->k_len, c->vdim}, {&s->y, s->q_len, width}};
    float *data[4];
    for (size_t i = 0; i < 4; i++) {
        tensor[i].at->row = (ptrdiff_t)(tensor[i].width + gap);
        tensor[i].at->batch = (ptrdiff_t)(tensor[i].rows * (tensor[i].width + gap) + gap);
        data[i] = mha_numbers(draw, s->batch * (size_t)tensor[i].at->batch, 1.0);
    }
    x->t =
        attn_mha_tensors(data[0], c->sources == ATTN_MHA_SELF ? NULL : data[1], c->sources == ATTN_MHA_SEPARATE ? data[2] : NULL, data[3]);
}

/* A layout over [B,Hq,Sq,keys] that broadcasts along some axes; *count receives how many elements it reaches. */
static AttnScoreLayout score_layout(MhaDraw *draw, AttnDtype dtype, const MhaCase *x, size_t keys, size_t *count)
{
    const size_t rows = coin(draw, 2) ? x->s.q_len : 1, heads = coin(draw, 2) ? x->c.q_heads : 1, batch = coin(draw, 2) ? x->s.batch : 1;
    *count = batch * heads * rows * keys;
    return (AttnScoreLayout){dtype, batch > 1 ? (ptrdiff_t)(heads * rows * keys) : 0, heads > 1 ? (ptrdiff_t)(rows * keys) : 0,
                             rows > 1 ? (ptrdiff_t)keys : 0, 1};
}

static void draw_options(MhaCase *x, MhaDraw *draw, bool extras)
{
    AttnMhaShape *s = &x->s;
    const bool cache = s->capacity > 0;
    const size_t keys = cache ? s->capacity : s->k_len;
    size_t count;
    s->causal = coin(draw, 3);
    if (!cache && coin(draw, 2)) {
        s->align = (AttnAlign)(1 + pick(draw, 3));
        if (s->align == ATTN_ALIGN_OFFSET)
            s->offset = (int64_t)pick(draw, 9) - 4;
        if (s->align == ATTN_ALIGN_OFFSETS)
            x->t.offsets = mha_integers(draw, s->batch, -3, 9);
    }
    if (coin(draw, 4)) {
        s->window = true;
        s->window_left = (int64_t)pick(draw, 5) - 1;
        s->window_right = (int64_t)pick(draw, 5) - 1;
    }
    if (coin(draw, 5))
        s->softcap = 2.0;
    if (!extras && coin(draw, 5)) {
        s->alibi = true;
        x->t.alibi_slopes = mha_numbers(draw, x->c.q_heads, 0.3);
    }
    if (coin(draw, 5)) {
        s->sinks = true;
        x->t.sinks = mha_numbers(draw, x->c.q_heads, 1.0);
    }
    if (!cache && coin(draw, 4)) {
        s->kv_lengths = true;
        x->t.kv_lengths = mha_integers(draw, s->batch, 0, s->k_len + 1);
    }
    if (coin(draw, 3)) {
        s->mask = score_layout(draw, ATTN_BOOL, x, keys, &count);
        x->t.mask = mha_flags(draw, count, 4);
    }
    if (coin(draw, 3)) {
        s->bias = score_layout(draw, ATTN_F32, x, keys, &count);
        float *bias = mha_numbers(draw, count, 1.0);
        for (size_t i = 0; i < count; i++)
            if (coin(draw, 12))
                bias[i] = -INFINITY;
        x->t.bias = bias;
    }
    if (coin(draw, 3)) {
        s->key_mask = true;
        s->key_mask_batch = (ptrdiff_t)keys + 3;
        x->t.key_mask = mha_flags(draw, s->batch * (keys + 3), 4);
    }
    if (x->c.rope != ATTN_ROPE_NONE && coin(draw, 3)) {
        s->positions = true;
        x->t.q_positions = mha_integers(draw, s->batch * s->q_len, -5, 300);
        if (x->c.sources != ATTN_MHA_SELF)
            x->t.k_positions = mha_integers(draw, s->batch * s->k_len, -5, 300);
    } else if (x->c.rope != ATTN_ROPE_NONE) {
        s->q_position = (int64_t)pick(draw, 1000);
        s->k_position = x->c.sources == ATTN_MHA_SELF ? 0 : (int64_t)pick(draw, 1000);
    }
}

static void draw_cache(MhaCase *x, MhaDraw *draw)
{
    const size_t capacity = x->s.k_len + 1 + pick(draw, 9);
    attn_mha_shape_use_cache(&x->s, &x->c, capacity);
    x->s.k_cache.row += 3;
    x->s.k_cache.head += 3 * (ptrdiff_t)capacity;
    x->s.k_cache.batch = x->s.k_cache.head * (ptrdiff_t)x->c.kv_heads;
    x->t.k_cache = mha_numbers(draw, x->s.batch * (size_t)x->s.k_cache.batch, 1.0);
    x->t.v_cache = mha_numbers(draw, x->s.batch * (size_t)x->s.v_cache.batch, 1.0);
    x->t.past = mha_integers(draw, x->s.batch, 0, capacity - x->s.k_len + 1);
}

void mha_want_weights(MhaCase *x, AttnMhaWeightsOut weights, size_t keys)
{
    attn_mha_shape_want_weights(&x->s, &x->c, weights, keys);
    if (weights != ATTN_MHA_WEIGHTS_NONE)
        x->t.weights = reference_room(x->s.batch * (size_t)x->s.weights_batch * sizeof(float));
}

/* Everything at once: each argument on or off, with every other. */
MhaCase mha_draw_case(uint64_t seed)
{
    MhaDraw at = {seed, 0}, *draw = &at;
    MhaCase x;
    const size_t kv_heads = 1 + pick(draw, 3), heads = kv_heads * (1 + pick(draw, 3));
    memset(&x, 0, sizeof x);
    x.c = attn_mha_config(4 + pick(draw, 30), heads);
    x.c.kv_heads = kv_heads;
    x.c.d = 1 + pick(draw, 9);
    x.c.dv = coin(draw, 2) ? x.c.d : 1 + pick(draw, 9);
    x.c.sources = (AttnMhaSources)pick(draw, 3);
    if (x.c.sources != ATTN_MHA_SELF)
        x.c.kdim = x.c.vdim = 1 + pick(draw, 20);
    if (x.c.sources == ATTN_MHA_SEPARATE)
        x.c.vdim = 1 + pick(draw, 20);
    x.c.output = !coin(draw, 4);
    if (x.c.d >= 2 && coin(draw, 2)) {
        x.c.rope = (AttnRope)(1 + pick(draw, 2));
        x.c.rope_dims = 2 * (1 + pick(draw, x.c.d / 2));
        x.c.rope_base = coin(draw, 2) ? 10000.0 : 500000.0;
    }
    x.c.norm = (AttnNorm)pick(draw, 3);
    x.c.residual = coin(draw, 2) && x.c.output;
    const bool cache = coin(draw, 3);
    x.c.zero_attn = !cache && coin(draw, 4);
    mha_draw_weights(&x, draw, !coin(draw, 4));
    if (!cache && coin(draw, 4)) {
        x.w.bias_k = mha_numbers(draw, kv_heads * x.c.d, 1.0);
        x.w.bias_v = mha_numbers(draw, kv_heads * x.c.dv, 1.0);
    }
    const size_t q_len = 1 + pick(draw, 9), k_len = x.c.sources == ATTN_MHA_SELF ? q_len : pick(draw, 12);
    x.s = attn_mha_shape(&x.c, 1 + pick(draw, 3), q_len, k_len);
    mha_draw_sources(&x, draw, coin(draw, 2) ? 0 : 1 + pick(draw, 5));
    if (cache)
        draw_cache(&x, draw);
    const size_t extras = (size_t)(x.w.bias_k != NULL) + (size_t)x.c.zero_attn;
    draw_options(&x, draw, extras > 0);
    mha_want_weights(&x, (AttnMhaWeightsOut)pick(draw, 3), cache ? x.s.capacity : k_len + extras);
    return x;
}
