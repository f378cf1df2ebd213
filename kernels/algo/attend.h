/* attend.h - softmax attention over panels of queries and blocks of keys, generic over the vector header. The skeleton of all tile kernels.
 *
 * A panel is up to NQ vectors of query rows, one row a lane. The keys pass by in blocks; each row keeps m, a reference for its scores, l,
 * the sum of 2^(s - m), and o, the sum of 2^(s - m) v, both relative to m (kernels/README.md section 2; scores are in log2 units because
 * q is multiplied by scale * log2(e) when it is packed; only with a bias they stay in natural units, since a bias near -FLT_MAX leaves
 * the range when multiplied, and are multiplied after m was taken off). Per block score.h makes weights of scores, then o += P V.
 *
 * A variant file includes the vector header and defines what it is, then includes this, which ends with its descriptor:
 *   SUMMARY         one line for `attnzoo list`
 *   MULTIPLY_ADDS   that full panels do in a cycle, and
 *   CYCLES_PER_EXP  that an exponential takes besides: for the estimate of cost
 * and what differs from the defaults below and in score.h.
 *
 * Cost per score: d + dv multiply-adds and one 2^x; K and V are read once per unit. Scratch: unit_panels panels (q, o, m, l), one block of
 * scores, and one block of K and of V where their rows are a multiple of 4096 bytes apart ([B,S,H,d] with 8 heads of 128, for example).
 * L1 and L2 hold few of such rows at a time, so a unit copies each block once. Rows with |v| times the number of key blocks above
 * FLT_MAX / 2^20 may have to be done again (plain.h). Error: kernels/README.md section 4. */
#ifndef ATTN_ALGO_ATTEND_H
#define ATTN_ALGO_ATTEND_H

#include "kernels/fpenv.h"
#include "kernels/kernel.h"
#include "kernels/scratch.h"

#include "kernels/algo/score.h"
#include "kernels/algo/pack.h"

/* Keys in a block; 0: all of them. */
#ifndef KEY_BLOCK
#define KEY_BLOCK 256
#endif
/* Score functions that the tiles compute; does the kernel take parts of the keys? */
#ifndef SCORES
#define SCORES (ATTN_HAS_DOT | ATTN_HAS_GAUSSIAN)
#endif
#ifndef SPLITS
#define SPLITS true
#endif
enum {
    UNIT_PANELS = 8,
    FAR = 1 << 18,     /* numbers of K and V that an L2 of 1 MiB does not hold                                 */
    CROWDED = 4096,    /* bytes between rows of K or V, or a multiple: they share the sets of an L1 of 64 sets */
    GATHER_PANELS = 2, /* such rows are copied for units of so many panels                                     */
    GATHER_AHEAD = 8   /* rows that are prefetched before they are copied                                      */
};

static size_t key_block(const AttnProblem *p)
{
    const size_t most = KEY_BLOCK ? KEY_BLOCK : p->k_len, len = p->k_len < most ? p->k_len : most;
    return (len + STRIP - 1) / STRIP * STRIP;
}

/* Are rows so far apart that blocks of them are copied? Where all keys are one block, they are not: it would take too much room. */
static bool crowded(ptrdiff_t stride, size_t bytes)
{
    return KEY_BLOCK > 0 && stride % CROWDED == 0 && (size_t)(stride < 0 ? -stride : stride) > bytes;
}

/* Numbers of scratch for a block of keys of K or V. */
static size_t gathered_numbers(const AttnProblem *p, const AttnLayout *now, const AttnLayout *past, size_t width)
{
    const ptrdiff_t element = sizeof(kv_stored);
    const size_t bytes = width * sizeof(kv_stored);
    return crowded(now->row * element, bytes) || (p->past_len > 0 && crowded(past->row * element, bytes)) ? key_block(p) * width : 0;
}

static size_t lay_out(const AttnProblem *p, size_t rows, void *base, Work *w)
{
    AttnCarve carve = {.base = base};
    const size_t panels = (rows + LANES - 1) / LANES;
    w->ldo = (p->dv + VL - 1) / VL * VL;
    w->key_block = key_block(p);
    w->panels = attn_carve(&carve, panels, sizeof *w->panels);
    w->s = attn_carve(&carve, w->key_block * LANES, sizeof *w->s);
    w->add = attn_carve(&carve, STRIP * LANES, sizeof *w->add);
    w->live = attn_carve(&carve, w->key_block, sizeof *w->live);
    w->keys.rows = attn_carve(&carve, gathered_numbers(p, &p->k, &p->k_past, p->d), sizeof(kv_stored));
    w->values.rows = attn_carve(&carve, gathered_numbers(p, &p->v, &p->v_past, p->dv), sizeof(kv_stored));
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

static size_t attend_scratch(const AttnProblem *p, size_t rows)
{
    Work w;
    return lay_out(p, rows, NULL, &w);
}

/* ---- Units ----------------------------------------------------------------------------------------------------------------------- */

/* Begin a panel with up to `most` of the unit's rows from *row on that exist; *row moves behind the last one taken. False: none is left.
 * A sink is a key that was seen already: its score is the first reference, its weight 1. Lanes without a row repeat the last one. */
static bool open_panel(const Work *w, Panel *panel, size_t *row, size_t end, size_t most)
{
    const AttnArgs *a = w->a;
    const void *q[LANES], *weights[LANES];
    panel->lanes.key0 = w->key0;
    panel->lanes.key1 = w->key1;
    panel->rows = lanes_take(&panel->lanes, a, &w->seq, w->kv_head, w->score_scale, row, end, most, q, weights);
    if (panel->rows == 0)
        return false;
    panel->nq = (panel->rows + VL - 1) / VL;
    const size_t lanes = panel->nq * VL, last = panel->rows - 1;
    for (size_t lane = panel->rows; lane < lanes; lane++) {
        q[lane] = q[last];
        weights[lane] = weights[last];
    }
    lanes_finish(&panel->lanes, panel->rows, lanes);
    const float factor = (float)(a->p->scale * (double)w->score_scale);
    if (a->p->score == ATTN_SCORE_ADDITIVE) {
        pack_rows(PACK_Q, q, lanes, a->p->d, 1.0f, panel->q);
        pack_rows(PACK_F32, weights, lanes, a->p->d, factor, panel->w);
    } else {
        pack_rows(PACK_Q, q, lanes, a->p->d, factor, panel->q);
    }
    for (size_t lane = 0; lane < lanes; lane++) {
        const float sink = lane_sink(&panel->lanes, lane < last ? lane : last, a, w->score_scale);
        panel->m[lane] = sink;
        panel->l[lane] = sink == -INFINITY ? 0.0f : 1.0f;
    }
    panel->started = panel->settled = settled(panel); /* by sinks */
    panel->redone = 0;
    panel->fresh = true;
    return true;
}

/* o += P V over the runs of keys that some row of the panel sees. */
static void add_values(const Work *w, Panel *panel, size_t j, size_t n)
{
    const size_t lanes = panel->nq * VL;
    const RowKeys every = {NULL, NULL}, ranges = {panel->lanes.lo, panel->lanes.hi}, seen = panel->lanes.rising ? ranges : every;
    for (size_t t = 0; t < n;) {
        const size_t begin = t, end = n - begin < CHAIN ? n : begin + CHAIN;
        const unsigned char *dead = memchr(w->live + begin, 0, end - begin);
        t = dead ? (size_t)(dead - w->live) : end;
        if (t > begin) {
            const Keys values = values_from(w, j + begin);
            values_accumulate(panel->rows, seen, w->s + begin * lanes, lanes, values.j, values.row, values.stride, t - begin, w->a->p->dv,
                              panel->fresh, panel->o, w->ldo);
            panel->fresh = false;
        }
        t += dead != NULL;
    }
}

static void close_panel(const Work *w, Panel *panel)
{
    const float natural_scale = w->to_log2 == 1.0f ? (float)LN2 : 1.0f;
    if (panel->fresh)
        memset(panel->o, 0, panel->rows * w->ldo * sizeof *panel->o);
    vf wrong = vf_set1(0.0f);
    bool odd = false;
    for (size_t lane = 0; lane < panel->rows; lane++)
        odd |= row_finish(&panel->lanes, lane, w->a, &w->seq, panel->o + lane * w->ldo, panel->m[lane], panel->l[lane],
                          natural_scale, &wrong);
    if (odd || vf_any_differs(wrong, vf_set1(0.0f)))
        rows_mend(&panel->lanes, panel->rows, w->a, &w->seq, panel->m, panel->l, 1);
}

/* The optional scores of a finished panel: computed once more, strip by strip, as far as the stage that was asked for; those that are not
 * finite, and all of rows that went the plain way, once more again. */
static void emit_scores(const Work *w, Panel *panel)
{
    const AttnArgs *a = w->a;
    const size_t lanes = panel->nq * VL, len = a->p->k_len;
    const AttnStage stage = a->p->scores_stage, upto = stage == ATTN_STAGE_WEIGHTS ? ATTN_STAGE_BIASED : stage;
    const float natural_scale = w->to_log2 == 1.0f ? (float)LN2 : 1.0f;
    for (size_t j = 0, n; j < len; j += n) {
        n = attn_run_end(a, j, len) - j;
        n = n < STRIP ? n : STRIP;
        const Keys keys = keys_from(w, j);
        score_raw(w, panel, keys, n, NULL, w->s);
        strip_stage(a->p, &panel->lanes, upto, w->score_scale, lanes, j, n, keys.row, keys.stride, w->s, w->live, w->add);
        for (size_t lane = 0; lane < panel->rows; lane++) {
            const AttnPlainRow row = lane_plain(&panel->lanes, lane, a, &w->seq);
            if (panel->lanes.plain[lane])
                continue;
            float *to = a->t->scores + attn_score_at(&a->p->scores, w->seq.b, panel->lanes.h[lane], panel->lanes.i[lane], j);
            const float m = panel->m[lane], l = panel->l[lane];
            for (size_t t = 0; t < n; t++) {
                const float s = w->s[t * lanes + lane];
                const float weight = s == -INFINITY ? 0.0f : exp2f((s - m) * w->to_log2) / l;
                float value = stage == ATTN_STAGE_WEIGHTS ? weight : s * natural_scale;
                const bool seen = j + t >= panel->lanes.lo[lane] && j + t < panel->lanes.hi[lane];
                if (!(fabsf(value) <= FLT_MAX) && (stage < ATTN_STAGE_BIASED || seen))
                    value = attn_plain_score(&row, j + t, stage);
                to[(ptrdiff_t)t * a->p->scores.col] = value;
            }
        }
    }
    for (size_t lane = 0; lane < panel->rows; lane++)
        if (panel->lanes.plain[lane]) {
            const AttnPlainRow row = lane_plain(&panel->lanes, lane, a, &w->seq);
            attn_plain_scores(&row);
        }
}

/* Rows of the next panel where so many are left: panels get nearly equal numbers of vectors, since the last rows in one vector alone would
 * cost as much as two. */
static size_t even_panel(size_t rows)
{
    const size_t vectors = (rows + VL - 1) / VL, panels = (vectors + NQ - 1) / NQ;
    return (vectors + panels - 1) / panels * VL;
}

enum { PREFETCH_LINES = (MR + 1) / 2 }; /* by then MR keys have been asked for when MR were scored */

/* Keys [j, end) and their values, which the unit reads for the first time: asked for a little before their use. */
static Prefetch prefetch_keys(const Work *w, size_t j, size_t end)
{
    const AttnProblem *p = w->a->p;
    const Keys keys = keys_from(w, j), values = values_from(w, j);
    const size_t ahead = end - j < AHEAD ? end - j : AHEAD;
    const kv_stored *first = kv_at(keys.row, (ptrdiff_t)ahead * keys.stride);
    return (Prefetch){{stretch_of_rows(first, keys.stride, end - j - ahead, p->d * sizeof(kv_stored)),
                     stretch_of_rows(values.row, values.stride, end - j, p->dv * sizeof(kv_stored))},
                    PREFETCH_LINES};
}

/* q and o of what the thread computes next, over n keys of all panels but one. On 8 times 12 heads of 128 rows and keys, d 64, operands in
 * L3, it takes 5 % less time with AVX2 and 4 % with AVX-512 than without and with keys asked for between tiles; three quarters of the gain
 * are q's. With the next unit's keys as well: no less. */
static Prefetch prefetch_next(const Work *w, const AttnSpan *unit, size_t panels, size_t n)
{
    const AttnArgs *a = w->a;
    const AttnProblem *p = a->p;
    if (unit->next.row0 == unit->next.row1 || panels < 2)
        return (Prefetch){.lines = 0};
    const AttnSequence seq = attn_sequence(a, unit->next.b);
    const size_t h = unit->next.kv_head * a->group + unit->next.row0 / p->q_len, row = unit->next.row0 % p->q_len;
    size_t rows = unit->next.row1 - unit->next.row0;
    rows = row >= seq.q_len ? 0 : rows < seq.q_len - row ? rows : seq.q_len - row; /* of one head: heads are short where they are stacked */
    const q_stored *q = attn_q_at(a, &seq, h, row, sizeof *q);
    const o_stored *o = attn_o_at(a, &seq, h, row, sizeof *o);
    Prefetch next = {{stretch_of_rows(q, p->q.row * (ptrdiff_t)sizeof *q, rows, p->d * sizeof *q),
                    stretch_of_rows(o, p->o.row * (ptrdiff_t)sizeof *o, rows, p->dv * sizeof *o)},
                   0};
    const size_t steps = (panels - 1) * ((n + MR - 1) / MR) * ((p->d + PREFETCH_COLUMNS - 1) / PREFETCH_COLUMNS);
    const size_t lines = (stretch_lines(&next.of[0]) + steps - 1) / steps;
    next.lines = lines < PREFETCH_LINES ? lines : PREFETCH_LINES;
    return next;
}

/* Rows from j on to scratch, where all panels of the unit read them, if they lie badly. */
static void gather(Gathered *to, AttnRun run, size_t j, size_t width, size_t panels)
{
    const size_t bytes = width * sizeof(kv_stored);
    to->j = to->end = j;
    if (panels < GATHER_PANELS || !crowded(run.stride, bytes))
        return;
    to->end = j + run.count;
    const char *from = run.row;
    for (size_t t = 0; t < run.count; t++, from += run.stride) {
        for (size_t at = 0; t + GATHER_AHEAD < run.count && at < bytes; at += 64)
            __builtin_prefetch(from + GATHER_AHEAD * run.stride + at);
        memcpy(to->rows + t * width, from, bytes);
    }
}

static void attend(const AttnArgs *a, AttnSpan unit, void *scratch)
{
    Work w = {.a = a, .seq = attn_sequence(a, unit.b), .kv_head = unit.kv_head, .key0 = unit.key0, .key1 = unit.key1};
    lay_out(a->p, a->unit_rows, scratch, &w);
    w.score_scale = a->t->bias ? 1.0f : (float)LOG2E;
    w.far = (double)a->p->batch * (double)a->p->kv_heads * (double)a->p->k_len * (double)(a->p->d + a->p->dv) > FAR;
    w.to_log2 = a->t->bias ? (float)LOG2E : 1.0f;
    size_t panels = 0, lo = SIZE_MAX, hi = 0;
    for (size_t row = unit.row0; row < unit.row1; panels++) {
        if (!open_panel(&w, &w.panels[panels], &row, unit.row1, even_panel(unit.row1 - row)))
            break;
        const Lanes *lanes = &w.panels[panels].lanes;
        lo = lanes->min_lo < lo ? lanes->min_lo : lo;
        hi = lanes->max_hi > hi ? lanes->max_hi : hi;
    }
    Prefetch keys, next = {.lines = 0};
    if (w.far && lo < hi)
        next = prefetch_next(&w, &unit, panels, hi - lo < w.key_block ? hi - lo : w.key_block);
    for (size_t j0 = lo, j1; j0 < hi; j0 = j1) {
        j1 = attn_run_end(a, j0, j0 + w.key_block);
        const size_t to = j1 < hi ? j1 : hi;
        gather(&w.keys, attn_k_run(a, &w.seq, w.kv_head, j0, to, sizeof(kv_stored)), j0, a->p->d, panels);
        gather(&w.values, attn_v_run(a, &w.seq, w.kv_head, j0, to, sizeof(kv_stored)), j0, a->p->dv, panels);
        bool first = true;
        for (size_t i = 0; i < panels; i++) {
            Panel *panel = &w.panels[i];
            const size_t j = j0 > panel->lanes.min_lo ? j0 : panel->lanes.min_lo, end = j1 < panel->lanes.max_hi ? j1 : panel->lanes.max_hi;
            if (j >= end)
                continue;
            w.prefetch = NULL;
            if (w.far && first && (w.keys.end == w.keys.j || w.values.end == w.values.j)) {
                keys = prefetch_keys(&w, j, end);
                w.prefetch = &keys;
            } else if (next.lines > 0 && j1 >= hi) {
                w.prefetch = &next;
            }
            first = false;
            weigh(&w, panel, j, end);
            add_values(&w, panel, j, end - j);
        }
    }
    w.keys.end = w.keys.j;
    w.values.end = w.values.j;
    for (size_t i = 0; i < panels; i++) {
        close_panel(&w, &w.panels[i]);
        if (a->t->scores)
            emit_scores(&w, &w.panels[i]);
    }
}

/* Estimated cycles (cost.h): the multiply-adds, in rows rounded up to vectors, over what full panels reach in a cycle; panels of one or two
 * vectors reach less of it (Zen 5, AVX-512: 60 and 75 % of the peak where three reach 90); the exponentials; the score stage; and what tiles,
 * units and rows cost besides. Few rows: no faster than keys and values come from memory. */
static double attend_cost(const AttnProblem *p)
{
    const AttnStretch stretch = attn_stretch(p, LANES);
    const double rows = (double)stretch.rows, heads = (double)stretch.count, d = (double)p->d;
    const double vectors = ceil(rows / VL), panels = ceil(vectors / NQ);
    const double share = vectors < 1.5 * panels ? 0.66 : vectors < 2.5 * panels ? 0.83 : 1.0;
    const Visited visited = visited_keys(p, stretch.stacked ? p->q_len : LANES);
    const double staged = lanes_always(p) ? visited.keys : SWIFT ? 0.5 * visited.partial : visited.partial;
    const double columns = d + ceil((double)p->dv / VL) * VL;
    const double scores = visited.keys * vectors * VL;
    const double work = scores * columns / (MULTIPLY_ADDS * share) + scores * CYCLES_PER_EXP +
                        staged * vectors * stage_cycles(p, ceil(d / VL) / vectors) + visited.keys * panels * 3.0;
    const double read = stretch.stacked ? visited.keys * (double)(p->d + p->dv) * sizeof(kv_stored) / READ_PER_CYCLE : 0.0;
    return heads * (overlapped(work, read) + 300.0 + 150.0 * panels + rows * (35.0 + 1.5 * columns / VL));
}

const AttnKernel ATTN_KERNEL_ID = {
    .name = ATTN_KERNEL_STRING,
    .summary = SUMMARY,
    .kind = ATTN_KIND_ATTENTION,
    .isa = VF_NEEDS,
    .dtypes = STORED_TENSORS,
    .features = ATTN_HAS_OPTIONS | SCORES,
    .accuracy = {STORED_ROUNDING, .exp_ulp = EXP_ULP, .tanh_ulp = TANH_ULP, .exp_exact_at_0 = true, .chain_from_m = SWIFT},
    .panel = LANES,
    .unit_panels = UNIT_PANELS,
    .enter = attn_fp_enter,
    .leave = attn_fp_leave,
    .splits = SPLITS,
    .scratch = attend_scratch,
    .cost = attend_cost,
    .run = attend,
};

#endif
