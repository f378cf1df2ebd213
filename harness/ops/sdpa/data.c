/* data.c - operands of a case: arenas that fit the strides exactly, filled by counter-based random numbers.
 *
 * Inputs lie in arenas whose gaps and margins are NaN, outputs in arenas whose gaps and margins are 0xA5: an element read by mistake spoils
 * the result, one written by mistake is noticed. Masks and biases hold, row by row, the patterns that break tile logic: rows with nothing
 * visible, with one key, with a hidden beginning or end, and rows with random holes. Cost: one hash and about 10 flop per element. */
#include "dispatch/dtype.h"
#include "harness/base/random.h"
#include "harness/ops/sdpa/data.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/base/fence.h"
#include "harness/ops/sdpa/oracle.h"

enum { CANARY_IN = 0xff, CANARY_OUT = 0xa5 }; /* four bytes 0xff are a NaN */

static const char *const dist_names[DIST_COUNT] = {"normal", "peaky", "rampup", "rampdown", "uniform", "large", "denormal", "stairs",
                                                   "peaky24", "peaky60"};

const char *data_dist_name(DataDist dist)
{
    return dist < DIST_COUNT ? dist_names[dist] : "unknown";
}

bool data_dist_find(const char *name, DataDist *dist)
{
    for (int i = 0; i < DIST_COUNT; i++)
        if (strcmp(name, dist_names[i]) == 0) {
            *dist = (DataDist)i;
            return true;
        }
    return false;
}

const char *data_tensor_name(DataTensor tensor)
{
    static const char *const names[DATA_TENSORS] = {
        "q", "k", "v", "o", "lse", "scores", "mask", "bias", "k_past", "v_past", "w", "alibi_slopes", "sinks", "offsets", "kv_lengths",
        "cu_q", "cu_k"};
    return tensor < DATA_TENSORS ? names[tensor] : "unknown";
}

/* ---- Walking a strided tensor ----------------------------------------------------------------------------------------------------- */

/* Any of the tensors as [n0][n1][n2][n3] with strides in elements. */
typedef struct Walk {
    size_t n[4];
    ptrdiff_t stride[4];
    size_t element; /* bytes; 0: the problem does not have this tensor */
    AttnDtype dtype;
} Walk;

static Walk walk_layout(const AttnLayout *l, size_t batch, size_t heads, size_t rows, size_t width)
{
    return (Walk){{batch, heads, rows, width}, {l->batch, l->head, l->row, 1}, attn_dtype_bytes(l->dtype), l->dtype};
}

static Walk walk_scores(const AttnProblem *p, const AttnScoreLayout *l)
{
    return (Walk){{p->batch, p->q_heads, p->q_len, p->k_len},
                  {l->batch, l->head, l->row, l->col},
                  attn_dtype_bytes(l->dtype), l->dtype};
}

static Walk walk_array(bool present, size_t element, size_t n)
{
    return (Walk){{1, 1, 1, n}, {0, 0, 0, 1}, present ? element : 0, element == sizeof(float) ? ATTN_F32 : ATTN_NONE};
}

/* Ragged tensors are one entry of as many rows as the cumulative lengths, which must be filled by then, add up to. */
static Walk walk_of(const Data *data, int tensor)
{
    const AttnProblem *p = &data->problem;
    const AttnTensors *t = &data->tensors;
    const size_t entries = p->varlen ? 1 : p->batch, past = p->past_len;
    const size_t q_rows = p->varlen && tensor < DATA_SCORES ? (size_t)t->cu_q[p->batch] : p->q_len;
    const size_t k_rows = p->varlen && tensor < DATA_SCORES ? (size_t)t->cu_k[p->batch] : p->k_len - past;
    switch ((DataTensor)tensor) {
    case DATA_Q: return walk_layout(&p->q, entries, p->q_heads, q_rows, p->d);
    case DATA_K: return walk_layout(&p->k, entries, p->kv_heads, k_rows, p->d);
    case DATA_V: return walk_layout(&p->v, entries, p->kv_heads, k_rows, p->dv);
    case DATA_O: return walk_layout(&p->o, entries, p->q_heads, q_rows, p->dv);
    case DATA_LSE: return walk_layout(&p->lse, entries, p->q_heads, q_rows, 1);
    case DATA_SCORES: return walk_scores(p, &p->scores);
    case DATA_MASK: return walk_scores(p, &p->mask);
    case DATA_BIAS: return walk_scores(p, &p->bias);
    case DATA_K_PAST: return walk_layout(&p->k_past, p->batch, p->kv_heads, past, p->d);
    case DATA_V_PAST: return walk_layout(&p->v_past, p->batch, p->kv_heads, past, p->dv);
    case DATA_W: return walk_array(p->score == ATTN_SCORE_ADDITIVE, sizeof(float), p->q_heads * p->d);
    case DATA_SLOPES: return walk_array(p->alibi, sizeof(float), p->q_heads);
    case DATA_SINKS: return walk_array(p->sinks, sizeof(float), p->q_heads);
    case DATA_OFFSETS: return walk_array(p->align == ATTN_ALIGN_OFFSETS, sizeof(int64_t), p->batch);
    case DATA_KV_LENGTHS: return walk_array(p->kv_lengths, sizeof(int64_t), p->batch);
    case DATA_CU_Q:
    case DATA_CU_K: return walk_array(p->varlen, sizeof(int64_t), p->batch + 1);
    case DATA_TENSORS: break;
    }
    return (Walk){0};
}

/* Elements between the lowest and the highest one that the strides reach, and the position of element 0,0,0,0 above the lowest. */
static size_t walk_extent(const Walk *w, size_t *origin)
{
    size_t low = 0, high = 0;
    *origin = 0;
    for (int axis = 0; axis < 4; axis++) {
        if (w->n[axis] == 0)
            return 0;
        const size_t far = (w->n[axis] - 1) * (size_t)llabs((long long)w->stride[axis]);
        if (w->stride[axis] < 0)
            low += far;
        else
            high += far;
    }
    *origin = low;
    return low + high + 1;
}

/* Call visit for the first element of each distinct row (axes 0 to 2; axes that repeat are visited once). */
typedef void (*VisitRow)(void *context, void *row, size_t i0, size_t i1, size_t i2);

static void walk_rows(const Walk *w, void *zero, VisitRow visit, void *context)
{
    size_t n[3];
    for (int axis = 0; axis < 3; axis++)
        n[axis] = w->stride[axis] == 0 && w->n[axis] > 0 ? 1 : w->n[axis];
    for (size_t i0 = 0; i0 < n[0]; i0++)
        for (size_t i1 = 0; i1 < n[1]; i1++)
            for (size_t i2 = 0; i2 < n[2]; i2++) {
                const ptrdiff_t at = (ptrdiff_t)i0 * w->stride[0] + (ptrdiff_t)i1 * w->stride[1] + (ptrdiff_t)i2 * w->stride[2];
                visit(context, (char *)zero + at * (ptrdiff_t)w->element, i0, i1, i2);
            }
}

/* ---- Filling ---------------------------------------------------------------------------------------------------------------------- */

typedef struct Fill {
    const AttnProblem *p;
    Walk w;
    DataDist dist;
    uint64_t seed;    /* of this tensor                                                    */
    size_t first_row; /* of it, among the keys: new rows follow the past                   */
    int arena;        /* DATA_Q to DATA_V for what is alike, which the past is to k and v  */
} Fill;

static float normal_element(const Fill *f, uint64_t index)
{
    return (float)random_normal(f->seed, index);
}

/* Distributions that shape the scores along the keys do it in column 0: there q is about 4, and k is `nats` / (4 scale). */
static float ramp_key(const Fill *f, double nats)
{
    const double scale = fabs(f->p->scale) > 1e-3 ? f->p->scale : 1.0;
    return (float)(nats / (4.0 * scale));
}

static float column0(const Fill *f, uint64_t index, size_t row)
{
    const double u = random_uniform(f->seed ^ 0x5bd1e995, index), last = f->p->k_len > 1 ? (double)(f->p->k_len - 1) : 1.0;
    if (f->arena == DATA_Q)
        return (float)(4.0 + 0.25 * (u - 0.5));
    switch (f->dist) {
    case DIST_RAMP_UP:
        return ramp_key(f, 8.0 * (double)row / last);
    case DIST_RAMP_DOWN:
        return ramp_key(f, 8.0 - 8.0 * (double)row / last);
    case DIST_STAIRS:
        return ramp_key(f, 16.0 * (double)(row / 37));
    default: /* DIST_DENORMAL: one key in 64 carries the row, the others weigh e^-88 to e^-100 */
        return ramp_key(f, row % 64 == 0 ? 0.0 : -88.0 - 12.0 * u);
    }
}

static float input_element(const Fill *f, size_t row, size_t column, uint64_t index)
{
    const float x = normal_element(f, index);
    const bool shaped = f->dist == DIST_RAMP_UP || f->dist == DIST_RAMP_DOWN || f->dist == DIST_STAIRS || f->dist == DIST_DENORMAL;
    if (shaped && column == 0 && (f->arena == DATA_Q || f->arena == DATA_K))
        return column0(f, index, row);
    switch (f->dist) {
    case DIST_PEAKY:
        return f->arena == DATA_Q ? 8.0f * x : x;
    case DIST_PEAKY24:
        return f->arena == DATA_Q ? 24.0f * x : x;
    case DIST_PEAKY60:
        return f->arena == DATA_Q ? 60.0f * x : x;
    case DIST_UNIFORM:
        return f->arena == DATA_Q ? 0.0f : x;
    case DIST_LARGE:
        return f->arena == DATA_V ? x : 50.0f * x;
    case DIST_DENORMAL:
        return random_bits(f->seed, ~index) % 2 ? x * 1e-39f : f->arena == DATA_V ? x : 0.1f * x;
    default:
        return x;
    }
}

static void fill_input_row(void *context, void *row, size_t i0, size_t i1, size_t i2)
{
    const Fill *f = context;
    const Walk *w = &f->w;
    const uint64_t first = ((uint64_t)(i0 * w->n[1] + i1) * w->n[2] + i2) * w->n[3];
    for (size_t c = 0; c < w->n[3]; c++)
        operand_put((Operand){row, w->dtype, 0}, c, input_element(f, f->first_row + i2, c, first + c));
}

/* Which keys does row `row` of a mask (or of the -inf of a bias) hide? One of five patterns, drawn per row. */
static bool hides(const Fill *f, uint64_t row, size_t j)
{
    const uint64_t draw = random_bits(f->seed ^ 0x9e37, row);
    const size_t n = f->w.n[3], cut = (size_t)((draw >> 8) % (n + 1));
    switch (draw % 16) {
    case 0:
        return true; /* nothing visible */
    case 1:
        return j != cut % n; /* one key */
    case 2:
        return j < cut; /* hidden beginning */
    case 3:
        return j >= cut; /* hidden end */
    default:
        return random_bits(f->seed, row * n + j) % 10 < (f->arena == DATA_MASK ? 3u : 1u);
    }
}

static void fill_score_row(void *context, void *row, size_t i0, size_t i1, size_t i2)
{
    static const unsigned char truths[4] = {1, 1, 2, 0xff}; /* any value but 0 is true */
    const Fill *f = context;
    const Walk *w = &f->w;
    const size_t n = w->stride[3] == 0 ? 1 : w->n[3];
    const uint64_t number = (uint64_t)(i0 * w->n[1] + i1) * w->n[2] + i2;
    for (size_t j = 0; j < n; j++) {
        const ptrdiff_t at = (ptrdiff_t)j * w->stride[3];
        const bool hidden = hides(f, number, j);
        const uint64_t index = number * w->n[3] + j, draw = random_bits(f->seed, ~index);
        if (f->arena == DATA_MASK) {
            ((unsigned char *)row)[at] = hidden ? 0 : truths[draw % 4];
            continue;
        }
        float x = normal_element(f, index);
        if (f->dist == DIST_LARGE)
            x = draw % 32 == 0 ? -1e30f : draw % 32 == 1 ? -FLT_MAX : 1000.0f * x;
        else if (f->dist == DIST_DENORMAL && draw % 2)
            x *= 1e-39f;
        ((float *)row)[at] = hidden ? -INFINITY : x;
    }
}

/* Numbers that stand in plain arrays: one each head or batch entry. */
static void fill_floats(const Data *data, int tensor, float *x, size_t n)
{
    const uint64_t seed = random_bits(data->seed, (uint64_t)tensor);
    for (size_t i = 0; i < n; i++)
        if (tensor == DATA_SLOPES)
            x[i] = exp2f(-8.0f * (float)(i + 1) / (float)n);
        else if (tensor == DATA_SINKS && random_bits(seed, ~(uint64_t)i) % 4 == 0)
            x[i] = -INFINITY;
        else
            x[i] = (float)random_normal(seed, i);
}

static void fill_numbers(const Shape *shape, int tensor, int64_t *x, size_t n)
{
    int64_t sum = 0;
    for (size_t b = 0; b < n; b++)
        switch (tensor) {
        case DATA_OFFSETS: x[b] = shape_offset(shape, b); break;
        case DATA_KV_LENGTHS: x[b] = (int64_t)shape_k_len(shape, b); break;
        default:
            x[b] = sum;
            sum += b + 1 < n ? (int64_t)(tensor == DATA_CU_Q ? shape_q_len : shape_k_len)(shape, b) : 0;
        }
}

static void fill_tensor(const Data *data, const Shape *shape, int tensor, const Walk *w, void *zero)
{
    if (w->element == sizeof(int64_t)) {
        fill_numbers(shape, tensor, zero, w->n[3]);
    } else if (tensor >= DATA_W) {
        fill_floats(data, tensor, zero, w->n[3]);
    } else {
        const bool past = tensor == DATA_K_PAST || tensor == DATA_V_PAST;
        Fill fill = {&data->problem, *w, data->dist, random_bits(data->seed, (uint64_t)tensor), 0, tensor};
        if (past)
            fill.arena = tensor == DATA_K_PAST ? DATA_K : DATA_V;
        else if (tensor == DATA_K || tensor == DATA_V)
            fill.first_row = data->problem.past_len;
        walk_rows(w, zero, tensor == DATA_MASK || tensor == DATA_BIAS ? fill_score_row : fill_input_row, &fill);
    }
}

static void set_tensor(AttnTensors *t, int tensor, void *zero)
{
    switch ((DataTensor)tensor) {
    case DATA_Q: t->q = zero; break;
    case DATA_K: t->k = zero; break;
    case DATA_V: t->v = zero; break;
    case DATA_O: t->o = zero; break;
    case DATA_LSE: t->lse = zero; break;
    case DATA_SCORES: t->scores = zero; break;
    case DATA_MASK: t->mask = zero; break;
    case DATA_BIAS: t->bias = zero; break;
    case DATA_K_PAST: t->k_past = zero; break;
    case DATA_V_PAST: t->v_past = zero; break;
    case DATA_W: t->w = zero; break;
    case DATA_SLOPES: t->alibi_slopes = zero; break;
    case DATA_SINKS: t->sinks = zero; break;
    case DATA_OFFSETS: t->offsets = zero; break;
    case DATA_KV_LENGTHS: t->kv_lengths = zero; break;
    case DATA_CU_Q: t->cu_q = zero; break;
    case DATA_CU_K: t->cu_k = zero; break;
    case DATA_TENSORS: break;
    }
}

static bool is_output(int tensor)
{
    return tensor >= DATA_FIRST_OUTPUT && tensor <= DATA_LAST_OUTPUT;
}

static bool make_tensor(Data *data, const Shape *shape, int tensor, Fence fence, char *error, size_t error_size)
{
    const Walk w = walk_of(data, tensor);
    size_t origin;
    const size_t n = walk_extent(&w, &origin);
    if (w.element == 0 || (shape->v_in_k && (tensor == DATA_V || tensor == DATA_V_PAST)))
        return true;
    if (!fence_map(&data->arena[tensor], n * w.element, fence, is_output(tensor) ? CANARY_OUT : CANARY_IN)) {
        snprintf(error, error_size, "no memory for %s, %zu bytes", data_tensor_name((DataTensor)tensor), n * w.element);
        return false;
    }
    void *zero = (char *)data->arena[tensor].at + origin * w.element;
    set_tensor(&data->tensors, tensor, zero);
    if (!is_output(tensor) && n > 0)
        fill_tensor(data, shape, tensor, &w, zero);
    return true;
}

static void spoil(Operand row, size_t width)
{
    for (size_t c = 0; c < width; c++)
        operand_put(row, c, NAN);
}

/* NaN in k and v of keys that position, window and lengths hide from all rows of an entry. Entries that share memory see for each other,
 * so those are left alone. */
static void spoil_hidden(Data *data)
{
    const AttnProblem *p = &data->problem;
    const bool shared = !p->varlen && p->batch > 1 && (p->k.batch == 0 || p->v.batch == 0);
    if (shared || !(p->causal || p->window || p->kv_lengths || p->varlen))
        return;
    for (size_t b = 0; b < p->batch; b++) {
        const OracleEntry entry = oracle_entry(p, &data->tensors, b);
        const size_t rows = p->varlen ? entry.k_len : p->k_len;
        size_t first = rows, last = 0; /* rows' ranges move on with the row, so that they leave no hole between them */
        for (size_t i = 0; i < entry.q_len; i++) {
            size_t low, high;
            oracle_range(p, &entry, i, &low, &high);
            first = low < high && low < first ? low : first;
            last = low < high && high > last ? high : last;
        }
        for (size_t j = 0; j < rows; j++)
            for (size_t g = 0; g < p->kv_heads && (j < first || j >= last); g++) {
                spoil(oracle_k_row(p, &data->tensors, &entry, g, j), p->d);
                spoil(oracle_v_row(p, &data->tensors, &entry, g, j), p->dv);
            }
    }
}

bool data_make(Data *data, const Shape *shape, const AttnProblem *problem, DataDist dist, uint64_t seed, Fence fence, char *error,
               size_t error_size)
{
    memset(data, 0, sizeof *data);
    data->problem = *problem;
    data->tensors = attn_tensors(NULL, NULL, NULL, NULL);
    data->seed = seed;
    data->dist = dist;
    bool ok = true;
    for (int tensor = DATA_TENSORS - 1; ok && tensor >= 0; tensor--) /* cumulative lengths first */
        ok = make_tensor(data, shape, tensor, fence, error, error_size);
    if (!ok) {
        data_free(data);
        return false;
    }
    if (shape->v_in_k) {
        data->tensors.v = data->tensors.k;
        data->tensors.v_past = data->tensors.k_past;
    }
    spoil_hidden(data);
    data_poison_output(data);
    return true;
}

void data_lock_inputs(Data *data)
{
    for (int arena = 0; arena < DATA_TENSORS; arena++)
        if (!is_output(arena) && data->arena[arena].base && data->arena[arena].fence != FENCE_NONE)
            fence_read_only(&data->arena[arena]);
}

void data_free(Data *data)
{
    for (int arena = 0; arena < DATA_TENSORS; arena++)
        fence_unmap(&data->arena[arena]);
    memset(data, 0, sizeof *data);
}

/* ---- Outputs ---------------------------------------------------------------------------------------------------------------------- */

static void poison_row(void *context, void *row, size_t i0, size_t i1, size_t i2)
{
    const Walk *w = context;
    (void)i0, (void)i1, (void)i2;
    spoil((Operand){row, w->dtype, 0}, w->n[3]);
}

static void *zero_of(const Data *data, int arena)
{
    return arena == DATA_O ? data->tensors.o : arena == DATA_LSE ? data->tensors.lse : data->tensors.scores;
}

void data_poison_output(Data *data)
{
    for (int arena = DATA_FIRST_OUTPUT; arena <= DATA_LAST_OUTPUT; arena++)
        if (data->arena[arena].bytes) {
            Walk w = walk_of(data, arena);
            fence_fill(&data->arena[arena], CANARY_OUT); /* one kernel's damage must not be blamed on the next */
            walk_rows(&w, zero_of(data, arena), poison_row, &w);
        }
}

/* Marks, byte for byte, the elements that are data and not gap. */
typedef struct Marks {
    const Walk *w;
    const char *block;
    unsigned char *marks; /* one per element of the block */
} Marks;

static void mark_row(void *context, void *row, size_t i0, size_t i1, size_t i2)
{
    const Marks *m = context;
    (void)i0, (void)i1, (void)i2;
    memset(m->marks + (size_t)((const char *)row - m->block) / m->w->element, 1, m->w->n[3]);
}

static bool gaps_intact(const Data *data, int arena)
{
    const Arena *a = &data->arena[arena];
    Walk w = walk_of(data, arena);
    const size_t elements = a->bytes / w.element;
    if (elements == w.n[0] * w.n[1] * w.n[2] * w.n[3])
        return true; /* no gaps, as outputs never overlap themselves */
    unsigned char *marks = calloc(elements, 1);
    if (!marks)
        return false;
    Marks m = {&w, a->at, marks};
    walk_rows(&w, zero_of(data, arena), mark_row, &m);
    bool intact = true;
    const unsigned char *bytes = a->at;
    for (size_t i = 0; i < a->bytes && intact; i++)
        intact = marks[i / w.element] || bytes[i] == CANARY_OUT;
    free(marks);
    return intact;
}

bool data_canaries_intact(const Data *data)
{
    for (int arena = DATA_FIRST_OUTPUT; arena <= DATA_LAST_OUTPUT; arena++)
        if (data->arena[arena].base &&
            (!fence_margins_intact(&data->arena[arena], CANARY_OUT) || (data->arena[arena].bytes && !gaps_intact(data, arena))))
            return false;
    return true;
}
