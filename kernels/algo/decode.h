/* decode.h - softmax attention of few query rows over many keys, generic over the vector header: the skeleton of the decode kernels.
 *
 * With one query row, or the 2 to 32 of a group of heads, keys and values are read once and each number is used by few: what bounds the
 * time is the stream from memory. So nothing is packed but q, and every key and value is read from memory exactly once for all rows of the
 * unit: the scores of a block of keys, their weights, then the block's values.
 *
 * What is read next is fetched ahead in the order of memory, always PIECE_BYTES before its use: keys, at the block's end its first values,
 * then values, at their end the next block's first keys. Line by line in order matters: hardware prefetchers then run before the software's
 * (fetching 16 rows side by side: 74 % of the read bandwidth instead of 85 %), and so does the distance (Zen 5, 41 GB/s: 1 KiB ahead 32,
 * 4 KiB 37, 8 KiB 40, 16 KiB 37 GB/s). Large blocks matter because each change between keys and values costs a gap: 32 keys 72 %, 1024 keys
 * 94 % (one row, d 128).
 *
 * A tile is `height` rows, a power of two up to VL; the W = VL / height lanes of a row hold parts of its sum over the head dimension:
 *
 *   scores  lane r*W + i of the packed q holds q[r][c + i]. W numbers of a key row, repeated over the vector, times that vector: one
 *           multiply-add for all rows. TK keys at a time; then folding sums the W parts of W keys at once, which leaves the score of row
 *           r and key i in lane r*W + i. One row: W = VL, plain loads. VL rows: W = 1, plain broadcasts, nothing to fold.
 *   weights the running maximum m is exact; o and l are rescaled when it rises, which it does about ln(blocks) times a row. 2^(s - m) of VL
 *           scores at a time, in that layout.
 *   values  o[r][c] += p[r][key] v[key][c]: up to 8 rows x 2 vectors of columns in registers, v loaded once for all of them.
 *
 * Blocks that an option touches go row by row through lanes into the score stage (mask.h) and back: that costs VL lanes a key, whatever
 * the number of rows, and is still small beside reading the key.
 * Measured on Zen 5, d 128, 32768 keys, share of a plain read of the same memory: 1 row 94 %, 4 rows 89 %, 8 rows 87 % with AVX-512;
 * 1 row 96 % with AVX2, whose 8 rows are bound by multiply-adds.
 * Cost per key: d + dv numbers read; rows * (d + dv) multiply-adds in vectors of VL, rows rounded up to a power of two in the scores.
 * Scratch: for each tile q and o; a block of scores; a tile of keys. Error: kernels/README.md section 4, chains of a block. */
#ifndef ATTN_ALGO_DECODE_H
#define ATTN_ALGO_DECODE_H

#include "kernels/fpenv.h"
#include "kernels/kernel.h"
#include "kernels/scratch.h"

#include "kernels/algo/exp.h"
#include "kernels/algo/tile.h"
#include "kernels/algo/rows.h"

enum {
    TK = 2 * MR,                 /* keys in a score tile                                                              */
    LINE = 16,                   /* floats in a cache line                                                            */
    ROWS_MOST = 64,              /* rows of a unit                                                                    */
    PIECE_BYTES = 8192,          /* of keys or values: how far ahead they are fetched, and what P V takes at a time    */
    BLOCK_PIECES = 64,           /* pieces of keys before their values follow, at most                                */
    SCORE_FLOATS = 8192,         /* room for a block's scores: they stay in L1 or L2                                  */
    TALL = PQ * NV >= 16 ? 8 : 4 /* rows of a value tile; two vectors of columns each                                 */
};

#define DECODE_ACCURACY {ATTN_F32_ROUNDING, .exp_ulp = EXP2_ULP, .tanh_ulp = TANH_ULP, .exp_exact_at_0 = true}

typedef struct Tile {
    Lanes lanes;
    float m[VL], l[VL]; /* lane r*W + i: maximum of row r; part i of its sum */
    float *q;           /* [ceil(d / W)][VL] packed                          */
    float *o;           /* [rows][ldo], relative to m                        */
    size_t rows;
    int width;          /* W                                                 */
} Tile;

typedef struct Work {
    const AttnArgs *a;
    AttnSequence seq;
    AttnSpan unit;
    size_t ldo, piece, block; /* keys in a piece and in a block */
    float natural;       /* what a natural score is multiplied by when q is packed: log2(e), with a bias 1 */
    float to_log2;       /* what is left to multiply                                                       */
    Tile *tiles;
    float *s;            /* [block / W][VL] scores, then weights                                           */
    float *staged;       /* [block][VL] the same with a row in each lane                                   */
    float *add;          /* [STRIP][VL] mask or bias of a strip                                            */
    float *keys;         /* [TK][d] the last keys, where fewer than TK are left                            */
    unsigned char *live; /* [block] does any row of the tile see the key?                                  */
} Work;

/* Rows of the longest unit, as plan.c cuts it. */
static size_t rows_needed(const AttnProblem *p)
{
    const size_t rows = p->q_len < DECODE_PANEL ? p->q_len * (p->q_heads / p->kv_heads) : p->q_len;
    return rows < ROWS_MOST ? rows : ROWS_MOST;
}

static size_t lay_out(const AttnProblem *p, void *base, Work *w)
{
    AttnCarve carve = {.base = base};
    const size_t tiles = (rows_needed(p) + VL - 1) / VL, keys = PIECE_BYTES / sizeof(float) / (p->d > p->dv ? p->d : p->dv);
    w->ldo = (p->dv + VL - 1) / VL * VL;
    w->piece = keys < TK ? TK : keys / TK * TK;
    w->block = w->piece * BLOCK_PIECES;
    if (w->block > SCORE_FLOATS / VL)
        w->block = SCORE_FLOATS / VL / w->piece * w->piece;
    if (w->block < w->piece)
        w->block = w->piece;
    w->tiles = attn_carve(&carve, tiles, sizeof *w->tiles);
    w->s = attn_carve(&carve, w->block * VL, sizeof *w->s);
    w->staged = attn_carve(&carve, w->block * VL, sizeof *w->staged);
    w->add = attn_carve(&carve, STRIP * VL, sizeof *w->add);
    w->keys = attn_carve(&carve, TK * p->d, sizeof *w->keys);
    w->live = attn_carve(&carve, w->block, sizeof *w->live);
    for (size_t i = 0; i < tiles; i++) {
        float *q = attn_carve(&carve, (p->d + VL) * VL, sizeof *q), *o = attn_carve(&carve, w->ldo * VL, sizeof *o);
        if (base) {
            w->tiles[i].q = q;
            w->tiles[i].o = o;
        }
    }
    return carve.used;
}

static size_t decode_scratch(const AttnProblem *p)
{
    Work w;
    return lay_out(p, NULL, &w);
}

/* ---- Fetching ahead -------------------------------------------------------------------------------------------------------------- */

/* Rows that will be read soon, as lines in the order of memory. Rows without gaps between them count as one. */
typedef struct Stretch {
    const char *at;        /* the next line                            */
    size_t left, per_row;  /* lines left of this row; lines of a row   */
    size_t rows;           /* rows after this one                      */
    ptrdiff_t jump;        /* bytes from the end of a row to the next  */
} Stretch;

typedef struct Ahead {
    Stretch now, then;
} Ahead;

/* The next `lines` lines. Inlined throughout: a call in a tile's loop would push the sums out of registers. */
ALWAYS_INLINE void fetch(Ahead *ahead, const int lines)
{
    Stretch *now = &ahead->now;
    if (now->left >= (size_t)lines) {
        UNROLL for (int i = 0; i < lines; i++)
            __builtin_prefetch(now->at + 64 * i);
        now->at += 64 * lines;
        now->left -= (size_t)lines;
        return;
    }
    for (int i = 0; i < lines && now->left + now->rows + ahead->then.left > 0; i++) {
        if (now->left == 0 && now->rows > 0) {
            now->rows--;
            now->at += now->jump;
            now->left = now->per_row;
        } else if (now->left == 0) {
            *now = ahead->then;
            ahead->then.left = ahead->then.rows = 0;
        }
        __builtin_prefetch(now->at);
        now->at += 64;
        now->left--;
    }
}

/* Rows [j, end) of keys or values. */
static Stretch stretch_of(const Work *w, bool values, size_t j, size_t end)
{
    const AttnProblem *p = w->a->p;
    const bool old = j < p->past_len;
    const AttnLayout *l = values ? (old ? &p->v_past : &p->v) : (old ? &p->k_past : &p->k);
    const size_t bytes = (values ? p->dv : p->d) * sizeof(float);
    Stretch s = {0};
    if (j >= end)
        return s;
    s.at = (const char *)(values ? attn_v_row(w->a, &w->seq, w->unit.kv_head, j) : attn_k_row(w->a, &w->seq, w->unit.kv_head, j));
    if (l->row * (ptrdiff_t)sizeof(float) == (ptrdiff_t)bytes) {
        s.left = (bytes * (end - j) + 63) / 64;
        return s;
    }
    s.left = s.per_row = (bytes + 63) / 64;
    s.rows = end - j - 1;
    s.jump = l->row * (ptrdiff_t)sizeof(float) - (ptrdiff_t)(64 * s.per_row);
    return s;
}

/* While one half of block [j, end) is worked on: the rest of that half, then the first piece of what follows. The half of the keys is
 * followed by the block's values, that of the values by the keys [end, hi) of the next block. */
static Ahead ahead_of(const Work *w, bool values, size_t j, size_t end, size_t hi)
{
    const size_t first = end - j < w->piece ? end : j + w->piece, next = hi - end < w->piece ? hi : end + w->piece;
    const bool same = (end < w->a->p->past_len) == (next <= w->a->p->past_len); /* one stretch does not cross into the other segment */
    const Stretch rest = stretch_of(w, values, first, end);
    return (Ahead){rest, values ? stretch_of(w, false, end, same ? next : end) : stretch_of(w, true, j, first)};
}

/* ---- Scores ---------------------------------------------------------------------------------------------------------------------- */

/* Rows of a tile, four to a base: base, + s, + 2s, + 3s are one address each to the CPU, where a pointer a row would spill. */
typedef struct Rows {
    const char *base[TK / 4];
    ptrdiff_t s, s3; /* bytes */
} Rows;

ALWAYS_INLINE Rows rows_at(const float *at, ptrdiff_t stride)
{
    Rows rows = {.s = stride * (ptrdiff_t)sizeof *at, .s3 = 3 * stride * (ptrdiff_t)sizeof *at};
    UNROLL for (int i = 0; i < TK / 4; i++)
        rows.base[i] = (const char *)(at + 4 * i * stride);
    return rows;
}

ALWAYS_INLINE const float *row_at(const Rows *rows, int t)
{
    const char *base = rows->base[t / 4];
    const ptrdiff_t more = t % 4 == 0 ? 0 : t % 4 == 1 ? rows->s : t % 4 == 2 ? 2 * rows->s : rows->s3;
    return (const float *)(const void *)(base + more);
}

/* The next `floats` columns of the first n rows. The compiler must not see through it, or it makes a pointer a row of it again. */
ALWAYS_INLINE void rows_advance(Rows *rows, int n, int floats)
{
    UNROLL for (int i = 0; i < (n + 3) / 4; i++) {
        rows->base[i] += floats * (int)sizeof(float);
        __asm__("" : "+r"(rows->base[i]));
    }
}

/* acc[n] of n keys, part by part. */
ALWAYS_INLINE void sum_keys(const int w, const int n, const float *q, const float *k, ptrdiff_t stride, size_t d, Ahead *ahead, vf *acc)
{
    Rows rows = rows_at(k, stride);
    UNROLL for (int t = 0; t < n; t++)
        acc[t] = vf_set1(0.0f);
    size_t c = 0;
    for (; c + LINE <= d; c += LINE, rows_advance(&rows, n, LINE)) {
        fetch(ahead, n);
        UNROLL for (int x = 0; x < LINE; x += w, q += VL) {
            const vf column = vf_load(q);
            UNROLL for (int t = 0; t < n; t++)
                acc[t] = vf_fma(vf_load_part(row_at(&rows, t) + x, w), column, acc[t]);
        }
    }
    for (; c + (size_t)w <= d; c += (size_t)w, q += VL, rows_advance(&rows, n, w))
        UNROLL for (int t = 0; t < n; t++)
            acc[t] = vf_fma(vf_load_part(row_at(&rows, t), w), vf_load(q), acc[t]);
    if (c < d)
        UNROLL for (int t = 0; t < n; t++) {
            float part[VL] = {0.0f};
            memcpy(part, row_at(&rows, t), (d - c) * sizeof *part);
            acc[t] = vf_fma(vf_load_part(part, w), vf_load(q), acc[t]);
        }
}

/* s[TK/w][VL] of TK keys. Few rows take few keys at a time, so that the reads stay nearly in order; more rows need independent sums. */
ALWAYS_INLINE void tile_keys(const int w, const float *q, const float *k, ptrdiff_t stride, size_t d, Ahead *ahead, float *s)
{
    const int height = VL / w, n = height == 1 && VL > 4 ? 1 : height <= 4 && VL > 8 ? 2 : 8;
    vf acc[TK];
    UNROLL for (int t = 0; t < TK; t += n)
        sum_keys(w, n, q, k + t * stride, stride, d, ahead, acc + t);
    UNROLL for (int t = 0; t < TK; t += w) {
        UNROLL for (int bit = w / 2; bit > 0; bit /= 2)
            UNROLL for (int i = 0; i < bit; i++)
                acc[t + i] = vf_fold(acc[t + i], acc[t + i + bit], bit);
        vf_store(s + t / w * VL, acc[t]);
    }
}

/* Scores of keys [j, j + n) to w->s. The last TK are copied where fewer are left, and those beyond the end hidden. */
ALWAYS_INLINE void score_block(const int width, const Work *w, const Tile *tile, size_t j, size_t n, Ahead *ahead)
{
    const AttnProblem *p = w->a->p;
    const ptrdiff_t stride = j < p->past_len ? p->k_past.row : p->k.row;
    const float *k = attn_k_row(w->a, &w->seq, w->unit.kv_head, j);
    size_t t = 0;
    for (; t + TK <= n; t += TK, k += TK * stride)
        tile_keys(width, tile->q, k, stride, p->d, ahead, w->s + t / (size_t)width * VL);
    if (t == n)
        return;
    for (size_t i = 0; i < TK; i++)
        memcpy(w->keys + i * p->d, k + (t + i < n ? (ptrdiff_t)i : 0) * stride, p->d * sizeof *k);
    tile_keys(width, tile->q, w->keys, (ptrdiff_t)p->d, p->d, ahead, w->s + t / (size_t)width * VL);
    for (size_t i = n; i < t + TK; i++)
        for (size_t lane = i % (size_t)width; lane < VL; lane += (size_t)width)
            w->s[i / (size_t)width * VL + lane] = -INFINITY;
}

/* The score stage on w->s where a strip needs it; w->live of the block. A row in a lane for mask.h, then back. */
static void stage_block(const Work *w, const Tile *tile, size_t j, size_t n)
{
    const AttnProblem *p = w->a->p;
    const size_t width = (size_t)tile->width;
    memset(w->live, 1, n);
    if (!lanes_partial(&tile->lanes, j, n))
        return;
    for (size_t t = 0; t < n; t++)
        for (size_t r = 0; r < VL; r++)
            w->staged[t * VL + r] = r < tile->rows ? w->s[t / width * VL + r * width + t % width] : 0.0f;
    const ptrdiff_t stride = j < p->past_len ? p->k_past.row : p->k.row;
    for (size_t t = 0; t < n; t += STRIP)
        strip_stage(p, &tile->lanes, ATTN_STAGE_BIASED, w->natural, VL, j + t, n - t < STRIP ? n - t : STRIP,
                    attn_k_row(w->a, &w->seq, w->unit.kv_head, j + t), stride, w->staged + t * VL, w->live + t, w->add);
    for (size_t t = 0; t < n; t++)
        for (size_t r = 0; r < tile->rows; r++)
            w->s[t / width * VL + r * width + t % width] = w->staged[t * VL + r];
}

/* ---- Weights --------------------------------------------------------------------------------------------------------------------- */

/* Some score exceeds its row's m: raise m to the largest of `most` in the row's lanes and take o and l along. */
static void raise_maximum(const Work *w, Tile *tile, vf most)
{
    const size_t width = (size_t)tile->width;
    float top[VL], factor[VL];
    vf_store(top, most);
    for (size_t lane = 0; lane < VL; lane += width) {
        float row = tile->m[lane];
        for (size_t i = 0; i < width; i++)
            row = top[lane + i] > row ? top[lane + i] : row;
        for (size_t i = 0; i < width; i++)
            top[lane + i] = row;
    }
    /* m = -inf: nothing seen so far, o and l are 0 and stay so under any finite factor. */
    const vf before = vf_load(tile->m), now = vf_load(top), hidden = vf_set1(-INFINITY);
    const vf by = vf_where_eq(before, hidden, vf_set1(0.0f), vf_mul(vf_sub(before, now), vf_set1(w->to_log2)));
    vf_store(factor, exp2_poly(by, exp2_constants()));
    vf_store(tile->m, now);
    vf_store(tile->l, vf_mul(vf_load(tile->l), vf_load(factor)));
    for (size_t r = 0; r < tile->rows; r++)
        for (size_t c = 0; c < w->ldo && factor[r * width] != 1.0f; c += VL)
            vf_store(tile->o + r * w->ldo + c, vf_mul(vf_load(tile->o + r * w->ldo + c), vf_set1(factor[r * width])));
}

/* w->s = 2^(to_log2 (s - m)) of n keys, l added to. */
static void weigh_block(const Work *w, Tile *tile, size_t n)
{
    const size_t vectors = (n + (size_t)tile->width - 1) / (size_t)tile->width;
    const vf hidden = vf_set1(-INFINITY), factor = vf_set1(w->to_log2);
    vf most = vf_load(tile->m), sum = vf_set1(0.0f);
    for (size_t x = 0; x < vectors; x++)
        most = vf_max(most, vf_load(w->s + x * VL));
    if (vf_any_differs(most, vf_load(tile->m)))
        raise_maximum(w, tile, most);
    const vf m = vf_load(tile->m), by = vf_where_eq(m, hidden, vf_set1(0.0f), m);
    const Exp2 *constants = exp2_constants();
    for (size_t x = 0; x < vectors; x++) {
        const vf p = exp2_poly(vf_mul(vf_sub(vf_load(w->s + x * VL), by), factor), constants);
        vf_store(w->s + x * VL, p);
        sum = vf_add(sum, p);
    }
    vf_store(tile->l, vf_add(vf_load(tile->l), sum));
}

/* ---- Values ---------------------------------------------------------------------------------------------------------------------- */

/* o[pr][nv vectors] += sum over keys [t, end) of the block. p: the weights of the first of the pr rows; v: row t. */
ALWAYS_INLINE void tile_rows(const int width, const int pr, const int nv, const float *p, const float *v, ptrdiff_t stride, size_t t,
                             size_t end, size_t tail, Ahead *ahead, float *o, size_t ldo)
{
    vf acc[8][8];
    UNROLL for (int r = 0; r < pr; r++)
        UNROLL for (int y = 0; y < nv; y++)
            acc[r][y] = vf_set1(0.0f);
    for (; t < end; t++, v += stride) {
        vf value[8];
        fetch(ahead, (nv * VL + LINE - 1) / LINE);
        UNROLL for (int y = 0; y < nv; y++)
            value[y] = tail ? vf_load_tail(v + y * VL, tail) : vf_load(v + y * VL);
        const float *weight = p + t / (size_t)width * VL + t % (size_t)width;
        UNROLL for (int r = 0; r < pr; r++) {
            const vf one = vf_set1(weight[r * width]);
            UNROLL for (int y = 0; y < nv; y++)
                acc[r][y] = vf_fma(one, value[y], acc[r][y]);
        }
    }
    UNROLL for (int r = 0; r < pr; r++)
        UNROLL for (int y = 0; y < nv; y++)
            vf_store(o + (size_t)r * ldo + y * VL, vf_add(vf_load(o + (size_t)r * ldo + y * VL), acc[r][y]));
}

/* All columns of pr rows: as many vectors at a time as leave registers, the last partial one alone. */
ALWAYS_INLINE void value_columns(const int width, const int pr, const float *p, const float *v, ptrdiff_t stride, size_t t, size_t end,
                                 size_t dv, Ahead *ahead, float *o, size_t ldo)
{
    const size_t most = pr == 1 ? 8 : pr == 2 ? (TALL > 4 ? 8 : 4) : pr == 4 && TALL > 4 ? 4 : 2;
    size_t c = 0;
#define COLUMNS(nv)                                                                                                                       \
    for (; (nv) <= most && c + (nv) * VL <= dv; c += (nv) * VL)                                                                           \
    tile_rows(width, pr, nv, p, v + c, stride, t, end, 0, ahead, o + c, ldo)
    if (most >= 8)
        COLUMNS(8);
    if (most >= 4)
        COLUMNS(4);
    COLUMNS(2);
    COLUMNS(1);
#undef COLUMNS
    if (c < dv)
        tile_rows(width, pr, 1, p, v + c, stride, t, end, dv - c, ahead, o + c, ldo);
}

/* o += P V over keys [t, end) of the block that begins at j. */
ALWAYS_INLINE void value_rows(const int width, const Work *w, const Tile *tile, size_t j, size_t t, size_t end, Ahead *ahead)
{
    const AttnProblem *problem = w->a->p;
    const ptrdiff_t stride = j < problem->past_len ? problem->v_past.row : problem->v.row;
    const float *v = attn_v_row(w->a, &w->seq, w->unit.kv_head, j + t), *p = w->s;
    const size_t dv = problem->dv, ldo = w->ldo;
    float *o = tile->o;
    size_t left = tile->rows;
#define ROWS(pr)                                                                                                                          \
    for (; (pr) * width <= VL && (pr) <= TALL && left >= (pr); left -= (pr), p += (pr) * width, o += (pr) * ldo)                          \
    value_columns(width, pr, p, v, stride, t, end, dv, ahead, o, ldo)
    if (TALL >= 8)
        ROWS(8);
    ROWS(4);
    ROWS(2);
    ROWS(1);
#undef ROWS
}

/* ---- Units ----------------------------------------------------------------------------------------------------------------------- */

/* Keys [j, j + n) for one tile. keys, values: what to fetch while scores and values are computed. */
ALWAYS_INLINE void tile_block(const int width, const Work *w, Tile *tile, size_t j, size_t n, Ahead *keys, Ahead *values)
{
    score_block(width, w, tile, j, n, keys);
    stage_block(w, tile, j, n);
    weigh_block(w, tile, n);
    for (size_t t = 0; t < n;) {
        const size_t most = n - t < w->piece ? n - t : w->piece;
        const unsigned char *dead = memchr(w->live + t, 0, most);
        const size_t end = dead ? (size_t)(dead - w->live) : t + most;
        if (t < end)
            value_rows(width, w, tile, j, t, end, values);
        t = end + (dead != NULL);
    }
}

static void open_tile(const Work *w, Tile *tile, const float *const *q, size_t rows)
{
    const AttnProblem *p = w->a->p;
    size_t height = 1;
    while (height < rows)
        height *= 2;
    const size_t width = VL / height;
    tile->rows = rows;
    tile->width = (int)width;
    lanes_finish(&tile->lanes, rows, VL);
    const float factor = (float)(p->scale * (double)w->natural);
    memset(tile->q, 0, (p->d + width - 1) / width * VL * sizeof *tile->q);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < p->d; c += width)
            for (size_t i = 0; i < width && c + i < p->d; i++)
                tile->q[c * height + r * width + i] = factor * q[r][c + i]; /* VL = height * width */
    for (size_t lane = 0; lane < VL; lane++) {
        const size_t r = lane / width;
        tile->m[lane] = r < rows ? lane_sink(&tile->lanes, r, w->a, w->natural) : -INFINITY;
        tile->l[lane] = tile->m[lane] == -INFINITY || lane % width > 0 ? 0.0f : 1.0f;
    }
    memset(tile->o, 0, rows * w->ldo * sizeof *tile->o);
}

static void close_tile(const Work *w, const Tile *tile)
{
    const size_t width = (size_t)tile->width;
    for (size_t r = 0; r < tile->rows; r++) {
        float l = 0.0f;
        for (size_t i = 0; i < width; i++)
            l += tile->l[r * width + i];
        row_finish(&tile->lanes, r, w->a, &w->seq, tile->o + r * w->ldo, tile->m[r * width], l, w->to_log2 == 1.0f ? (float)LN2 : 1.0f);
    }
}

static void decode(const AttnArgs *a, AttnSpan unit, void *scratch)
{
    const AttnFpState fp = attn_fp_enter();
    Work w = {.a = a, .seq = attn_sequence(a, unit.b), .unit = unit};
    lay_out(a->p, scratch, &w);
    w.natural = a->t->bias ? 1.0f : (float)LOG2E;
    w.to_log2 = a->t->bias ? (float)LOG2E : 1.0f;
    size_t tiles = 0, lo = SIZE_MAX, hi = 0;
    for (size_t row = unit.row0; row < unit.row1; tiles++) {
        const float *q[VL];
        Tile *tile = &w.tiles[tiles];
        tile->lanes.key0 = unit.key0;
        tile->lanes.key1 = unit.key1;
        const size_t rows = lanes_take(&tile->lanes, a, &w.seq, unit.kv_head, w.natural, &row, unit.row1, VL, q, NULL);
        if (rows == 0)
            break;
        open_tile(&w, tile, q, rows);
        lo = tile->lanes.min_lo < lo ? tile->lanes.min_lo : lo;
        hi = tile->lanes.max_hi > hi ? tile->lanes.max_hi : hi;
    }
    for (size_t j0 = lo, j1; j0 < hi; j0 = j1) {
        j1 = hi - j0 < w.block ? hi : j0 + w.block;
        if (j0 < a->p->past_len && a->p->past_len < j1)
            j1 = a->p->past_len; /* blocks do not straddle past and new rows */
        for (size_t i = 0; i < tiles; i++) {
            Tile *tile = &w.tiles[i];
            const size_t j = j0 > tile->lanes.min_lo ? j0 : tile->lanes.min_lo, end = j1 < tile->lanes.max_hi ? j1 : tile->lanes.max_hi;
            if (j >= end)
                continue;
            Ahead keys = {{0}, {0}}, values = keys;
            if (i == 0) { /* the first tile fetches for all */
                keys = ahead_of(&w, false, j, end, hi);
                values = ahead_of(&w, true, j, end, hi);
            }
            switch (tile->width) {
            case 1: tile_block(1, &w, tile, j, end - j, &keys, &values); break;
            case 2: tile_block(VL >= 2 ? 2 : 1, &w, tile, j, end - j, &keys, &values); break;
            case 4: tile_block(VL >= 4 ? 4 : 1, &w, tile, j, end - j, &keys, &values); break;
            case 8: tile_block(VL >= 8 ? 8 : 1, &w, tile, j, end - j, &keys, &values); break;
            default: tile_block(VL, &w, tile, j, end - j, &keys, &values); break;
            }
        }
    }
    for (size_t i = 0; i < tiles; i++)
        close_tile(&w, &w.tiles[i]);
    attn_fp_leave(fp);
}

/* Estimated cycles: whichever takes longer, reading keys and values or the multiply-adds, where the scores' rows are rounded up to a power
 * of two; and what a unit and a row cost besides. */
static double decode_cost(const AttnProblem *p, double multiply_adds_per_cycle)
{
    const bool stacked = p->q_len < DECODE_PANEL;
    const double rows = (double)(stacked ? p->q_len * (p->q_heads / p->kv_heads) : p->q_len);
    const double heads = (double)p->batch * (double)(stacked ? p->kv_heads : p->q_heads);
    double height = 1.0;
    while (height < rows && height < VL)
        height *= 2.0;
    const double padded = ceil(rows / height) * height, keys = heads * (double)p->k_len * visible_share(p, stacked ? 1 : ROWS_MOST);
    const double work = keys * (padded * (double)p->d + rows * (double)p->dv) / multiply_adds_per_cycle;
    const double read = keys * ceil(rows / ROWS_MOST) * (double)(p->d + p->dv) * sizeof(float) / READ_PER_CYCLE;
    return overlapped(work, read) + heads * (1200.0 + 100.0 * rows);
}

#endif
