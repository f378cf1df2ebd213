/* test_extents.c - axes without elements and axes of one element, with every option, through every entrance. What has no elements is NULL
 * or lies at an unmapped page; a stride along which nothing steps is one that no address survives. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatch/cpu.h"
#include "dispatch/plan.h"
#include "dispatch/problem.h"
#include "dispatch/registry.h"
#include "harness/base/fence.h"
#include "harness/base/random.h"
#include "harness/ops/mha/draw.h"

/* ---- Memory and chance ----------------------------------------------------------------------------------------------------------- */

static Arena arenas[32];
static size_t used;

static void release(void)
{
    while (used > 0)
        fence_unmap(&arenas[--used]);
    reference_release();
}

TestSuite(extents, .fini = release);

/* `bytes` that end at an unmapped page; none: NULL, or the address of that page. */
static void *place(size_t bytes, bool null, unsigned char fill)
{
    if (bytes == 0 && null)
        return NULL;
    cr_assert_lt(used, sizeof arenas / sizeof *arenas);
    cr_assert(fence_map(&arenas[used], bytes, FENCE_AFTER, fill));
    return arenas[used++].at;
}

static size_t pick(uint64_t seed, uint64_t *at, size_t n)
{
    return (size_t)(random_bits(seed, (*at)++) >> 16) % n;
}

/* ---- Attention ------------------------------------------------------------------------------------------------------------------- */

typedef struct Case {
    AttnProblem p;
    AttnTensors t;
    size_t rows;     /* of q and o, all entries together, under each head  */
    size_t keys;     /* that exist, all entries together                   */
    float *o, *lse, *scores;
    size_t o_count, lse_count, scores_count;
} Case;

static AttnScoreLayout over_scores(AttnDtype dtype, const AttnProblem *p, uint64_t seed, uint64_t *at, size_t *count)
{
    const size_t extent[4] = {p->batch, p->q_heads, p->q_len, p->k_len};
    ptrdiff_t stride[4];
    size_t reach = 1;
    bool empty = false;
    for (size_t k = 4; k-- > 0;) {
        const bool repeats = k < 3 && pick(seed, at, 2);
        stride[k] = repeats ? 0 : (ptrdiff_t)reach;
        reach *= repeats ? 1 : extent[k];
        empty = empty || extent[k] == 0;
    }
    *count = empty ? 0 : reach;
    return (AttnScoreLayout){dtype, stride[0], stride[1], stride[2], stride[3]};
}

static void *integers(size_t n, bool null, int64_t value)
{
    int64_t *x = place(n * sizeof *x, null, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = value;
    return x;
}

/* Heads inside rows, options at random. lengths: of the entries of a ragged batch, and of kv_lengths, 0 or all. */
static Case make_case(size_t batch, size_t q_len, size_t k_len, uint64_t seed)
{
    enum { HQ = 4, HKV = 2, D = 5, DV = 3 };
    uint64_t at = 0;
    const bool null = pick(seed, &at, 2), lengths = pick(seed, &at, 2);
    Case c = {.p = attn_problem(batch, HQ, HKV, q_len, k_len, D, DV)};
    AttnProblem *p = &c.p;
    p->varlen = pick(seed, &at, 3) == 0;
    p->kv_lengths = !p->varlen && pick(seed, &at, 3) == 0;
    if (!p->varlen && pick(seed, &at, 3) == 0)
        p->past_len = pick(seed, &at, 2) ? k_len : k_len / 2;
    p->causal = pick(seed, &at, 2);
    p->align = (AttnAlign)pick(seed, &at, 4);
    p->window = pick(seed, &at, 3) == 0;
    p->window_left = p->window ? 1 : 0;
    p->sinks = pick(seed, &at, 3) == 0;
    p->alibi = pick(seed, &at, 3) == 0;
    p->softcap = pick(seed, &at, 3) == 0 ? 5.0 : 0.0;
    const size_t entries = p->varlen ? 1 : batch, new_keys = k_len - p->past_len;
    c.rows = p->varlen ? (lengths ? batch * q_len : 0) : batch * q_len;
    c.keys = batch * (p->varlen || p->kv_lengths ? lengths * k_len : k_len);
    const size_t q_rows = p->varlen ? c.rows : q_len, k_rows = p->varlen ? lengths * batch * k_len : new_keys;
    p->q = (AttnLayout){ATTN_F32, p->varlen ? 0 : (ptrdiff_t)(q_rows * HQ * D), D, HQ * D};
    p->k = (AttnLayout){ATTN_F32, p->varlen ? 0 : (ptrdiff_t)(k_rows * HKV * D), D, HKV * D};
    p->v = (AttnLayout){ATTN_F32, p->varlen ? 0 : (ptrdiff_t)(k_rows * HKV * DV), DV, HKV * DV};
    p->o = (AttnLayout){ATTN_F32, p->varlen ? 0 : (ptrdiff_t)(q_rows * HQ * DV), DV, HQ * DV};
    c.o_count = entries * q_rows * HQ * DV;
    c.o = place(c.o_count * sizeof(float), null, 0xff);
    c.t = attn_tensors(place(entries * q_rows * HQ * D * sizeof(float), null, 1),
                       place(entries * k_rows * HKV * D * sizeof(float), null, 1),
                       place(entries * k_rows * HKV * DV * sizeof(float), null, 1), c.o);
    if (p->past_len > 0) {
        p->k_past = (AttnLayout){ATTN_F32, (ptrdiff_t)(p->past_len * HKV * D), D, HKV * D};
        p->v_past = (AttnLayout){ATTN_F32, (ptrdiff_t)(p->past_len * HKV * DV), DV, HKV * DV};
        c.t.k_past = place(batch * p->past_len * HKV * D * sizeof(float), null, 1);
        c.t.v_past = place(batch * p->past_len * HKV * DV * sizeof(float), null, 1);
    }
    if (pick(seed, &at, 2)) {
        p->lse = (AttnLayout){ATTN_F32, p->varlen ? 0 : (ptrdiff_t)(q_rows * HQ), 1, HQ};
        c.lse_count = entries * q_rows * HQ;
        c.t.lse = c.lse = place(c.lse_count * sizeof(float), null, 0xff);
    }
    if (!p->varlen && pick(seed, &at, 3) == 0) {
        p->scores = (AttnScoreLayout){ATTN_F32, (ptrdiff_t)(HQ * q_len * k_len), (ptrdiff_t)(q_len * k_len), (ptrdiff_t)k_len, 1};
        p->scores_stage = (AttnStage)pick(seed, &at, 4);
        c.scores_count = batch * HQ * q_len * k_len;
        c.t.scores = c.scores = place(c.scores_count * sizeof(float), null, 0xff);
    }
    size_t count;
    if (pick(seed, &at, 2)) {
        p->mask = over_scores(ATTN_BOOL, p, seed, &at, &count);
        c.t.mask = place(count, null, 1);
    }
    if (pick(seed, &at, 2)) {
        p->bias = over_scores(ATTN_F32, p, seed, &at, &count);
        c.t.bias = place(count * sizeof(float), null, 1);
    }
    if (p->align == ATTN_ALIGN_OFFSETS)
        c.t.offsets = integers(batch, null, 1);
    if (p->kv_lengths)
        c.t.kv_lengths = integers(batch, null, lengths ? (int64_t)k_len : 0);
    if (p->sinks)
        c.t.sinks = place(HQ * sizeof(float), null, 1);
    if (p->alibi)
        c.t.alibi_slopes = place(HQ * sizeof(float), null, 1);
    if (p->varlen) {
        int64_t *cu_q = integers(batch + 1, null, 0), *cu_k = integers(batch + 1, null, 0);
        for (size_t b = 0; b <= batch && lengths; b++) {
            cu_q[b] = (int64_t)(b * q_len);
            cu_k[b] = (int64_t)(b * k_len);
        }
        c.t.cu_q = cu_q;
        c.t.cu_k = cu_k;
    }
    return c;
}

/* false: the kernel does not run here, or does not take it. */
static bool run_kernel(const AttnKernel *kernel, const Case *c, const char *label)
{
    AttnPlan *plan;
    if (kernel->kind != ATTN_KIND_ATTENTION || (kernel->isa & ~attn_cpu_this()->features) != 0)
        return false;
    const AttnStatus made = attn_plan_create_with(kernel, &c->p, 2, NULL, NULL, &plan);
    cr_assert(made == ATTN_OK || made == ATTN_ERROR_UNSUPPORTED, "%s: %s", label, attn_last_error());
    if (made != ATTN_OK)
        return false;
    void *workspace = aligned_alloc(64, attn_plan_workspace(plan));
    cr_assert_eq(attn_run(plan, &c->t, workspace, attn_plan_workspace(plan)), ATTN_OK, "%s, %s: %s", label, kernel->name,
                 attn_last_error());
    free(workspace);
    attn_plan_destroy(plan);
    return true;
}

static bool all_are(const float *x, size_t count, float value)
{
    for (size_t i = 0; i < count; i++)
        if (!(x[i] == value))
            return false;
    return true;
}

/* Rows that have no keys are 0, and their log-sum-exp is that of the sink alone. */
Test(extents, attention_over_nothing)
{
    static const size_t extent[][3] = {{0, 3, 5}, {2, 0, 5}, {2, 3, 0}, {0, 0, 5}, {0, 3, 0}, {2, 0, 0}, {0, 0, 0}, {2, 3, 5}};
    size_t ran = 0, rows = 0;
    for (uint64_t seed = 0; seed < 100; seed++)
        for (size_t e = 0; e < sizeof extent / sizeof *extent; e++)
            for (size_t k = 0; k < attn_registry_count; k++) {
                char label[80];
                snprintf(label, sizeof label, "seed %d, batch %zu, %zu rows, %zu keys", (int)seed, extent[e][0], extent[e][1],
                         extent[e][2]);
                const Case c = make_case(extent[e][0], extent[e][1], extent[e][2], seed);
                if (run_kernel(attn_registry[k], &c, label)) {
                    ran++;
                    rows += c.o_count;
                    if (c.keys == 0) {
                        cr_assert(all_are(c.o, c.o_count, 0.0f), "%s, %s: o", label, attn_registry[k]->name);
                        cr_assert(all_are(c.lse, c.lse_count, c.p.sinks ? c.t.sinks[0] : -INFINITY), "%s, %s: lse", label,
                                  attn_registry[k]->name);
                    }
                }
                release();
            }
    cr_expect_gt(ran, 2000);
    cr_expect_gt(rows, 1000);
}

/* Every stride of an axis of one element becomes one that nothing may multiply by. */
static void spoil(ptrdiff_t *stride, size_t extent, size_t which)
{
    static const ptrdiff_t wild[] = {PTRDIFF_MAX, PTRDIFF_MIN, PTRDIFF_MAX / 2, -12345};
    if (extent <= 1)
        *stride = wild[which % 4];
}

static void spoil_layout(AttnLayout *l, size_t batch, size_t heads, size_t rows, size_t which)
{
    const bool empty = batch == 0 || heads == 0 || rows == 0;
    spoil(&l->batch, empty ? 0 : batch, which);
    spoil(&l->head, empty ? 0 : heads, which + 1);
    spoil(&l->row, empty ? 0 : rows, which + 2);
}

static void spoil_scores(AttnScoreLayout *l, const AttnProblem *p, size_t which)
{
    const bool empty = p->batch == 0 || p->q_len == 0 || p->k_len == 0;
    spoil(&l->batch, empty ? 0 : p->batch, which);
    spoil(&l->row, empty ? 0 : p->q_len, which + 1);
    spoil(&l->head, empty ? 0 : p->q_heads, which + 3);
    spoil(&l->col, empty ? 0 : p->k_len, which + 2);
}

Test(extents, strides_that_nothing_steps_along)
{
    static const size_t extent[][3] = {{1, 3, 5}, {2, 1, 5}, {2, 3, 1}, {1, 1, 1}, {1, 1, 40}, {1, 40, 1}, {2, 3, 0}, {0, 3, 5}};
    size_t ran = 0;
    for (uint64_t seed = 0; seed < 80; seed++)
        for (size_t e = 0; e < sizeof extent / sizeof *extent; e++)
            for (size_t k = 0; k < attn_registry_count; k++) {
                Case c = make_case(extent[e][0], extent[e][1], extent[e][2], seed);
                AttnProblem *p = &c.p;
                float good[3][2000];
                if (p->varlen || !run_kernel(attn_registry[k], &c, "plain strides")) {
                    release();
                    continue;
                }
                cr_assert(c.o_count <= 2000 && c.lse_count <= 2000 && c.scores_count <= 2000);
                float *const out[] = {c.o, c.lse, c.scores};
                const size_t count[] = {c.o_count, c.lse_count, c.scores_count};
                for (size_t n = 0; n < 3; n++)
                    for (size_t i = 0; i < count[n]; i++) {
                        good[n][i] = out[n][i];
                        out[n][i] = NAN;
                    }
                const size_t which = (size_t)seed;
                spoil_layout(&p->q, p->batch, p->q_heads, p->q_len, which);
                spoil_layout(&p->k, p->batch, p->kv_heads, p->k_len - p->past_len, which + 1);
                spoil_layout(&p->v, p->batch, p->kv_heads, p->k_len - p->past_len, which + 2);
                spoil_layout(&p->o, p->batch, p->q_heads, p->q_len, which + 3);
                spoil_layout(&p->lse, p->batch, p->q_heads, p->q_len, which);
                spoil_layout(&p->k_past, p->batch, p->kv_heads, p->past_len, which + 1);
                spoil_layout(&p->v_past, p->batch, p->kv_heads, p->past_len, which + 2);
                spoil_scores(&p->mask, p, which);
                spoil_scores(&p->bias, p, which + 1);
                spoil_scores(&p->scores, p, which + 2);
                cr_assert(run_kernel(attn_registry[k], &c, "wild strides"));
                for (size_t n = 0; n < 3; n++)
                    for (size_t i = 0; i < count[n]; i++)
                        cr_assert(memcmp(&good[n][i], &out[n][i], sizeof(float)) == 0, "%s, seed %d: element %zu of output %zu",
                                  attn_registry[k]->name, (int)seed, i, n);
                ran++;
                release();
            }
    cr_expect_gt(ran, 1000);
}

/* What kernels see: 0 where nothing steps. */
Test(extents, strides_that_nothing_steps_along_are_0_inside)
{
    AttnProblem p = attn_problem(1, 2, 2, 4, 1, 8, 8), copy;
    attn_problem_want_lse(&p);
    p.q.batch = p.k.row = p.v.row = p.o.batch = p.lse.batch = PTRDIFF_MAX;
    p.mask = (AttnScoreLayout){ATTN_BOOL, PTRDIFF_MIN, 4, 1, PTRDIFF_MAX};
    cr_assert_eq(attn_problem_read(&p, &copy), ATTN_OK, "%s", attn_last_error());
    cr_expect(copy.q.batch == 0 && copy.q.head == 32 && copy.q.row == 8);
    cr_expect(copy.k.row == 0 && copy.v.row == 0 && copy.k.head == 8 && copy.o.batch == 0 && copy.lse.batch == 0);
    cr_expect(copy.mask.batch == 0 && copy.mask.head == 4 && copy.mask.row == 1 && copy.mask.col == 0);
    p.k_len = 0;
    p.k.head = PTRDIFF_MIN;
    cr_assert_eq(attn_problem_read(&p, &copy), ATTN_OK, "%s", attn_last_error());
    cr_expect(copy.k.head == 0 && copy.mask.head == 0 && copy.mask.row == 0);
}

/* ---- Multi-head attention -------------------------------------------------------------------------------------------------------- */

static void run_mha(const MhaCase *x, const char *label)
{
    AttnMha *mha;
    AttnMhaPlan *plan;
    cr_assert_eq(attn_mha_create(&x->c, &x->w, NULL, NULL, 0, &mha), ATTN_OK, "%s: %s", label, attn_last_error());
    cr_assert_eq(attn_mha_plan_create(mha, &x->s, NULL, &plan), ATTN_OK, "%s: %s", label, attn_last_error());
    void *workspace = aligned_alloc(64, attn_mha_plan_workspace(plan));
    cr_assert_eq(attn_mha_run(plan, &x->t, workspace, attn_mha_plan_workspace(plan)), ATTN_OK, "%s: %s", label, attn_last_error());
    free(workspace);
    attn_mha_plan_destroy(plan);
    attn_mha_destroy(mha);
}

/* A drawn case with extents made 0: what has no elements any more lies at an unmapped page, or is NULL; strides stay as they were drawn,
 * some 0. */
static void empty_case(MhaCase *x, size_t batch, size_t q_len, size_t k_len, bool null)
{
    AttnMhaShape *s = &x->s;
    AttnMhaTensors *t = &x->t;
    const bool extras = x->w.bias_k || x->c.zero_attn;
    s->batch = batch;
    s->q_len = q_len;
    s->k_len = x->c.sources == ATTN_MHA_SELF ? q_len : k_len;
    const bool rows = batch * q_len > 0, keys = batch * s->k_len > 0, known = batch * (s->capacity > 0 ? s->capacity : s->k_len) > 0;
    const bool seen = known || (batch > 0 && extras);
    void *nowhere = place(0, null, 0);
#define EMPTY(field, there) t->field = t->field && !(there) ? nowhere : t->field
    EMPTY(xq, rows);
    EMPTY(y, rows);
    EMPTY(q_positions, rows);
    EMPTY(xk, keys);
    EMPTY(xv, keys);
    EMPTY(k_positions, keys);
    EMPTY(weights, rows && seen);
    EMPTY(mask, rows && known);
    EMPTY(bias, rows && known);
    EMPTY(key_mask, known);
    EMPTY(k_cache, batch > 0);
    EMPTY(v_cache, batch > 0);
    EMPTY(past, batch > 0);
    EMPTY(offsets, batch > 0);
    EMPTY(kv_lengths, batch > 0);
#undef EMPTY
    if (s->kv_lengths && s->k_len == 0)
        t->kv_lengths = integers(batch, null, 0);
}

Test(extents, multi_head_attention_over_nothing)
{
    for (uint64_t seed = 1; seed <= 400; seed++)
        for (size_t e = 0; e < 6; e++) {
            char label[80];
            MhaCase x = mha_draw_case(seed);
            const size_t batch = e == 0 || e == 3 ? 0 : x.s.batch, q_len = e == 1 || e == 3 || e == 4 ? 0 : x.s.q_len;
            const size_t k_len = e == 2 || e == 4 ? 0 : x.s.k_len;
            snprintf(label, sizeof label, "seed %d, batch %zu, %zu rows, %zu keys", (int)seed, batch, q_len, k_len);
            if (e < 5)
                empty_case(&x, batch, q_len, k_len, seed % 2);
            run_mha(&x, label);
            release();
        }
}

Test(extents, multi_head_attention_with_wild_strides)
{
    for (uint64_t seed = 1; seed <= 400; seed++) {
        MhaCase x = mha_draw_case(seed);
        AttnMhaShape *s = &x.s;
        const bool self = x.c.sources == ATTN_MHA_SELF;
        const size_t width = x.c.output ? x.c.embed : x.c.q_heads * x.c.dv;
        float good[64];
        s->batch = 1;
        s->q_len = seed % 2 ? 1 : s->q_len;
        s->k_len = self ? s->q_len : s->k_len;
        if (s->kv_lengths)
            x.t.kv_lengths = integers(1, false, 0);
        if (s->weights != ATTN_MHA_WEIGHTS_NONE) {
            const size_t extras = (size_t)(x.w.bias_k != NULL) + (size_t)x.c.zero_attn;
            mha_want_weights(&x, s->weights, s->capacity > 0 ? s->capacity : s->k_len + extras);
        }
        cr_assert_leq(width, 64);
        run_mha(&x, "plain strides");
        memcpy(good, x.t.y, width * sizeof *good);
        AttnRows *const rows[] = {&s->xq, &s->xk, &s->xv, &s->y};
        const size_t count[] = {s->q_len, s->k_len, s->k_len, s->q_len};
        for (size_t i = 0; i < 4; i++) {
            spoil(&rows[i]->batch, 1, seed + i);
            spoil(&rows[i]->row, count[i], seed + i + 1);
        }
        spoil(&s->k_cache.batch, s->capacity > 0 ? 1 : 2, seed);
        spoil(&s->v_cache.batch, s->capacity > 0 ? 1 : 2, seed + 1);
        spoil(&s->weights_batch, s->weights ? 1 : 2, seed + 2);
        spoil(&s->weights_row, s->weights ? s->q_len : 2, seed + 3);
        spoil(&s->key_mask_batch, s->key_mask ? 1 : 2, seed);
        spoil(&s->mask.batch, 1, seed);
        spoil(&s->mask.row, s->q_len, seed);
        spoil(&s->bias.batch, 1, seed + 1);
        spoil(&s->bias.row, s->q_len, seed + 2);
        run_mha(&x, "wild strides");
        cr_assert(memcmp(good, x.t.y, width * sizeof *good) == 0, "seed %d", (int)seed);
        release();
    }
}

/* The two that crashed first: a bias that repeats over a batch of none, and over rows of none, beside an extra key. */
Test(extents, a_repeating_bias_of_no_rows)
{
    static float w[16];
    AttnMhaConfig c = attn_mha_config(4, 1);
    c.zero_attn = true;
    c.sources = ATTN_MHA_CROSS;
    MhaCase x = {.c = c, .w = attn_mha_weights(w, w, w, w), .s = attn_mha_shape(&c, 0, 3, 3)};
    x.s.bias = (AttnScoreLayout){ATTN_F32, 0, 0, 3, 1};
    x.t = attn_mha_tensors(NULL, NULL, NULL, NULL);
    run_mha(&x, "batch 0");
    x.s = attn_mha_shape(&c, 2, 0, 2);
    x.s.mask = (AttnScoreLayout){ATTN_BOOL, 2, 0, 0, 1};
    x.t = attn_mha_tensors(NULL, w, NULL, NULL);
    run_mha(&x, "no rows");
}

/* ---- Merging --------------------------------------------------------------------------------------------------------------------- */

Test(extents, merging_nothing)
{
    for (size_t e = 0; e < 3; e++)
        for (int null = 0; null < 2; null++) {
            AttnMerge m = attn_merge_of(2, e != 0, 2 * (e != 1), 3 * (e != 2), 4);
            float *nowhere = place(0, null, 0);
            m.o.row = m.lse_part.head = PTRDIFF_MAX;
            const float *const parts[] = {nowhere, nowhere};
            cr_expect_eq(attn_merge(&m, parts, parts, nowhere, nowhere), ATTN_OK, "%s", attn_last_error());
            release();
        }
    /* One row: its result may be one of the parts whatever the strides say. */
    AttnMerge m = attn_merge_of(1, 1, 1, 1, 4);
    float o[4] = {1, 2, 3, 4}, lse[1] = {0.5f};
    m.o.row = 9;
    m.lse.batch = PTRDIFF_MIN;
    cr_expect_eq(attn_merge(&m, (const float *const[]){o}, (const float *const[]){lse}, o, lse), ATTN_OK, "%s", attn_last_error());
    cr_expect(o[3] == 4.0f && lse[0] == 0.5f);
}
