/* test_mha.c - multi-head attention against ops/mha/reference.h: every argument, drawn at random and one by one; mistakes that
 * must show; caches, threads, memory, and bad input. Reference outputs of torch are in test_mha_torch.c. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatch/registry.h"
#include "harness/base/random.h"
#include "harness/ops/mha/draw.h"

TestSuite(mha, .fini = reference_release);

/* ---- Running and comparing ------------------------------------------------------------------------------------------------------- */

static void run(const MhaCase *x, const AttnOptions *options, const char *label)
{
    AttnMha *mha;
    AttnMhaPlan *plan;
    cr_assert_eq(attn_mha_create(&x->c, &x->w, options, NULL, 0, &mha), ATTN_OK, "%s: %s", label, attn_last_error());
    cr_assert_eq(attn_mha_plan_create(mha, &x->s, options, &plan), ATTN_OK, "%s: %s", label, attn_last_error());
    void *workspace = aligned_alloc(64, attn_mha_plan_workspace(plan));
    memset(workspace, 0xff, attn_mha_plan_workspace(plan)); /* NaN: whatever is read before it is written shows */
    cr_assert_eq(attn_mha_run(plan, &x->t, workspace, attn_mha_plan_workspace(plan)), ATTN_OK, "%s: %s", label, attn_last_error());
    free(workspace);
    attn_mha_plan_destroy(plan);
    attn_mha_destroy(mha);
}

/* How far out of its bound the worst element is: <= 1 agrees. A NaN is infinitely far. */
static double worse(double worst, float got, Number expected)
{
    const double away = fabs((double)got - expected.v) / (expected.e + 0x1p-120);
    return away <= worst ? worst : isnan(away) ? INFINITY : away;
}

static double distance_y(const MhaCase *x, const Reference *r)
{
    const size_t width = x->c.output ? x->c.embed : x->c.q_heads * x->c.dv;
    const float *y = x->t.y;
    double worst = 0.0;
    for (size_t b = 0; b < x->s.batch; b++)
        for (size_t i = 0; i < x->s.q_len; i++)
            for (size_t c = 0; c < width; c++)
                worst = worse(worst, y[b * (size_t)x->s.y.batch + i * (size_t)x->s.y.row + c], r->y[(b * x->s.q_len + i) * width + c]);
    return worst;
}

static double distance_weights(const MhaCase *x, const Reference *r)
{
    const size_t heads = x->c.q_heads, matrix = x->s.q_len * r->keys;
    double worst = 0.0;
    for (size_t b = 0; b < x->s.batch && x->s.weights == ATTN_MHA_WEIGHTS_HEADS; b++)
        for (size_t n = 0; n < heads * matrix; n++)
            worst = worse(worst, x->t.weights[b * heads * matrix + n], r->weights[b * heads * matrix + n]);
    for (size_t b = 0; b < x->s.batch && x->s.weights == ATTN_MHA_WEIGHTS_MEAN; b++)
        for (size_t n = 0; n < matrix; n++) {
            Number mean = {0.0, 0.0, 0.0};
            for (size_t h = 0; h < heads; h++) {
                mean.v += r->weights[(b * heads + h) * matrix + n].v / (double)heads;
                mean.e += r->weights[(b * heads + h) * matrix + n].e / (double)heads;
            }
            mean.e += 0x1p-24 * (double)(heads + 1) * mean.v;
            worst = worse(worst, x->t.weights[b * matrix + n], mean);
        }
    return worst;
}

static double distance_cache(const MhaCase *x, const Reference *r)
{
    const float *k_cache = x->t.k_cache, *v_cache = x->t.v_cache;
    double worst = 0.0;
    for (size_t b = 0; b < x->s.batch && x->s.capacity > 0; b++)
        for (size_t g = 0; g < x->c.kv_heads; g++)
            for (size_t j = 0; j < x->s.k_len; j++) {
                const size_t at = (b * x->c.kv_heads + g) * x->s.k_len + j, row = (size_t)x->t.past[b] + j;
                const AttnLayout *k = &x->s.k_cache, *v = &x->s.v_cache;
                for (size_t c = 0; c < x->c.d; c++)
                    worst = worse(worst, k_cache[b * (size_t)k->batch + g * (size_t)k->head + row * (size_t)k->row + c],
                                  r->k[at * x->c.d + c]);
                for (size_t c = 0; c < x->c.dv; c++)
                    worst = worse(worst, v_cache[b * (size_t)v->batch + g * (size_t)v->head + row * (size_t)v->row + c],
                                  r->v[at * x->c.dv + c]);
            }
    return worst;
}

/* The reference comes first: a run appends to the cache that the reference reads. */
static void agree(const MhaCase *x, const char *label)
{
    const Reference r = reference(x, RIGHT);
    run(x, NULL, label);
    cr_expect(distance_y(x, &r) <= 1.0, "%s: y is %g of its bound away", label, distance_y(x, &r));
    cr_expect(distance_weights(x, &r) <= 1.0, "%s: weights are %g of their bound away", label, distance_weights(x, &r));
    cr_expect(distance_cache(x, &r) <= 1.0, "%s: the cache is %g of its bound away", label, distance_cache(x, &r));
}

Test(mha, every_argument_with_every_other)
{
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        char label[32];
        snprintf(label, sizeof label, "seed %d", (int)seed);
        const MhaCase x = mha_draw_case(seed);
        agree(&x, label);
        reference_release();
    }
}

/* ---- Mistakes -------------------------------------------------------------------------------------------------------------------- */

/* A decoder-like case on which every mistake shows: grouped heads, half of the columns turned, biases, mask, pre-norm, cache. */
static MhaCase telling_case(AttnRope rope)
{
    MhaDraw at = {77, 0}, *draw = &at;
    MhaCase x;
    memset(&x, 0, sizeof x);
    x.c = attn_mha_config(24, 4);
    x.c.kv_heads = 2;
    x.c.rope = rope;
    x.c.rope_dims = 4;
    x.c.rope_base = 10000.0;
    x.c.residual = true;
    x.c.norm = ATTN_NORM_PRE;
    mha_draw_weights(&x, draw, true);
    x.s = attn_mha_shape(&x.c, 2, 3, 3);
    mha_draw_sources(&x, draw, 0);
    attn_mha_shape_use_cache(&x.s, &x.c, 9);
    x.t.k_cache = mha_numbers(draw, 2 * 2 * 9 * 6, 1.0);
    x.t.v_cache = mha_numbers(draw, 2 * 2 * 9 * 6, 1.0);
    x.t.past = mha_integers(draw, 2, 4, 1);
    x.s.causal = true;
    x.s.mask = (AttnScoreLayout){ATTN_BOOL, 0, 0, 0, 1};
    x.t.mask = mha_flags(draw, 9, 3);
    return x;
}

Test(mha, mistakes_show)
{
    static const struct {
        Mistake mistake;
        const char *name;
    } list[] = {{ROPE_PAIRS_SWAPPED, "RoPE pairs swapped"},
                {BIAS_BEFORE_PROJECTION, "bias of q lost before the scores"},
                {WRONG_HEAD_SPLIT, "wrong head split"},
                {WRONG_KV_HEAD, "wrong KV head"},
                {MASK_INVERTED, "mask inverted"},
                {POSITIONS_RESTART, "positions restart after the past"},
                {RESIDUAL_NORMED, "residual after the norm"}};
    for (size_t r = ATTN_ROPE_INTERLEAVED; r <= ATTN_ROPE_HALVES; r++) {
        MhaCase x = telling_case((AttnRope)r);
        Reference wrong[sizeof list / sizeof *list];
        for (size_t i = 0; i < sizeof list / sizeof *list; i++)
            wrong[i] = reference(&x, list[i].mistake);
        agree(&x, "telling case");
        for (size_t i = 0; i < sizeof list / sizeof *list; i++)
            cr_expect(distance_y(&x, &wrong[i]) > 10.0, "%s would pass: only %g of the bound away", list[i].name,
                      distance_y(&x, &wrong[i]));
    }
}

Test(mha, a_reference_without_memory_is_none)
{
    MhaCase x = telling_case(ATTN_ROPE_HALVES);
    x.s.q_len = 1;
    x.s.batch = (size_t)1 << 44; /* 24 bytes of each number: more than an address space has */
    const Reference r = reference(&x, RIGHT);
    cr_assert_null(r.y);
}

/* ---- Blocks of a transformer ----------------------------------------------------------------------------------------------------- */

/* Encoder half (post-norm, key padding), decoder's masked half (pre-norm, causal), decoder's cross half: sizes beyond one tile. */
Test(mha, layer_halves)
{
    static const char *const name[] = {"encoder", "decoder, masked", "decoder, cross"};
    for (size_t half = 0; half < 3; half++) {
        MhaDraw at = {200 + half, 0}, *draw = &at;
        MhaCase x;
        memset(&x, 0, sizeof x);
        x.c = attn_mha_config(96, 6);
        x.c.residual = true;
        x.c.norm = half == 1 ? ATTN_NORM_PRE : ATTN_NORM_POST;
        x.c.sources = half == 2 ? ATTN_MHA_CROSS : ATTN_MHA_SELF;
        if (half == 2)
            x.c.kdim = x.c.vdim = 80;
        mha_draw_weights(&x, draw, true);
        x.s = attn_mha_shape(&x.c, 2, 37, half == 2 ? 61 : 37);
        mha_draw_sources(&x, draw, 0);
        x.s.causal = half == 1;
        if (half == 0) {
            x.s.key_mask = true;
            x.s.key_mask_batch = 37;
            x.t.key_mask = mha_flags(draw, 2 * 37, 5);
        }
        mha_want_weights(&x, half == 2 ? ATTN_MHA_WEIGHTS_MEAN : ATTN_MHA_WEIGHTS_NONE, 61);
        agree(&x, name[half]);
    }
}

/* ---- Rotary positions ------------------------------------------------------------------------------------------------------------ */

/* Identity weights and one key: with output off, v alone is y; so look at the cache, which holds the turned k. Against complex rotation. */
Test(mha, rope_is_a_rotation_in_the_plane)
{
    enum { D = 8, DIMS = 6, ROWS = 5 };
    for (size_t kind = ATTN_ROPE_INTERLEAVED; kind <= ATTN_ROPE_HALVES; kind++) {
        MhaCase x;
        float identity[D * D] = {0}, in[ROWS * D], y[ROWS * D], k[ROWS * D], v[ROWS * D];
        const int64_t past[1] = {0};
        memset(&x, 0, sizeof x);
        for (size_t i = 0; i < D; i++)
            identity[i * D + i] = 1.0f;
        for (size_t i = 0; i < ROWS * D; i++)
            in[i] = (float)random_normal(5, i);
        x.c = attn_mha_config(D, 1);
        x.c.output = false;
        x.c.rope = (AttnRope)kind;
        x.c.rope_dims = DIMS;
        x.c.rope_base = 100.0;
        x.w = attn_mha_weights(identity, identity, identity, NULL);
        x.s = attn_mha_shape(&x.c, 1, ROWS, ROWS);
        x.s.q_position = 1000;
        attn_mha_shape_use_cache(&x.s, &x.c, ROWS);
        x.t = attn_mha_tensors(in, NULL, NULL, y);
        x.t.k_cache = k;
        x.t.v_cache = v;
        x.t.past = past;
        run(&x, NULL, "rotation");
        for (size_t i = 0; i < ROWS; i++)
            for (size_t c = 0; c < DIMS / 2; c++) {
                const size_t first = kind == ATTN_ROPE_HALVES ? c : 2 * c, second = kind == ATTN_ROPE_HALVES ? c + DIMS / 2 : 2 * c + 1;
                const double angle = (double)(1000 + i) * pow(100.0, -(double)c / 3.0), a = (double)in[i * D + first],
                             b = (double)in[i * D + second], radius = hypot(a, b), turned = atan2(b, a) + angle;
                cr_expect_float_eq(k[i * D + first], (float)(radius * cos(turned)), 4.0 * 0x1p-23 * radius);
                cr_expect_float_eq(k[i * D + second], (float)(radius * sin(turned)), 4.0 * 0x1p-23 * radius);
            }
        for (size_t i = 0; i < ROWS; i++) {
            cr_expect_arr_eq(k + i * D + DIMS, in + i * D + DIMS, (D - DIMS) * sizeof(float), "columns beyond rope_dims pass");
            cr_expect_arr_eq(v + i * D, in + i * D, D * sizeof(float), "v is not turned");
        }
    }
}

/* ---- Cache ----------------------------------------------------------------------------------------------------------------------- */

/* A causal sequence at once, and the same in steps of 1, 2, 3, ... rows against a cache: each within its bound of the same truth. */
Test(mha, steps_against_a_cache_are_the_whole_sequence)
{
    enum { E = 32, ROWS = 29, CAPACITY = 31 };
    MhaDraw at = {9, 0}, *draw = &at;
    MhaCase whole;
    memset(&whole, 0, sizeof whole);
    whole.c = attn_mha_config(E, 4);
    whole.c.kv_heads = 2;
    whole.c.rope = ATTN_ROPE_HALVES;
    whole.c.rope_dims = 8;
    whole.c.rope_base = 10000.0;
    mha_draw_weights(&whole, draw, true);
    whole.s = attn_mha_shape(&whole.c, 1, ROWS, ROWS);
    mha_draw_sources(&whole, draw, 0);
    whole.s.causal = true;
    agree(&whole, "whole sequence");
    const Reference truth = reference(&whole, RIGHT);
    MhaCase step = whole;
    float *y = mha_numbers(draw, ROWS * E, 1.0);
    step.t.k_cache = mha_numbers(draw, CAPACITY * 2 * 8, 1.0);
    step.t.v_cache = mha_numbers(draw, CAPACITY * 2 * 8, 1.0);
    int64_t past = 0;
    step.t.past = &past;
    for (size_t rows = 1; past < ROWS; rows = rows % 4 + 1) {
        const size_t now = (size_t)past + rows > ROWS ? ROWS - (size_t)past : rows;
        step.s = attn_mha_shape(&step.c, 1, now, now);
        step.s.causal = true;
        attn_mha_shape_use_cache(&step.s, &step.c, CAPACITY);
        step.t.xq = (const float *)whole.t.xq + past * E;
        step.t.y = y + past * E;
        run(&step, NULL, "step");
        past += (int64_t)now;
    }
    MhaCase joined = whole;
    joined.t.y = y;
    cr_expect(distance_y(&joined, &truth) <= 1.0, "steps are %g of the bound away", distance_y(&joined, &truth));
}

Test(mha, a_full_cache_is_refused_and_left_alone)
{
    MhaCase x = telling_case(ATTN_ROPE_HALVES);
    AttnMha *mha;
    AttnMhaPlan *plan;
    enum { BYTES = 2 * 2 * 9 * 6 * sizeof(float) };
    float *k = reference_room(BYTES), *v = reference_room(BYTES), *y = reference_room(2 * 3 * 24 * sizeof *y);
    cr_assert_eq(attn_mha_create(&x.c, &x.w, NULL, NULL, 0, &mha), ATTN_OK);
    cr_assert_eq(attn_mha_plan_create(mha, &x.s, NULL, &plan), ATTN_OK);
    void *workspace = aligned_alloc(64, attn_mha_plan_workspace(plan));
    memcpy(k, x.t.k_cache, BYTES);
    memcpy(v, x.t.v_cache, BYTES);
    memcpy(y, x.t.y, 2 * 3 * 24 * sizeof *y);
    const int64_t bad[][2] = {{4, 7}, {-1, 0}, {0, INT64_MAX}};
    for (size_t i = 0; i < 3; i++) {
        x.t.past = bad[i];
        cr_expect_eq(attn_mha_run(plan, &x.t, workspace, attn_mha_plan_workspace(plan)), ATTN_ERROR_VALUE);
        cr_expect_not_null(strstr(attn_last_error(), "tensors.past["), "%s", attn_last_error());
    }
    cr_expect_not_null(strstr(attn_last_error(), "allowed: 0 to 6"), "%s", attn_last_error());
    /* An error that has nothing to do with the cache leaves it alone too. */
    const int64_t good[] = {4, 4};
    x.t.past = good;
    x.t.mask = NULL;
    cr_expect_eq(attn_mha_run(plan, &x.t, workspace, attn_mha_plan_workspace(plan)), ATTN_ERROR_NULL);
    cr_expect_arr_eq(k, x.t.k_cache, BYTES);
    cr_expect_arr_eq(v, x.t.v_cache, BYTES);
    cr_expect_arr_eq(y, x.t.y, 2 * 3 * 24 * sizeof *y);
    free(workspace);
    attn_mha_plan_destroy(plan);
    attn_mha_destroy(mha);
}

/* Rows of the cache that are not appended keep their bits. */
Test(mha, appending_writes_the_new_rows_only)
{
    MhaCase x = telling_case(ATTN_ROPE_INTERLEAVED);
    enum { ROWS = 9, WIDTH = 6, COUNT = 2 * 2 * ROWS * WIDTH };
    float *before = reference_room(COUNT * sizeof *before);
    memcpy(before, x.t.k_cache, COUNT * sizeof *before);
    run(&x, NULL, "append");
    for (size_t i = 0; i < COUNT; i++) {
        const size_t row = i / WIDTH % ROWS;
        const bool same = memcmp(&before[i], (const float *)x.t.k_cache + i, sizeof *before) == 0;
        cr_expect_eq(same, row < 4 || row >= 7, "row %zu of the cache", row);
    }
}

/* ---- Threads, memory ------------------------------------------------------------------------------------------------------------- */

static void backwards(void *context, size_t n, void (*task)(void *, size_t), void *argument)
{
    *(size_t *)context += 1;
    while (n-- > 0)
        task(argument, n);
}

Test(mha, bits_do_not_depend_on_threads)
{
    size_t calls = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        const MhaCase x = mha_draw_case(seed);
        const size_t bytes = x.s.batch * (size_t)x.s.y.batch * sizeof(float);
        const size_t weights = x.t.weights ? x.s.batch * (size_t)x.s.weights_batch * sizeof(float) : 0;
        float *first = reference_room(bytes), *first_weights = reference_room(weights);
        AttnOptions options = attn_options();
        for (size_t threads = 1; threads < 7; threads++) {
            options.threads = threads;
            options.parallel_for = threads % 2 ? NULL : backwards;
            options.parallel_context = &calls;
            run(&x, &options, "threads");
            if (threads == 1) {
                memcpy(first, x.t.y, bytes);
                if (weights > 0)
                    memcpy(first_weights, x.t.weights, weights);
                continue;
            }
            cr_expect_arr_eq(first, x.t.y, bytes, "seed %d, %zu threads", (int)seed, threads);
            if (weights > 0)
                cr_expect_arr_eq(first_weights, x.t.weights, weights, "seed %d, %zu threads", (int)seed, threads);
        }
        reference_release();
    }
    cr_expect_gt(calls, 0, "the caller's loop was never used");
}

/* Whichever kernel projects; the one that is asked for does. */
Test(mha, every_linear_kernel_projects)
{
    size_t linear = 0;
    for (size_t i = 0; i < attn_registry_count; i++) {
        AttnKernelInfo info = {.size = sizeof info};
        attn_kernel_query(i, &info);
        if (attn_registry[i]->kind != ATTN_KIND_PRODUCT || !info.runnable)
            continue;
        MhaCase x = telling_case(ATTN_ROPE_HALVES);
        const Reference r = reference(&x, RIGHT);
        AttnOptions options = attn_options();
        options.kernel = info.name;
        AttnMha *mha;
        AttnMhaPlan *plan;
        cr_assert_eq(attn_mha_create(&x.c, &x.w, &options, NULL, 0, &mha), ATTN_OK, "%s", attn_last_error());
        cr_expect_str_eq(attn_mha_kernel(mha), info.name);
        cr_assert_eq(attn_mha_plan_create(mha, &x.s, NULL, &plan), ATTN_OK, "%s", attn_last_error());
        void *workspace = aligned_alloc(64, attn_mha_plan_workspace(plan));
        cr_assert_eq(attn_mha_run(plan, &x.t, workspace, attn_mha_plan_workspace(plan)), ATTN_OK, "%s", attn_last_error());
        cr_expect(distance_y(&x, &r) <= 1.0, "%s: y is %g of its bound away", info.name, distance_y(&x, &r));
        free(workspace);
        attn_mha_plan_destroy(plan);
        attn_mha_destroy(mha);
        linear++;
    }
    cr_expect_geq(linear, 1);
}

/* The caller's memory, and its weights gone after creation. */
Test(mha, packed_weights_in_the_callers_memory)
{
    MhaCase x = telling_case(ATTN_ROPE_HALVES);
    const Reference r = reference(&x, RIGHT);
    size_t bytes;
    AttnMha *mha;
    AttnMhaPlan *plan;
    cr_assert_eq(attn_mha_packed_size(&x.c, &x.w, NULL, &bytes), ATTN_OK);
    cr_expect_eq(bytes % 64, 0);
    unsigned char *memory = aligned_alloc(64, bytes + 64);
    memset(memory, 0xa5, bytes + 64);
    cr_expect_eq(attn_mha_create(&x.c, &x.w, NULL, memory, bytes - 1, &mha), ATTN_ERROR_WORKSPACE);
    cr_expect_eq(attn_mha_create(&x.c, &x.w, NULL, memory + 4, bytes + 60, &mha), ATTN_ERROR_WORKSPACE);
    cr_expect_null(mha);
    cr_assert_eq(attn_mha_create(&x.c, &x.w, NULL, memory, bytes, &mha), ATTN_OK, "%s", attn_last_error());
    for (size_t i = 0; i < 64; i++)
        cr_expect_eq(memory[bytes + i], 0xa5, "byte %zu behind the packed weights", i);
    memset((void *)(uintptr_t)x.w.wq, 0xff, 24 * 24 * sizeof(float));
    memset((void *)(uintptr_t)x.w.bo, 0xff, 24 * sizeof(float));
    cr_assert_eq(attn_mha_plan_create(mha, &x.s, NULL, &plan), ATTN_OK);
    void *workspace = aligned_alloc(64, attn_mha_plan_workspace(plan));
    cr_assert_eq(attn_mha_run(plan, &x.t, workspace, attn_mha_plan_workspace(plan)), ATTN_OK);
    cr_expect(distance_y(&x, &r) <= 1.0);
    free(workspace);
    attn_mha_plan_destroy(plan);
    attn_mha_destroy(mha);
    free(memory);
}

Test(mha, empty_sizes_are_fine)
{
    MhaCase x = mha_draw_case(3);
    const size_t sizes[][3] = {{0, 3, 3}, {2, 0, 0}};
    x.c = attn_mha_config(8, 2);
    MhaDraw at = {1, 0};
    mha_draw_weights(&x, &at, true);
    for (size_t i = 0; i < 2; i++) {
        x.s = attn_mha_shape(&x.c, sizes[i][0], sizes[i][1], sizes[i][2]);
        x.t = attn_mha_tensors(NULL, NULL, NULL, NULL);
        run(&x, NULL, "empty");
    }
}

/* ---- Bad input ------------------------------------------------------------------------------------------------------------------- */

static bool says(const char *words)
{
    const bool found = strstr(attn_last_error(), words) && strstr(attn_last_error(), "allowed");
    if (!found)
        fprintf(stderr, "wanted: %s\ngot:    %s\n", words, attn_last_error());
    return found;
}

Test(mha, bad_configs_and_weights)
{
    MhaCase good = telling_case(ATTN_ROPE_HALVES), x = good;
    AttnMha *mha;
#define REFUSED(status, words)                                                                                                             \
    do {                                                                                                                                   \
        cr_expect_eq(attn_mha_create(&x.c, &x.w, NULL, NULL, 0, &mha), status, words);                                                     \
        cr_expect(says(words));                                                                                                            \
        cr_expect_null(mha);                                                                                                               \
        x = good;                                                                                                                          \
    } while (0)
    x.c.size = 8;
    REFUSED(ATTN_ERROR_STRUCT, "config.size is 8");
    x.c.embed = 0;
    REFUSED(ATTN_ERROR_VALUE, "config.embed is 0");
    x.c = attn_mha_config(10, 3);
    cr_expect(x.c.d == 0 && x.c.dv == 0);
    REFUSED(ATTN_ERROR_VALUE, "config.embed is 10 and config.q_heads 3; allowed: a multiple of the heads, or widths of a head set in "
                              "config.d and config.dv, which are 0 and 0");
    x.c = attn_mha_config(10, 3);
    x.c.d = 4;
    REFUSED(ATTN_ERROR_VALUE, "which are 4 and 0");
    x.c.dv = 0;
    REFUSED(ATTN_ERROR_VALUE, "config.dv is 0; allowed: 1 to");
    x.c.d = ATTN_MAX_SIZE + 1;
    REFUSED(ATTN_ERROR_VALUE, "config.d is 1073741825");
    x.c.kv_heads = 3;
    REFUSED(ATTN_ERROR_VALUE, "config.q_heads is 4; allowed: multiples of config.kv_heads, which is 3");
    x.c.d = ATTN_MAX_SIZE;
    REFUSED(ATTN_ERROR_OVERFLOW, "config.q_heads is 4 and config.d 1073741824");
    x.c.sources = (AttnMhaSources)3;
    REFUSED(ATTN_ERROR_VALUE, "config.sources is 3");
    x.c.kdim = 7;
    REFUSED(ATTN_ERROR_VALUE, "config.kdim is 7");
    x.c.sources = ATTN_MHA_CROSS;
    x.c.vdim = 9;
    REFUSED(ATTN_ERROR_VALUE, "config.vdim is 9");
    x.c.rope = (AttnRope)-1;
    REFUSED(ATTN_ERROR_VALUE, "config.rope is -1");
    x.c.rope_dims = 3;
    REFUSED(ATTN_ERROR_VALUE, "config.rope_dims is 3; allowed: even, 2 to config.d, which is 6");
    x.c.rope_dims = 8;
    REFUSED(ATTN_ERROR_VALUE, "config.rope_dims is 8");
    x.c.rope_base = 0.0;
    REFUSED(ATTN_ERROR_VALUE, "config.rope_base is 0");
    x.c.rope_base = NAN;
    REFUSED(ATTN_ERROR_VALUE, "config.rope_base is nan");
    x.c.rope = ATTN_ROPE_NONE;
    REFUSED(ATTN_ERROR_VALUE, "config.rope_dims is 4, but config.rope is ATTN_ROPE_NONE");
    x.c.norm = (AttnNorm)3;
    REFUSED(ATTN_ERROR_VALUE, "config.norm is 3");
    x.c.norm_eps = -1.0;
    REFUSED(ATTN_ERROR_VALUE, "config.norm_eps is -1");
    x.c.output = false;
    x.c.dv = 5;
    x.w.wo = x.w.bo = NULL;
    REFUSED(ATTN_ERROR_VALUE, "config.residual is true, but y is 20 wide and xq 24");
    x.w.wq = NULL;
    REFUSED(ATTN_ERROR_NULL, "weights.wq is NULL");
    x.w.wo = NULL;
    REFUSED(ATTN_ERROR_NULL, "weights.wo is NULL");
    x.w.bias_v = x.w.wq;
    REFUSED(ATTN_ERROR_NULL, "weights.bias_k is NULL");
    x.c.norm = ATTN_NORM_NONE;
    x.w.norm_bias = x.w.wq;
    x.w.norm_weight = NULL;
    REFUSED(ATTN_ERROR_VALUE, "weights.norm_bias is");
    x.w.size = 0;
    REFUSED(ATTN_ERROR_STRUCT, "weights.size is 0");
#undef REFUSED
    cr_expect_eq(attn_mha_create(NULL, &x.w, NULL, NULL, 0, &mha), ATTN_ERROR_NULL);
    cr_expect(says("config is NULL"));
    cr_expect_eq(attn_mha_create(&x.c, NULL, NULL, NULL, 0, &mha), ATTN_ERROR_NULL);
    cr_expect(says("weights is NULL"));
    cr_expect_eq(attn_mha_create(&x.c, &x.w, NULL, NULL, 0, NULL), ATTN_ERROR_NULL);
    cr_expect_eq(attn_mha_create(&x.c, &x.w, NULL, NULL, 64, &mha), ATTN_ERROR_VALUE);
    cr_expect(says("memory_size is 64, but memory is NULL"));
    AttnOptions options = attn_options();
    options.kernel = "linear_f33";
    cr_expect_eq(attn_mha_create(&x.c, &x.w, &options, NULL, 0, &mha), ATTN_ERROR_NAME);
}

/* Heads of another width than embed / heads, if they are asked for. */
Test(mha, heads_of_any_width)
{
    MhaDraw at = {5, 0};
    MhaCase x;
    memset(&x, 0, sizeof x);
    x.c = attn_mha_config(10, 3);
    x.c.d = 4;
    x.c.dv = 5;
    mha_draw_weights(&x, &at, true);
    x.s = attn_mha_shape(&x.c, 2, 3, 3);
    mha_draw_sources(&x, &at, 0);
    agree(&x, "10 columns, 3 heads of 4 and 5");
}

Test(mha, bad_shapes)
{
    MhaCase good = telling_case(ATTN_ROPE_HALVES), x = good;
    AttnMha *mha;
    AttnMhaPlan *plan;
    cr_assert_eq(attn_mha_create(&x.c, &x.w, NULL, NULL, 0, &mha), ATTN_OK);
#define REFUSED(status, words)                                                                                                             \
    do {                                                                                                                                   \
        cr_expect_eq(attn_mha_plan_create(mha, &x.s, NULL, &plan), status, words);                                                         \
        cr_expect(says(words));                                                                                                            \
        cr_expect_null(plan);                                                                                                              \
        x = good;                                                                                                                          \
    } while (0)
    x.s.size = 1;
    REFUSED(ATTN_ERROR_STRUCT, "shape.size is 1");
    x.s.batch = ATTN_MAX_SIZE + 1;
    REFUSED(ATTN_ERROR_VALUE, "shape.batch is");
    x.s.k_len = 4;
    REFUSED(ATTN_ERROR_VALUE, "shape.k_len is 4; allowed with ATTN_MHA_SELF: shape.q_len, which is 3");
    x.s.batch = x.s.q_len = x.s.k_len = ATTN_MAX_SIZE / 2;
    x.s.capacity = ATTN_MAX_SIZE;
    REFUSED(ATTN_ERROR_OVERFLOW, "overflow");
    x.s.capacity = 2;
    REFUSED(ATTN_ERROR_VALUE, "shape.k_len is 3; allowed: 0 to shape.capacity, which is 2");
    x.s.capacity = 2;
    x.s.k_cache.dtype = ATTN_NONE;
    REFUSED(ATTN_ERROR_VALUE, "shape.k_len is 3; allowed: 0 to shape.capacity, which is 2");
    x.s.capacity = 0;
    REFUSED(ATTN_ERROR_VALUE, "shape.k_cache.dtype is 1");
    x.s.k_cache.dtype = ATTN_BF16;
    REFUSED(ATTN_ERROR_VALUE, "shape.k_cache.dtype is 4");
    x.s.align = ATTN_ALIGN_BOTTOM_RIGHT;
    REFUSED(ATTN_ERROR_VALUE, "shape.align is 1");
    x.s.kv_lengths = true;
    REFUSED(ATTN_ERROR_VALUE, "shape.kv_lengths is true");
    x.s.v_cache.row = 2;
    REFUSED(ATTN_ERROR_OVERLAP, "shape.v_cache is");
    x.s.y.row = 23;
    REFUSED(ATTN_ERROR_OVERLAP, "shape.y is");
    x.s.xq.row = PTRDIFF_MAX;
    REFUSED(ATTN_ERROR_OVERFLOW, "shape.xq is");
    x.s.weights = (AttnMhaWeightsOut)3;
    REFUSED(ATTN_ERROR_VALUE, "shape.weights is 3");
    x.s.weights_row = 1;
    REFUSED(ATTN_ERROR_VALUE, "shape.weights_batch is 0 and shape.weights_row 1");
    x.s.weights = ATTN_MHA_WEIGHTS_MEAN;
    x.s.weights_head = 1;
    REFUSED(ATTN_ERROR_VALUE, "shape.weights_head is 1");
    x.s.weights = ATTN_MHA_WEIGHTS_MEAN;
    REFUSED(ATTN_ERROR_OVERLAP, "shape.weights is");
    x.s.key_mask_batch = 5;
    REFUSED(ATTN_ERROR_VALUE, "shape.key_mask_batch is 5");
    x.s.k_position = 5;
    REFUSED(ATTN_ERROR_VALUE, "shape.k_position is 5");
    x.s.q_position = (int64_t)1 << 31;
    REFUSED(ATTN_ERROR_VALUE, "shape.q_position is 2147483648");
    x.s.positions = true;
    x.s.q_position = 1;
    REFUSED(ATTN_ERROR_VALUE, "shape.q_position is 1, but shape.positions gives each");
    x.s.softcap = -1.0;
    REFUSED(ATTN_ERROR_VALUE, "problem.softcap is -1");
    x.s.window_left = 2;
    REFUSED(ATTN_ERROR_VALUE, "problem.window_left is 2");
    x.s.window = true;
    x.s.window_left = -2;
    REFUSED(ATTN_ERROR_VALUE, "problem.window_left is -2");
    x.s.mask.dtype = ATTN_F32;
    REFUSED(ATTN_ERROR_VALUE, "problem.mask.dtype is 1");
#undef REFUSED
    cr_expect_eq(attn_mha_plan_create(NULL, &x.s, NULL, &plan), ATTN_ERROR_NULL);
    cr_expect_eq(attn_mha_plan_create(mha, NULL, NULL, &plan), ATTN_ERROR_NULL);
    cr_expect_eq(attn_mha_plan_create(mha, &x.s, NULL, NULL), ATTN_ERROR_NULL);
    attn_mha_destroy(mha);
    /* Extra rows have no place in a cache or for ALiBi; without RoPE there are no positions. */
    x.c = attn_mha_config(24, 4);
    x.c.kv_heads = 2;
    x.c.zero_attn = true;
    x.w.norm_weight = x.w.norm_bias = NULL;
    cr_assert_eq(attn_mha_create(&x.c, &x.w, NULL, NULL, 0, &mha), ATTN_OK, "%s", attn_last_error());
    cr_expect_eq(attn_mha_plan_create(mha, &x.s, NULL, &plan), ATTN_ERROR_VALUE);
    cr_expect(says("shape.capacity is 9; allowed with bias_k or zero_attn: 0"));
    x.s = attn_mha_shape(&x.c, 2, 3, 3);
    x.s.alibi = true;
    cr_expect_eq(attn_mha_plan_create(mha, &x.s, NULL, &plan), ATTN_ERROR_VALUE);
    cr_expect(says("shape.alibi is true"));
    x.s.alibi = false;
    x.s.positions = true;
    cr_expect_eq(attn_mha_plan_create(mha, &x.s, NULL, &plan), ATTN_ERROR_VALUE);
    cr_expect(says("shape.positions is true, but config.rope is ATTN_ROPE_NONE"));
    attn_mha_destroy(mha);
}

Test(mha, bad_tensors)
{
    MhaCase good = telling_case(ATTN_ROPE_HALVES);
    mha_want_weights(&good, ATTN_MHA_WEIGHTS_MEAN, 9);
    MhaCase x = good;
    AttnMha *mha;
    AttnMhaPlan *plan;
    cr_assert_eq(attn_mha_create(&x.c, &x.w, NULL, NULL, 0, &mha), ATTN_OK);
    cr_assert_eq(attn_mha_plan_create(mha, &x.s, NULL, &plan), ATTN_OK, "%s", attn_last_error());
    const size_t bytes = attn_mha_plan_workspace(plan);
    char *workspace = aligned_alloc(64, bytes + 64);
#define REFUSED(status, words, space, size)                                                                                                \
    do {                                                                                                                                   \
        cr_expect_eq(attn_mha_run(plan, &x.t, space, size), status, words);                                                                \
        cr_expect(says(words));                                                                                                            \
        x = good;                                                                                                                          \
    } while (0)
    REFUSED(ATTN_ERROR_NULL, "workspace is NULL", NULL, bytes);
    REFUSED(ATTN_ERROR_WORKSPACE, "workspace_size is", workspace, bytes - 1);
    REFUSED(ATTN_ERROR_WORKSPACE, "workspace is at", workspace + 4, bytes);
    x.t.size = 0;
    REFUSED(ATTN_ERROR_STRUCT, "tensors.size is 0", workspace, bytes);
    x.t.xq = NULL;
    REFUSED(ATTN_ERROR_NULL, "tensors.xq is NULL", workspace, bytes);
    x.t.xk = x.t.xq;
    REFUSED(ATTN_ERROR_VALUE, "tensors.xk is", workspace, bytes);
    x.t.y = (void *)(uintptr_t)x.t.xq;
    REFUSED(ATTN_ERROR_OVERLAP, "tensors.y (from", workspace, bytes);
    x.t.y = (float *)x.t.k_cache + 1;
    REFUSED(ATTN_ERROR_OVERLAP, "tensors.y (from", workspace, bytes);
    x.t.v_cache = x.t.k_cache;
    REFUSED(ATTN_ERROR_OVERLAP, "tensors.k_cache (from", workspace, bytes);
    x.t.weights = NULL;
    REFUSED(ATTN_ERROR_NULL, "tensors.weights is NULL", workspace, bytes);
    x.t.weights = x.t.y;
    REFUSED(ATTN_ERROR_OVERLAP, "overlaps", workspace, bytes);
    x.t.past = NULL;
    REFUSED(ATTN_ERROR_NULL, "tensors.past is NULL", workspace, bytes);
    x.t.sinks = x.t.xq;
    REFUSED(ATTN_ERROR_VALUE, "tensors.sinks is", workspace, bytes);
    x.t.q_positions = x.t.past;
    REFUSED(ATTN_ERROR_VALUE, "tensors.q_positions is", workspace, bytes);
    x.t.y = (char *)x.t.y + 1;
    REFUSED(ATTN_ERROR_VALUE, "multiples of 4", workspace, bytes);
#undef REFUSED
    cr_expect_eq(attn_mha_run(NULL, &x.t, workspace, bytes), ATTN_ERROR_NULL);
    cr_expect_eq(attn_mha_run(plan, NULL, workspace, bytes), ATTN_ERROR_NULL);
    cr_expect(says("tensors is NULL"));
    cr_expect_eq(attn_mha_run(plan, &x.t, workspace, bytes), ATTN_OK, "%s", attn_last_error());
    free(workspace);
    attn_mha_plan_destroy(plan);
    attn_mha_destroy(mha);
}
