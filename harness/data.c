/* data.c - operands of a case: arenas that fit the strides exactly, filled by counter-based random numbers.
 *
 * Inputs lie in arenas whose gaps and margins are NaN, outputs in arenas whose gaps and margins are 0xA5: what a kernel must not read
 * spoils its result, what it must not write shows. Masks and biases hold, row by row, the patterns that break tile logic: rows with nothing
 * visible, with one key, with a hidden beginning or end, and rows with random holes. Cost: one hash and about 10 flop an element. */
#include "harness/data.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/fence.h"

enum { ARENA_Q, ARENA_K, ARENA_V, ARENA_O, ARENA_LSE, ARENA_MASK, ARENA_BIAS, ARENA_COUNT };
enum { CANARY_IN = 0xff, CANARY_OUT = 0xa5 }; /* four bytes 0xff are a NaN */

/* ---- Random numbers --------------------------------------------------------------------------------------------------------------- */

uint64_t random_bits(uint64_t seed, uint64_t index)
{
    uint64_t z = seed * UINT64_C(0xd1342543de82ef95) + (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double random_uniform(uint64_t seed, uint64_t index)
{
    return (double)(random_bits(seed, index) >> 11) * 0x1p-53;
}

/* Inverse of the normal distribution (P. J. Acklam's rational approximation, relative error 1.2e-9): no table, no rejection, one hash. */
double random_normal(uint64_t seed, uint64_t index)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02,
                               1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02, 6.680131188771972e+01,
                               -1.328068155288572e+01};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                               -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00};
    const double u = random_uniform(seed, index) + 0x1p-54, tail = u < 0.5 ? u : 1.0 - u;
    if (tail >= 0.02425) {
        const double x = u - 0.5, r = x * x;
        return x * (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) /
               (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1.0);
    }
    const double r = sqrt(-2.0 * log(tail));
    const double x = (((((c[0] * r + c[1]) * r + c[2]) * r + c[3]) * r + c[4]) * r + c[5]) /
                     ((((d[0] * r + d[1]) * r + d[2]) * r + d[3]) * r + 1.0);
    return u < 0.5 ? x : -x;
}

static const char *const dist_names[DIST_COUNT] = {"normal", "peaky", "rampup", "rampdown", "uniform", "large", "denormal", "stairs"};

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

/* ---- Walking a strided tensor ----------------------------------------------------------------------------------------------------- */

/* Any of the tensors as [n0][n1][n2][n3] with strides in elements. */
typedef struct Walk {
    size_t n[4];
    ptrdiff_t stride[4];
    size_t element; /* bytes */
} Walk;

static Walk walk_of(const AttnProblem *p, int arena)
{
    const AttnLayout *const rows[] = {&p->q, &p->k, &p->v, &p->o, &p->lse};
    const size_t heads[] = {p->q_heads, p->kv_heads, p->kv_heads, p->q_heads, p->q_heads};
    const size_t lengths[] = {p->q_len, p->k_len, p->k_len, p->q_len, p->q_len};
    const size_t widths[] = {p->d, p->d, p->dv, p->dv, 1};
    if (arena <= ARENA_LSE) {
        const AttnLayout *l = rows[arena];
        return (Walk){{p->batch, heads[arena], lengths[arena], widths[arena]}, {l->batch, l->head, l->row, 1}, sizeof(float)};
    }
    const AttnScoreLayout *l = arena == ARENA_MASK ? &p->mask : &p->bias;
    return (Walk){{p->batch, p->q_heads, p->q_len, p->k_len},
                  {l->batch, l->head, l->row, l->col},
                  arena == ARENA_MASK ? 1 : sizeof(float)};
}

static bool present(const AttnProblem *p, int arena)
{
    return arena == ARENA_LSE    ? p->lse.dtype != ATTN_NONE
           : arena == ARENA_MASK ? p->mask.dtype != ATTN_NONE
           : arena == ARENA_BIAS ? p->bias.dtype != ATTN_NONE
                                 : true;
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
    uint64_t seed; /* of this tensor */
    int arena;
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
    if (f->arena == ARENA_Q)
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
    if (shaped && column == 0 && (f->arena == ARENA_Q || f->arena == ARENA_K))
        return column0(f, index, row);
    switch (f->dist) {
    case DIST_PEAKY:
        return f->arena == ARENA_Q ? 8.0f * x : x;
    case DIST_UNIFORM:
        return f->arena == ARENA_Q ? 0.0f : x;
    case DIST_LARGE:
        return f->arena == ARENA_V ? x : 50.0f * x;
    case DIST_DENORMAL:
        return random_bits(f->seed, ~index) % 2 ? x * 1e-39f : f->arena == ARENA_V ? x : 0.1f * x;
    default:
        return x;
    }
}

static void fill_input_row(void *context, void *row, size_t i0, size_t i1, size_t i2)
{
    const Fill *f = context;
    const Walk *w = &f->w;
    float *x = row;
    const uint64_t first = ((uint64_t)(i0 * w->n[1] + i1) * w->n[2] + i2) * w->n[3];
    for (size_t c = 0; c < w->n[3]; c++)
        x[c] = input_element(f, i2, c, first + c);
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
        return random_bits(f->seed, row * n + j) % 10 < (f->arena == ARENA_MASK ? 3u : 1u);
    }
}

static void fill_score_row(void *context, void *row, size_t i0, size_t i1, size_t i2)
{
    static const unsigned char truths[4] = {1, 1, 2, 0xff}; /* whatever is not 0 is true */
    const Fill *f = context;
    const Walk *w = &f->w;
    const size_t n = w->stride[3] == 0 ? 1 : w->n[3];
    const uint64_t number = (uint64_t)(i0 * w->n[1] + i1) * w->n[2] + i2;
    for (size_t j = 0; j < n; j++) {
        const ptrdiff_t at = (ptrdiff_t)j * w->stride[3];
        const bool hidden = hides(f, number, j);
        const uint64_t index = number * w->n[3] + j, draw = random_bits(f->seed, ~index);
        if (f->arena == ARENA_MASK) {
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

static bool make_arena(Data *data, int arena, DataFence fence)
{
    const Walk w = walk_of(&data->problem, arena);
    const bool output = arena == ARENA_O || arena == ARENA_LSE;
    size_t origin, n = walk_extent(&w, &origin);
    if (!fence_map(&data->arena[arena], n * w.element, fence, output ? CANARY_OUT : CANARY_IN))
        return false;
    void *zero = (char *)data->arena[arena].at + origin * w.element;
    const void **const inputs[] = {&data->tensors.q, &data->tensors.k, &data->tensors.v, NULL, NULL, &data->tensors.mask, NULL};
    if (arena == ARENA_O)
        data->tensors.o = zero;
    else if (arena == ARENA_LSE)
        data->tensors.lse = zero;
    else if (arena == ARENA_BIAS)
        data->tensors.bias = zero;
    else
        *inputs[arena] = zero;
    if (output || n == 0)
        return true;
    Fill fill = {&data->problem, w, data->dist, random_bits(data->seed, (uint64_t)arena), arena};
    walk_rows(&w, zero, arena >= ARENA_MASK ? fill_score_row : fill_input_row, &fill);
    return true;
}

static bool make(Data *data, const AttnProblem *problem, DataDist dist, uint64_t seed, DataFence fence, bool v_in_k, char *error,
                 size_t error_size)
{
    memset(data, 0, sizeof *data);
    data->problem = *problem;
    data->tensors = attn_tensors(NULL, NULL, NULL, NULL);
    data->seed = seed;
    data->dist = dist;
    data->arenas = ARENA_COUNT;
    static const char *const names[ARENA_COUNT] = {"q", "k", "v", "o", "lse", "mask", "bias"};
    for (int arena = 0; arena < ARENA_COUNT; arena++) {
        if (!present(problem, arena) || (v_in_k && arena == ARENA_V))
            continue;
        if (!make_arena(data, arena, fence)) {
            size_t origin;
            const Walk w = walk_of(problem, arena);
            snprintf(error, error_size, "no memory for %s, %zu bytes", names[arena], walk_extent(&w, &origin) * w.element);
            data_free(data);
            return false;
        }
    }
    if (v_in_k)
        data->tensors.v = data->tensors.k;
    data_poison_output(data);
    return true;
}

bool data_make(Data *data, const AttnProblem *problem, DataDist dist, uint64_t seed, DataFence fence, char *error, size_t error_size)
{
    return make(data, problem, dist, seed, fence, false, error, error_size);
}

bool data_make_v_in_k(Data *data, const AttnProblem *problem, DataDist dist, uint64_t seed, DataFence fence, char *error,
                      size_t error_size)
{
    return make(data, problem, dist, seed, fence, true, error, error_size);
}

void data_lock_inputs(Data *data)
{
    for (int arena = 0; arena < ARENA_COUNT; arena++)
        if (arena != ARENA_O && arena != ARENA_LSE && data->arena[arena].base && data->arena[arena].fence != FENCE_NONE)
            fence_read_only(&data->arena[arena]);
}

void data_free(Data *data)
{
    for (int arena = 0; arena < ARENA_COUNT; arena++)
        fence_unmap(&data->arena[arena]);
    memset(data, 0, sizeof *data);
}

/* ---- Outputs ---------------------------------------------------------------------------------------------------------------------- */

static void poison_row(void *context, void *row, size_t i0, size_t i1, size_t i2)
{
    const Walk *w = context;
    (void)i0, (void)i1, (void)i2;
    for (size_t c = 0; c < w->n[3]; c++)
        ((float *)row)[c] = NAN;
}

static void *zero_of(const Data *data, int arena)
{
    return arena == ARENA_O ? data->tensors.o : data->tensors.lse;
}

void data_poison_output(Data *data)
{
    for (int arena = ARENA_O; arena <= ARENA_LSE; arena++)
        if (data->arena[arena].bytes) {
            Walk w = walk_of(&data->problem, arena);
            fence_fill(&data->arena[arena], CANARY_OUT); /* one kernel's damage shall not be the next one's fault */
            walk_rows(&w, zero_of(data, arena), poison_row, &w);
        }
}

/* Marks, byte for byte, the elements that are data and not gap. */
typedef struct Marks {
    const Walk *w;
    const char *block;
    unsigned char *marks; /* one a float of the block */
} Marks;

static void mark_row(void *context, void *row, size_t i0, size_t i1, size_t i2)
{
    const Marks *m = context;
    (void)i0, (void)i1, (void)i2;
    memset(m->marks + (size_t)((const char *)row - m->block) / sizeof(float), 1, m->w->n[3]);
}

static bool gaps_intact(const Data *data, int arena)
{
    const struct DataArena *a = &data->arena[arena];
    Walk w = walk_of(&data->problem, arena);
    const size_t elements = a->bytes / sizeof(float);
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
        intact = marks[i / sizeof(float)] || bytes[i] == CANARY_OUT;
    free(marks);
    return intact;
}

bool data_canaries_intact(const Data *data)
{
    for (int arena = ARENA_O; arena <= ARENA_LSE; arena++)
        if (data->arena[arena].base &&
            (!fence_margins_intact(&data->arena[arena], CANARY_OUT) || (data->arena[arena].bytes && !gaps_intact(data, arena))))
            return false;
    return true;
}
