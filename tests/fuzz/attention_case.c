/* attention_case.c - see attention_case.h. Order: options, lengths, strides and places; attention_fill.c does the rest. */
#include "tests/fuzz/attention_case.h"

enum { WORK_USUAL = 1 << 17, WORK_LARGE = 1 << 20 };

/* ---- Sizes and options ----------------------------------------------------------------------------------------------------------- */

static size_t draw_length(Choices *c)
{
    switch (choose(c, 12)) {
    case 0:
    case 1:
    case 2:
        return (size_t)within(c, 1, 8);
    case 3:
    case 4:
    case 5:
        return (size_t)within(c, 1, 40);
    case 6:
    case 7:
        return (size_t)within(c, 1, 130);
    case 8:
        return (size_t)within(c, 250, 600);
    case 9:
        return 0;
    default:
        return (size_t)within(c, 1, 20);
    }
}

static size_t draw_width(Choices *c)
{
    static const size_t usual[] = {1, 2, 3, 4, 8, 16, 32, 64, 80, 96, 128, 7, 17, 33, 63, 65, 130};
    return maybe(c, 60) ? usual[choose(c, sizeof usual / sizeof *usual)] : (size_t)within(c, 1, 40);
}

static void halve(size_t *n)
{
    *n = (*n + 1) / 2;
}

static void draw_sizes(AttnProblem *p, Choices *c)
{
    const size_t kv_heads = (size_t)within(c, 1, 3), group = maybe(c, 50) ? (size_t)within(c, 1, 5) : 1,
                 batch = maybe(c, 4) ? 0 : (size_t)within(c, 1, 3);
    size_t q_len = draw_length(c), k_len = maybe(c, 30) ? q_len : draw_length(c), d = draw_width(c), dv = maybe(c, 50) ? d : draw_width(c);
    const double most = maybe(c, 10) ? WORK_LARGE : WORK_USUAL;
    if (maybe(c, 6)) {
        q_len = (size_t)within(c, 1, 2); /* keys in parts */
        k_len = (size_t)within(c, 1000, 9000);
    }
    while ((double)(batch * kv_heads * group * q_len * k_len) * (double)(d + dv) > most)
        if (d + dv > 16)
            halve(d > dv ? &d : &dv);
        else
            halve(q_len > k_len || k_len > 1000 ? q_len > 1 ? &q_len : &k_len : &k_len);
    *p = attn_problem(batch, kv_heads * group, kv_heads, q_len, k_len, d, dv);
}

static double draw_scale(Choices *c, double usual)
{
    const double scales[] = {usual, 0.0, 1.0, -usual, -1.0, 0.03, 1e-30, 40.0, 0x1p-126, 1e4};
    return scales[maybe(c, 50) ? choose(c, sizeof scales / sizeof *scales) : 0];
}

static int64_t draw_width_of_window(Choices *c)
{
    switch (choose(c, 5)) {
    case 0:
        return -1;
    case 1:
        return 0;
    case 2:
        return within(c, 0, 10);
    case 3:
        return within(c, 0, 300);
    default:
        return maybe(c, 50) ? (int64_t)ATTN_MAX_SIZE : within(c, 1, 3);
    }
}

static int64_t draw_offset(Choices *c, const AttnProblem *p)
{
    static const int64_t far[] = {INT64_C(1) << 30, -(INT64_C(1) << 30), 100000, -100000};
    const int64_t most = (int64_t)(p->k_len + p->q_len) + 3;
    return maybe(c, 8) ? far[choose(c, 4)] : within(c, -most, most);
}

static void draw_options(AttnProblem *p, Choices *c)
{
    static const double caps[] = {5.0, 0.5, 30.0, 1.0, 50.0, 0x1p-60, 0x1p60};
    p->scale = draw_scale(c, p->scale);
    p->score = maybe(c, 35) ? (AttnScore)choose(c, 3) : ATTN_SCORE_DOT;
    p->causal = maybe(c, 40);
    p->window = maybe(c, 25);
    if (p->window) {
        p->window_left = draw_width_of_window(c);
        p->window_right = draw_width_of_window(c);
    }
    p->softcap = maybe(c, 20) ? caps[choose(c, sizeof caps / sizeof *caps)] : 0.0;
    p->alibi = maybe(c, 20);
    p->sinks = maybe(c, 20);
    p->varlen = maybe(c, 20);
    p->kv_lengths = !p->varlen && maybe(c, 25);
    p->past_len = !p->varlen && maybe(c, 20) ? (size_t)within(c, 0, (int64_t)p->k_len) : 0;
    p->align = maybe(c, 60) ? (AttnAlign)choose(c, 4) : ATTN_ALIGN_TOP_LEFT;
    p->offset = p->align == ATTN_ALIGN_OFFSET ? draw_offset(c, p) : 0;
    if (maybe(c, 25))
        p->mask.dtype = ATTN_BOOL;
    if (maybe(c, 25))
        p->bias.dtype = ATTN_F32;
    if (maybe(c, 40))
        p->lse.dtype = ATTN_F32;
    if (!p->varlen && maybe(c, 30)) {
        p->scores.dtype = ATTN_F32;
        p->scores_stage = (AttnStage)choose(c, 4);
    }
}

/* ---- Numbers of entries ---------------------------------------------------------------------------------------------------------- */

static int64_t *integers(AttentionCase *x, Choices *c, const char *name, size_t n)
{
    return (int64_t *)(void *)rooms_add(&x->rooms, c, name, n * sizeof(int64_t), 0)->at;
}

static const int64_t *draw_cumulative(AttentionCase *x, Choices *c, const char *name, size_t longest)
{
    int64_t *cu = integers(x, c, name, x->p.batch + 1);
    cu[0] = 0;
    for (size_t b = 0; b < x->p.batch; b++)
        cu[b + 1] = cu[b] + (maybe(c, 30) ? (int64_t)longest : within(c, 0, (int64_t)longest));
    return cu;
}

static void draw_entries(AttentionCase *x, Choices *c)
{
    AttnProblem *p = &x->p;
    x->q_rows = p->q_len;
    x->k_rows = p->k_len - p->past_len;
    if (p->varlen) {
        x->t.cu_q = draw_cumulative(x, c, "cu_q", p->q_len);
        x->t.cu_k = draw_cumulative(x, c, "cu_k", p->k_len);
        x->q_rows = (size_t)x->t.cu_q[p->batch];
        x->k_rows = (size_t)x->t.cu_k[p->batch];
    }
    if (p->kv_lengths) {
        int64_t *length = integers(x, c, "kv_lengths", p->batch);
        for (size_t b = 0; b < p->batch; b++)
            length[b] = maybe(c, 30) ? (int64_t)p->k_len : within(c, 0, (int64_t)p->k_len);
        x->t.kv_lengths = length;
    }
    if (p->align == ATTN_ALIGN_OFFSETS) {
        int64_t *offset = integers(x, c, "offsets", p->batch);
        for (size_t b = 0; b < p->batch; b++)
            offset[b] = draw_offset(c, p);
        x->t.offsets = offset;
    }
}

/* ---- Places ---------------------------------------------------------------------------------------------------------------------- */

static AttnLayout layout_of(const Axes *axes)
{
    return (AttnLayout){ATTN_F32, axes->stride[0], axes->stride[1], axes->stride[2]};
}

static Axes axes_of(const AttnLayout *l, size_t batch, size_t heads, size_t rows, size_t width)
{
    return (Axes){{batch, heads, rows, width}, {l->batch, l->head, l->row, 1}};
}

static void *place(AttentionCase *x, Choices *c, const char *name, AttnLayout *l, size_t heads, size_t rows, size_t width, bool output)
{
    Axes axes = {.count = {x->p.varlen ? 1 : x->p.batch, heads, rows, width}};
    axes_draw(&axes, c, (AxesKind){.output = output, .one_batch = x->p.varlen});
    if (x->p.varlen && rows <= 1 && (axes.stride[2] > 1 << 20 || axes.stride[2] < -(1 << 20)))
        axes.stride[2] = (ptrdiff_t)width; /* a plan knows no more than the most rows that there may be */
    *l = layout_of(&axes);
    return rooms_tensor(&x->rooms, c, name, &axes, sizeof(float), output);
}

/* Each row of the buffer holds the heads of q, of k, of v and of o, with a gap: interleaved QKV with room for the result. */
static void place_interleaved(AttentionCase *x, Choices *c)
{
    AttnProblem *p = &x->p;
    const size_t gap = choose(c, 4), q = p->q_heads * p->d, k = p->kv_heads * p->d, v = p->kv_heads * p->dv, o = p->q_heads * p->dv;
    const bool with_o = maybe(c, 60);
    const size_t row = q + k + v + (with_o ? o : 0) + gap, batch = p->varlen ? 1 : p->batch;
    const ptrdiff_t apart = p->varlen ? 0 : (ptrdiff_t)(row * x->q_rows);
    Room *room = rooms_add(&x->rooms, c, "packed q, k, v, o", batch * row * x->q_rows * sizeof(float), 0xff);
    float *at = (float *)(void *)room->at;
    p->q = (AttnLayout){ATTN_F32, apart, (ptrdiff_t)p->d, (ptrdiff_t)row};
    p->k = p->q;
    p->v = p->o = (AttnLayout){ATTN_F32, apart, (ptrdiff_t)p->dv, (ptrdiff_t)row};
    x->t.q = at;
    x->t.k = at + q;
    x->t.v = at + q + k;
    x->arrangement = with_o ? "packed with o" : "packed";
    if (with_o) {
        const Axes axes = axes_of(&p->o, batch, p->q_heads, x->q_rows, p->dv);
        x->t.o = at + q + k + v;
        room_output(room, x->t.o, &axes, sizeof(float));
    } else
        x->t.o = place(x, c, "o", &p->o, p->q_heads, x->q_rows, p->dv, true);
}

/* One cache, of which the past is the beginning. */
static void place_cache(AttentionCase *x, Choices *c)
{
    AttnProblem *p = &x->p;
    const void *k = place(x, c, "k cache", &p->k, p->kv_heads, p->k_len, p->d, false);
    const void *v = place(x, c, "v cache", &p->v, p->kv_heads, p->k_len, p->dv, false);
    p->k_past = p->k;
    p->v_past = p->v;
    x->t.k_past = k;
    x->t.v_past = v;
    x->t.k = x->k_rows > 0 && k ? (const float *)k + (ptrdiff_t)p->past_len * p->k.row : NULL;
    x->t.v = x->k_rows > 0 && v ? (const float *)v + (ptrdiff_t)p->past_len * p->v.row : NULL;
    x->arrangement = "one cache";
}

static void place_tensors(AttentionCase *x, Choices *c)
{
    AttnProblem *p = &x->p;
    const size_t how = choose(c, 10);
    x->arrangement = "apart";
    const bool rows = x->q_rows > 0 && x->k_rows > 0 && p->batch > 0;
    if (how >= 6 && rows && p->past_len == 0 && x->q_rows == x->k_rows) {
        place_interleaved(x, c);
        return;
    }
    x->t.q = place(x, c, "q", &p->q, p->q_heads, x->q_rows, p->d, false);
    x->t.o = place(x, c, "o", &p->o, p->q_heads, x->q_rows, p->dv, true);
    if (p->past_len > 1 && x->k_rows > 1 && how >= 4) { /* strides of one row may be anything, those of a whole cache may not */
        place_cache(x, c);
        return;
    }
    x->t.k = place(x, c, "k", &p->k, p->kv_heads, x->k_rows, p->d, false);
    if (how == 5 && p->dv <= p->d) {
        p->v = p->k;
        x->t.v = x->t.k;
        x->arrangement = "v within k";
    } else
        x->t.v = place(x, c, "v", &p->v, p->kv_heads, x->k_rows, p->dv, false);
    if (p->past_len > 0) {
        x->t.k_past = place(x, c, "k_past", &p->k_past, p->kv_heads, p->past_len, p->d, false);
        x->t.v_past = place(x, c, "v_past", &p->v_past, p->kv_heads, p->past_len, p->dv, false);
    }
}

static void *place_scores(AttentionCase *x, Choices *c, const char *name, AttnScoreLayout *l, size_t element, bool output)
{
    if (l->dtype == ATTN_NONE)
        return NULL;
    Axes axes = {.count = {x->p.batch, x->p.q_heads, x->p.q_len, x->p.k_len}};
    axes_draw(&axes, c, (AxesKind){.output = output, .column = true});
    l->batch = axes.stride[0];
    l->head = axes.stride[1];
    l->row = axes.stride[2];
    l->col = axes.stride[3];
    return rooms_tensor(&x->rooms, c, name, &axes, element, output);
}

/* ---- A case ---------------------------------------------------------------------------------------------------------------------- */

void attention_decode(AttentionCase *x, Choices *c)
{
    memset(x, 0, sizeof *x);
    draw_sizes(&x->p, c);
    draw_options(&x->p, c);
    x->t = attn_tensors(NULL, NULL, NULL, NULL);
    x->poison = "";
    draw_entries(x, c);
    place_tensors(x, c);
    if (x->p.lse.dtype != ATTN_NONE)
        x->t.lse = place(x, c, "lse", &x->p.lse, x->p.q_heads, x->q_rows, 1, true);
    x->t.scores = place_scores(x, c, "scores", &x->p.scores, sizeof(float), true);
    x->t.mask = place_scores(x, c, "mask", &x->p.mask, 1, false);
    x->t.bias = place_scores(x, c, "bias", &x->p.bias, sizeof(float), false);
    attention_fill(x, c);
    rooms_remember(&x->rooms);
}

void attention_free(AttentionCase *x)
{
    rooms_free(&x->rooms);
}
