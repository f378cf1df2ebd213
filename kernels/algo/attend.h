/* attend.h - softmax attention over panels of queries and blocks of keys, generic over the vector header. The skeleton of all tile kernels.
 *
 * A panel is up to NQ vectors of query rows, one row a lane. The keys pass by in blocks; each row keeps m, a reference for its scores, l,
 * the sum of 2^(s - m), and o, the sum of 2^(s - m) v, both relative to m (kernels/README.md section 2; scores are in log2 units because q is
 * multiplied by scale * log2(e) when it is packed; only with a bias they stay in natural units, since a bias near -FLT_MAX leaves the
 * range when multiplied, and are multiplied after m was taken off). Per block:
 *
 *   swift   the sums of the score tile start at -m, so s - m comes out of it; 2^x and the sum of a row stay in the tile's registers.
 *           m is not looked at again: it need not be the maximum, it must only keep 2^(s - m) in range. Afterwards a test: if the block's
 *           sum of some row is 2^20 or more (or NaN), the block is done again the careful way.
 *   careful scores to memory, true maximum, rescaling of o and l by 2^(m - m'), 2^x in a second pass. The first strip of a panel goes this
 *           way and gives m; so does every block while some row has seen no key yet.
 *
 * Then o += P V. Strips of scores that the structure, a mask or a bias touches pass through the score stage (mask.h) on their way.
 *
 * A variant file includes the vector header, defines what shall differ from the defaults below, and includes this.
 * Cost per score: d + dv multiply-adds and one 2^x; K and V are read once per unit. Scratch: unit_panels panels (q, o, m, l) and one
 * block of scores. Headroom: |v| times the number of key blocks <= FLT_MAX / 2^20. Error: kernels/README.md section 4. */
#ifndef ATTN_ALGO_ATTEND_H
#define ATTN_ALGO_ATTEND_H

#include "kernels/fpenv.h"
#include "kernels/kernel.h"
#include "kernels/scratch.h"

#include "kernels/algo/exp.h"
#include "kernels/algo/tile.h"
#include "kernels/algo/pack.h"
#include "kernels/algo/rows.h"

/* How a tile of scores is made, and the keys in it. */
#define DOT_TILE(mr, nq, panel, k, stride, d, from, acc) tile_scores(mr, nq, (panel)->q, k, stride, d, from, acc)
#define ADDITIVE_TILE(mr, nq, panel, k, stride, d, from, acc) tile_additive(mr, nq, (panel)->q, (panel)->w, k, stride, d, from, acc)
#ifndef SCORE_TILE
#define SCORE_TILE DOT_TILE
#define TILE_KEYS MR
#endif
/* 2^x, the declaration of its constants, its error in units of 2^-23; whether it is a call, which clobbers every register and so works on
 * memory. */
#ifndef EXP2
#define EXP2(x, constants) exp2_poly(x, constants)
#define EXP2_CONSTANTS(constants) Exp2 *constants = exp2_constants()
#define EXP_ULP EXP2_ULP
#define EXP2_IS_CALL 0
#endif
/* Keys in a block; 0: all of them. */
#ifndef KEY_BLOCK
#define KEY_BLOCK 256
#endif
/* 0: always the careful way. */
#ifndef SWIFT
#define SWIFT 1
#endif

enum { UNIT_PANELS = 8, CHAIN = 256 }; /* CHAIN: terms that are summed one after another before they join a longer sum */

#define ATTEND_ACCURACY {ATTN_F32_ROUNDING, .exp_ulp = EXP_ULP, .tanh_ulp = TANH_ULP, .exp_exact_at_0 = true, .chain_from_m = SWIFT}
#define SWIFT_LIMIT 0x1p20f

typedef struct Panel {
    Lanes lanes;
    float m[LANES], l[LANES]; /* reference and sum of each row                                    */
    float minus_m[LANES];     /* where score tiles start from: -m, or 0 for raw scores            */
    float sum[LANES];         /* of the block at hand. Both in memory: registers are for the tile */
    float *q;                 /* [d][nq*VL] packed                                                */
    float *w;                 /* [d][nq*VL] packed weights of the additive score; else unused     */
    float *o;                 /* [nq*VL][ldo], relative to m                                      */
    size_t rows;              /* query rows                                                       */
    size_t nq;                /* vectors of queries in use                                        */
    bool started, settled;    /* has seen a strip; every row has a finite reference               */
    unsigned redone;          /* blocks that had to be done again                                 */
} Panel;

typedef struct Work {
    const AttnArgs *a;
    AttnSequence seq;
    size_t kv_head, key0, key1, ldo, key_block;
    float unit;          /* what a natural score is multiplied by when q is packed: log2(e), with a bias 1   */
    float to_log2;       /* what is left to multiply: unit * to_log2 = log2(e)                               */
    Panel *panels;
    float *s;            /* [key_block][LANES] scores, then weights                         */
    float *add;          /* [STRIP][LANES] mask or bias of a strip                          */
    unsigned char *live; /* [key_block] does any row of the panel see the key?              */
} Work;

static size_t key_block(const AttnProblem *p)
{
    const size_t most = KEY_BLOCK ? KEY_BLOCK : p->k_len, len = p->k_len < most ? p->k_len : most;
    return (len + STRIP - 1) / STRIP * STRIP;
}

/* Panels of the longest unit of this problem, as plan.c cuts it. */
static size_t panels_needed(const AttnProblem *p)
{
    const size_t rows = p->q_len < LANES ? p->q_len * (p->q_heads / p->kv_heads) : p->q_len, panels = (rows + LANES - 1) / LANES;
    return panels < UNIT_PANELS ? panels : UNIT_PANELS;
}

static size_t lay_out(const AttnProblem *p, void *base, Work *w)
{
    AttnCarve carve = {.base = base};
    const size_t panels = panels_needed(p);
    w->ldo = (p->dv + VL - 1) / VL * VL;
    w->key_block = key_block(p);
    w->panels = attn_carve(&carve, panels, sizeof *w->panels);
    w->s = attn_carve(&carve, w->key_block * LANES, sizeof *w->s);
    w->add = attn_carve(&carve, STRIP * LANES, sizeof *w->add);
    w->live = attn_carve(&carve, w->key_block, sizeof *w->live);
    for (size_t i = 0; i < panels; i++) {
        float *q = attn_carve(&carve, p->d * LANES, sizeof *q), *o = attn_carve(&carve, w->ldo * LANES, sizeof *o);
        float *weights = attn_carve(&carve, p->score == ATTN_SCORE_ADDITIVE ? p->d * LANES : 0, sizeof *weights);
        if (base) {
            w->panels[i].q = q;
            w->panels[i].w = weights;
            w->panels[i].o = o;
        }
    }
    return carve.used;
}

static size_t attend_scratch(const AttnProblem *p)
{
    Work w;
    return lay_out(p, NULL, &w);
}

/* ---- Scores ---------------------------------------------------------------------------------------------------------------------- */

static inline const float *key_row(const Work *w, size_t j)
{
    return attn_k_row(w->a, &w->seq, w->kv_head, j);
}

/* Distance of the key rows (value rows) of the segment that holds row j. */
static inline ptrdiff_t key_stride(const Work *w, size_t j)
{
    return j < w->a->p->past_len ? w->a->p->k_past.row : w->a->p->k.row;
}

/* The first key after j that the caller keeps elsewhere, but no further than end: blocks do not straddle past and new rows. */
static inline size_t segment_end(const Work *w, size_t j, size_t end)
{
    const size_t border = w->a->p->past_len;
    return j < border && border < end ? border : end;
}

/* One tile of mr keys to s[mr][nq*VL]: scores plus `from`; if finish, 2^x of them, summed into panel->sum. */
ALWAYS_INLINE void score_tile(const int mr, const int nq, const int finish, const Work *w, Panel *panel, size_t j, const float *from,
                              float *s)
{
    vf acc[MR][NQ];
    SCORE_TILE(mr, nq, panel, key_row(w, j), key_stride(w, j), w->a->p->d, from, acc);
    const EXP2_CONSTANTS(constants);
    UNROLL for (int r = 0; r < mr; r++)
        UNROLL for (int x = 0; x < nq; x++) {
            if (finish)
                acc[r][x] = EXP2(acc[r][x], constants);
            vf_store(s + (r * nq + x) * VL, acc[r][x]);
        }
    if (finish)
        UNROLL for (int x = 0; x < nq; x++) {
            vf rows = acc[0][x];
            UNROLL for (int r = 1; r < mr; r++)
                rows = vf_add(rows, acc[r][x]);
            vf_store(panel->sum + x * VL, vf_add(vf_load(panel->sum + x * VL), rows));
        }
}

/* A strip of n <= STRIP keys by tiles of TILE_KEYS keys, then 4, 2, 1. */
ALWAYS_INLINE void score_strip(const int nq, const int finish, const Work *w, Panel *panel, size_t j, size_t n, const float *from, float *s)
{
    const size_t lanes = (size_t)(nq * VL);
    size_t t = 0;
    for (; t + TILE_KEYS <= n; t += TILE_KEYS)
        score_tile(TILE_KEYS, nq, finish, w, panel, j + t, from, s + t * lanes);
    if (TILE_KEYS > 4 && t + 4 <= n) {
        score_tile(4, nq, finish, w, panel, j + t, from, s + t * lanes);
        t += 4;
    }
    if (TILE_KEYS > 2 && t + 2 <= n) {
        score_tile(2, nq, finish, w, panel, j + t, from, s + t * lanes);
        t += 2;
    }
    if (t < n)
        score_tile(1, nq, finish, w, panel, j + t, from, s + t * lanes);
}

/* s[n][nq*VL] = 2^(to_log2 (s - shift)) in place, summed into panel->sum. shift NULL: 0. */
ALWAYS_INLINE void exponentiate(const int nq, size_t n, Panel *panel, float to_log2, const float *shift, float *s)
{
    const vf factor = vf_set1(to_log2);
    vf by[NQ], sum[NQ];
    UNROLL for (int x = 0; x < nq; x++) {
        by[x] = shift ? vf_load(shift + x * VL) : vf_set1(0.0f);
        sum[x] = vf_set1(0.0f);
    }
    const EXP2_CONSTANTS(constants);
    for (size_t t = 0; t < n; t++, s += nq * VL)
        UNROLL for (int x = 0; x < nq; x++) {
            const vf p = EXP2(vf_mul(vf_sub(vf_load(s + x * VL), by[x]), factor), constants);
            vf_store(s + x * VL, p);
            sum[x] = vf_add(sum[x], p);
        }
    UNROLL for (int x = 0; x < nq; x++)
        vf_store(panel->sum + x * VL, vf_add(vf_load(panel->sum + x * VL), sum[x]));
}

/* A strip of raw scores and the whole stage on it. */
ALWAYS_INLINE void staged_strip(const int nq, const Work *w, Panel *panel, size_t j, size_t n, float *s, unsigned char *live)
{
    static const float zero[LANES];
    score_strip(nq, 0, w, panel, j, n, zero, s);
    if (lanes_partial(&panel->lanes, j, n))
        strip_stage(w->a->p, &panel->lanes, ATTN_STAGE_BIASED, w->unit, (size_t)(nq * VL), j, n, key_row(w, j), key_stride(w, j), s, live,
                    w->add);
}

/* Keys [j, end) the swift way, l added to. False if a row's sum left the range: m, l and o are unchanged then. */
ALWAYS_INLINE bool swift(const int nq, const Work *w, Panel *panel, size_t j, size_t end, float *s, unsigned char *live)
{
    UNROLL for (int x = 0; x < nq; x++) {
        vf_store(panel->minus_m + x * VL, vf_sub(vf_set1(0.0f), vf_load(panel->m + x * VL)));
        vf_store(panel->sum + x * VL, vf_set1(0.0f));
    }
    for (; j < end; j += STRIP, s += STRIP * nq * VL, live += STRIP) {
        const size_t n = end - j < STRIP ? end - j : STRIP;
        if (lanes_partial(&panel->lanes, j, n)) {
            staged_strip(nq, w, panel, j, n, s, live);
            exponentiate(nq, n, panel, w->to_log2, panel->m, s);
        } else if (EXP2_IS_CALL) {
            score_strip(nq, 0, w, panel, j, n, panel->minus_m, s);
            exponentiate(nq, n, panel, w->to_log2, NULL, s);
        } else {
            score_strip(nq, 1, w, panel, j, n, panel->minus_m, s);
        }
    }
    const vf limit = vf_set1(SWIFT_LIMIT);
    for (int x = 0; x < nq; x++)
        if (!vf_all_below(vf_load(panel->sum + x * VL), limit))
            return false;
    UNROLL for (int x = 0; x < nq; x++)
        vf_store(panel->l + x * VL, vf_add(vf_load(panel->l + x * VL), vf_load(panel->sum + x * VL)));
    return true;
}

/* Keys [j, end) the careful way: m becomes the maximum so far, o and l follow it. */
ALWAYS_INLINE void careful(const int nq, const Work *w, Panel *panel, size_t j, size_t end, float *s, unsigned char *live)
{
    const size_t lanes = (size_t)(nq * VL), keys = end - j;
    vf most[NQ];
    UNROLL for (int x = 0; x < nq; x++)
        most[x] = vf_load(panel->m + x * VL);
    for (size_t at = 0; at < keys; at += STRIP) {
        const size_t n = keys - at < STRIP ? keys - at : STRIP;
        staged_strip(nq, w, panel, j + at, n, s + at * lanes, live + at);
        for (size_t t = at; t < at + n; t++)
            UNROLL for (int x = 0; x < nq; x++)
                most[x] = vf_max(most[x], vf_load(s + t * lanes + (size_t)x * VL));
    }
    /* A row with every key hidden so far has m = -inf, and -inf - -inf is NaN: shift by 0 instead, which keeps l and o at exactly 0. */
    float shift[LANES], factor[LANES];
    int changed = 0;
    const EXP2_CONSTANTS(constants);
    UNROLL for (int x = 0; x < nq; x++) {
        const vf before = vf_load(panel->m + x * VL), by = vf_where_eq(most[x], vf_set1(-INFINITY), vf_set1(0.0f), most[x]);
        changed |= vf_any_differs(before, most[x]);
        vf_store(shift + x * VL, by);
        vf_store(factor + x * VL, EXP2(vf_mul(vf_sub(before, by), vf_set1(w->to_log2)), constants));
        vf_store(panel->m + x * VL, most[x]);
        vf_store(panel->sum + x * VL, vf_set1(0.0f));
    }
    for (size_t at = 0; at < keys; at += CHAIN)
        exponentiate(nq, keys - at < CHAIN ? keys - at : CHAIN, panel, w->to_log2, shift, s + at * lanes);
    UNROLL for (int x = 0; x < nq; x++)
        vf_store(panel->l + x * VL, vf_fma(vf_load(panel->l + x * VL), vf_load(factor + x * VL), vf_load(panel->sum + x * VL)));
    for (size_t lane = 0; changed && lane < panel->rows; lane++)
        for (size_t c = 0; c < w->ldo; c += VL) {
            float *o = panel->o + lane * w->ldo + c;
            vf_store(o, vf_mul(vf_load(o), vf_set1(factor[lane])));
        }
}

/* Has every row a reference that s - m may be taken from? */
static bool settled(const Panel *panel)
{
    const vf limit = vf_set1(INFINITY), low = vf_set1(-INFINITY);
    for (size_t lane = 0; lane < panel->nq * VL; lane += VL) {
        const vf m = vf_load(panel->m + lane);
        if (!vf_all_below(m, limit) || !vf_all_below(low, m))
            return false;
    }
    return true;
}

/* Weights of keys [j, end) to w->s, o and l rescaled as needed. */
ALWAYS_INLINE void weigh(const int nq, const Work *w, Panel *panel, size_t j, size_t end)
{
    const size_t lanes = (size_t)(nq * VL);
    float m0[LANES], l0[LANES];
    size_t from = j;
    memset(w->live, 1, end - j);
    if (SWIFT && panel->redone < 2) {
        memcpy(m0, panel->m, sizeof m0);
        memcpy(l0, panel->l, sizeof l0);
        if (!panel->started) {
            from = end - j < STRIP ? end : j + STRIP;
            careful(nq, w, panel, j, from, w->s, w->live);
            panel->started = true;
            panel->settled = settled(panel);
        }
        if (panel->settled && swift(nq, w, panel, from, end, w->s + (from - j) * lanes, w->live + (from - j)))
            return;
        panel->redone += panel->settled;
        memcpy(panel->m, m0, sizeof m0);
        memcpy(panel->l, l0, sizeof l0);
    }
    careful(nq, w, panel, j, end, w->s, w->live);
    panel->settled = settled(panel);
}

/* ---- Units ----------------------------------------------------------------------------------------------------------------------- */

/* Begin a panel with up to LANES of the unit's rows from *row on that exist; *row moves behind the last one taken. False: none is left.
 * A sink is a key that was seen already: its score is the first reference, its weight 1. */
static bool open_panel(const Work *w, Panel *panel, size_t *row, size_t end)
{
    const AttnArgs *a = w->a;
    const float *q[LANES] = {0}, *weights[LANES] = {0};
    panel->lanes.key0 = w->key0;
    panel->lanes.key1 = w->key1;
    panel->rows = lanes_take(&panel->lanes, a, &w->seq, w->kv_head, w->unit, row, end, LANES, q, weights);
    if (panel->rows == 0)
        return false;
    panel->nq = (panel->rows + VL - 1) / VL;
    const size_t lanes = panel->nq * VL;
    lanes_finish(&panel->lanes, panel->rows, lanes);
    const float factor = (float)(a->p->scale * (double)w->unit);
    if (a->p->score == ATTN_SCORE_ADDITIVE) {
        pack_queries(q, lanes, a->p->d, 1.0f, panel->q);
        pack_queries(weights, lanes, a->p->d, factor, panel->w);
    } else {
        pack_queries(q, lanes, a->p->d, factor, panel->q);
    }
    for (size_t lane = 0; lane < LANES; lane++) {
        const float sink = lane < panel->rows ? lane_sink(&panel->lanes, lane, a, w->unit) : -INFINITY;
        panel->m[lane] = sink;
        panel->l[lane] = sink == -INFINITY ? 0.0f : 1.0f;
    }
    panel->started = panel->settled = settled(panel); /* by sinks */
    panel->redone = 0;
    memset(panel->o, 0, panel->rows * w->ldo * sizeof *panel->o);
    return true;
}

/* o += P V over the runs of keys that some row of the panel sees. */
static void add_values(const Work *w, const Panel *panel, size_t j, size_t n)
{
    const size_t lanes = panel->nq * VL;
    const ptrdiff_t stride = j < w->a->p->past_len ? w->a->p->v_past.row : w->a->p->v.row;
    for (size_t t = 0; t < n;) {
        const size_t begin = t, end = n - begin < CHAIN ? n : begin + CHAIN;
        const unsigned char *dead = memchr(w->live + begin, 0, end - begin);
        t = dead ? (size_t)(dead - w->live) : end;
        if (t > begin)
            values_accumulate(panel->rows, w->s + begin * lanes, lanes, attn_v_row(w->a, &w->seq, w->kv_head, j + begin), stride, t - begin,
                              w->a->p->dv, panel->o, w->ldo);
        t += dead != NULL;
    }
}

static void close_panel(const Work *w, const Panel *panel)
{
    const float natural = w->to_log2 == 1.0f ? (float)LN2 : 1.0f;
    for (size_t lane = 0; lane < panel->rows; lane++)
        row_finish(&panel->lanes, lane, w->a, &w->seq, panel->o + lane * w->ldo, panel->m[lane], panel->l[lane], natural);
}

/* The optional scores of a finished panel: computed once more, strip by strip, as far as the stage that was asked for. */
static void emit_scores(const Work *w, Panel *panel)
{
    const AttnArgs *a = w->a;
    const size_t lanes = panel->nq * VL, len = a->p->k_len;
    const AttnStage stage = a->p->scores_stage, upto = stage == ATTN_STAGE_WEIGHTS ? ATTN_STAGE_BIASED : stage;
    const float natural = w->to_log2 == 1.0f ? (float)LN2 : 1.0f;
    static const float zero[LANES];
    for (size_t j = 0, n; j < len; j += n) {
        n = segment_end(w, j, len) - j;
        n = n < STRIP ? n : STRIP;
        switch (panel->nq) {
        case 1: score_strip(1, 0, w, panel, j, n, zero, w->s); break;
        case 2: score_strip(2, 0, w, panel, j, n, zero, w->s); break;
        default: score_strip(3, 0, w, panel, j, n, zero, w->s); break;
        }
        strip_stage(a->p, &panel->lanes, upto, w->unit, lanes, j, n, key_row(w, j), key_stride(w, j), w->s, w->live, w->add);
        for (size_t lane = 0; lane < panel->rows; lane++) {
            float *to = a->t->scores + attn_score_at(&a->p->scores, w->seq.b, panel->lanes.h[lane], panel->lanes.i[lane], j);
            const float m = panel->m[lane], l = panel->l[lane];
            for (size_t t = 0; t < n; t++) {
                const float s = w->s[t * lanes + lane];
                const float weight = s == -INFINITY ? 0.0f : exp2f((s - m) * w->to_log2) / l;
                to[(ptrdiff_t)t * a->p->scores.col] = stage == ATTN_STAGE_WEIGHTS ? weight : s * natural;
            }
        }
    }
}

static void attend(const AttnArgs *a, AttnSpan unit, void *scratch)
{
    const AttnFpState fp = attn_fp_enter();
    Work w = {.a = a, .seq = attn_sequence(a, unit.b), .kv_head = unit.kv_head, .key0 = unit.key0, .key1 = unit.key1};
    lay_out(a->p, scratch, &w);
    w.unit = a->t->bias ? 1.0f : (float)LOG2E;
    w.to_log2 = a->t->bias ? (float)LOG2E : 1.0f;
    size_t panels = 0, lo = SIZE_MAX, hi = 0;
    for (size_t row = unit.row0; row < unit.row1 && open_panel(&w, &w.panels[panels], &row, unit.row1); panels++) {
        const Lanes *lanes = &w.panels[panels].lanes;
        lo = lanes->min_lo < lo ? lanes->min_lo : lo;
        hi = lanes->max_hi > hi ? lanes->max_hi : hi;
    }
    for (size_t j0 = lo, j1; j0 < hi; j0 = j1) {
        j1 = segment_end(&w, j0, j0 + w.key_block);
        for (size_t i = 0; i < panels; i++) {
            Panel *panel = &w.panels[i];
            const size_t j = j0 > panel->lanes.min_lo ? j0 : panel->lanes.min_lo, end = j1 < panel->lanes.max_hi ? j1 : panel->lanes.max_hi;
            if (j >= end)
                continue;
            switch (panel->nq) {
            case 1: weigh(1, &w, panel, j, end); break;
            case 2: weigh(2, &w, panel, j, end); break;
            default: weigh(3, &w, panel, j, end); break;
            }
            add_values(&w, panel, j, end - j);
        }
    }
    for (size_t i = 0; i < panels; i++) {
        close_panel(&w, &w.panels[i]);
        if (a->t->scores)
            emit_scores(&w, &w.panels[i]);
    }
    attn_fp_leave(fp);
}

/* Estimated cycles: 2 multiply-adds a score and column over the CPU's multiply-adds a cycle, at the share of the peak that was measured
 * for this skeleton, and the exponential. Rows of a short panel cost as much as a full vector. */
static double attend_cost(const AttnProblem *p, double multiply_adds_per_cycle, double cycles_per_exp)
{
    const bool stacked = p->q_len < LANES;
    const double rows = (double)(stacked ? p->q_len * (p->q_heads / p->kv_heads) : p->q_len);
    const double vectors = ceil(rows / VL) * VL, heads = (double)p->batch * (double)(stacked ? p->kv_heads : p->q_heads);
    const double scores = heads * vectors * (double)p->k_len * visible_share(p, LANES);
    return scores * ((double)p->d + ceil((double)p->dv / VL) * VL) / multiply_adds_per_cycle + scores * cycles_per_exp;
}

#endif
