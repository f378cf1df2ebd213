/* decode.h - softmax attention of few query rows over many keys, generic over the vector header: the skeleton of the decode kernels.
 *
 * With one query row, or the 2 to 32 of a group of heads, keys and values are read once and each number is used by few: what bounds the
 * time is the stream from memory. So nothing is packed but q, and every key and value is read from memory exactly once for all rows of the
 * unit: the scores of a block of keys, their weights, then the block's values.
 *
 * What is read next is fetched ahead in the order of memory, always a piece (PIECE_BYTES) before its use: keys, at the block's end its
 * first values, then values, at their end the next block's first keys. What was found on Zen 5 (41 GB/s):
 *   - Line by line in order matters: hardware prefetchers then run before the software's (fetching 16 rows side by side: 74 % of the read
 *     bandwidth instead of 85 %). So does the order of use: 4 rows of queries on 4 keys side by side 84 %, key after key 94 % (d 64).
 *   - So does the distance: 1 KiB ahead 32 GB/s, 4 KiB 37, 8 KiB 40, 16 KiB 37.
 *   - As many reads are under way as the core can have, so time in which none is asked for is lost, however fast the rest. Hence large
 *     blocks (each change between keys and values is a gap: blocks of 32 keys 72 %, of 1024 94 %; one row, d 128), and weights a piece
 *     at a time instead of all of a block (8 rows, d 64: 79 % -> 84 %; AVX2, 4 rows: 3 % more than 1024 weights at a time). AVX2 gains
 *     4 to 7 % with pieces of 16 KiB at 4 rows and d up to 128, and loses 5 % at d 256, where they leave too little of L1 for q and o.
 *
 * A tile is `height` rows, a power of two up to VL, in one or two vectors; the W lanes of a row hold parts of its sum over the head
 * dimension:
 *
 *   scores  lane r*W + i of the packed q holds q[r][c + i]. W numbers of a key row, repeated over a vector, times each vector of q: one or
 *           two multiply-adds for all rows. After TK keys, folding sums the W parts of W keys at once, which leaves the score of row r and
 *           key i in lane r*W + i. One row: W = VL, plain loads.
 *   weights the running maximum m is exact; o and l are rescaled when it rises, which it does about ln(blocks) times a row. 2^(s - m) of VL
 *           scores at a time, in that layout.
 *   values  o[r][c] += p[r][key] v[key][c]: up to 8 rows x 2 vectors of columns in registers, v loaded once for all of them.
 *
 * Blocks that an option touches go row by row through lanes into the score stage (mask.h) and back: that costs VL lanes a key, whatever
 * the number of rows, and is still small beside reading the key.
 * A variant file includes the vector header, defines SUMMARY (one line for `attnzoo list`) and MULTIPLY_ADDS (that it does in a cycle, for
 * the estimate of cost), and includes this, which ends with its descriptor. Measured: docs/bars.md.
 * Cost per key: d + dv numbers read; rows * (d + dv) multiply-adds in vectors of VL, rows rounded up to a power of two in the scores.
 * Scratch: for each tile q and o; a block of scores; a tile of keys. Error: kernels/README.md section 4, chains of a block. */
#ifndef ATTN_ALGO_DECODE_H
#define ATTN_ALGO_DECODE_H

#include "kernels/fpenv.h"
#include "kernels/kernel.h"
#include "kernels/scratch.h"

#include "kernels/algo/ahead.h"
#include "kernels/algo/exp.h"
#include "kernels/algo/tile.h"
#include "kernels/algo/rows.h"

/* Of the estimate of cost: cycles of a part of a row of K that is copied first, of a key in a tile, of the weights in a vector, of a weight
 * that meets up to four vectors of V, and of a lane on its way to the score stage and back. */
#define TAIL_CYCLES 25.0
#define KEY_CYCLES 3.0
#define WEIGHT_CYCLES 10.0
#define LOAD_CYCLES 1.0
#define LANE_CYCLES 2.0

enum {
    TK = 2 * MR,                 /* keys in a score tile                                                              */
    LINE = 64 / (int)sizeof(kv_stored), /* numbers of k or v in a cache line                                          */
    DECODE_PANEL = 32,           /* rows of a panel: shorter heads are stacked                                        */
    UNIT_PANELS = 2,
    ROWS_MOST = UNIT_PANELS * DECODE_PANEL, /* of a unit                                                              */
    PIECE_BYTES = 12288,         /* of keys or values: how far ahead they are fetched, and what P V takes at a time   */
    LONG_PIECE_BYTES = 16384,    /* the same from 3 rows on, where a key has 512 bytes at most                        */
    BLOCK_PIECES = 64,           /* pieces of keys before their values follow, at most                                */
    SCORE_FLOATS = 16384,        /* room for a block's scores: they stay in L2                                        */
    TALL = PQ * NV >= 16 ? 8 : 4 /* rows of a value tile; two vectors of columns each                                 */
};

/* The shape of a tile of `height` rows: their vectors, W, keys whose scores are summed side by side, and sums each of them is split into.
 *
 * From 4 rows on two vectors, so that each number of a key that is loaded serves two multiply-adds; with one, loads would be the bound:
 * two begin a cycle, like multiply-adds. Four to eight sums hide the latency of a multiply-add. Where AVX-512 has time to spare (up to 4
 * rows) they belong to one key: using 4 keys side by side instead of one after another costs 4 to 10 % of the bandwidth. */
static inline int vectors_of(int height)
{
    return height >= 4 ? 2 : 1;
}
static inline int width_of(int height)
{
    return vectors_of(height) * VL / height;
}
static inline int keys_of(int height)
{
    return VL > 8 ? (height <= 4 ? 1 : 4) : VL > 4 && height == 1 ? 1 : height >= 4 ? 4 : 8;
}
static inline int sums_of(int height)
{
    return VL > 8 && (height == 2 || height == 4) ? 2 : 1;
}

typedef struct Tile {
    Lanes lanes;
    float m[2 * VL], l[2 * VL]; /* lane r*W + i: maximum of row r; part i of its sum */
    float *q;                   /* [ceil(d / W)][span] packed                        */
    float *o;                   /* [rows][ldo], relative to m                        */
    size_t rows, span;          /* span: lanes of all vectors, height * W            */
    int width;                  /* W                                                 */
} Tile;

typedef struct Work {
    const AttnArgs *a;
    AttnSequence seq;
    AttnSpan unit;
    size_t ldo, piece, block; /* keys in a piece and in a block */
    float score_scale;   /* what a natural score is multiplied by when q is packed: log2(e), with a bias 1 */
    float to_log2;       /* what is left to multiply                                                       */
    Tile *tiles;
    float *s;            /* [block / W][span] scores, then weights: lane r*W + i of row r and key i        */
    float *staged;       /* [block][VL] the same with a row in each lane                                   */
    float *add;          /* [STRIP][VL] mask or bias of a strip                                            */
    kv_stored *keys;     /* [TK][d] the last keys, where fewer than TK are left                            */
    unsigned char *live; /* [block] does any row of the tile see the key?                                  */
} Work;

/* Keys in a piece, where the longest unit has so many rows. */
static size_t piece_of(const AttnProblem *p, size_t rows)
{
    const size_t width = (p->d > p->dv ? p->d : p->dv) * sizeof(kv_stored);
    const size_t keys = (rows > 2 && width <= 512 ? LONG_PIECE_BYTES : PIECE_BYTES) / width;
    return keys < TK ? TK : keys / TK * TK;
}

static size_t lay_out(const AttnProblem *p, size_t rows, void *base, Work *w)
{
    AttnCarve carve = {.base = base};
    const size_t tiles = (rows + VL - 1) / VL;
    w->ldo = (p->dv + VL - 1) / VL * VL;
    w->piece = piece_of(p, rows);
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

static size_t decode_scratch(const AttnProblem *p, size_t rows)
{
    Work w;
    return lay_out(p, rows, NULL, &w);
}

/* ---- Fetching ahead -------------------------------------------------------------------------------------------------------------- */

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

/* Rows [j, end) of keys or values, as far as their run goes. */
static Stretch stretch_of(const Work *w, bool values, size_t j, size_t end)
{
    if (j >= end)
        return (Stretch){0};
    const AttnRun run = values ? attn_v_run(w->a, &w->seq, w->unit.kv_head, j, end, sizeof(kv_stored))
                               : attn_k_run(w->a, &w->seq, w->unit.kv_head, j, end, sizeof(kv_stored));
    return stretch_of_rows(run.row, run.stride, run.count, (values ? w->a->p->dv : w->a->p->d) * sizeof(kv_stored));
}

/* While one half of block [j, end) is worked on: the rest of that half, then the first piece of what follows. The half of the keys is
 * followed by the block's values, that of the values by the keys [end, hi) of the next block. */
static Ahead ahead_of(const Work *w, bool values, size_t j, size_t end, size_t hi)
{
    const size_t first = end - j < w->piece ? end : j + w->piece, next = hi - end < w->piece ? hi : end + w->piece;
    const Stretch rest = stretch_of(w, values, first, end);
    return (Ahead){rest, values ? stretch_of(w, false, end, next) : stretch_of(w, true, j, first)};
}

/* ---- Scores ---------------------------------------------------------------------------------------------------------------------- */

/* The distance of rows in elements, which the loops below count in: with bytes gcc 12 chooses other registers, and AVX2 takes 2 % more time
 * for 256 rows and keys, d 64. */
ALWAYS_INLINE ptrdiff_t elements(ptrdiff_t bytes)
{
    return bytes / (ptrdiff_t)sizeof(kv_stored);
}

/* Rows of a tile, four to a base: base, + s, + 2s, + 3s are one address each to the CPU, where a pointer a row would spill. */
typedef struct Rows {
    const char *base[TK / 4];
    ptrdiff_t s, s3; /* bytes */
} Rows;

ALWAYS_INLINE Rows rows_at(const kv_stored *at, ptrdiff_t stride)
{
    Rows rows = {.s = stride * (ptrdiff_t)sizeof *at, .s3 = 3 * stride * (ptrdiff_t)sizeof *at};
    UNROLL for (int i = 0; i < TK / 4; i++)
        rows.base[i] = (const char *)(at + 4 * i * stride);
    return rows;
}

ALWAYS_INLINE const kv_stored *row_at(const Rows *rows, int t)
{
    const char *base = rows->base[t / 4];
    const ptrdiff_t more = t % 4 == 0 ? 0 : t % 4 == 1 ? rows->s : t % 4 == 2 ? 2 * rows->s : rows->s3;
    return (const kv_stored *)(const void *)(base + more);
}

/* The next `columns` columns of the first n rows. The compiler must not see through it, or it makes a pointer a row of it again. */
ALWAYS_INLINE void rows_advance(Rows *rows, int n, int columns)
{
    UNROLL for (int i = 0; i < (n + 3) / 4; i++) {
        rows->base[i] += columns * (int)sizeof(kv_stored);
        __asm__("" : "+r"(rows->base[i]));
    }
}

/* gcc would load what is used by n multiply-adds n times, as their operand in memory. */
#ifdef __x86_64__
#define IN_REGISTER(x) __asm__("" : "+v"(x))
#else
#define IN_REGISTER(x) (void)(x)
#endif

/* Up to w numbers, of which only `left` are there, again and again; 0 for the rest. Of two numbers always a copy: another way costs the
 * loop over whole lines its registers (8 rows, AVX2, gcc 12: 9 % more time). */
ALWAYS_INLINE vf last_part(const int w, const kv_stored *at, size_t left)
{
    if (w == 1)
        return kv_load_part(at, 1);
    if (w == VL)
        return kv_load_tail(at, left < VL ? left : VL);
    if (w > 2 && left >= (size_t)w)
        return kv_load_part(at, w);
    kv_stored part[VL] = {0};
    memcpy(part, at, (left < (size_t)w ? left : (size_t)w) * sizeof *part);
    return kv_load_part(part, w);
}

/* acc[n][nq] of n keys and nq vectors of q, part by part, each of `sums` sums. */
ALWAYS_INLINE void sum_keys(const int w, const int n, const int nq, const int sums, const float *q, const kv_stored *k,
                            ptrdiff_t stride, size_t d, Ahead *ahead, vf acc[][2])
{
    Rows rows = rows_at(k, stride);
    vf sum[8][2][2];
    UNROLL for (int i = 0; i < n * nq * sums; i++)
        sum[i / sums / nq][i / sums % nq][i % sums] = vf_set1(0.0f);
    size_t c = 0;
    for (; c + LINE <= d; c += LINE, rows_advance(&rows, n, LINE)) {
        const kv_stored *row[8];
        fetch(ahead, n);
        UNROLL for (int t = 0; t < n; t++) {
            row[t] = row_at(&rows, t);
            if (n <= 4) /* or gcc keeps an offset for each row and each x on the stack */
                __asm__("" : "+r"(row[t]));
        }
        UNROLL for (int x = 0; x < LINE; x += w, q += nq * VL) {
            vf column[2];
            UNROLL for (int y = 0; y < nq; y++) {
                column[y] = vf_load(q + y * VL);
                IN_REGISTER(column[y]);
            }
            UNROLL for (int t = 0; t < n; t++) {
                const vf part = kv_load_part(row[t] + x, w);
                UNROLL for (int y = 0; y < nq; y++)
                    sum[t][y][x / w % sums] = vf_fma(part, column[y], sum[t][y][x / w % sums]);
            }
        }
    }
    UNROLL for (int t = 0; t < n; t++)
        UNROLL for (int y = 0; y < nq; y++)
            acc[t][y] = sums == 1 ? sum[t][y][0] : vf_add(sum[t][y][0], sum[t][y][1]);
    for (; c < d; c += (size_t)w, q += nq * VL, rows_advance(&rows, n, w))
        UNROLL for (int t = 0; t < n; t++) {
            const vf part = last_part(w, row_at(&rows, t), d - c);
            UNROLL for (int y = 0; y < nq; y++)
                acc[t][y] = vf_fma(part, vf_load(q + y * VL), acc[t][y]);
        }
}

/* s[j/w][nq * VL]: lane r*W + i is the sum of the W parts of row r and key i. */
ALWAYS_INLINE void fold_keys(const int w, const int nq, vf acc[][2], float *s)
{
    UNROLL for (int t = 0; t < TK; t += w)
        UNROLL for (int y = 0; y < nq; y++) {
            UNROLL for (int bit = w / 2; bit > 0; bit /= 2)
                UNROLL for (int i = 0; i < bit; i++)
                    acc[t + i][y] = vf_fold(acc[t + i][y], acc[t + i + bit][y], bit);
            vf_store(s + (t / w * nq + y) * VL, acc[t][y]);
        }
}

/* Scores of TK keys to s. */
ALWAYS_INLINE void tile_keys(const int w, const int nq, const float *q, const kv_stored *k, ptrdiff_t stride, size_t d, Ahead *ahead,
                             float *s)
{
    const int n = keys_of(nq * VL / w), sums = sums_of(nq * VL / w);
    vf acc[TK][2];
    UNROLL for (int t = 0; t < TK; t += n)
        sum_keys(w, n, nq, sums, q, k + t * stride, stride, d, ahead, acc + t);
    fold_keys(w, nq, acc, s);
}

/* Vectors of a row of q that stays in registers whole; 0 if it does not. */
static inline int held_vectors(size_t d)
{
    const size_t vectors = VL >= 8 && d % VL == 0 ? d / VL : 0;
    return vectors == 4 || vectors == 8 || (vectors == 16 && VL == 16) ? (int)vectors : 0;
}

/* The same for many tiles of TK keys, one row and a head dimension of `vectors` vectors, which stay in registers: a key takes hardly more
 * instructions than a plain read of it (one row, d 256: 92 % of the bandwidth -> 95 %). */
ALWAYS_INLINE void row_keys(const int vectors, const float *q, const kv_stored *k, ptrdiff_t stride, size_t tiles, Ahead *ahead, float *s)
{
    vf column[16], acc[TK][2];
    UNROLL for (int x = 0; x < vectors; x++)
        column[x] = vf_load(q + x * VL);
    for (size_t i = 0; i < tiles; i++, s += TK) {
        UNROLL for (int t = 0; t < TK; t++, k += stride) {
            vf sum[2] = {vf_set1(0.0f), vf_set1(0.0f)};
            fetch(ahead, vectors * VL / LINE);
            UNROLL for (int x = 0; x < vectors; x++)
                sum[x % 2] = vf_fma(kv_load(k + x * VL), column[x], sum[x % 2]);
            acc[t][0] = vf_add(sum[0], sum[1]);
        }
        fold_keys(VL, 1, acc, s);
    }
}

/* Scores of keys [j, j + n) to w->s. The last TK are copied where fewer are left, and those beyond the end hidden. */
ALWAYS_INLINE void score_block(const int width, const int nq, const Work *w, const Tile *tile, size_t j, size_t n, Ahead *ahead)
{
    const AttnProblem *p = w->a->p;
    const AttnRun run = attn_k_run(w->a, &w->seq, w->unit.kv_head, j, j + n, sizeof(kv_stored));
    const ptrdiff_t stride = elements(run.stride);
    const kv_stored *k = run.row;
    size_t t = 0;
    const int held = width == VL && nq == 1 ? held_vectors(p->d) : 0;
    switch (held) {
    case 4: row_keys(4, tile->q, k, stride, n / TK, ahead, w->s); break;
    case 8: row_keys(8, tile->q, k, stride, n / TK, ahead, w->s); break;
    case 16: row_keys(VL == 16 ? 16 : 1, tile->q, k, stride, n / TK, ahead, w->s); break;
    }
    if (held) {
        t = n / TK * TK;
        k += (ptrdiff_t)t * stride;
    }
    for (; t + TK <= n; t += TK, k += TK * stride)
        tile_keys(width, nq, tile->q, k, stride, p->d, ahead, w->s + t / (size_t)width * tile->span);
    if (t == n)
        return;
    for (size_t i = 0; i < TK; i++)
        memcpy(w->keys + i * p->d, k + (t + i < n ? (ptrdiff_t)i : 0) * stride, p->d * sizeof *k);
    tile_keys(width, nq, tile->q, w->keys, (ptrdiff_t)p->d, p->d, ahead, w->s + t / (size_t)width * tile->span);
    for (size_t i = n; i < t + TK; i++)
        for (size_t lane = i % (size_t)width; lane < tile->span; lane += (size_t)width)
            w->s[i / (size_t)width * tile->span + lane] = -INFINITY;
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
            w->staged[t * VL + r] = r < tile->rows ? w->s[t / width * tile->span + r * width + t % width] : 0.0f;
    const AttnRun run = attn_k_run(w->a, &w->seq, w->unit.kv_head, j, j + n, sizeof(kv_stored));
    for (size_t t = 0; t < n; t += STRIP)
        strip_stage(p, &tile->lanes, ATTN_STAGE_BIASED, w->score_scale, VL, j + t, n - t < STRIP ? n - t : STRIP,
                    kv_at(run.row, (ptrdiff_t)t * run.stride), run.stride, w->staged + t * VL, w->live + t, w->add);
    for (size_t t = 0; t < n; t++)
        for (size_t r = 0; r < tile->rows; r++)
            w->s[t / width * tile->span + r * width + t % width] = w->staged[t * VL + r];
}

/* ---- Weights --------------------------------------------------------------------------------------------------------------------- */

/* Some score exceeds its row's m: raise m to the largest of top[span] in the row's lanes and take o and l along. */
static void raise_maximum(const Work *w, Tile *tile, float *top)
{
    const size_t width = (size_t)tile->width;
    const vf hidden = vf_set1(-INFINITY);
    float factor[2 * VL];
    for (size_t lane = 0; lane < tile->span; lane += width) {
        float row = tile->m[lane];
        for (size_t i = 0; i < width; i++)
            row = top[lane + i] > row ? top[lane + i] : row;
        for (size_t i = 0; i < width; i++)
            top[lane + i] = row;
    }
    for (size_t y = 0; y < tile->span; y += VL) {
        /* m = -inf: nothing seen so far, o and l are 0 and stay so under any finite factor. */
        const vf before = vf_load(tile->m + y), now = vf_load(top + y);
        const vf by = vf_where_eq(before, hidden, vf_set1(0.0f), vf_mul(vf_sub(before, now), vf_set1(w->to_log2)));
        vf_store(factor + y, exp2_poly(by, exp2_constants()));
        vf_store(tile->m + y, now);
        vf_store(tile->l + y, vf_mul(vf_load(tile->l + y), vf_load(factor + y)));
    }
    for (size_t r = 0; r < tile->rows; r++)
        for (size_t c = 0; c < w->ldo && factor[r * width] != 1.0f; c += VL)
            vf_store(tile->o + r * w->ldo + c, vf_mul(vf_load(tile->o + r * w->ldo + c), vf_set1(factor[r * width])));
}

/* m of the tile's rows over n keys more. */
ALWAYS_INLINE void raise_block(const int nq, const Work *w, Tile *tile, size_t n)
{
    const size_t groups = (n + (size_t)tile->width - 1) / (size_t)tile->width;
    vf most[2];
    float top[2 * VL];
    bool risen = false;
    UNROLL for (int y = 0; y < nq; y++)
        most[y] = vf_load(tile->m + y * VL);
    for (const float *s = w->s, *end = s + groups * tile->span; s < end; s += nq * VL)
        UNROLL for (int y = 0; y < nq; y++)
            most[y] = vf_max(most[y], vf_load(s + y * VL));
    UNROLL for (int y = 0; y < nq; y++) {
        risen |= vf_any_differs(most[y], vf_load(tile->m + y * VL));
        vf_store(top + y * VL, most[y]);
    }
    if (risen)
        raise_maximum(w, tile, top);
}

/* w->s = 2^(to_log2 (s - m)) of keys [t, end) of the block, l added to. t is a multiple of the tile's width. */
ALWAYS_INLINE void weigh(const int nq, const Work *w, Tile *tile, size_t t, size_t end)
{
    const size_t width = (size_t)tile->width;
    const vf hidden = vf_set1(-INFINITY), factor = vf_set1(w->to_log2);
    const Exp2 *constants = exp2_constants();
    vf sum[2], m[2];
    UNROLL for (int y = 0; y < nq; y++) {
        sum[y] = vf_set1(0.0f);
        m[y] = vf_load(tile->m + y * VL);
        m[y] = vf_where_eq(m[y], hidden, vf_set1(0.0f), m[y]);
    }
    for (float *s = w->s + t / width * tile->span, *stop = w->s + (end + width - 1) / width * tile->span; s < stop; s += nq * VL)
        UNROLL for (int y = 0; y < nq; y++) {
            const vf p = exp2_poly(vf_mul(vf_sub(vf_load(s + y * VL), m[y]), factor), constants);
            vf_store(s + y * VL, p);
            sum[y] = vf_add(sum[y], p);
        }
    UNROLL for (int y = 0; y < nq; y++)
        vf_store(tile->l + y * VL, vf_add(vf_load(tile->l + y * VL), sum[y]));
}

/* ---- Values ---------------------------------------------------------------------------------------------------------------------- */

/* o[pr][nv vectors] += sum over keys [t, end) of the block. p: the weights of the first of the pr rows; v: row t. */
ALWAYS_INLINE void tile_rows(const int width, const int span, const int pr, const int nv, const float *p, const kv_stored *v,
                             ptrdiff_t stride, size_t t, size_t end, size_t tail, Ahead *ahead, float *o, size_t ldo)
{
    vf acc[8][8];
    UNROLL for (int r = 0; r < pr; r++)
        UNROLL for (int y = 0; y < nv; y++)
            acc[r][y] = vf_set1(0.0f);
    for (; t < end; t++, v += stride) {
        vf value[8];
        fetch(ahead, (nv * VL + LINE - 1) / LINE);
        UNROLL for (int y = 0; y < nv; y++)
            value[y] = tail ? kv_load_tail(v + y * VL, tail) : kv_load(v + y * VL);
        const float *weight = p + t / (size_t)width * (size_t)span + t % (size_t)width;
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
ALWAYS_INLINE void value_columns(const int width, const int span, const int pr, const float *p, const kv_stored *v, ptrdiff_t stride,
                                 size_t t, size_t end, size_t dv, Ahead *ahead, float *o, size_t ldo)
{
    const size_t most = pr == 1 ? 8 : pr == 2 ? (TALL > 4 ? 8 : 4) : pr == 4 && TALL > 4 ? 4 : 2;
    size_t c = 0;
#define COLUMNS(nv)                                                                                                                       \
    for (; (nv) <= most && c + (nv) * VL <= dv; c += (nv) * VL)                                                                           \
    tile_rows(width, span, pr, nv, p, v + c, stride, t, end, 0, ahead, o + c, ldo)
    if (most >= 8)
        COLUMNS(8);
    if (most >= 4)
        COLUMNS(4);
    COLUMNS(2);
    COLUMNS(1);
#undef COLUMNS
    if (c < dv)
        tile_rows(width, span, pr, 1, p, v + c, stride, t, end, dv - c, ahead, o + c, ldo);
}

/* o += P V over keys [t, end) of the block that begins at j. */
ALWAYS_INLINE void value_rows(const int width, const int span, const Work *w, const Tile *tile, size_t j, size_t t, size_t end,
                              Ahead *ahead)
{
    const AttnProblem *problem = w->a->p;
    const AttnRun run = attn_v_run(w->a, &w->seq, w->unit.kv_head, j + t, j + end, sizeof(kv_stored));
    const ptrdiff_t stride = elements(run.stride);
    const kv_stored *v = run.row;
    const float *p = w->s;
    const size_t dv = problem->dv, ldo = w->ldo;
    float *o = tile->o;
    size_t left = tile->rows;
#define ROWS(pr)                                                                                                                          \
    for (; (pr) * width <= span && (pr) <= TALL && left >= (pr); left -= (pr), p += (pr) * width, o += (pr) * ldo)                        \
    value_columns(width, span, pr, p, v, stride, t, end, dv, ahead, o, ldo)
    if (TALL >= 8)
        ROWS(8);
    ROWS(4);
    ROWS(2);
    ROWS(1);
#undef ROWS
}

/* ---- Units ----------------------------------------------------------------------------------------------------------------------- */

/* Keys [j, j + n) for one tile. keys, values: what to fetch while scores and values are computed.
 *
 * Weights are made a piece at a time, shortly before the values that they weigh: while they are made nothing is fetched, and after long
 * the memory would stand still. */
ALWAYS_INLINE void tile_block(const int width, const int nq, const Work *w, Tile *tile, size_t j, size_t n, Ahead *keys, Ahead *values)
{
    score_block(width, nq, w, tile, j, n, keys);
    stage_block(w, tile, j, n);
    raise_block(nq, w, tile, n);
    for (size_t from = 0, to; from < n; from = to) {
        to = n - from < w->piece ? n : from + w->piece;
        weigh(nq, w, tile, from, to);
        for (size_t t = from; t < to;) {
            const unsigned char *dead = memchr(w->live + t, 0, to - t);
            const size_t end = dead ? (size_t)(dead - w->live) : to;
            if (t < end)
                value_rows(width, nq * VL, w, tile, j, t, end, values);
            t = end + (dead != NULL);
        }
    }
}

/* One row of q, times factor, to its lanes: w numbers, then the next w in the next span. With w constant: where it is not, clang 14 takes 28 %
 * more time for 64 rows and 96 keys, d 64 (AVX-512). */
ALWAYS_INLINE void pack_row(const size_t w, const q_stored *from, size_t d, float factor, size_t span, float *to)
{
    size_t c = 0;
    for (; c + w <= d; c += w, to += span)
        UNROLL for (size_t i = 0; i < w; i++)
            to[i] = factor * q_get(from + c + i);
    for (size_t i = 0; c + i < d; i++)
        to[i] = factor * q_get(from + c + i);
}

static void open_tile(const Work *w, Tile *tile, const void *const *q, size_t rows)
{
    const AttnProblem *p = w->a->p;
    size_t height = 1;
    while (height < rows)
        height *= 2;
    const size_t width = (size_t)width_of((int)height);
    tile->rows = rows;
    tile->span = height * width;
    tile->width = (int)width;
    lanes_finish(&tile->lanes, rows, VL);
    const float factor = (float)(p->scale * (double)w->score_scale);
    memset(tile->q, 0, (p->d + width - 1) / width * tile->span * sizeof *tile->q);
    for (size_t r = 0; r < rows; r++)
        switch (width) {
#define WIDTH(w) case w: pack_row(w, q[r], p->d, factor, tile->span, tile->q + r * width); break
            WIDTH(1);
            WIDTH(2);
            WIDTH(4);
            WIDTH(8);
            WIDTH(16);
#undef WIDTH
        }
    for (size_t lane = 0; lane < tile->span; lane++) {
        const size_t r = lane / width;
        tile->m[lane] = r < rows ? lane_sink(&tile->lanes, r, w->a, w->score_scale) : -INFINITY;
        tile->l[lane] = tile->m[lane] == -INFINITY || lane % width > 0 ? 0.0f : 1.0f;
    }
    memset(tile->o, 0, rows * w->ldo * sizeof *tile->o);
}

static void close_tile(const Work *w, Tile *tile)
{
    const size_t width = (size_t)tile->width;
    const float natural_scale = w->to_log2 == 1.0f ? (float)LN2 : 1.0f;
    vf wrong = vf_set1(0.0f);
    bool odd = false;
    for (size_t r = 0; r < tile->rows; r++) {
        float *l = tile->l + r * width;
        for (size_t i = 1; i < width; i++)
            *l += l[i];
        odd |= row_finish(&tile->lanes, r, w->a, &w->seq, tile->o + r * w->ldo, tile->m[r * width], *l, natural_scale, &wrong);
    }
    if (odd || vf_any_differs(wrong, vf_set1(0.0f)))
        rows_mend(&tile->lanes, tile->rows, w->a, &w->seq, tile->m, tile->l, width);
}

/* One function a height: in one for all of them the compiler's choice of registers for one changed with every other. */
#define HEIGHT(h)                                                                                                                         \
    static __attribute__((noinline)) void block_of_##h(const Work *w, Tile *tile, size_t j, size_t n, Ahead *keys, Ahead *values)         \
    {                                                                                                                                     \
        if ((h) <= VL)                                                                                                                    \
            tile_block(width_of((h) <= VL ? (h) : VL), vectors_of((h) <= VL ? (h) : VL), w, tile, j, n, keys, values);                    \
    }
HEIGHT(1)
HEIGHT(2)
HEIGHT(4)
HEIGHT(8)
HEIGHT(16)
#undef HEIGHT
static void (*const block_of[17])(const Work *, Tile *, size_t, size_t, Ahead *, Ahead *) = {
    [1] = block_of_1, [2] = block_of_2, [4] = block_of_4, [8] = block_of_8, [16] = block_of_16};

static void decode(const AttnArgs *a, AttnSpan unit, void *scratch)
{
    Work w = {.a = a, .seq = attn_sequence(a, unit.b), .unit = unit};
    lay_out(a->p, a->unit_rows, scratch, &w);
    w.score_scale = a->t->bias ? 1.0f : (float)LOG2E;
    w.to_log2 = a->t->bias ? (float)LOG2E : 1.0f;
    size_t tiles = 0, lo = SIZE_MAX, hi = 0;
    for (size_t row = unit.row0; row < unit.row1; tiles++) {
        const void *q[VL];
        Tile *tile = &w.tiles[tiles];
        tile->lanes.key0 = unit.key0;
        tile->lanes.key1 = unit.key1;
        const size_t rows = lanes_take(&tile->lanes, a, &w.seq, unit.kv_head, w.score_scale, &row, unit.row1, VL, q, NULL);
        if (rows == 0)
            break;
        open_tile(&w, tile, q, rows);
        lo = tile->lanes.min_lo < lo ? tile->lanes.min_lo : lo;
        hi = tile->lanes.max_hi > hi ? tile->lanes.max_hi : hi;
    }
    for (size_t j0 = lo, j1; j0 < hi; j0 = j1) {
        j1 = attn_run_end(a, j0, hi - j0 < w.block ? hi : j0 + w.block);
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
            block_of[tile->span / (size_t)tile->width](&w, tile, j, end - j, &keys, &values);
        }
    }
    for (size_t i = 0; i < tiles; i++)
        close_tile(&w, &w.tiles[i]);
}

/* Estimated cycles (cost.h): whichever takes longer, reading keys and values or the work on them. A tile of rows takes for each key the
 * multiply-adds, where rows are rounded up to a power of two in the scores; what is copied of a row of K behind its last whole line;
 * folding and weights; and a load for each vector of V and each weight. A block of keys that an option touches goes through lanes. */
static double decode_cost(const AttnProblem *p)
{
    const AttnStretch stretch = attn_stretch(p, DECODE_PANEL);
    const double rows = (double)stretch.rows, heads = (double)stretch.count, d = (double)p->d, dv = (double)p->dv;
    double height = 1.0;
    while (height < rows && height < VL)
        height *= 2.0;
    const double tiles = ceil(rows / VL), padded = ceil(rows / height) * height, width = (double)width_of((int)height);
    const Visited visited = visited_keys(p, stretch.stacked ? p->q_len : VL);
    const double staged = lanes_always(p) || visited.partial > 0.0 ? visited.keys : 0.0;
    const double tail = (double)(p->d % LINE), parts = ceil(tail / width), value_vectors = ceil(dv / VL);
    const double copied = width == VL ? 0.0 : width > 2.0 ? (p->d % (size_t)width ? 1.0 : 0.0) : parts; /* see last_part */
    const double work = padded * (d - tail + ceil(tail / width) * width) / MULTIPLY_ADDS + rows * value_vectors * VL / MULTIPLY_ADDS +
                        tiles * copied * TAIL_CYCLES + tiles * KEY_CYCLES + padded / VL * WEIGHT_CYCLES +
                        rows * ceil(value_vectors / 4.0) * LOAD_CYCLES;
    const double lanes = VL * LANE_CYCLES + stage_cycles(p, ceil(d / VL));
    const double read = visited.keys * ceil(rows / ROWS_MOST) * (d + dv) * sizeof(kv_stored) / READ_PER_CYCLE;
    return heads * (overlapped(visited.keys * work + staged * tiles * lanes, read) + 1200.0 + 100.0 * rows);
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = SUMMARY,
    .kind = ATTN_KIND_ATTENTION,
    .isa = VF_NEEDS,
    .dtypes = STORED_TENSORS,
    .features = (ATTN_HAS_OPTIONS & ~ATTN_HAS_SCORES) | ATTN_HAS_DOT | ATTN_HAS_GAUSSIAN,
    .accuracy = {STORED_ROUNDING, .exp_ulp = EXP2_ULP, .tanh_ulp = TANH_ULP, .exp_exact_at_0 = true},
    .panel = DECODE_PANEL,
    .unit_panels = UNIT_PANELS,
    .enter = attn_fp_enter,
    .leave = attn_fp_leave,
    .splits = true,
    .scratch = decode_scratch,
    .cost = decode_cost,
    .run = decode,
};

#endif
