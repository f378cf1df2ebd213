/* mha_input.c - see mha_input.h. What no row may look at holds NaN: source rows beyond a length, rows of a cache that are not there yet,
 * gaps, biases of hidden cells. */
#include "tests/fuzz/mha_input.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WORK = 1 << 16 };

/* ---- Configuration --------------------------------------------------------------------------------------------------------------- */

static void draw_config(AttnMhaConfig *k, Choices *c)
{
    static const size_t widths[] = {4, 1, 2, 3, 8, 16, 32, 7, 64, 33};
    static const double bases[] = {10000.0, 500000.0, 1.0, 0.5, 2.0}, eps[] = {1e-5, 1e-12, 0.0, 1.0};
    const size_t kv_heads = (size_t)within(c, 1, 3), heads = kv_heads * (size_t)within(c, 1, 3), d = widths[choose(c, 10)];
    *k = attn_mha_config(heads * d, heads);
    k->kv_heads = kv_heads;
    k->d = d;
    k->dv = maybe(c, 30) ? widths[choose(c, 10)] : d;
    k->sources = (AttnMhaSources)choose(c, 3);
    k->output = !maybe(c, 25);
    k->residual = maybe(c, 30);
    k->norm = (AttnNorm)(maybe(c, 40) ? choose(c, 3) : 0);
    k->norm_eps = eps[maybe(c, 30) ? choose(c, 4) : 0];
    k->zero_attn = maybe(c, 20);
    if (maybe(c, 40))
        k->embed = k->residual && !k->output ? heads * k->dv : (size_t)within(c, 1, 50);
    if (k->residual && !k->output)
        k->embed = heads * k->dv;
    k->kdim = k->vdim = k->embed;
    if (k->sources != ATTN_MHA_SELF && maybe(c, 50))
        k->kdim = k->vdim = (size_t)within(c, 1, 40);
    if (k->sources == ATTN_MHA_SEPARATE && maybe(c, 50))
        k->vdim = (size_t)within(c, 1, 40);
    if (k->d >= 2 && maybe(c, 40)) {
        k->rope = (AttnRope)within(c, 1, 2);
        k->rope_dims = 2 * (size_t)within(c, 1, (int64_t)(k->d / 2));
        k->rope_base = bases[choose(c, 5)];
    }
}

static float *floats(Rooms *rooms, Choices *c, const char *name, size_t n, double size)
{
    float *at = (float *)(void *)rooms_add(rooms, c, name, n * sizeof(float), 0xff)->at;
    for (size_t i = 0; i < n; i++)
        at[i] = (float)(size * number(c));
    return at;
}

static void draw_weights(MhaInput *x, Choices *c)
{
    const AttnMhaConfig *k = &x->c;
    const size_t q = k->q_heads * k->d, keys = k->kv_heads * k->d, values = k->kv_heads * k->dv, heads = k->q_heads * k->dv;
    const size_t width = k->norm == ATTN_NORM_PRE || k->output ? k->embed : heads;
    const double size = maybe(c, 20) ? 3.0 : 1.0;
    x->w = attn_mha_weights(floats(&x->weights, c, "wq", q * k->embed, size / sqrt((double)k->embed)),
                            floats(&x->weights, c, "wk", keys * k->kdim, size / sqrt((double)k->kdim)),
                            floats(&x->weights, c, "wv", values * k->vdim, size / sqrt((double)k->vdim)), NULL);
    if (k->output)
        x->w.wo = floats(&x->weights, c, "wo", k->embed * heads, size / sqrt((double)heads));
    const struct {
        const float **to;
        const char *name;
        size_t n;
        unsigned percent;
    } more[] = {{&x->w.bq, "bq", q, 50},
                {&x->w.bk, "bk", keys, 50},
                {&x->w.bv, "bv", values, 50},
                {&x->w.bo, "bo", k->embed, k->output ? 50 : 0},
                {&x->w.norm_weight, "norm_weight", width, k->norm != ATTN_NORM_NONE ? 70 : 0},
                {&x->w.norm_bias, "norm_bias", width, k->norm != ATTN_NORM_NONE ? 70 : 0}};
    for (size_t n = 0; n < sizeof more / sizeof *more; n++)
        if (more[n].percent > 0 && maybe(c, more[n].percent))
            *more[n].to = floats(&x->weights, c, more[n].name, more[n].n, 1.0);
    if (maybe(c, 25)) {
        x->w.bias_k = floats(&x->weights, c, "bias_k", keys, 1.0);
        x->w.bias_v = floats(&x->weights, c, "bias_v", values, 1.0);
    }
}

/* ---- Shape ----------------------------------------------------------------------------------------------------------------------- */

static size_t draw_length(Choices *c)
{
    switch (choose(c, 8)) {
    case 0:
    case 1:
    case 2:
        return (size_t)within(c, 1, 6);
    case 3:
    case 4:
        return (size_t)within(c, 1, 30);
    case 5:
        return (size_t)within(c, 1, 70);
    case 6:
        return maybe(c, 50) ? 0 : 1;
    default:
        return (size_t)within(c, 1, 300);
    }
}

static int64_t draw_window(Choices *c)
{
    const int64_t widths[] = {-1, 0, within(c, 1, 8), (int64_t)ATTN_MAX_SIZE};
    return widths[choose(c, 4)];
}

static void draw_sizes(MhaInput *x, Choices *c)
{
    const AttnMhaConfig *k = &x->c;
    const bool self = k->sources == ATTN_MHA_SELF, extras = k->zero_attn || x->w.bias_k;
    size_t batch = maybe(c, 5) ? 0 : (size_t)within(c, 1, 3), q_len = draw_length(c), k_len = self ? q_len : draw_length(c);
    while ((double)(batch * k->q_heads * (q_len + 1) * (k_len + 1)) * (double)(k->d + k->dv) > WORK) {
        q_len = (q_len + 1) / 2 < q_len ? (q_len + 1) / 2 : q_len;
        k_len = self ? q_len : k_len / 2;
    }
    x->s = attn_mha_shape(k, batch, q_len, k_len);
    if (!extras && maybe(c, 35)) {
        x->s.capacity = k_len + (size_t)within(c, 0, 40);
        x->s.capacity += x->s.capacity == 0;
    }
}

static void draw_options(MhaInput *x, Choices *c)
{
    static const double caps[] = {5.0, 0.5, 50.0}, scales[] = {1.0, 0.0, -0.5, 3.0};
    AttnMhaShape *s = &x->s;
    const bool extras = x->c.zero_attn || x->w.bias_k, cache = s->capacity > 0, rope = x->c.rope != ATTN_ROPE_NONE;
    if (maybe(c, 25))
        s->scale = scales[choose(c, 4)];
    s->causal = maybe(c, 40);
    s->window = maybe(c, 25);
    if (s->window) {
        s->window_left = draw_window(c);
        s->window_right = draw_window(c);
    }
    s->align = !cache && maybe(c, 50) ? (AttnAlign)choose(c, 4) : ATTN_ALIGN_TOP_LEFT;
    s->offset = s->align == ATTN_ALIGN_OFFSET ? within(c, -20, 40) : 0;
    s->softcap = maybe(c, 20) ? caps[choose(c, 3)] : 0.0;
    s->alibi = !extras && maybe(c, 25);
    s->sinks = maybe(c, 20);
    s->kv_lengths = !cache && maybe(c, 25);
    s->mask.dtype = maybe(c, 30) ? ATTN_BOOL : ATTN_NONE;
    s->bias.dtype = maybe(c, 30) ? ATTN_F32 : ATTN_NONE;
    s->key_mask = maybe(c, 30);
    s->weights = maybe(c, 40) ? (AttnMhaWeightsOut)choose(c, 3) : ATTN_MHA_WEIGHTS_NONE;
    s->positions = rope && maybe(c, 30);
    if (rope && !s->positions) {
        s->q_position = maybe(c, 30) ? within(c, -1000, 100000) : 0;
        s->k_position = x->c.sources != ATTN_MHA_SELF && maybe(c, 30) ? within(c, -1000, 1000) : 0;
    }
}

/* ---- Tensors --------------------------------------------------------------------------------------------------------------------- */

static int64_t *integers(MhaInput *x, Choices *c, const char *name, size_t n, int64_t lo, int64_t hi)
{
    int64_t *at = (int64_t *)(void *)rooms_add(&x->rooms, c, name, n * sizeof(int64_t), 0)->at;
    for (size_t i = 0; i < n; i++)
        at[i] = maybe(c, 20) ? hi : within(c, lo, hi);
    return at;
}

static float *place_rows(MhaInput *x, Choices *c, const char *name, AttnRows *rows, size_t count, size_t width, bool output)
{
    Axes axes = {.count = {x->s.batch, 1, count, width}};
    axes_draw(&axes, c, (AxesKind){.output = output});
    *rows = (AttnRows){axes.stride[0], axes.stride[2]};
    return rooms_tensor(&x->rooms, c, name, &axes, sizeof(float), output);
}

static void *place_cells(MhaInput *x, Choices *c, const char *name, AttnScoreLayout *l, size_t element)
{
    if (l->dtype == ATTN_NONE)
        return NULL;
    Axes axes = {.count = {x->s.batch, x->c.q_heads, x->s.q_len, x->p.k_len}};
    axes_draw(&axes, c, (AxesKind){.column = true});
    l->batch = axes.stride[0];
    l->head = axes.stride[1];
    l->row = axes.stride[2];
    l->col = axes.stride[3];
    return rooms_tensor(&x->rooms, c, name, &axes, element, false);
}

/* A cache holds past rows; the rows behind them are an output, and what follows is nobody's. */
static float *place_cache(MhaInput *x, Choices *c, const char *name, AttnLayout *l, size_t width)
{
    Axes axes = {.count = {x->s.batch, x->c.kv_heads, x->s.capacity, width}}, row = {.count = {1, 1, 1, width}, .stride = {0, 0, 0, 1}};
    axes_draw(&axes, c, (AxesKind){.output = true});
    *l = (AttnLayout){ATTN_F32, axes.stride[0], axes.stride[1], axes.stride[2]};
    float *at = rooms_tensor(&x->rooms, c, name, &axes, sizeof(float), false);
    for (size_t b = 0; b < x->s.batch; b++)
        for (size_t g = 0; g < x->c.kv_heads; g++)
            for (size_t j = 0; j < (size_t)x->t.past[b] + x->s.k_len; j++) {
                float *to = at + axes_at(&axes, b, g, j, 0);
                if (j >= (size_t)x->t.past[b])
                    room_output(&x->rooms.room[x->rooms.count - 1], to, &row, sizeof(float));
                for (size_t n = 0; n < width && j < (size_t)x->t.past[b]; n++)
                    to[n] = (float)number(c);
            }
    return at;
}

static void fill_rows(MhaInput *x, Choices *c, const float *at, AttnRows rows, size_t count, size_t width, bool keys, double size)
{
    for (size_t b = 0; b < x->s.batch; b++)
        for (size_t i = 0; i < count; i++) {
            if (keys && x->s.kv_lengths && i >= (size_t)x->t.kv_lengths[b])
                continue;
            float *row = (float *)(uintptr_t)at + (b > 0 ? (ptrdiff_t)b * rows.batch : 0) + (i > 0 ? (ptrdiff_t)i * rows.row : 0);
            for (size_t n = 0; n < width; n++)
                row[n] = (float)(size * number(c));
        }
}

static void draw_sources(MhaInput *x, Choices *c)
{
    const AttnMhaConfig *k = &x->c;
    AttnMhaShape *s = &x->s;
    const double size = maybe(c, 20) ? 10.0 : 1.0;
    float *xk = NULL, *xv = NULL, *xq = place_rows(x, c, "xq", &s->xq, s->q_len, k->embed, false);
    if (k->sources != ATTN_MHA_SELF)
        xk = place_rows(x, c, "xk", &s->xk, s->k_len, k->kdim, false);
    if (k->sources == ATTN_MHA_SEPARATE)
        xv = place_rows(x, c, "xv", &s->xv, s->k_len, k->vdim, false);
    x->t = attn_mha_tensors(xq, xk, xv, place_rows(x, c, "y", &s->y, s->q_len, k->output ? k->embed : k->q_heads * k->dv, true));
    if (s->kv_lengths)
        x->t.kv_lengths = integers(x, c, "kv_lengths", s->batch, 0, (int64_t)s->k_len);
    fill_rows(x, c, xq, s->xq, s->q_len, k->embed, false, size);
    if (xk)
        fill_rows(x, c, xk, s->xk, s->k_len, k->kdim, true, size);
    if (xv)
        fill_rows(x, c, xv, s->xv, s->k_len, k->vdim, true, size);
}

static void draw_weights_out(MhaInput *x, Choices *c)
{
    AttnMhaShape *s = &x->s;
    const bool heads = s->weights == ATTN_MHA_WEIGHTS_HEADS;
    if (s->weights == ATTN_MHA_WEIGHTS_NONE)
        return;
    Axes axes = {.count = {s->batch, heads ? x->c.q_heads : 1, s->q_len, x->keys}};
    axes_draw(&axes, c, (AxesKind){.output = true});
    s->weights_batch = axes.stride[0];
    s->weights_head = heads ? axes.stride[1] : 0;
    s->weights_row = axes.stride[2];
    x->t.weights = rooms_tensor(&x->rooms, c, "weights", &axes, sizeof(float), true);
}

static void draw_hiders(MhaInput *x, Choices *c)
{
    static const double densities[] = {0.8, 1.0, 0.3, 0.0};
    AttnMhaShape *s = &x->s;
    const double shown = densities[choose(c, 4)], finite = densities[choose(c, 4)];
    if (s->key_mask) {
        const size_t keys = x->p.k_len;
        Axes axes = {.count = {s->batch, 1, 1, keys}};
        axes_draw(&axes, c, (AxesKind){0});
        s->key_mask_batch = axes.stride[0];
        unsigned char *at = rooms_tensor(&x->rooms, c, "key_mask", &axes, 1, false);
        for (size_t b = 0; b < s->batch; b++)
            for (size_t j = 0; j < keys; j++)
                at[axes_at(&axes, b, 0, 0, j)] = portion(c) < shown ? 1 + c->drawn % 255 : 0;
        x->t.key_mask = at;
    }
    unsigned char *mask = place_cells(x, c, "mask", &s->mask, 1);
    float *bias = place_cells(x, c, "bias", &s->bias, sizeof(float));
    x->t.mask = mask;
    x->t.bias = bias;
    x->p = ref_mha_problem(&x->c, s);
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t b = 0; b < s->batch; b++) {
            const RefEntry entry = ref_mha_entry(&x->p, s, &x->t, b);
            for (size_t h = 0; h < x->c.q_heads; h++)
                for (size_t i = 0; i < s->q_len; i++)
                    for (size_t j = 0; j < x->p.k_len; j++)
                        if (pass == 0 && mask)
                            mask[ref_cell(&s->mask, b, h, i, j)] = portion(c) < shown ? 1 + c->drawn % 255 : 0;
                        else if (pass == 1 && bias && ref_mha_visible(&x->p, s, &x->t, &entry, h, i, j))
                            bias[ref_cell(&s->bias, b, h, i, j)] = portion(c) < finite ? (float)number(c) : -INFINITY;
        }
}

void mha_decode(MhaInput *x, Choices *c)
{
    memset(x, 0, sizeof *x);
    draw_config(&x->c, c);
    draw_weights(x, c);
    draw_sizes(x, c);
    draw_options(x, c);
    AttnMhaShape *s = &x->s;
    x->p = ref_mha_problem(&x->c, s);
    x->keys = x->p.k_len + (x->w.bias_k != NULL) + (size_t)x->c.zero_attn;
    draw_sources(x, c);
    if (s->align == ATTN_ALIGN_OFFSETS)
        x->t.offsets = integers(x, c, "offsets", s->batch, -20, 40);
    if (s->positions) {
        x->t.q_positions = integers(x, c, "q_positions", s->batch * s->q_len, -50, 5000);
        if (x->c.sources != ATTN_MHA_SELF)
            x->t.k_positions = integers(x, c, "k_positions", s->batch * s->k_len, -50, 5000);
    }
    if (s->capacity > 0) {
        x->t.past = integers(x, c, "past", s->batch, 0, (int64_t)(s->capacity - s->k_len));
        x->t.k_cache = place_cache(x, c, "k_cache", &s->k_cache, x->c.d);
        x->t.v_cache = place_cache(x, c, "v_cache", &s->v_cache, x->c.dv);
    }
    if (s->alibi)
        x->t.alibi_slopes = floats(&x->rooms, c, "alibi_slopes", x->c.q_heads, 0.3);
    if (s->sinks)
        x->t.sinks = floats(&x->rooms, c, "sinks", x->c.q_heads, 3.0);
    draw_weights_out(x, c);
    draw_hiders(x, c);
    rooms_remember(&x->rooms);
}

void mha_free(MhaInput *x)
{
    rooms_free(&x->rooms);
    rooms_free(&x->weights);
}
