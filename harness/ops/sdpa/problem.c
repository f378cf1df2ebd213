/* problem.c - the problem that a shape names, and the work that it is.
 *
 * Work is counted, not sampled: a row sees a range of keys whose two ends are clamped lines in the row's number, so the pairs of one batch
 * entry are two sums of such lines, whatever frontier, window and lengths. */
#include "harness/ops/sdpa/shape.h"

/* ---- One batch entry ------------------------------------------------------------------------------------------------------------- */

/* length * part * w, rounded down; w is the fractional part of n times the golden ratio (low-discrepancy: Weyl 1916). */
static size_t spread(size_t length, double part, size_t n)
{
    const double turn = (double)n * 0.6180339887498949;
    return (size_t)((double)length * part * (turn - (double)(size_t)turn));
}

size_t shape_q_len(const Shape *s, size_t b)
{
    return s->varlen ? s->q_len - spread(s->q_len, 1, b) : s->q_len;
}

size_t shape_k_len(const Shape *s, size_t b)
{
    return s->varlen ? s->k_len - spread(s->k_len, 1, b) : s->kv_lengths ? s->k_len - spread(s->k_len, s->pad, b + 1) : s->k_len;
}

int64_t shape_offset(const Shape *s, size_t b)
{
    switch (s->align) {
    case ATTN_ALIGN_TOP_LEFT:
    case ATTN_ALIGN_MAX_ENUM: break;
    case ATTN_ALIGN_BOTTOM_RIGHT: return (int64_t)shape_k_len(s, b) - (int64_t)shape_q_len(s, b);
    case ATTN_ALIGN_OFFSET: return s->offset;
    case ATTN_ALIGN_OFFSETS: return (int64_t)spread(s->q_len + s->k_len, 1, b + 1) - (int64_t)s->q_len;
    }
    return 0;
}

/* ---- Problem --------------------------------------------------------------------------------------------------------------------- */

/* Rows of `heads` heads: one head after another, or heads side by side in rows that are `row` elements long (0: gap-free). */
static void set_layout(AttnLayout *l, AttnDtype type, const Shape *s, size_t heads, size_t rows, size_t width, size_t row)
{
    const bool inside = s->layout != SHAPE_BHLD;
    row = row ? row : inside ? heads * width : width;
    l->dtype = type == ATTN_NONE ? ATTN_F32 : type;
    l->head = (ptrdiff_t)(inside ? width : rows * width);
    l->row = (ptrdiff_t)row;
    l->batch = s->varlen ? 0 : (ptrdiff_t)(inside ? rows * row : heads * rows * width);
}

static void score_strides(AttnScoreLayout *layout, AttnDtype dtype, const Shape *s)
{
    layout->dtype = dtype;
    layout->col = 1;
    layout->row = (ptrdiff_t)s->k_len;
    layout->head = (ptrdiff_t)(s->q_len * s->k_len);
    layout->batch = (ptrdiff_t)(s->q_heads * s->q_len * s->k_len);
}

static void set_tensors(AttnProblem *p, const Shape *s)
{
    const size_t interleaved = s->layout == SHAPE_INTERLEAVED ? (s->q_heads + 2 * s->kv_heads) * s->d : 0;
    /* Before the lengths are known the library assumes the longest for all ragged entries: heads that lie apart leave room for that. */
    const size_t q_rows = s->varlen ? s->batch * s->q_len : s->q_len;
    const size_t k_rows = s->varlen ? s->batch * s->k_len : s->k_len - s->past_len;
    set_layout(&p->q, s->q_type, s, s->q_heads, q_rows, s->d, interleaved);
    set_layout(&p->k, s->k_type, s, s->kv_heads, k_rows, s->d, interleaved);
    set_layout(&p->v, s->v_type, s, s->kv_heads, k_rows, s->dv, interleaved);
    set_layout(&p->o, s->o_type, s, s->q_heads, q_rows, s->dv, 0);
    if (s->past_len > 0) {
        set_layout(&p->k_past, s->k_type, s, s->kv_heads, s->past_len, s->d, 0);
        set_layout(&p->v_past, s->v_type, s, s->kv_heads, s->past_len, s->dv, 0);
    }
    if (s->v_in_k) {
        p->v = p->k;
        p->v_past = p->k_past;
    }
    if (s->lse)
        p->lse = (AttnLayout){ATTN_F32, s->varlen ? 0 : (ptrdiff_t)(s->q_heads * q_rows), (ptrdiff_t)q_rows, 1};
    if (s->mask)
        score_strides(&p->mask, ATTN_BOOL, s);
    if (s->bias)
        score_strides(&p->bias, ATTN_F32, s);
    if (s->scores)
        score_strides(&p->scores, ATTN_F32, s);
}

AttnProblem shape_problem(const Shape *s)
{
    AttnProblem p = attn_problem(s->batch, s->q_heads, s->kv_heads, s->q_len, s->k_len, s->d, s->dv);
    p.causal = s->causal;
    p.align = s->align;
    p.offset = s->offset;
    p.window = s->window;
    p.window_left = s->window_left;
    p.window_right = s->window_right;
    p.score = s->score;
    p.softcap = s->softcap;
    p.alibi = s->alibi;
    p.sinks = s->sinks;
    p.kv_lengths = s->kv_lengths;
    p.varlen = s->varlen;
    p.past_len = s->past_len;
    p.scores_stage = s->scores ? s->scores_stage : ATTN_STAGE_RAW;
    set_tensors(&p, s);
    return p;
}

/* ---- Work ------------------------------------------------------------------------------------------------------------------------ */

/* Sum over rows i < rows of i + x clamped to [0, most]. */
static double clamped_sum(double rows, double x, double most)
{
    const double first = x >= 0 ? 0 : -x < rows ? -x : rows; /* from here on above 0 */
    double full = most - x;                                  /* from here on `most`  */
    full = full < first ? first : full > rows ? rows : full;
    return (full - first) * (first + full + 2 * x - 1) / 2 + (rows - full) * most;
}

/* What one entry's rows see: pairs, and keys that at least one row sees. */
typedef struct Sight {
    double rows, pairs, keys;
} Sight;

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static Sight sight(const Shape *s, size_t b)
{
    const double rows = (double)shape_q_len(s, b), keys = (double)shape_k_len(s, b), offset = (double)shape_offset(s, b);
    const bool right = s->causal || (s->window && s->window_right >= 0), left = s->window && s->window_left >= 0;
    const double past = offset + (s->causal ? 1 : (double)s->window_right + 1), from = offset - (double)s->window_left; /* of row 0 */
    Sight see = {rows, 0, 0};
    if (rows == 0)
        return see;
    see.pairs = (right ? clamped_sum(rows, past, keys) : rows * keys) - (left ? clamped_sum(rows, from, keys) : 0);
    see.keys = (right ? clamp(rows - 1 + past, 0, keys) : keys) - (left ? clamp(from, 0, keys) : 0);
    return see;
}

static Sight sight_of_all(const Shape *s)
{
    Sight all = {0, 0, 0};
    for (size_t b = 0; b < s->batch; b++) {
        const Sight one = sight(s, b);
        all.rows += one.rows;
        all.pairs += one.pairs;
        all.keys += one.keys;
    }
    return all;
}

double shape_visible_pairs(const Shape *s)
{
    return sight_of_all(s).pairs * (double)s->q_heads;
}

double shape_flop(const Shape *s)
{
    return 2 * shape_visible_pairs(s) * (double)(s->d + s->dv);
}

double shape_bytes(const Shape *s)
{
    const Sight all = sight_of_all(s);
    const double hq = (double)s->q_heads, hkv = (double)s->kv_heads, d = (double)s->d, dv = (double)s->dv;
    const double in_out = 4 * hq * all.rows * (d + dv), cache = 4 * hkv * all.keys * (d + (s->v_in_k ? 0 : dv));
    const double scores = s->scores ? 4 * (double)s->batch * hq * (double)s->q_len * (double)s->k_len : 0;
    return in_out + cache + all.pairs * hq * ((s->mask ? 1 : 0) + (s->bias ? 4 : 0)) + (s->lse ? 4 * hq * all.rows : 0) + scores;
}

RoofWork shape_work(const Shape *s)
{
    return (RoofWork){.flop = shape_flop(s), .exp = shape_visible_pairs(s), .bytes = shape_bytes(s)};
}
