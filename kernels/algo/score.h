/* score.h - weights of a panel of queries for a block of keys: scores by tiles, then 2^(s - m), two ways.
 *
 *   swift   the sums of a score tile start at -m, so s - m comes out of it; 2^x and the sum of a row stay in the tile's registers.
 *           m is not looked at again: it need not be the maximum, it must only keep 2^(s - m) in range. Afterwards a test: if the block's
 *           sum of some row is 2^20 or more (or NaN), the block is done again the careful way. The first tile of a panel starts at 0 and
 *           its largest score of each row becomes m, in registers too.
 *   careful scores to memory, true maximum, rescaling of o and l by 2^(m - m'), 2^x in a second pass. Where the first keys of a panel are
 *           not seen by all rows, or pass through the score stage, a strip of them goes this way and gives m; so does every block while
 *           some row has seen no key yet.
 *
 * Keys that an option of the problem touches pass through the score stage (mask.h). Where rows differ only in the range of keys that they
 * see, as at a causal frontier, tiles hide keys by lanes in registers and leave out the vectors of lanes that see none of their keys. */
#ifndef ATTN_ALGO_SCORE_H
#define ATTN_ALGO_SCORE_H

#include "kernels/algo/exp.h"
#include "kernels/algo/tile.h"
#include "kernels/algo/rows.h"

/* How a tile of scores is made, and the keys in one of nq vectors. */
#define DOT_TILE(mr, nq, pitch, q, w, k, stride, d, from, prefetch, acc) tile_scores(mr, nq, pitch, q, k, stride, d, from, prefetch, acc)
#define ADDITIVE_TILE(mr, nq, pitch, q, w, k, stride, d, from, prefetch, acc) tile_additive(mr, nq, pitch, q, w, k, stride, d, from, acc)
#ifndef SCORE_TILE
#define SCORE_TILE DOT_TILE
#define TILE_KEYS(nq) KEYS_OF(nq)
#endif
/* 2^x, the declaration of its constants, its error in units of 2^-23; whether it is a call, which clobbers every register and so works on
 * memory. */
#ifndef EXP2
#define EXP2(x, constants) exp2_poly(x, constants)
#define EXP2_CONSTANTS(constants) Exp2 *constants = exp2_constants()
#define EXP_ULP EXP2_ULP
#define EXP2_IS_CALL 0
#endif
/* 0: always the careful way. */
#ifndef SWIFT
#define SWIFT 1
#endif

enum {
    CHAIN = 256, /* terms that are summed one after another before they join a longer sum */
    AHEAD = 16   /* how many keys before their use those are asked for that come from far */
};
#define SWIFT_LIMIT 0x1p20f
#define OUT_OF_LINE static __attribute__((noinline))

typedef struct Panel {
    Lanes lanes;
    float m[LANES], l[LANES]; /* reference and sum of each row                                    */
    float minus_m[LANES];     /* where score tiles start from                                     */
    float sum[LANES];         /* of the block at hand. Both in memory: registers are for the tile */
    float *q;                 /* [d][nq*VL] packed                                                */
    float *w;                 /* [d][nq*VL] packed weights of the additive score; else unused     */
    float *o;                 /* [nq*VL][ldo], relative to m                                      */
    size_t rows;              /* query rows                                                       */
    size_t nq;                /* vectors of queries in use                                        */
    bool started, settled;    /* has seen a strip; every row has a finite reference               */
    bool fresh;               /* o was not written yet and stands for 0                           */
    unsigned redone;          /* blocks that had to be done again                                 */
} Panel;

/* Consecutive keys of one run: rows of K or V. */
typedef struct Keys {
    const kv_stored *row; /* of the first                       */
    ptrdiff_t stride;     /* bytes between rows                 */
    size_t j;             /* the first, counted from the key 0  */
} Keys;

/* Rows [j, end) of K or V beside each other in scratch; none where j == end. */
typedef struct Gathered {
    kv_stored *rows;
    size_t j, end;
} Gathered;

typedef struct Work {
    const AttnArgs *a;
    AttnSequence seq;
    size_t kv_head, key0, key1, ldo, key_block;
    bool far;            /* operands probably come from beyond L2                                            */
    Prefetch *prefetch;      /* what to prefetch while these keys are scored; NULL: nothing                       */
    float score_scale;          /* what a natural score is multiplied by when q is packed: log2(e), with a bias 1   */
    float to_log2;       /* what is left to multiply: score_scale * to_log2 = log2(e)                               */
    Panel *panels;
    float *s;            /* [key_block][LANES] scores, then weights                         */
    float *add;          /* [STRIP][LANES] mask or bias of a strip                          */
    unsigned char *live; /* [key_block] does any row of the panel see the key?              */
    Gathered keys, values; /* [key_block][d] and [key_block][dv] copies of rows that lie badly (attend.h) */
} Work;

/* `rows` as far as they are in scratch, else in place. */
static inline Keys rows_from(const Gathered *rows, size_t width, AttnRun run, size_t j)
{
    if (j < rows->j || j >= rows->end)
        return (Keys){run.row, run.stride, j};
    return (Keys){rows->rows + (j - rows->j) * width, (ptrdiff_t)(width * sizeof(kv_stored)), j};
}

static inline Keys keys_from(const Work *w, size_t j)
{
    return rows_from(&w->keys, w->a->p->d, attn_k_run(w->a, &w->seq, w->kv_head, j, j + 1, sizeof(kv_stored)), j);
}

static inline Keys values_from(const Work *w, size_t j)
{
    return rows_from(&w->values, w->a->p->dv, attn_v_run(w->a, &w->seq, w->kv_head, j, j + 1, sizeof(kv_stored)), j);
}

/* ---- Tiles ----------------------------------------------------------------------------------------------------------------------- */

/* What becomes of a tile's sums: they are stored; 2^x of them is stored and summed into panel->sum; the same with keys hidden that a lane
 * does not see; the same after the largest of each lane became its m. PREFETCHING: as WEIGHTS, and prefetches meanwhile. */
enum { RAW, WEIGHTS, PREFETCHING, BOUNDED, FIRST };

/* One tile of mr keys and nq vectors of the panel's lanes from lane `at` on to s[mr][pitch*VL], which stands at that lane too. */
ALWAYS_INLINE void score_tile(const int kind, const int mr, const int nq, const int pitch, const Work *w, Panel *panel, size_t at,
                              Keys keys, const float *from, float *s)
{
    vf acc[HIGH_TILE][NQ];
    SCORE_TILE(mr, nq, pitch, panel->q + at, panel->w + at, keys.row, keys.stride, w->a->p->d, from,
               kind == PREFETCHING ? w->prefetch : NULL, acc);
    const Lanes *lanes = &panel->lanes;
    if (kind == FIRST)
        UNROLL for (int x = 0; x < nq; x++) {
            vf most = acc[0][x];
            UNROLL for (int r = 1; r < mr; r++)
                most = vf_max(most, acc[r][x]);
            vf_store(panel->m + x * VL, most);
            vf_store(panel->minus_m + x * VL, vf_sub(vf_set1(0.0f), most));
            UNROLL for (int r = 0; r < mr; r++)
                acc[r][x] = vf_sub(acc[r][x], most);
        }
    if (kind == BOUNDED)
        UNROLL for (int r = 0; r < mr; r++) {
            const ptrdiff_t key = (ptrdiff_t)keys.j + r;
            const vf hidden = vf_set1(-INFINITY), lo = vf_set1((float)(key - (ptrdiff_t)lanes->max_lo)),
                     hi = vf_set1((float)(key - (ptrdiff_t)lanes->min_hi));
            UNROLL for (int x = 0; x < nq; x++) {
                acc[r][x] = vf_where_lt(hi, vf_load(lanes->to + at + x * VL), acc[r][x], hidden);
                acc[r][x] = vf_where_lt(lo, vf_load(lanes->from + at + x * VL), hidden, acc[r][x]);
            }
        }
    const EXP2_CONSTANTS(constants);
    UNROLL for (int r = 0; r < mr; r++)
        UNROLL for (int x = 0; x < nq; x++) {
            if (kind != RAW)
                acc[r][x] = EXP2(acc[r][x], constants);
            vf_store(s + (r * pitch + x) * VL, acc[r][x]);
        }
    if (kind != RAW)
        UNROLL for (int x = 0; x < nq; x++) {
            vf rows = acc[0][x];
            UNROLL for (int r = 1; r < mr; r++)
                rows = vf_add(rows, acc[r][x]);
            float *sum = panel->sum + at + x * VL;
            vf_store(sum, vf_add(vf_load(sum), rows));
        }
}

/* n keys to s[n][pitch*VL] by tiles of TILE_KEYS(nq); what is left below 8 goes as two halves, 5 as 3 + 2, because a tile of one key has
 * too few sums to hide the latency of a multiply-add. */
ALWAYS_INLINE void score_keys(const int kind, const int nq, const int pitch, const Work *w, Panel *panel, size_t at, Keys keys, size_t n,
                              const float *from, float *s)
{
#define TILE(mr)                                                                                                                          \
    do {                                                                                                                                  \
        score_tile(kind, mr, nq, pitch, w, panel, at, keys, from, s);                                                                     \
        keys.row = kv_at(keys.row, (mr) * keys.stride);                                                                                   \
        keys.j += (mr);                                                                                                                   \
        s += (mr) * pitch * VL;                                                                                                           \
        n -= (mr);                                                                                                                        \
    } while (0)
    while (n == TILE_KEYS(nq) || (n > TILE_KEYS(nq) && (n > 8 || TILE_KEYS(nq) < 4)))
        TILE(TILE_KEYS(nq));
    if (TILE_KEYS(nq) > 8 && n >= 8)
        TILE(TILE_KEYS(nq) > 8 ? 8 : 1);
    while (n > 0)
        switch (TILE_KEYS(nq) < 4 ? 1 : n > 4 ? (n + 1) / 2 : n) {
        case 4: TILE(TILE_KEYS(nq) < 4 ? 1 : 4); break;
        case 3: TILE(TILE_KEYS(nq) < 4 ? 1 : 3); break;
        case 2: TILE(TILE_KEYS(nq) < 4 ? 1 : 2); break;
        default: TILE(1);
        }
#undef TILE
}

/* Raw scores plus `from` (NULL: 0) of n keys. */
OUT_OF_LINE void score_raw(const Work *w, Panel *panel, Keys keys, size_t n, const float *from, float *s)
{
    switch (panel->nq) {
    case 1: score_keys(RAW, 1, 1, w, panel, 0, keys, n, from, s); break;
    case 2: score_keys(RAW, 2, 2, w, panel, 0, keys, n, from, s); break;
    default: score_keys(RAW, 3, 3, w, panel, 0, keys, n, from, s); break;
    }
}

/* Weights of n keys that every row sees, relative to m. */
OUT_OF_LINE void score_weights(const Work *w, Panel *panel, Keys keys, size_t n, float *s)
{
    switch (panel->nq) {
    case 1: score_keys(WEIGHTS, 1, 1, w, panel, 0, keys, n, panel->minus_m, s); break;
    case 2: score_keys(WEIGHTS, 2, 2, w, panel, 0, keys, n, panel->minus_m, s); break;
    default: score_keys(WEIGHTS, 3, 3, w, panel, 0, keys, n, panel->minus_m, s); break;
    }
}

/* The same, prefetching what w->prefetch holds. */
OUT_OF_LINE void score_prefetching(const Work *w, Panel *panel, Keys keys, size_t n, float *s)
{
    switch (panel->nq) {
    case 1: score_keys(PREFETCHING, 1, 1, w, panel, 0, keys, n, panel->minus_m, s); break;
    case 2: score_keys(PREFETCHING, 2, 2, w, panel, 0, keys, n, panel->minus_m, s); break;
    default: score_keys(PREFETCHING, 3, 3, w, panel, 0, keys, n, panel->minus_m, s); break;
    }
}

/* m and weights from the first tile of n >= 1 keys that every row sees. Returns its keys. */
OUT_OF_LINE size_t score_first(const Work *w, Panel *panel, Keys keys, size_t n, float *s)
{
    const size_t most = panel->nq == 1 ? TILE_KEYS(1) : panel->nq == 2 ? TILE_KEYS(2) : TILE_KEYS(3);
    n = n >= most ? most : n >= 4 && most >= 4 ? 4 : 1;
#define FIRST_TILE(nq)                                                                                                                    \
    if (n == TILE_KEYS(nq))                                                                                                               \
        score_tile(FIRST, TILE_KEYS(nq), nq, nq, w, panel, 0, keys, NULL, s);                                                             \
    else if (n == 4)                                                                                                                      \
        score_tile(FIRST, TILE_KEYS(nq) > 4 ? 4 : 1, nq, nq, w, panel, 0, keys, NULL, s);                                                 \
    else                                                                                                                                  \
        score_tile(FIRST, 1, nq, nq, w, panel, 0, keys, NULL, s);                                                                         \
    break
    switch (panel->nq) {
    case 1: FIRST_TILE(1);
    case 2: FIRST_TILE(2);
    default: FIRST_TILE(3);
    }
#undef FIRST_TILE
    return n;
}

/* Weights of n keys relative to m, where ranges rise: each key is hidden from the lanes that do not see it. The lanes that see some key of
 * a run of keys are a run of vectors; it changes where the first of them ends or the next one begins. The others' weights are 0. */
OUT_OF_LINE void score_bounded(const Work *w, Panel *panel, Keys keys, size_t n, float *s)
{
    const Lanes *lanes = &panel->lanes;
    const size_t nq = panel->nq;
    for (size_t x0 = 0, x1; n > 0;) {
        while (lanes->hi[x0 * VL + VL - 1] <= keys.j)
            x0++;
        for (x1 = x0 + 1; x1 < nq && lanes->lo[x1 * VL] <= keys.j;)
            x1++;
        size_t run = lanes->hi[x0 * VL + VL - 1] - keys.j;
        if (x1 < nq && lanes->lo[x1 * VL] - keys.j < run)
            run = lanes->lo[x1 * VL] - keys.j;
        run = run < n ? run : n;
        const size_t at = x0 * VL;
        const float *from = panel->minus_m + at;
        switch (x1 - x0) {
        case 1: score_keys(BOUNDED, 1, (int)nq, w, panel, at, keys, run, from, s + at); break;
        case 2: score_keys(BOUNDED, 2, (int)nq, w, panel, at, keys, run, from, s + at); break;
        default: score_keys(BOUNDED, 3, 3, w, panel, at, keys, run, from, s + at); break;
        }
        for (size_t t = 0; x1 - x0 < nq && t < run; t++)
            for (size_t x = 0; x < nq; x++)
                if (x < x0 || x >= x1)
                    vf_store(s + (t * nq + x) * VL, vf_set1(0.0f));
        keys.row = kv_at(keys.row, (ptrdiff_t)run * keys.stride);
        keys.j += run;
        s += run * nq * VL;
        n -= run;
    }
}

/* ---- Strips ---------------------------------------------------------------------------------------------------------------------- */

ALWAYS_INLINE void exponentiate_lanes(const int nq, size_t n, Panel *panel, float to_log2, const float *shift, float *s)
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

/* s[n][nq*VL] = 2^(to_log2 (s - shift)) in place, summed into panel->sum. shift NULL: 0. */
OUT_OF_LINE void exponentiate(size_t n, Panel *panel, float to_log2, const float *shift, float *s)
{
    switch (panel->nq) {
    case 1: exponentiate_lanes(1, n, panel, to_log2, shift, s); break;
    case 2: exponentiate_lanes(2, n, panel, to_log2, shift, s); break;
    default: exponentiate_lanes(3, n, panel, to_log2, shift, s); break;
    }
}

/* A strip of raw scores and the whole stage on it. */
static void staged_strip(const Work *w, Panel *panel, Keys keys, size_t n, float *s, unsigned char *live)
{
    score_raw(w, panel, keys, n, NULL, s);
    if (lanes_partial(&panel->lanes, keys.j, n))
        strip_stage(w->a->p, &panel->lanes, ATTN_STAGE_BIASED, w->score_scale, panel->nq * VL, keys.j, n, keys.row,
                    keys.stride, s, live, w->add);
}

/* The next keys from j on, as many of [j, end) as go the same way, to weights. Returns how many. */
static size_t swift_some(const Work *w, Panel *panel, size_t j, size_t end, float *s, unsigned char *live)
{
    const Lanes *lanes = &panel->lanes;
    const Keys keys = keys_from(w, j);
    size_t n = end - j;
    if (!lanes_partial(lanes, j, 1)) {
        n = lanes->min_hi - j < n ? lanes->min_hi - j : n;
        if (!EXP2_IS_CALL) {
            if (w->prefetch)
                score_prefetching(w, panel, keys, n, s);
            else
                score_weights(w, panel, keys, n, s);
            return n;
        }
        n = n < STRIP ? n : STRIP;
        score_raw(w, panel, keys, n, panel->minus_m, s);
        exponentiate(n, panel, w->to_log2, NULL, s);
        return n;
    }
    if (j < lanes->max_lo && lanes->max_lo - j < n)
        n = lanes->max_lo - j;
    if (!EXP2_IS_CALL && lanes->rising && !lanes->always) {
        score_bounded(w, panel, keys, n, s);
        return n;
    }
    n = n < STRIP ? n : STRIP;
    staged_strip(w, panel, keys, n, s, live);
    exponentiate(n, panel, w->to_log2, panel->m, s);
    return n;
}

/* Keys [j, end) the swift way, l added to; first: m is taken from the first tile, which every row must see. False if a row's sum left the
 * range: l and o are unchanged then. */
static bool swift(const Work *w, Panel *panel, size_t j, size_t end, float *s, unsigned char *live, bool first)
{
    const size_t lanes = panel->nq * VL;
    for (size_t lane = 0; lane < lanes; lane += VL) {
        vf_store(panel->minus_m + lane, vf_sub(vf_set1(0.0f), vf_load(panel->m + lane)));
        vf_store(panel->sum + lane, vf_set1(0.0f));
    }
    for (size_t n; j < end; j += n, s += n * lanes, live += n) {
        if (first) {
            n = panel->lanes.min_hi < end ? panel->lanes.min_hi - j : end - j;
            n = score_first(w, panel, keys_from(w, j), n, s);
        } else {
            n = swift_some(w, panel, j, end, s, live);
        }
        first = false;
    }
    const vf limit = vf_set1(SWIFT_LIMIT);
    for (size_t lane = 0; lane < lanes; lane += VL)
        if (!vf_all_below(vf_load(panel->sum + lane), limit))
            return false;
    for (size_t lane = 0; lane < lanes; lane += VL)
        vf_store(panel->l + lane, vf_add(vf_load(panel->l + lane), vf_load(panel->sum + lane)));
    return true;
}

/* Keys [j, end) the careful way: m becomes the maximum so far, o and l follow it. */
static void careful(const Work *w, Panel *panel, size_t j, size_t end, float *s, unsigned char *live)
{
    const size_t lanes = panel->nq * VL, keys = end - j;
    float most[LANES], shift[LANES], factor[LANES];
    memcpy(most, panel->m, sizeof most);
    for (size_t at = 0; at < keys; at += STRIP) {
        const size_t n = keys - at < STRIP ? keys - at : STRIP;
        staged_strip(w, panel, keys_from(w, j + at), n, s + at * lanes, live + at);
        for (size_t lane = 0; lane < lanes; lane += VL) {
            vf highest = vf_load(most + lane);
            for (size_t t = at; t < at + n; t++)
                highest = vf_max(highest, vf_load(s + t * lanes + lane));
            vf_store(most + lane, highest);
        }
    }
    /* A row with every key hidden so far has m = -inf, and -inf - -inf is NaN: shift by 0 instead, which keeps l and o at exactly 0. */
    int changed = 0;
    const EXP2_CONSTANTS(constants);
    for (size_t lane = 0; lane < lanes; lane += VL) {
        const vf before = vf_load(panel->m + lane), after = vf_load(most + lane);
        const vf by = vf_where_eq(after, vf_set1(-INFINITY), vf_set1(0.0f), after);
        changed |= vf_any_differs(before, after);
        vf_store(shift + lane, by);
        vf_store(factor + lane, EXP2(vf_mul(vf_sub(before, by), vf_set1(w->to_log2)), constants));
        vf_store(panel->m + lane, after);
        vf_store(panel->sum + lane, vf_set1(0.0f));
    }
    for (size_t at = 0; at < keys; at += CHAIN)
        exponentiate(keys - at < CHAIN ? keys - at : CHAIN, panel, w->to_log2, shift, s + at * lanes);
    for (size_t lane = 0; lane < lanes; lane += VL)
        vf_store(panel->l + lane, vf_fma(vf_load(panel->l + lane), vf_load(factor + lane), vf_load(panel->sum + lane)));
    for (size_t lane = 0; changed && !panel->fresh && lane < panel->rows; lane++)
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
static void weigh(const Work *w, Panel *panel, size_t j, size_t end)
{
    const size_t lanes = panel->nq * VL;
    memset(w->live, 1, end - j);
    if (SWIFT && panel->redone < 2) {
        float m0[LANES], l0[LANES];
        size_t from = j;
        memcpy(m0, panel->m, sizeof m0);
        memcpy(l0, panel->l, sizeof l0);
        const bool first = !panel->started && !EXP2_IS_CALL && !w->a->t->sinks && !lanes_partial(&panel->lanes, j, 1);
        if (!panel->started && !first) {
            from = end - j < STRIP ? end : j + STRIP;
            careful(w, panel, j, from, w->s, w->live);
            panel->settled = settled(panel);
        }
        panel->started = true;
        if ((first || panel->settled) && swift(w, panel, from, end, w->s + (from - j) * lanes, w->live + (from - j), first)) {
            panel->settled = true;
            return;
        }
        panel->redone += settled(panel);
        memcpy(panel->m, m0, sizeof m0);
        memcpy(panel->l, l0, sizeof l0);
    }
    careful(w, panel, j, end, w->s, w->live);
    panel->settled = settled(panel);
}

#endif
