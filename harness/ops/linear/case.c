/* case.c - names and suites of matrix products, and their operands. The judgement is in judge.c. */
#include "harness/base/random.h"
#include "harness/ops/linear/case.h"

#include <math.h>
#include <stdio.h>

#include "harness/base/fence.h"

static const char *const fill_names[LINEAR_FILLS] = {"normal", "positive", "wide", "tiny", "exact", "special"};

const char *linear_case_name(const LinearCase *c, char *buffer, size_t size)
{
    snprintf(buffer, size, "linear:%zux%zux%zu:%s:0x%llx:%s:t%zu:%zu.%zu.%zu%s%s", c->rows, c->inputs, c->outputs, fill_names[c->fill],
             (unsigned long long)c->seed, fence_name(c->fence), c->threads, c->x_gap, c->w_gap, c->y_gap, c->bias ? ":b" : "",
             c->accumulate ? ":a" : "");
    return buffer;
}

bool linear_case_parse(const char *text, LinearCase *c, char *error, size_t error_size)
{
    char fill[16] = "", fence[16] = "", flags[8] = "", name[LINEAR_NAME];
    unsigned long long seed = 0;
    *c = (LinearCase){.fill = LINEAR_FILLS};
    sscanf(text, "linear:%zux%zux%zu:%15[a-z]:%llx:%15[a-z]:t%zu:%zu.%zu.%zu%7s", &c->rows, &c->inputs, &c->outputs, fill, &seed, fence,
           &c->threads, &c->x_gap, &c->w_gap, &c->y_gap, flags);
    c->seed = seed;
    c->bias = strstr(flags, ":b") != NULL;
    c->accumulate = strstr(flags, ":a") != NULL;
    for (int i = 0; i < LINEAR_FILLS; i++)
        if (strcmp(fill, fill_names[i]) == 0)
            c->fill = (LinearFill)i;
    const bool fenced = fence_find(fence, &c->fence);
    /* A name that reads back as it was written is correct in every part; this excludes signs, blanks and leading zeros. */
    const size_t most = (size_t)1 << 20;
    if (c->fill < LINEAR_FILLS && fenced && c->rows <= most && c->inputs <= most && c->outputs <= most &&
        c->x_gap <= most && c->w_gap <= most && c->y_gap <= most && c->threads >= 1 && c->threads <= 4096 &&
        strcmp(linear_case_name(c, name, sizeof name), text) == 0)
        return true;
    snprintf(error, error_size,
             "case '%s' is not linear:<rows>x<inputs>x<outputs>:<fill>:<seed>:<fence>:t<threads>:<gaps x.w.y>[:b][:a], sizes up to %zu, as "
             "printed with a failure",
             text, most);
    return false;
}

/* ---- Suites ----------------------------------------------------------------------------------------------------------------------- */

/* Small and sharp: tile edges of every kernel (4 and 8 rows; 3 to 48 outputs), slices of inputs (128), units of rows (128). */
static const LinearCase smoke[] = {
    {.rows = 1, .inputs = 1, .outputs = 1},
    {.rows = 1, .inputs = 0, .outputs = 5, .bias = true},
    {.rows = 0, .inputs = 7, .outputs = 5},
    {.rows = 3, .inputs = 5, .outputs = 0},
    {.rows = 13, .inputs = 40, .outputs = 49, .bias = true, .fence = FENCE_AFTER},
    {.rows = 13, .inputs = 40, .outputs = 49, .bias = true, .accumulate = true, .fill = LINEAR_EXACT, .fence = FENCE_AFTER},
    {.rows = 8, .inputs = 129, .outputs = 48, .accumulate = true, .fill = LINEAR_EXACT, .fence = FENCE_BEFORE},
    {.rows = 7, .inputs = 257, .outputs = 25, .bias = true, .x_gap = 3, .w_gap = 2, .y_gap = 5, .fill = LINEAR_EXACT},
    {.rows = 9, .inputs = 130, .outputs = 97, .bias = true, .accumulate = true, .x_gap = 1, .w_gap = 1, .y_gap = 1},
    {.rows = 130, .inputs = 260, .outputs = 300, .bias = true, .fill = LINEAR_EXACT}, /* two units each way */
    {.rows = 131, .inputs = 33, .outputs = 70, .bias = true, .fill = LINEAR_WIDE, .fence = FENCE_AFTER},
    {.rows = 11, .inputs = 300, .outputs = 30, .fill = LINEAR_POSITIVE, .fence = FENCE_BEFORE},
    {.rows = 6, .inputs = 70, .outputs = 50, .bias = true, .fill = LINEAR_TINY},
    {.rows = 12, .inputs = 140, .outputs = 52, .bias = true, .fill = LINEAR_SPECIAL, .fence = FENCE_AFTER},
    {.rows = 5, .inputs = 20, .outputs = 13, .accumulate = true, .y_gap = 2, .fill = LINEAR_SPECIAL},
};

/* Large ones: several units each way, so threads share the work; and a decoding step. */
static const LinearCase large[] = {
    {.rows = 260, .inputs = 300, .outputs = 400, .bias = true},
    {.rows = 260, .inputs = 300, .outputs = 400, .accumulate = true, .fill = LINEAR_EXACT},
    {.rows = 1, .inputs = 4096, .outputs = 2000, .bias = true, .accumulate = true},
    {.rows = 2, .inputs = 3000, .outputs = 3001, .fill = LINEAR_EXACT, .y_gap = 7},
    {.rows = 129, .inputs = 2048, .outputs = 97, .fill = LINEAR_POSITIVE, .bias = true},
    {.rows = 3, .inputs = 9000, .outputs = 11, .bias = true, .fill = LINEAR_WIDE},
};

enum { SMOKE = sizeof smoke / sizeof *smoke, LARGE = sizeof large / sizeof *large, RANDOM = 400 };

/* Sizes 1 to 70, every fourth one longer; everything else at random. */
static LinearCase draw(uint64_t seed, size_t index)
{
    const uint64_t bits = random_bits(seed, 2 * index), more = random_bits(seed, 2 * index + 1);
    const LinearCase c = {
        .rows = 1 + bits % 70 + (bits >> 40) % 4 / 3 * 100,
        .inputs = 1 + (bits >> 8) % 70 + (bits >> 42) % 4 / 3 * 200,
        .outputs = 1 + (bits >> 16) % 70 + (bits >> 44) % 4 / 3 * 80,
        .x_gap = (more & 1) * ((bits >> 24) % 5),
        .w_gap = (more >> 1 & 1) * ((bits >> 28) % 5),
        .y_gap = (more >> 2 & 1) * ((bits >> 32) % 5),
        .bias = more >> 3 & 1,
        .accumulate = more >> 4 & 1,
        .fill = (LinearFill)((more >> 8) % LINEAR_FILLS),
        .seed = more >> 32,
        .fence = (Fence)((more >> 16) % 3),
        .threads = 1 + (more >> 20) % 4,
    };
    return c;
}

size_t linear_case_count(bool full)
{
    return full ? (size_t)SMOKE + LARGE + RANDOM : SMOKE;
}

LinearCase linear_case_at(bool full, size_t index, uint64_t seed)
{
    if (full && index >= SMOKE + LARGE)
        return draw(seed, index);
    LinearCase c = index < SMOKE ? smoke[index] : large[index - SMOKE];
    c.seed = seed;
    c.threads = 2;
    return c;
}

/* ---- Operands --------------------------------------------------------------------------------------------------------------------- */

static float element(const LinearCase *c, uint64_t seed, uint64_t index)
{
    const double normal = random_normal(seed, index);
    const uint64_t bits = random_bits(~seed, index);
    switch (c->fill) {
    case LINEAR_POSITIVE: return (float)(1.0 + random_uniform(seed, index));
    case LINEAR_WIDE: return (float)(normal * exp2((double)(bits % 41) - 20.0));
    case LINEAR_TINY: return (float)(normal * (bits % 3 ? 0x1p-62 : 0x1p-130));
    case LINEAR_EXACT: return (float)(bits % 17) - 8.0f;
    default: return (float)normal;
    }
}

/* A matrix of `rows` rows, gap elements apart, in an arena where everything but elements is NaN. */
static bool make(Arena *arena, const LinearCase *c, unsigned which, size_t rows, size_t width, size_t gap)
{
    const size_t row = width + gap, elements = rows ? (rows - 1) * row + width : 0;
    if (!fence_map(arena, elements * sizeof(float), c->fence, 0xff)) /* 0xffffffff is a NaN */
        return false;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < width; j++)
            ((float *)arena->at)[i * row + j] = element(c, random_bits(c->seed, which), i * width + j);
    return true;
}

/* Few enough that most rows and outputs stay finite. */
static void spoil(const LinearCase *c, LinearData *data)
{
    static const float values[] = {NAN, INFINITY, -INFINITY};
    float *x = data->x.at, *w = data->w.at;
    if (c->rows == 0 || c->outputs == 0 || c->inputs == 0)
        return;
    for (uint64_t n = 0; n < 3; n++) {
        const uint64_t bits = random_bits(c->seed ^ 0x5bec1a1, n);
        if (c->rows > 2)
            x[bits % c->rows * (c->inputs + c->x_gap) + (bits >> 20) % c->inputs] = values[n];
        if (c->outputs > 2)
            w[(bits >> 8) % c->outputs * (c->inputs + c->w_gap) + (bits >> 30) % c->inputs] = values[(n + 1) % 3];
    }
}

bool linear_data_make(LinearData *data, const LinearCase *c)
{
    memset(data, 0, sizeof *data);
    data->linear = (AttnLinear){.rows = c->rows,
                                .inputs = c->inputs,
                                .outputs = c->outputs,
                                .x_row = (ptrdiff_t)(c->inputs + c->x_gap),
                                .y_row = (ptrdiff_t)(c->outputs + c->y_gap),
                                .accumulate = c->accumulate};
    const bool ok = make(&data->x, c, 0, c->rows, c->inputs, c->x_gap) && make(&data->w, c, 1, c->outputs, c->inputs, c->w_gap) &&
                    make(&data->bias, c, 2, c->bias ? 1 : 0, c->outputs, 0) && make(&data->y, c, 3, c->rows, c->outputs, c->y_gap) &&
                    make(&data->start, c, 3, c->rows, c->outputs, c->y_gap);
    if (!ok) {
        linear_data_free(data);
        return false;
    }
    if (c->fill == LINEAR_SPECIAL)
        spoil(c, data);
    return true;
}

void linear_data_free(LinearData *data)
{
    Arena *const arenas[] = {&data->x, &data->w, &data->bias, &data->y, &data->start};
    for (size_t i = 0; i < sizeof arenas / sizeof *arenas; i++)
        if (arenas[i]->base)
            fence_unmap(arenas[i]);
}
