/* tiles.c - the tiles of kernels/algo/tile.h in sizes that the kernels do not use, the exponential with more and fewer vectors in flight,
 * the packing, and attention with nothing around it. Compiled with -DISA=<row> and that row's flags.
 *
 * The vector header defines MR, PQ and NV; here they become the largest of the candidates, so that the tile functions take any of them. The
 * code that is timed is the kernels' own. */
#define MR MR_OF_KERNELS
#define PQ PQ_OF_KERNELS
#define NV NV_OF_KERNELS
#include ISA_HEADER
#undef MR
#undef PQ
#undef NV
enum { MR = 12, PQ = 12, NV = 4 };
#define PANEL_VECTORS 4
#define VALUE_ROWS 12

#include "harness/bench/micro/micro_isa.h"
#include "kernels/fpenv.h"

#include "kernels/storage/f32.h"

#include "kernels/algo/exp.h"
#include "kernels/algo/tile.h"
#include "kernels/algo/pack.h"

/* sums + vectors of one operand + one broadcast: up to the number of registers, and one beyond, to see what spilling costs. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define SCORE_TILES(X) X(4, 3) X(6, 3) X(7, 3) X(8, 3) X(9, 3) X(10, 2) X(12, 2) X(4, 4) X(5, 4) X(6, 4) X(12, 1)
#define VALUE_TILES(X) X(4, 4) X(5, 4) X(6, 4) X(6, 3) X(8, 3) X(9, 3) X(8, 2) X(10, 2) X(12, 2) X(12, 1)
#else
#define SCORE_TILES(X) X(3, 3) X(4, 3) X(5, 3) X(4, 2) X(5, 2) X(6, 2) X(2, 4) X(3, 4) X(8, 1) X(12, 1)
#define VALUE_TILES(X) X(3, 3) X(4, 3) X(2, 4) X(3, 4) X(4, 2) X(5, 2) X(6, 2) X(7, 2) X(8, 1) X(12, 1)
#endif
#define CHAINS(X) X(1) X(2) X(4) X(8)

static const MicroTile score_tiles[] = {
#define X(rows, vectors) {rows, vectors},
    SCORE_TILES(X)
#undef X
    {0, 0}};
static const MicroTile value_tiles[] = {
#define X(rows, vectors) {rows, vectors},
    VALUE_TILES(X)
#undef X
    {0, 0}};
static const int chain_counts[] = {
#define X(n) n,
    CHAINS(X)
#undef X
    0};

/* The keys of the operands by tiles of mr keys, q's first nq vectors, scores to p as the kernels store them. */
ALWAYS_INLINE void score_block(const int mr, const int nq, const int exponential, const MicroOperands *x)
{
    static const float zero[PANEL_VECTORS * VL];
    const size_t lanes = (size_t)(nq * VL);
    for (size_t t = 0; t + (size_t)mr <= x->keys; t += (size_t)mr) {
        vf acc[HIGH_TILE][NQ];
        tile_scores(mr, nq, nq, x->q, x->k + t * x->d, (ptrdiff_t)(x->d * sizeof *x->k), x->d, zero, NULL, acc);
        const Exp2 *constants = exp2_constants();
        UNROLL for (int r = 0; r < mr; r++)
            UNROLL for (int c = 0; c < nq; c++)
                vf_store(x->p + (t + (size_t)r) * lanes + (size_t)c * VL, exponential ? exp2_poly(acc[r][c], constants) : acc[r][c]);
    }
}

static void score(MicroTile tile, bool exponential, const MicroOperands *x)
{
    switch (2 * (16 * tile.rows + tile.vectors) + exponential) {
#define X(mr, nq)                                                                                                                         \
    case 2 * (16 * mr + nq): score_block(mr, nq, 0, x); break;                                                                            \
    case 2 * (16 * mr + nq) + 1: score_block(mr, nq, 1, x); break;
        SCORE_TILES(X)
#undef X
    }
}

/* Every whole tile of [lanes][d] outputs over the keys of the operands. */
ALWAYS_INLINE void value_block(const int pq, const int nv, const MicroOperands *x)
{
    const size_t width = (size_t)(nv * VL);
    for (size_t c = 0; c + width <= x->d; c += width)
        for (size_t r = 0; r + (size_t)pq <= x->lanes; r += (size_t)pq)
            tile_values(pq, nv, 0, x->p + r, x->lanes, x->v + c, (ptrdiff_t)(x->d * sizeof *x->v), x->keys, 0, false, x->o + r * x->d + c,
                        x->d);
}

static void value(MicroTile tile, const MicroOperands *x)
{
    switch (16 * tile.rows + tile.vectors) {
#define X(pq, nv) case 16 * pq + nv: value_block(pq, nv, x); break;
        VALUE_TILES(X)
#undef X
    }
}

ALWAYS_INLINE void exp_block(const int chains, float *out, const float *in, size_t n)
{
    const Exp2 *constants = exp2_constants();
    for (size_t i = 0; i < n; i += (size_t)(chains * VL)) {
        vf x[8];
        UNROLL for (int c = 0; c < chains; c++)
            x[c] = vf_load(in + i + (size_t)(c * VL));
        UNROLL for (int c = 0; c < chains; c++)
            vf_store(out + i + (size_t)(c * VL), exp2_poly(x[c], constants));
    }
}

static void exponentials(int chains, float *out, const float *in, size_t n)
{
    switch (chains) {
#define X(count) case count: exp_block(count, out, in, n); break;
        CHAINS(X)
#undef X
    }
}

static void pack(const void *const *rows, size_t lanes, size_t d, float *to)
{
    pack_rows(PACK_Q, rows, lanes, d, 0.125f, to);
}

/* Softmax attention of a few rows with nothing around it: no plan, no checks, no panels, no packing, no options, any d that is a multiple
 * of VL; keys <= 64. A row's scores by dot products, its maximum, 2^x one vector at a time, then the weighted sum. What a run costs beyond
 * the arithmetic is counted against this, because it is about what a caller would write by hand for one small problem. */
static void bare(const float *q, const float *k, const float *v, float *o, size_t rows, size_t keys, size_t d)
{
    const AttnFpState fp = attn_fp_enter();
    const float scale = 1.44269504f / sqrtf((float)d);
    const Exp2 *constants = exp2_constants();
    for (size_t i = 0; i < rows; i++, q += d, o += d) {
        float s[64 + VL], most = -INFINITY, l = 0.0f;
        for (size_t j = 0; j < keys; j++) {
            vf sum = vf_mul(vf_load(q), vf_load(k + j * d));
            for (size_t c = VL; c < d; c += VL)
                sum = vf_fma(vf_load(q + c), vf_load(k + j * d + c), sum);
            float lane[VL], total = 0.0f;
            vf_store(lane, sum);
            for (int x = 0; x < VL; x++)
                total += lane[x];
            s[j] = total * scale;
            most = s[j] > most ? s[j] : most;
        }
        for (size_t j = keys; j % VL != 0; j++)
            s[j] = -INFINITY;
        for (size_t j = 0; j < keys; j += VL)
            vf_store(s + j, exp2_poly(vf_sub(vf_load(s + j), vf_set1(most)), constants));
        for (size_t j = 0; j < keys; j++)
            l += s[j];
        const vf inverse = vf_set1(1.0f / l);
        for (size_t c = 0; c < d; c += VL) {
            vf sum = vf_set1(0.0f);
            for (size_t j = 0; j < keys; j++)
                sum = vf_fma(vf_set1(s[j]), vf_load(v + j * d + c), sum);
            vf_store(o + c, vf_mul(sum, inverse));
        }
    }
    attn_fp_leave(fp);
}

extern const MicroIsa ATTN_CAT(micro_isa_, ISA);
const MicroIsa ATTN_CAT(micro_isa_, ISA) = {
    .name = ATTN_STR(ISA),
    .vl = VL,
    .scores = score_tiles,
    .values = value_tiles,
    .chains = chain_counts,
    .score = score,
    .value = value,
    .exp = exponentials,
    .pack = pack,
    .bare = bare,
};
