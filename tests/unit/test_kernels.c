/* test_kernels.c - every registered kernel through the exact oracles and the special values, and with tensors stored in other ways; the
 * test verify-smoke has the cases. */
#include <criterion/alloc.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatch/cpu.h"
#include "dispatch/registry.h"
#include "harness/base/random.h"
#include "harness/ops/sdpa/exact.h"
#include "harness/ops/sdpa/special.h"
#include "harness/ops/sdpa/verify.h"

static bool runnable(const AttnKernel *kernel)
{
    return (kernel->isa & ~attn_cpu_this()->features) == 0;
}

static void free_numbers(struct criterion_test_params *numbers)
{
    cr_free(numbers->params);
}

/* Criterion hands parameters to another process, so they are numbers and not addresses. */
static struct criterion_test_params numbers(void)
{
    size_t *number = cr_malloc(attn_registry_count * sizeof *number);
    for (size_t i = 0; i < attn_registry_count; i++)
        number[i] = i;
    return cr_make_param_array(size_t, number, attn_registry_count, free_numbers);
}

ParameterizedTestParameters(kernels, exact)
{
    return numbers();
}

ParameterizedTest(const size_t *number, kernels, exact)
{
    const AttnKernel *kernel = attn_registry[*number];
    if (!runnable(kernel))
        cr_skip("%s: this CPU lacks what it needs", kernel->name);
    for (size_t i = 0; i < exact_count(); i++) {
        VerifyResult result;
        exact_run(kernel, i, &result);
        cr_expect(result.status == VERIFY_PASS || result.status == VERIFY_SKIP, "%s %s: %s %s", kernel->name, exact_name(i),
                  verify_judge_name(result.judge), result.why);
    }
}

ParameterizedTestParameters(kernels, special)
{
    return numbers();
}

ParameterizedTest(const size_t *number, kernels, special)
{
    const AttnKernel *kernel = attn_registry[*number];
    if (!runnable(kernel))
        cr_skip("%s: this CPU lacks what it needs", kernel->name);
    for (size_t i = 0; i < special_count(); i++) {
        VerifyResult result;
        special_run(kernel, i, &result);
        cr_expect(result.status == VERIFY_PASS || result.status == VERIFY_SKIP, "%s %s: %s %s", kernel->name, special_name(i),
                  verify_judge_name(result.judge), result.why);
    }
}

/* ---- Strides ---------------------------------------------------------------------------------------------------------------------- */

enum { Q_HEADS = 4, KV_HEADS = 2, ROWS = 70, KEYS = 300, WIDTH = 24, WIDTH_V = 40, OUTPUTS = Q_HEADS * ROWS * WIDTH_V };

static float *random_floats(size_t count, uint64_t seed)
{
    float *x = malloc(count * sizeof *x);
    for (size_t i = 0; i < count; i++)
        x[i] = (float)((double)(random_bits(seed, i) >> 11) * 0x1p-53 * 4.0 - 2.0);
    return x;
}

/* A copy of [heads][rows][cols] elements with these strides. */
static void *restrided(const void *x, size_t element, size_t heads, size_t rows, size_t cols, size_t head, size_t row, size_t col)
{
    char *copy = calloc((heads - 1) * head + (rows - 1) * row + (cols - 1) * col + 1, element);
    for (size_t h = 0; h < heads; h++)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < cols; j++)
                memcpy(copy + (h * head + i * row + j * col) * element,
                       (const char *)x + ((h * rows + i) * cols + j) * element, element);
    return copy;
}

static void run_on(const AttnKernel *kernel, const AttnProblem *p, const AttnTensors *t)
{
    AttnPlan *plan;
    AttnOptions options = attn_options();
    options.kernel = kernel->name;
    options.threads = 1;
    cr_assert_eq(attn_plan_create(p, &options, &plan), ATTN_OK, "%s: %s", kernel->name, attn_last_error());
    const size_t bytes = attn_plan_workspace(plan);
    void *workspace = aligned_alloc(64, (bytes + 64) / 64 * 64);
    cr_assert_eq(attn_run(plan, t, workspace, bytes), ATTN_OK, "%s: %s", kernel->name, attn_last_error());
    free(workspace);
    attn_plan_destroy(plan);
}

/* Bits of o where mask and bias have these strides, and rows of K and V are `kv_row` elements apart (0: no gaps). */
static void compare_strides(const AttnKernel *kernel, size_t q_len, size_t kv_row, size_t head, size_t row, size_t col, bool options)
{
    AttnProblem p = attn_problem(1, Q_HEADS, KV_HEADS, q_len, KEYS, WIDTH, WIDTH_V);
    float *q = random_floats(Q_HEADS * ROWS * WIDTH, 1), *k = random_floats(KV_HEADS * KEYS * WIDTH, 2),
          *v = random_floats(KV_HEADS * KEYS * WIDTH_V, 3), *w = random_floats(Q_HEADS * WIDTH, 4);
    float *bias = random_floats(Q_HEADS * ROWS * KEYS, 5), o[2][OUTPUTS] = {{0}};
    unsigned char *mask = malloc(Q_HEADS * ROWS * KEYS);
    for (size_t i = 0; i < Q_HEADS * ROWS * KEYS; i++)
        mask[i] = random_bits(6, i) >> 61 ? (unsigned char)(random_bits(6, i) & 255u) : 0;
    AttnTensors t = attn_tensors(q, k, v, o[0]);
    if (!(kernel->features & ATTN_HAS_DOT)) {
        p.score = ATTN_SCORE_ADDITIVE;
        t.w = w;
    }
    if (options) {
        p.mask = (AttnScoreLayout){ATTN_BOOL, 0, (ptrdiff_t)(q_len * KEYS), KEYS, 1};
        p.bias = (AttnScoreLayout){ATTN_F32, 0, (ptrdiff_t)(q_len * KEYS), KEYS, 1};
        t.mask = mask;
        t.bias = bias;
    }
    run_on(kernel, &p, &t);
    void *far_mask = restrided(mask, 1, Q_HEADS, q_len, KEYS, head, row, col);
    float *far_bias = restrided(bias, sizeof *bias, Q_HEADS, q_len, KEYS, head, row, col), *far_k = NULL, *far_v = NULL;
    if (options) {
        p.mask = (AttnScoreLayout){ATTN_BOOL, 0, (ptrdiff_t)head, (ptrdiff_t)row, (ptrdiff_t)col};
        p.bias = (AttnScoreLayout){ATTN_F32, 0, (ptrdiff_t)head, (ptrdiff_t)row, (ptrdiff_t)col};
        t.mask = far_mask;
        t.bias = far_bias;
    }
    if (kv_row > 0) {
        t.k = far_k = restrided(k, sizeof *k, KV_HEADS, KEYS, WIDTH, WIDTH, kv_row, 1);
        t.v = far_v = restrided(v, sizeof *v, KV_HEADS, KEYS, WIDTH_V, WIDTH_V, kv_row, 1);
        p.k.row = p.v.row = (ptrdiff_t)kv_row;
        p.k.head = WIDTH;
        p.v.head = WIDTH_V;
    }
    t.o = o[1];
    run_on(kernel, &p, &t);
    cr_expect(memcmp(o[0], o[1], sizeof o[0]) == 0, "%s, %zu rows: other bits where K and V have rows %zu apart, mask and bias strides %zu, "
              "%zu, %zu", kernel->name, q_len, kv_row, head, row, col);
    free(q), free(k), free(v), free(w), free(bias), free(mask), free(far_mask), free(far_bias), free(far_k), free(far_v);
}

ParameterizedTestParameters(kernels, strides)
{
    return numbers();
}

/* How tensors are stored does not change a bit: transposed, with gaps between columns, K and V by rows of all heads. */
ParameterizedTest(const size_t *number, kernels, strides)
{
    const AttnKernel *kernel = attn_registry[*number];
    if (!runnable(kernel) || kernel->kind != ATTN_KIND_ATTENTION)
        cr_skip("%s: no attention, or this CPU lacks what it needs", kernel->name);
    static const size_t rows[] = {1, 3, 20, ROWS};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const size_t q_len = rows[i];
        compare_strides(kernel, q_len, 0, KEYS * q_len, 1, q_len, true);        /* transposed         */
        compare_strides(kernel, q_len, 0, 3 * KEYS * q_len, 3 * KEYS, 3, true); /* columns with gaps  */
        compare_strides(kernel, q_len, 0, 1, KEYS * Q_HEADS, Q_HEADS, true);    /* heads side by side */
        compare_strides(kernel, q_len, 1024, KEYS * q_len, KEYS, 1, false);
        compare_strides(kernel, q_len, 2048, KEYS * q_len, KEYS, 1, true);
    }
}
