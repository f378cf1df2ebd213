/* suite.c - what attention is verified on. Sizes sit on, before and behind every tile edge that a kernel here has (4 to 64 rows or keys);
 * options are drawn at random, from a seed that each case's name contains. */
#include "harness/ops/sdpa/suite.h"

#include <stdio.h>

#include "harness/base/random.h"
#include "harness/ops/sdpa/exact.h"
#include "harness/ops/sdpa/special.h"

bool sdpa_suite_add(Suite *suite, const VerifyCase *c)
{
    char name[CASE_NAME];
    return suite_add(suite, JOB_CASE, case_name(c, name, sizeof name));
}

static bool add_rule(Suite *suite, JobKind kind, size_t index)
{
    char name[CASE_NAME];
    if (kind == JOB_EXACT)
        snprintf(name, sizeof name, "exact:%s", exact_name(index));
    else
        snprintf(name, sizeof name, "special:%s", special_name(index));
    return suite_add(suite, kind, name);
}

bool sdpa_suite_find(const char *name, JobKind *kind, size_t *index, char *error, size_t error_size)
{
    *index = 0;
    *kind = strncmp(name, "exact:", 6) == 0 ? JOB_EXACT : strncmp(name, "special:", 8) == 0 ? JOB_SPECIAL : JOB_CASE;
    if (*kind == JOB_CASE)
        return true;
    const bool exact = *kind == JOB_EXACT;
    const char *rule = strchr(name, ':') + 1;
    const size_t count = exact ? exact_count() : special_count();
    while (*index < count && strcmp(rule, exact ? exact_name(*index) : special_name(*index)) != 0)
        ++*index;
    if (*index < count)
        return true;
    snprintf(error, error_size, "no %s is called \"%s\"; a repro line names one", exact ? "exact oracle" : "special rule", rule);
    return false;
}

bool sdpa_suite_job(Suite *suite, const char *text, char *error, size_t error_size)
{
    JobKind kind;
    VerifyCase c;
    size_t index;
    if (!sdpa_suite_find(text, &kind, &index, error, error_size) || (kind == JOB_CASE && !case_parse(text, &c, error, error_size)))
        return false;
    if (kind == JOB_CASE ? sdpa_suite_add(suite, &c) : add_rule(suite, kind, index))
        return true;
    snprintf(error, error_size, "out of memory for a list of cases");
    return false;
}

/* Cases written as text; their seeds are drawn. */
static bool add_texts(Suite *suite, const char *const *texts, size_t count, uint64_t seed)
{
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        VerifyCase c;
        char error[200];
        ok = case_parse(texts[i], &c, error, sizeof error);
        c.seed = random_bits(seed, i) >> 32;
        ok = ok && sdpa_suite_add(suite, &c);
    }
    return ok;
}

static bool add_rules(Suite *suite, JobKind kind, size_t count)
{
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = add_rule(suite, kind, i);
    return ok;
}

#define COUNT(list) (sizeof(list) / sizeof *(list))

static bool add_sharp(Suite *suite, uint64_t seed)
{
    static const char *const texts[] = {
        "b1_h1_q1_k1_d1_lse:normal:0:after:t1",
        "b1_h1_q1_k65_d64_lse:normal:0:before:t1",
        "b2_h4g2_q1_k67_d40_causal_lse:normal:0:after:t1",
        "b1_h2_q65_k65_d16_causal:normal:0:after:t1",
        "b1_h2_q33_k17_d17v9_causal_lse:normal:0:before:t1",
        "b1_h2_q17_k33_d8v24_causal-tl:normal:0:after:t3",
        "b2_h2g1_q19_k40_d5_causal-off11_lse:normal:0:after:t1",
        "b1_h3g1_q21_k15_d3_causal-off-6_lse:normal:0:before:t1",
        "b2_h4g2_q18_k50_d24v20_maskbool_lse:normal:0:after:t1",
        "b2_h4g2_q18_k50_d24v20_bias_lse:normal:0:after:t1",
        "b2_h2_q9_k70_d12_causal_maskbool_bias_lse:normal:0:after:t3:m5-b2",
        "b2_h2_q34_k34_d16_maskbool_bias:peaky:0:before:t1:m2-b13",
        "b2_h2_q11_k37_d16_maskbool:normal:0:after:t1:m8",
        "b2_h4g2_q20_k48_d32_blhd_lse:normal:0:after:t1:x2",
        "b2_h4g2_q31_k31_d16_causal_packed:normal:0:before:t1",
        "b2_h4g1_q3_k49_d72v64_vk_lse:normal:0:after:t1",
        "b3_h2_q13_k29_d20_lse:normal:0:after:t1:x3-r",
        "b3_h2_q5_k29_d20:normal:0:before:t1:z",
        "b1_h2_q12_k130_d16_lse:rampup:0:after:t1",
        "b1_h2_q12_k130_d16_lse:rampdown:0:after:t1",
        "b1_h2_q12_k130_d16_causal_lse:stairs:0:after:t1",
        "b1_h1_q20_k129_d64_lse:peaky:0:after:t1",
        "b1_h1_q10_k80_d16_bias_lse:large:0:after:t1",
        "b1_h1_q10_k80_d16_bias_lse:denormal:0:after:t1",
        "b1_h2_q9_k33_d64v80_lse:uniform:0:after:t1",
        "b1_h2_q9_k33_d16_lse:normal:0:after:t1:s-0.3",
        "b1_h2_q9_k33_d16_lse:normal:0:after:t1:s0",
        "b1_h16g2_q1_k300_d128_causal:normal:0:after:t1",
        "b1_h1_q2_k515_d4_lse:normal:0:after:t1",
        /* few rows over many keys: their parts are merged */
        "b1_h2g1_q1_k1100_d8_causal_sink_lse:normal:0:after:t3",
        "b1_h4g2_q3_k1290_d20v12_causal_past1200_lse:stairs:0:before:t1",
        "b1_h4g2_q33_k65_d16_win9r4_lse_scoresbiased:normal:0:after:t1",
        "b2_h4g2_q20_k70_d20_causal_win17_lse:normal:0:before:t1",
        "b1_h2_q40_k40_d8_win0r0_lse:normal:0:after:t1",
        "b1_h2_q21_k50_d16_br_win5r0_lse:normal:0:after:t1",
        "b3_h2_q17_k60_d16_offs_win11r6_lse:normal:0:after:t1",
        "b4_h4g2_q9_k67_d24_causal_pad1_lse_scoresweights:normal:0:after:t1",
        "b5_h4g2_q33_k80_d16_causal_varlen_lse:normal:0:after:t3",
        "b5_h2_q18_k40_d20v12_cap2_alibi_varlen_blhd_lse:normal:0:before:t1",
        "b2_h4g2_q5_k70_d16_causal_past65_lse_scoresraw:normal:0:after:t1",
        "b2_h4g2_q12_k55_d17_win30_past13_blhd_lse:normal:0:after:t1:x2",
        "b1_h4g2_q19_k66_d24_cap1.5_lse_scorescapped:peaky:0:after:t1",
        "b4_h2_q50_k60_d16_causal-tl_pad1_lse:normal:0:after:t1",
        "b1_h2_q9_k35_d16_cap0.5_lse_scoresraw:normal:0:after:t1",
        "b1_h4g2_q19_k66_d24_cap3_maskbool_bias_lse_scoresbiased:peaky:0:after:t1",
        "b1_h2_q19_k66_d24_cap30_lse:large:0:after:t1",
        "b2_h6g2_q18_k50_d16_br_alibi_lse_scoresbiased:normal:0:after:t1",
        "b2_h6g2_q18_k50_d16_causal_alibi_sink_bias_lse:normal:0:before:t1",
        "b1_h8g2_q13_k37_d16_sink_lse_scoresweights:normal:0:after:t1",
        "b1_h4_q9_k40_d16_causal-off-4_sink_lse:stairs:0:after:t1",
        "b3_h4g2_q1_k120_d64_causal_win64_cap50_sink_pad0.9_lse:normal:0:after:t1",
        "b1_h2_q17_k45_d16_gauss_lse_scoresraw:normal:0:after:t1",
        "b2_h4g2_q17_k45_d9_causal_win20_gauss_cap5_alibi_sink_bias_lse:normal:0:after:t1",
        /* rows of K and V 4096 bytes apart: blocks of them are copied */
        "b1_h16_q50_k90_d64_causal_win60_past31_blhd_scoresraw:normal:0:after:t1",
        "b1_h2_q9_k33_d16_additive_lse_scoresraw:normal:0:after:t1",
        "b2_h4g2_q11_k40_d20v12_causal_win13_additive_cap2_alibi_sink_maskbool_bias_lse_scoresweights:normal:0:before:t1",
        "b3_h4g2_q7_k30_d8_additive_varlen_lse:normal:0:after:t3",
        "b2_h4g2_q6_k41_d12_causal_additive_past33_lse:normal:0:after:t1:x2-r",
        "b2_h2_q21_k37_d16_causal_win8_pad1_lse_scoresweights:normal:0:after:t1:x3",
    };
    return add_texts(suite, texts, COUNT(texts), seed);
}

static bool add_smoke(Suite *suite, uint64_t seed)
{
    bool ok = add_sharp(suite, seed) && add_rules(suite, JOB_SPECIAL, special_count());
    for (size_t i = 0; ok && i < exact_count(); i++)
        if (strncmp(exact_name(i), "permutation", 11) == 0 || strncmp(exact_name(i), "count", 5) == 0 || i % 8 == 0)
            ok = add_rule(suite, JOB_EXACT, i);
    return ok;
}

static bool add_hurting(Suite *suite, uint64_t seed)
{
    static const char *const shapes[] = {
        "b1_h2_q33_k200_d64_lse",          "b1_h2_q7_k1000_d16_lse",            "b2_h4g2_q50_k50_d40_causal_bias_lse",
        "b1_h2_q70_k300_d128_causal_lse",  "b1_h2_q16_k129_d8_maskbool_bias_lse", "b1_h1_q3_k4097_d64_lse",
        "b1_h8g1_q2_k3001_d40_causal_win1500_cap20_alibi_sink_lse", "b2_h4g2_q1_k2500_d96_sink_maskbool_bias_pad1_lse",
        "b1_h4g1_q4_k600_d96v64_vk_lse",    "b1_h2_q30_k200_d16_cap20_sink_lse",    "b1_h2_q20_k150_d40_gauss_lse",
        "b1_h2_q12_k100_d24_additive_sink_lse", "b2_h4g2_q40_k120_d24_br_win50r9_alibi_bias_pad1_lse",
    };
    bool ok = true;
    for (size_t i = 0; ok && i < COUNT(shapes) * DIST_COUNT; i++) {
        char text[CASE_NAME];
        const char *const texts[] = {text};
        snprintf(text, sizeof text, "%s:%s:0:%s:t1", shapes[i / DIST_COUNT], data_dist_name((DataDist)(i % DIST_COUNT)),
                 i % 2 ? "after" : "before");
        ok = add_texts(suite, texts, 1, seed + i);
    }
    static const char *const scales[] = {
        "b1_h2_q9_k70_d16_lse:normal:0:after:t1:s1000",   "b1_h2_q9_k70_d16_lse:normal:0:after:t1:s1e-30",
        "b1_h2_q9_k70_d16_lse:large:0:after:t1:s-1",      "b1_h2_q9_k70_d16_bias_lse:large:0:after:t1:s0",
        "b1_h2_q9_k70_d16_bias_lse:denormal:0:after:t1:s1e6",
        "b1_h2_q9_k70_d16_cap50_lse:large:0:after:t1:s1e6", "b1_h2_q9_k70_d16_cap0.01_lse:normal:0:after:t1",
        "b1_h2_q9_k70_d16_cap1e6_lse:normal:0:after:t1", "b1_h2_q9_k70_d16_cap1e-9_bias_lse:peaky:0:after:t1",
        "b1_h2_q9_k70_d16_gauss_cap3_lse:large:0:after:t1", "b1_h2_q9_k70_d16_sink_lse:normal:0:after:t1:s0",
    };
    return ok && add_texts(suite, scales, COUNT(scales), seed ^ 0xad);
}

static bool add_adversarial(Suite *suite, uint64_t seed)
{
    return add_hurting(suite, seed) && add_rules(suite, JOB_SPECIAL, special_count());
}

/* ---- Random cases ----------------------------------------------------------------------------------------------------------------- */

static const size_t widths[] = {1, 2, 3, 5, 8, 16, 17, 40, 64, 65, 72, 80, 96, 128, 192, 256, 576};
static const size_t lengths[] = {1,  2,  3,  4,  5,  7,  8,  9,  12, 15, 16, 17,  24,  31,  32,  33,  47,
                                 48, 49, 63, 64, 65, 95, 96, 97, 127, 128, 129, 191, 192, 193, 255, 256, 257};
static const struct {
    size_t q, kv;
} heads[] = {{1, 1}, {2, 2}, {3, 3}, {2, 1}, {4, 2}, {6, 3}, {8, 2}, {5, 1}, {6, 2}};

/* A stream of random draws. */
typedef struct Draw {
    uint64_t seed, next;
} Draw;

static size_t draw(Draw *from, size_t n)
{
    return (size_t)(random_bits(from->seed, from->next++) % n);
}

static size_t draw_length(Draw *from)
{
    return draw(from, 2) ? lengths[draw(from, COUNT(lengths))] : 1 + draw(from, 65);
}

static double flop_of(const Shape *s)
{
    return 2.0 * (double)(s->batch * s->q_heads * s->q_len) * (double)s->k_len * (double)(s->d + s->dv);
}

/* An additive score costs one tanh per column, and each score that is an output costs the judge time. */
static bool costs_too_much(const Shape *s)
{
    const double scores = (double)(s->batch * s->q_heads * s->q_len) * (double)s->k_len;
    return flop_of(s) > (s->score == ATTN_SCORE_ADDITIVE ? 2e6 : 1.2e7) || (s->scores && scores > 1e5);
}

/* The score stage's options, each drawn independently, so that any two of them occur together. */
static void draw_options(Draw *from, Shape *s)
{
    static const double caps[] = {0.25, 1.0, 3.0, 20.0, 50.0};
    if (draw(from, 3) == 0) {
        s->window = true;
        s->window_left = draw(from, 4) ? (int64_t)draw(from, draw(from, 2) ? 9 : s->k_len + 9) : -1;
        s->window_right = draw(from, 3) ? (int64_t)draw(from, draw(from, 2) ? 9 : s->k_len + 9) : -1;
    }
    s->score = draw(from, 5) == 0 ? ATTN_SCORE_GAUSSIAN : draw(from, 6) == 0 ? ATTN_SCORE_ADDITIVE : ATTN_SCORE_DOT;
    s->softcap = draw(from, 4) == 0 ? caps[draw(from, COUNT(caps))] : 0.0;
    s->alibi = draw(from, 4) == 0;
    s->sinks = draw(from, 4) == 0;
    const size_t storage = draw(from, 6);
    s->kv_lengths = storage == 0;
    s->pad = storage == 0 ? (double)(1 + draw(from, 4)) / 4.0 : 0.0;
    s->varlen = storage == 1;
    if (s->kv_lengths || s->varlen)
        s->batch += draw(from, 4);
    if (!s->varlen && draw(from, 4) == 0)
        s->past_len = 1 + draw(from, s->k_len);
    s->scores = !s->varlen && draw(from, 5) == 0;
    s->scores_stage = s->scores ? (AttnStage)draw(from, 4) : ATTN_STAGE_RAW;
}

static void draw_shape(Draw *from, Shape *s)
{
    const size_t h = draw(from, COUNT(heads));
    s->batch = 1 + draw(from, 3);
    s->q_heads = heads[h].q;
    s->kv_heads = heads[h].kv;
    s->q_len = draw_length(from);
    s->k_len = draw(from, 12) ? draw_length(from) : 258 + draw(from, 800);
    s->d = widths[draw(from, COUNT(widths))];
    s->dv = draw(from, 5) < 3 ? s->d : widths[draw(from, COUNT(widths))];
    switch (draw(from, 9)) {
    case 0:
    case 1:
        s->causal = true;
        s->align = ATTN_ALIGN_BOTTOM_RIGHT;
        break;
    case 2:
        s->causal = true;
        break;
    case 3:
        s->causal = true;
        s->align = ATTN_ALIGN_OFFSET;
        s->offset = (int64_t)draw(from, 2 * s->k_len + s->q_len) - (int64_t)(s->q_len + s->k_len / 2);
        break;
    case 4:
        s->causal = true;
        s->align = ATTN_ALIGN_OFFSETS;
        break;
    case 5: /* a position that only a window or slopes look at */
        s->align = draw(from, 2) ? ATTN_ALIGN_BOTTOM_RIGHT : ATTN_ALIGN_OFFSETS;
        break;
    }
    s->mask = draw(from, 3) == 0;
    s->bias = draw(from, 3) == 0;
    s->lse = draw(from, 2) == 0;
    draw_options(from, s);
    s->layout = (ShapeLayout)draw(from, 3);
    if (s->layout == SHAPE_INTERLEAVED) { /* one tensor of q, k and v: lengths and widths are the same */
        s->k_len = s->q_len + s->past_len;
        s->dv = s->d;
    }
    s->v_in_k = s->dv <= s->d && s->layout != SHAPE_INTERLEAVED && draw(from, 8) == 0;
    while (costs_too_much(s) && s->batch > 1)
        s->batch--;
    while (costs_too_much(s) && s->q_heads > s->kv_heads)
        s->q_heads -= s->kv_heads;
    while (costs_too_much(s) && s->q_len > 1) {
        s->q_len = (s->q_len + 1) / 2;
        s->k_len = s->layout == SHAPE_INTERLEAVED ? s->q_len + s->past_len : s->k_len;
    }
}

VerifyCase sdpa_suite_draw(uint64_t seed)
{
    static const double scales[] = {0.0, 1.0, -0.25, 0.01};
    VerifyCase c = {.seed = seed, .threads = 1};
    Draw from = {seed, 1000};
    draw_shape(&from, &c.shape);
    c.dist = draw(&from, 3) ? DIST_NORMAL : (DataDist)draw(&from, DIST_COUNT);
    c.fence = draw(&from, 2) ? FENCE_AFTER : FENCE_BEFORE;
    c.threads = draw(&from, 8) ? 1 : 3;
    if (c.shape.mask)
        c.storage.mask_repeat = (unsigned)draw(&from, 16);
    if (c.shape.bias)
        c.storage.bias_repeat = (unsigned)draw(&from, 16);
    c.storage.stretch = draw(&from, 3) ? 0 : 2 + (unsigned)draw(&from, 2);
    c.storage.reversed = draw(&from, 8) == 0;
    c.storage.shared_kv = draw(&from, 10) == 0;
    if (draw(&from, 10) == 0) {
        c.storage.has_scale = true;
        c.storage.scale = scales[draw(&from, COUNT(scales))];
    }
    return c;
}

bool sdpa_suite_random(Suite *suite, size_t count, uint64_t seed)
{
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        const VerifyCase c = sdpa_suite_draw(random_bits(seed, i) >> 16);
        ok = sdpa_suite_add(suite, &c);
    }
    return ok;
}

/* ---- Full ------------------------------------------------------------------------------------------------------------------------- */

/* Every length from 1 to 65 for queries and keys, then every pair of lengths around tile edges, alternating causal kinds. */
static bool add_edges(Suite *suite, uint64_t seed)
{
    static const size_t edges[] = {15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129};
    const size_t singles = 2 * 65, pairs = COUNT(edges) * COUNT(edges);
    bool ok = true;
    for (size_t i = 0; ok && i < singles + pairs; i++) {
        VerifyCase c = {.seed = random_bits(seed, i) >> 32, .fence = i % 2 ? FENCE_AFTER : FENCE_BEFORE, .threads = 1};
        Shape *s = &c.shape;
        s->batch = 1;
        s->q_heads = i % 3 == 0 ? 2 : 1;
        s->kv_heads = 1;
        s->d = widths[i % 9];
        s->dv = widths[(i / 9 + i) % 9];
        s->causal = i % 3 != 0;
        s->align = i % 3 == 2 ? ATTN_ALIGN_BOTTOM_RIGHT : ATTN_ALIGN_TOP_LEFT;
        s->lse = i % 2 == 0;
        const size_t pair = i - singles;
        s->q_len = i < singles ? 1 + i % 65 : edges[pair % COUNT(edges)];
        s->k_len = i < 65 ? 1 + (i * 29) % 97 : i < singles ? 1 + i % 65 : edges[pair / COUNT(edges)];
        if (i >= 65 && i < singles)
            s->q_len = 1 + (i * 31) % 40;
        ok = sdpa_suite_add(suite, &c);
    }
    return ok;
}

static bool add_full(Suite *suite, uint64_t seed)
{
    static const char *const texts[] = {
        "b1_h2_q300_k300_d64_causal_lse:normal:0:after:t3",
        "b1_h8g2_q130_k515_d128_causal_lse:normal:0:before:t1",
        "b1_h1_q197_k197_d64:normal:0:after:t1",
        "b1_h1_q257_k257_d80:normal:0:after:t1",
        "b1_h2_q77_k77_d160:normal:0:before:t1",
        "b1_h16g1_q1_k700_d576v512_vk_lse:normal:0:after:t1",
        "b1_h2_q128_k128_d192v128_causal:normal:0:before:t1",
        "b8_h8g2_q1_k257_d128_causal:normal:0:after:t3",
        "b1_h4_q64_k4096_d64_lse:normal:0:after:t1",
        "b1_h1_q33_k4097_d64_causal_lse:rampup:0:before:t1",
        "b1_h1_q33_k4097_d40_lse:stairs:0:after:t1",
        "b1_h8g1_q1_k16385_d64_lse:normal:0:after:t1",
        "b1_h2_q3_k65537_d64_lse:normal:0:before:t1",
        "b1_h2_q3_k65537_d16_lse:rampup:0:after:t1",
        "b1_h2_q3_k65537_d16_lse:rampdown:0:after:t1",
        "b1_h1_q17_k65537_d8_causal_maskbool_lse:normal:0:after:t1:m6",
        "b1_h1_q2_k65537_d8v1_lse:uniform:0:after:t1",
        "b1_h1_q1500_k1500_d64_causal:normal:0:after:t1",
    };
    return add_sharp(suite, seed) && add_rules(suite, JOB_EXACT, exact_count()) && add_adversarial(suite, seed + 1) &&
           add_edges(suite, seed + 2) && sdpa_suite_random(suite, 2000, seed + 3) && add_texts(suite, texts, COUNT(texts), seed + 4);
}

bool sdpa_suite(Suite *suite, SuiteName name, uint64_t seed)
{
    enum { FUZZ = 48 };
    switch (name) {
    case SUITE_FULL: return add_full(suite, seed);
    case SUITE_SMOKE:
    case SUITE_MUTANTS: return add_smoke(suite, seed);
    case SUITE_ADVERSARIAL: return add_adversarial(suite, seed);
    case SUITE_FUZZ: return sdpa_suite_random(suite, FUZZ, seed);
    }
    return false;
}

bool sdpa_suite_shape(Suite *suite, const Shape *shape, size_t number, const OpSettings *settings)
{
    static const DataDist usual[] = {DIST_NORMAL, DIST_PEAKY, DIST_STAIRS};
    DataDist wanted = DIST_NORMAL;
    bool ok = !settings->dist || data_dist_find(settings->dist, &wanted);
    for (size_t n = 0; ok && n < (settings->dist ? 1 : COUNT(usual)); n++) {
        const VerifyCase c = {.shape = *shape, .dist = settings->dist ? wanted : usual[n], .seed = settings->seed,
                              .threads = settings->threads, .fence = (number + n) % 2 ? FENCE_BEFORE : FENCE_AFTER};
        ok = sdpa_suite_add(suite, &c);
    }
    return ok;
}
