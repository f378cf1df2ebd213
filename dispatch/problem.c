/* problem.c - is a problem well formed, and do the pointers of a run fit it?
 *
 * A problem that passes can be computed: sizes are in range, every element has an address, no two results share an address, and no output
 * overlaps another tensor. Kernels rely on all of this and check none of it. There may still be no kernel for it (dispatch/choose.c). */
#include "dispatch/dtype.h"
#include "dispatch/problem.h"
#include "dispatch/structs.h"
#include "dispatch/view.h"

#include <inttypes.h>

/* The largest |scale|: 2^126, so that scale and scale * log2(e) are finite in f32, in which most kernels hold them. */
#define MOST_SCALE 0x1p126

/* Soft-caps whose inverse, in log2 units, is an ordinary f32. */
#define LEAST_SOFTCAP 0x1p-60
#define MOST_SOFTCAP 0x1p60

/* Outputs are O to SCORES; from ARRAYS on they are plain arrays, whose sizes the problem alone says. */
enum { Q, K, V, O, LSE, SCORES, MASK, BIAS, K_PAST, V_PAST, W, OFFSETS, KV_LENGTHS, SLOPES, SINKS, CU_Q, CU_K, VIEWS, ARRAYS = W };

static AttnView layout_view(const char *name, const char *letters, const AttnLayout *l, size_t batch, size_t heads, size_t rows, size_t cols)
{
    return (AttnView){name, letters, attn_dtype_bytes(l->dtype), {batch, heads, rows, cols}, {l->batch, l->head, l->row, 1}};
}

static AttnView score_view(const char *name, const AttnScoreLayout *l, const AttnProblem *p)
{
    const size_t element = attn_dtype_bytes(l->dtype);
    return (AttnView){name, "[B,Hq,Sq,Sk]", element, {p->batch, p->q_heads, p->q_len, p->k_len}, {l->batch, l->head, l->row, l->col}};
}

/* A plain array [rows, cols] of `element` bytes, there if wanted. */
static AttnView array_view(const char *name, const char *letters, bool wanted, size_t element, size_t rows, size_t cols)
{
    return (AttnView){name, letters, wanted ? element : 0, {1, 1, rows, cols}, {0, 0, (ptrdiff_t)cols, 1}};
}

/* The most rows that a packed tensor can have. */
static size_t most_rows(size_t batch, size_t longest)
{
    size_t most;
    return __builtin_mul_overflow(batch, longest, &most) ? SIZE_MAX : most;
}

/* t: tensors whose cumulative lengths are checked. NULL: a problem without its tensors, whose packed rows are as many as there can be. */
static void views_of(const AttnProblem *p, const AttnTensors *t, AttnView view[VIEWS])
{
    const size_t batch = p->varlen ? 1 : p->batch;
    const size_t q_rows = !p->varlen ? p->q_len : t ? (size_t)t->cu_q[p->batch] : most_rows(p->batch, p->q_len);
    const size_t k_rows = !p->varlen ? p->k_len - p->past_len : t ? (size_t)t->cu_k[p->batch] : most_rows(p->batch, p->k_len);
    view[Q] = layout_view("q", "[B,Hq,Sq,d]", &p->q, batch, p->q_heads, q_rows, p->d);
    view[K] = layout_view("k", "[B,Hkv,Sk,d]", &p->k, batch, p->kv_heads, k_rows, p->d);
    view[V] = layout_view("v", "[B,Hkv,Sk,dv]", &p->v, batch, p->kv_heads, k_rows, p->dv);
    view[O] = layout_view("o", "[B,Hq,Sq,dv]", &p->o, batch, p->q_heads, q_rows, p->dv);
    view[LSE] = layout_view("lse", "[B,Hq,Sq]", &p->lse, batch, p->q_heads, q_rows, 1);
    view[SCORES] = score_view("scores", &p->scores, p);
    view[MASK] = score_view("mask", &p->mask, p);
    view[BIAS] = score_view("bias", &p->bias, p);
    view[K_PAST] = layout_view("k_past", "[B,Hkv,past,d]", &p->k_past, p->batch, p->kv_heads, p->past_len, p->d);
    view[V_PAST] = layout_view("v_past", "[B,Hkv,past,dv]", &p->v_past, p->batch, p->kv_heads, p->past_len, p->dv);
    view[W] = array_view("w", "[Hq,d]", p->score == ATTN_SCORE_ADDITIVE, sizeof(float), p->q_heads, p->d);
    view[OFFSETS] = array_view("offsets", "[B]", p->align == ATTN_ALIGN_OFFSETS, sizeof(int64_t), 1, p->batch);
    view[KV_LENGTHS] = array_view("kv_lengths", "[B]", p->kv_lengths, sizeof(int64_t), 1, p->batch);
    view[SLOPES] = array_view("alibi_slopes", "[Hq]", p->alibi, sizeof(float), 1, p->q_heads);
    view[SINKS] = array_view("sinks", "[Hq]", p->sinks, sizeof(float), 1, p->q_heads);
    view[CU_Q] = array_view("cu_q", "[B+1]", p->varlen, sizeof(int64_t), 1, p->batch + 1);
    view[CU_K] = array_view("cu_k", "[B+1]", p->varlen, sizeof(int64_t), 1, p->batch + 1);
}

/* ---- Problem --------------------------------------------------------------------------------------------------------------------- */

static AttnStatus check_sizes(const AttnProblem *p)
{
    const struct {
        const char *name;
        size_t value, least;
    } size[] = {{"batch", p->batch, 0},       {"q_heads", p->q_heads, 1}, {"kv_heads", p->kv_heads, 1}, {"q_len", p->q_len, 0},
                {"k_len", p->k_len, 0},       {"d", p->d, 1},             {"dv", p->dv, 1}};
    for (size_t i = 0; i < sizeof size / sizeof *size; i++)
        if (size[i].value < size[i].least || size[i].value > ATTN_MAX_SIZE)
            return attn_fail(ATTN_ERROR_VALUE, "problem.%s is %zu; allowed: %zu to %zu", size[i].name, size[i].value, size[i].least,
                             ATTN_MAX_SIZE);
    if (p->q_heads % p->kv_heads != 0)
        return attn_fail(ATTN_ERROR_VALUE, "problem.q_heads is %zu; allowed: multiples of problem.kv_heads, which is %zu", p->q_heads,
                         p->kv_heads);
    if (p->past_len > p->k_len)
        return attn_fail(ATTN_ERROR_VALUE, "problem.past_len is %zu; allowed: 0 to problem.k_len, which is %zu and counts the past",
                         p->past_len, p->k_len);
    return ATTN_OK;
}

/* One dtype field against what it may be: numbers (NONE too if optional), f32, or bool. */
static AttnStatus check_dtype(const char *name, AttnDtype dtype, bool optional, bool f32_only)
{
    const bool number = dtype == ATTN_F32 || (!f32_only && (dtype == ATTN_F64 || dtype == ATTN_F16 || dtype == ATTN_BF16));
    if (number || (optional && dtype == ATTN_NONE))
        return ATTN_OK;
    return attn_fail(ATTN_ERROR_VALUE, "problem.%s.dtype is %d; allowed: %sATTN_F32 (%d)%s", name, (int)dtype, optional ? "ATTN_NONE (0), " : "",
                     ATTN_F32, f32_only ? "" : ", ATTN_F64 (2), ATTN_F16 (3), ATTN_BF16 (4)");
}
_Static_assert(ATTN_NONE == 0 && ATTN_F64 == 2 && ATTN_F16 == 3 && ATTN_BF16 == 4, "the sentence above says these numbers");

static AttnStatus check_dtypes(const AttnProblem *p)
{
    const struct {
        const char *name;
        AttnDtype dtype;
        bool optional, f32_only;
    } field[] = {{"q", p->q.dtype, false, false}, {"k", p->k.dtype, false, false},  {"v", p->v.dtype, false, false},
                 {"o", p->o.dtype, false, false}, {"lse", p->lse.dtype, true, true}, {"bias", p->bias.dtype, true, true},
                 {"scores", p->scores.dtype, true, true}};
    for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
        const AttnStatus status = check_dtype(field[i].name, field[i].dtype, field[i].optional, field[i].f32_only);
        if (status != ATTN_OK)
            return status;
    }
    if (p->mask.dtype != ATTN_NONE && p->mask.dtype != ATTN_BOOL)
        return attn_fail(ATTN_ERROR_VALUE, "problem.mask.dtype is %d; allowed: ATTN_NONE (%d), ATTN_BOOL (%d); a mask of numbers is a bias",
                         (int)p->mask.dtype, ATTN_NONE, ATTN_BOOL);
    const AttnDtype past[] = {p->k_past.dtype, p->v_past.dtype}, now[] = {p->k.dtype, p->v.dtype};
    for (size_t i = 0; i < 2; i++)
        if (past[i] != (p->past_len > 0 ? now[i] : ATTN_NONE))
            return attn_fail(ATTN_ERROR_VALUE, "problem.%s_past.dtype is %d; allowed: %d, %s", i ? "v" : "k", (int)past[i],
                             p->past_len > 0 ? (int)now[i] : ATTN_NONE,
                             p->past_len > 0 ? "that of the new rows" : "ATTN_NONE, because problem.past_len is 0");
    return ATTN_OK;
}

static AttnStatus check_position(const AttnProblem *p)
{
    const int64_t most = (int64_t)ATTN_MAX_SIZE;
    if ((unsigned)p->align > ATTN_ALIGN_OFFSETS)
        return attn_fail(ATTN_ERROR_VALUE, "problem.align is %d; allowed: 0 to %d, one of ATTN_ALIGN_*", (int)p->align, ATTN_ALIGN_OFFSETS);
    if (p->align != ATTN_ALIGN_OFFSET && p->offset != 0)
        return attn_fail(ATTN_ERROR_VALUE, "problem.offset is %" PRId64 "; allowed: 0 unless problem.align is ATTN_ALIGN_OFFSET", p->offset);
    if (p->offset < -most || p->offset > most)
        return attn_fail(ATTN_ERROR_VALUE, "problem.offset is %" PRId64 "; allowed: %" PRId64 " to %" PRId64, p->offset, -most, most);
    const int64_t width[] = {p->window_left, p->window_right};
    for (size_t i = 0; i < 2; i++) {
        const char *side = i ? "right" : "left";
        if (!p->window && width[i] != 0)
            return attn_fail(ATTN_ERROR_VALUE, "problem.window_%s is %" PRId64 ", but problem.window is false; allowed: 0, or window = true",
                             side, width[i]);
        if (width[i] < -1 || width[i] > most)
            return attn_fail(ATTN_ERROR_VALUE, "problem.window_%s is %" PRId64 "; allowed: -1 (unbounded) to %" PRId64, side, width[i], most);
    }
    return ATTN_OK;
}

/* Options that contradict each other. Asked before their layouts are, or a layout would be blamed for an option. */
static AttnStatus check_combinations(const AttnProblem *p)
{
    const struct {
        const char *name;
        bool on;
    } against_varlen[] = {{"kv_lengths", p->kv_lengths}, {"past_len", p->past_len > 0}, {"scores", p->scores.dtype != ATTN_NONE}};
    for (size_t i = 0; p->varlen && i < sizeof against_varlen / sizeof *against_varlen; i++)
        if (against_varlen[i].on)
            return attn_fail(ATTN_ERROR_VALUE, "problem.%s is set together with problem.varlen; allowed: one of the two", against_varlen[i].name);
    const ptrdiff_t stride[] = {p->q.batch, p->k.batch, p->v.batch, p->o.batch, p->lse.batch};
    static const char *const name[] = {"q", "k", "v", "o", "lse"};
    for (size_t i = 0; p->varlen && i < sizeof name / sizeof *name; i++)
        if (stride[i] != 0)
            return attn_fail(ATTN_ERROR_VALUE, "problem.%s.batch is %td; allowed: 0, because problem.varlen packs all entries into one", name[i],
                             stride[i]);
    if (p->scores.dtype == ATTN_NONE && p->scores_stage != 0)
        return attn_fail(ATTN_ERROR_VALUE, "problem.scores_stage is %d, but problem.scores.dtype is ATTN_NONE; allowed: 0", (int)p->scores_stage);
    return ATTN_OK;
}

static AttnStatus check_semantics(const AttnProblem *p)
{
    if (!(p->scale >= -MOST_SCALE && p->scale <= MOST_SCALE)) /* so written, NaN fails too */
        return attn_fail(ATTN_ERROR_VALUE, "problem.scale is %g; allowed: finite, from -2^126 to 2^126", p->scale);
    if (!(p->softcap == 0.0 || (p->softcap >= LEAST_SOFTCAP && p->softcap <= MOST_SOFTCAP)))
        return attn_fail(ATTN_ERROR_VALUE, "problem.softcap is %g; allowed: 0 (off), or 2^-60 to 2^60", p->softcap);
    if ((unsigned)p->score > ATTN_SCORE_ADDITIVE)
        return attn_fail(ATTN_ERROR_VALUE, "problem.score is %d; allowed: 0 to %d, one of ATTN_SCORE_*", (int)p->score, ATTN_SCORE_ADDITIVE);
    if ((unsigned)p->scores_stage > ATTN_STAGE_WEIGHTS)
        return attn_fail(ATTN_ERROR_VALUE, "problem.scores_stage is %d; allowed: 0 to %d, one of ATTN_STAGE_*", (int)p->scores_stage,
                         ATTN_STAGE_WEIGHTS);
    return check_position(p);
}

/* Strides that nothing steps along become 0: kernels do arithmetic with all of them. */
static void settle_layouts(AttnProblem *p)
{
    const size_t batch = p->varlen ? 1 : p->batch, q_rows = p->varlen ? most_rows(p->batch, p->q_len) : p->q_len;
    const size_t k_rows = p->varlen ? most_rows(p->batch, p->k_len) : p->k_len - p->past_len;
    AttnScoreLayout *const over_scores[] = {&p->scores, &p->mask, &p->bias};
    attn_layout_settle(&p->q, batch, p->q_heads, q_rows);
    attn_layout_settle(&p->k, batch, p->kv_heads, k_rows);
    attn_layout_settle(&p->v, batch, p->kv_heads, k_rows);
    attn_layout_settle(&p->o, batch, p->q_heads, q_rows);
    attn_layout_settle(&p->lse, batch, p->q_heads, q_rows);
    attn_layout_settle(&p->k_past, p->batch, p->kv_heads, p->past_len);
    attn_layout_settle(&p->v_past, p->batch, p->kv_heads, p->past_len);
    for (size_t i = 0; i < sizeof over_scores / sizeof *over_scores; i++)
        attn_score_layout_settle(over_scores[i], p->batch, p->q_heads, p->q_len, p->k_len);
}

/* Results lie apart. Where entries are packed, how far apart the heads of o must be follows from the rows that there are, which come with
 * the tensors: before that (t NULL) only heads and columns are looked at. */
static AttnStatus check_outputs(const AttnProblem *p, const AttnTensors *t)
{
    AttnView view[VIEWS];
    AttnStatus status = ATTN_OK;
    views_of(p, t, view);
    for (size_t i = O; i <= SCORES && status == ATTN_OK; i++) {
        if (p->varlen && !t && view[i].count[2] > 1)
            view[i].count[2] = 1;
        if (view[i].element > 0)
            status = attn_view_check_distinct("problem", &view[i]);
    }
    return status;
}

AttnStatus attn_problem_read(const AttnProblem *problem, AttnProblem *out)
{
    AttnView view[VIEWS];
    AttnStatus status = attn_struct_read(&attn_struct_problem, problem, out);
    if (status == ATTN_OK)
        status = check_sizes(out);
    if (status == ATTN_OK)
        status = check_combinations(out);
    if (status == ATTN_OK)
        status = check_dtypes(out);
    if (status == ATTN_OK)
        status = check_semantics(out);
    if (status != ATTN_OK)
        return status;
    views_of(out, NULL, view);
    for (size_t i = 0; i < VIEWS && status == ATTN_OK; i++)
        if (view[i].element > 0)
            status = attn_view_check_addresses("problem", &view[i], i != MASK && i != BIAS); /* there, broadcasting is the purpose */
    if (status == ATTN_OK)
        status = check_outputs(out, NULL);
    if (status == ATTN_OK)
        settle_layouts(out);
    return status;
}

AttnStatus attn_problem_check(const AttnProblem *problem)
{
    AttnProblem copy;
    return attn_problem_read(problem, &copy);
}

/* ---- Tensors --------------------------------------------------------------------------------------------------------------------- */

/* Cumulative lengths: B + 1 of them, from 0, no entry longer than the problem says. */
static AttnStatus check_cumulative(const char *name, const int64_t *cu, size_t batch, const char *longest_name, size_t longest)
{
    if (cu[0] != 0)
        return attn_fail(ATTN_ERROR_VALUE, "tensors.%s[0] is %" PRId64 "; allowed: 0", name, cu[0]);
    for (size_t b = 0; b < batch; b++)
        if (cu[b + 1] < cu[b] || (uint64_t)(cu[b + 1] - cu[b]) > longest)
            return attn_fail(ATTN_ERROR_VALUE,
                             "tensors.%s[%zu] is %" PRId64 " after %" PRId64 "; allowed: ascending, by at most problem.%s, which is %zu", name,
                             b + 1, cu[b + 1], cu[b], longest_name, longest);
    return ATTN_OK;
}

/* One number for each batch entry, from least to most. */
static AttnStatus check_each(const char *name, const int64_t *value, size_t batch, int64_t least, int64_t most)
{
    for (size_t b = 0; b < batch; b++)
        if (value[b] < least || value[b] > most)
            return attn_fail(ATTN_ERROR_VALUE, "tensors.%s[%zu] is %" PRId64 "; allowed: %" PRId64 " to %" PRId64, name, b, value[b], least,
                             most);
    return ATTN_OK;
}

/* The numbers among the tensors that other checks and kernels rely on. Their addresses are checked. */
static AttnStatus check_numbers(const AttnProblem *p, const AttnTensors *t)
{
    const int64_t most = (int64_t)ATTN_MAX_SIZE;
    AttnStatus status = ATTN_OK;
    if (p->varlen)
        status = check_cumulative("cu_q", t->cu_q, p->batch, "q_len", p->q_len);
    if (p->varlen && status == ATTN_OK)
        status = check_cumulative("cu_k", t->cu_k, p->batch, "k_len", p->k_len);
    if (p->kv_lengths && status == ATTN_OK)
        status = check_each("kv_lengths", t->kv_lengths, p->batch, 0, (int64_t)p->k_len);
    if (p->align == ATTN_ALIGN_OFFSETS && status == ATTN_OK)
        status = check_each("offsets", t->offsets, p->batch, -most, most);
    return status;
}

AttnStatus attn_tensors_read(const AttnProblem *problem, const AttnTensors *tensors, AttnTensors *out)
{
    AttnStatus status = attn_struct_read(&attn_struct_tensors, tensors, out);
    if (status != ATTN_OK)
        return status;
    AttnView view[VIEWS];
    AttnRegion region[VIEWS];
    const void *const pointer[VIEWS] = {out->q,      out->k,      out->v, out->o,       out->lse,        out->scores,       out->mask,  out->bias, out->k_past,
                                        out->v_past, out->w, out->offsets, out->kv_lengths, out->alibi_slopes, out->sinks, out->cu_q, out->cu_k};
    memset(region, 0, sizeof region); /* an absent or empty tensor is an empty region */
    /* Plain arrays first: what they hold is read, and says how long packed tensors are. */
    views_of(problem, NULL, view);
    for (size_t i = ARRAYS; i < VIEWS && status == ATTN_OK; i++)
        status = attn_view_check_pointer("problem", &view[i], pointer[i], &region[i]);
    if (status == ATTN_OK)
        status = check_numbers(problem, out);
    if (status == ATTN_OK && problem->varlen)
        status = check_outputs(problem, out);
    if (status != ATTN_OK)
        return status;
    if (problem->varlen)
        views_of(problem, out, view);
    for (size_t i = 0; i < ARRAYS && status == ATTN_OK; i++)
        status = attn_view_check_pointer("problem", &view[i], pointer[i], &region[i]);
    for (size_t output = O; output <= SCORES && status == ATTN_OK; output++)
        status = attn_view_check_apart(view, region, VIEWS, output);
    return status;
}
