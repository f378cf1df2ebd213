/* conform_cases.c - writes conformance cases: conform_cases DIRECTORY SEED COUNT.
 *
 * Random ONNX Attention nodes with every option mixed, of sizes that cross the kernels' tiles and blocks, and what the definition
 * (docs/semantics.md, part 2) makes of them, computed in double key by key and rounded once. Sharp softmaxes, ragged lengths, rows that see
 * nothing, and NaN in keys and values that no row sees are among them. Nothing of the kernels, of the oracle or of the reader is used. */
#include "harness/base/random.h"
#include "harness/conform/npy.h"
#include "harness/ops/sdpa/data.h"
#include "tests/support/npy_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct Node {
    const char *directory;
    uint64_t seed, draw;
    size_t batch, q_heads, kv_heads, q_len, kv_len, past, total, d, dv;
    bool inside, causal, has_past, has_lengths, poison;
    double scale, softcap, sharp; /* scale 0: not given */
    int mode;                     /* -1: no scores      */
    long left, right;
    NpyType type;
    bool mask, mask_bool;
    size_t mask_rank, mask_axis[4];
    double *q, *k, *v, *bias, *lengths; /* k and v: past, then new, [batch, KV head, total, width] */
    double *y, *scores;
} Node;

static size_t pick(Node *n, size_t count)
{
    return (size_t)(random_bits(n->seed, n->draw++) % count);
}

static void *array(size_t count)
{
    void *at = calloc(count + 1, sizeof(double));
    if (!at) {
        fputs("out of memory\n", stderr);
        exit(2);
    }
    return at;
}

/* x as a file of this type holds it. */
static double stored(double x, NpyType type)
{
    return type == NPY_F2 ? npy_half_to_double(half_from_double(x)) : type == NPY_F4 ? (double)(float)x : x;
}

static double *normal(Node *n, size_t count, double factor)
{
    double *x = array(count);
    for (size_t i = 0; i < count; i++)
        x[i] = stored(factor * random_normal(n->seed, n->draw++), n->type);
    return x;
}

/* ---- Drawing a node -------------------------------------------------------------------------------------------------------------- */

static void draw_sizes(Node *n)
{
    static const size_t widths[] = {1, 8, 16, 33, 64, 72, 96, 128};
    static const NpyType types[] = {NPY_F4, NPY_F4, NPY_F4, NPY_F2, NPY_F8};
    n->batch = 1 + pick(n, 3);
    n->kv_heads = 1 + pick(n, 2);
    n->q_heads = n->kv_heads * (1 + pick(n, 3));
    n->q_len = 1 + pick(n, pick(n, 3) ? 90 : 3);
    n->kv_len = 1 + pick(n, pick(n, 2) ? 300 : 70);
    n->d = widths[pick(n, 8)];
    n->dv = pick(n, 2) ? n->d : widths[pick(n, 8)];
    n->inside = pick(n, 2);
    n->type = types[pick(n, 5)];
    n->has_past = pick(n, 3) == 0;
    n->past = n->has_past ? pick(n, 200) : 0;
    n->has_lengths = !n->has_past && pick(n, 2);
    n->total = n->past + n->kv_len;
}

static void draw_options(Node *n)
{
    n->causal = pick(n, 2);
    n->scale = pick(n, 3) ? 0 : 0.03125 * (double)(1 + pick(n, 16));
    n->softcap = pick(n, 3) ? 0 : 0.5 * (double)(1 + pick(n, 60));
    n->sharp = pick(n, 3) ? 1 : 4 + (double)pick(n, 12);
    n->mode = (int)pick(n, 8) - 4;
    n->mode = n->mode < 0 ? -1 : n->mode;
    n->left = pick(n, 2) ? -1 : (long)pick(n, pick(n, 2) ? 9 : 150);
    n->right = pick(n, 3) ? -1 : (long)pick(n, pick(n, 2) ? 5 : 90);
    n->poison = pick(n, 2);
    n->mask = pick(n, 2);
    n->mask_bool = pick(n, 2);
    n->mask_rank = 1 + pick(n, 4);
    const size_t full[] = {n->batch, n->q_heads, n->q_len, n->total};
    for (size_t axis = 0; axis < 4; axis++)
        n->mask_axis[axis] = axis < 4 - n->mask_rank || (axis < 3 && pick(n, 3) == 0) ? 1 : full[axis];
    if (pick(n, 4) == 0)
        n->mask_axis[3] = 1 + pick(n, n->total); /* shorter: what it lacks is hidden */
}

static void draw_tensors(Node *n)
{
    n->q = normal(n, n->batch * n->q_heads * n->q_len * n->d, n->sharp);
    n->k = normal(n, n->batch * n->kv_heads * n->total * n->d, 1);
    n->v = normal(n, n->batch * n->kv_heads * n->total * n->dv, 1);
    n->lengths = array(n->batch);
    for (size_t b = 0; b < n->batch; b++) /* a few beyond the keys, a few 0 */
        n->lengths[b] = pick(n, 8) == 0 ? 0 : (double)pick(n, n->total + n->total / 8 + 2);
    const size_t cells = n->mask_axis[0] * n->mask_axis[1] * n->mask_axis[2] * n->mask_axis[3];
    n->bias = array(cells);
    for (size_t i = 0; i < cells; i++) {
        const bool hidden = pick(n, 4) == 0 || (i / n->mask_axis[3]) % 13 == 7; /* and some whole rows */
        n->bias[i] = n->mask_bool ? !hidden : hidden ? -INFINITY : stored(2 * random_normal(n->seed, n->draw++), n->type);
    }
}

/* ---- The definition -------------------------------------------------------------------------------------------------------------- */

static double bias_at(const Node *n, size_t b, size_t h, size_t i, size_t j)
{
    const long offset = n->has_past ? (long)n->past : n->has_lengths ? (long)n->lengths[b] - (long)n->q_len : 0;
    const long at = (long)i + offset, key = (long)j;
    if ((n->causal && key > at) || (n->left >= 0 && key < at - n->left) || (n->right >= 0 && key > at + n->right) ||
        (n->has_lengths && (double)j >= n->lengths[b]))
        return -INFINITY;
    if (!n->mask)
        return 0;
    if (j >= n->mask_axis[3])
        return -INFINITY;
    const size_t index[] = {b, h, i, j};
    size_t cell = 0;
    for (size_t axis = 0; axis < 4; axis++)
        cell = cell * n->mask_axis[axis] + (axis < 3 && n->mask_axis[axis] == 1 ? 0 : index[axis]);
    return n->mask_bool ? (n->bias[cell] != 0 ? 0 : -INFINITY) : n->bias[cell];
}

/* Keys that no row of their KV head sees hold NaN. */
static void poison(Node *n)
{
    const size_t group = n->q_heads / n->kv_heads;
    for (size_t row = 0; n->poison && row < n->batch * n->kv_heads * n->total; row++) {
        const size_t b = row / n->total / n->kv_heads, g = row / n->total % n->kv_heads, j = row % n->total;
        bool seen = false;
        for (size_t r = 0; r < group * n->q_len && !seen; r++)
            seen = bias_at(n, b, g * group + r / n->q_len, r % n->q_len, j) > -INFINITY;
        for (size_t c = 0; c < n->d && !seen; c++)
            n->k[row * n->d + c] = NAN;
        for (size_t c = 0; c < n->dv && !seen; c++)
            n->v[row * n->dv + c] = NAN;
    }
}

static void answer_row(Node *n, size_t b, size_t h, size_t i)
{
    const size_t g = h / (n->q_heads / n->kv_heads), row = (b * n->q_heads + h) * n->q_len + i;
    const size_t first = (b * n->kv_heads + g) * n->total;
    const double *q = n->q + row * n->d, *k = n->k + first * n->d, *v = n->v + first * n->dv;
    const double scale = n->scale > 0 ? n->scale : 1 / sqrt((double)n->d);
    double *stage[4], top = -INFINITY, sum = 0;
    for (size_t s = 0; s < 4; s++)
        stage[s] = array(n->total);
    for (size_t j = 0; j < n->total; j++) {
        const double bias = bias_at(n, b, h, i, j);
        for (size_t c = 0; c < n->d; c++)
            stage[0][j] += q[c] * k[j * n->d + c];
        stage[0][j] *= scale;
        stage[1][j] = n->softcap > 0 ? n->softcap * tanh(stage[0][j] / n->softcap) : stage[0][j];
        stage[2][j] = bias > -INFINITY ? stage[1][j] + bias : -INFINITY;
        top = fmax(top, stage[2][j]);
    }
    for (size_t j = 0; j < n->total; j++)
        sum += stage[3][j] = top > -INFINITY ? exp(stage[2][j] - top) : 0;
    for (size_t j = 0; j < n->total; j++) {
        stage[3][j] = sum > 0 ? stage[3][j] / sum : 0;
        for (size_t c = 0; c < n->dv && stage[2][j] > -INFINITY; c++)
            n->y[row * n->dv + c] += stage[3][j] * v[j * n->dv + c];
    }
    for (size_t j = 0; j < n->total && n->mode >= 0; j++)
        n->scores[row * n->total + j] = stage[n->mode][j];
    for (size_t s = 0; s < 4; s++)
        free(stage[s]);
}

/* ---- Writing --------------------------------------------------------------------------------------------------------------------- */

static FILE *create(const Node *n, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", n->directory, name);
    FILE *file = fopen(path, "wb");
    if (!file) {
        perror(path);
        exit(2);
    }
    return file;
}

/* A tensor and its entry in meta.json. */
static void put(const Node *n, FILE *meta, const char *name, NpyType type, const double *values, size_t rank, const size_t *shape)
{
    char sizes[120] = "", tuple[130];
    size_t count = 1;
    for (size_t i = 0, used = 0; i < rank; i++) {
        used += (size_t)snprintf(sizes + used, sizeof sizes - used, "%s%zu", i ? ", " : "", shape[i]);
        count *= shape[i];
    }
    snprintf(tuple, sizeof tuple, "%s%s", sizes, rank == 1 ? "," : "");
    FILE *file = create(n, name);
    npy_write(file, type, tuple, values, count);
    fclose(file);
    fprintf(meta, "{\"file\": \"%s\", \"dtype\": \"%s\", \"shape\": [%s]}", name, npy_type_name(type), sizes);
}

/* Rows [first, first + rows) of [batch, heads, total, width], as rank 4, or as [batch, rows, heads * width] if inside. */
static void put_rows(const Node *n, FILE *meta, const char *name, const double *from, size_t heads, size_t total, size_t first, size_t rows,
                     size_t width, bool inside)
{
    double *values = array(n->batch * heads * rows * width);
    for (size_t b = 0; b < n->batch; b++)
        for (size_t h = 0; h < heads; h++)
            for (size_t i = 0; i < rows; i++)
                memcpy(values + (inside ? (b * rows + i) * heads + h : (b * heads + h) * rows + i) * width,
                       from + ((b * heads + h) * total + first + i) * width, width * sizeof *values);
    const size_t rank3[] = {n->batch, rows, heads * width}, rank4[] = {n->batch, heads, rows, width};
    put(n, meta, name, n->type, values, inside ? 3 : 4, inside ? rank3 : rank4);
    free(values);
}

static void put_attributes(const Node *n, FILE *meta)
{
    const bool window = n->left >= 0 || n->right >= 0;
    fprintf(meta, "{\"op\": \"Attention\", \"opset\": %d, \"attributes\": {\"is_causal\": %d, \"softcap\": %g", window ? 25 : 24, n->causal,
            n->softcap);
    if (n->scale > 0)
        fprintf(meta, ", \"scale\": %.17g", n->scale);
    if (n->mode >= 0)
        fprintf(meta, ", \"qk_matmul_output_mode\": %d", n->mode);
    if (window)
        fprintf(meta, ", \"left_window_size\": %ld, \"right_window_size\": %ld", n->left, n->right);
    if (n->inside)
        fprintf(meta, ", \"q_num_heads\": %zu, \"kv_num_heads\": %zu", n->q_heads, n->kv_heads);
    fputs("},\n \"inputs\": [", meta);
}

static void put_case(const Node *n)
{
    FILE *meta = create(n, "meta.json");
    put_attributes(n, meta);
    put_rows(n, meta, "in_0.npy", n->q, n->q_heads, n->q_len, 0, n->q_len, n->d, n->inside);
    fputs(", ", meta);
    put_rows(n, meta, "in_1.npy", n->k, n->kv_heads, n->total, n->past, n->kv_len, n->d, n->inside);
    fputs(", ", meta);
    put_rows(n, meta, "in_2.npy", n->v, n->kv_heads, n->total, n->past, n->kv_len, n->dv, n->inside);
    fputs(", ", meta);
    if (n->mask)
        put(n, meta, "in_3.npy", n->mask_bool ? NPY_B1 : n->type, n->bias, n->mask_rank, n->mask_axis + 4 - n->mask_rank);
    else
        fputs("null", meta);
    fputs(", ", meta);
    if (n->has_past) {
        put_rows(n, meta, "in_4.npy", n->k, n->kv_heads, n->total, 0, n->past, n->d, false);
        fputs(", ", meta);
        put_rows(n, meta, "in_5.npy", n->v, n->kv_heads, n->total, 0, n->past, n->dv, false);
    } else {
        fputs("null, null", meta);
    }
    fputs(", ", meta);
    if (n->has_lengths)
        put(n, meta, "in_6.npy", NPY_I8, n->lengths, 1, &n->batch);
    else
        fputs("null", meta);
    fputs("],\n \"outputs\": [", meta);
    put_rows(n, meta, "out_0.npy", n->y, n->q_heads, n->q_len, 0, n->q_len, n->dv, n->inside);
    fputs(", ", meta);
    if (n->has_past) {
        put_rows(n, meta, "out_1.npy", n->k, n->kv_heads, n->total, 0, n->total, n->d, false);
        fputs(", ", meta);
        put_rows(n, meta, "out_2.npy", n->v, n->kv_heads, n->total, 0, n->total, n->dv, false);
    } else {
        fputs("null, null", meta);
    }
    fputs(", ", meta);
    const size_t shape[] = {n->batch, n->q_heads, n->q_len, n->total};
    if (n->mode >= 0)
        put(n, meta, "out_3.npy", n->type, n->scores, 4, shape);
    else
        fputs("null", meta);
    fputs("]}\n", meta);
    fclose(meta);
}

static void make_case(const char *directory, uint64_t seed)
{
    Node n = {.directory = directory, .seed = seed};
    draw_sizes(&n);
    draw_options(&n);
    draw_tensors(&n);
    poison(&n);
    const size_t rows = n.batch * n.q_heads * n.q_len;
    n.y = array(rows * n.dv);
    n.scores = array(n.mode >= 0 ? rows * n.total : 0);
    for (size_t row = 0; row < rows; row++)
        answer_row(&n, row / n.q_len / n.q_heads, row / n.q_len % n.q_heads, row % n.q_len);
    put_case(&n);
    double *const all[] = {n.q, n.k, n.v, n.bias, n.lengths, n.y, n.scores};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: conform_cases DIRECTORY SEED COUNT\n", stderr);
        return 2;
    }
    const uint64_t seed = strtoull(argv[2], NULL, 0), count = strtoull(argv[3], NULL, 0);
    for (uint64_t i = 0; i < count; i++) {
        char directory[4000];
        snprintf(directory, sizeof directory, "%s/seed_%llu", argv[1], (unsigned long long)(seed + i));
        if (mkdir(directory, 0777) != 0) {
            perror(directory);
            return 2;
        }
        make_case(directory, seed + i);
    }
    return 0;
}
