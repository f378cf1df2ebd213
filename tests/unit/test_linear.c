/* test_linear.c - matrix products: dispatch, every kernel on the suites, every mutant killed, names that read back. */
#include <criterion/criterion.h>

#include "dispatch/cpu.h"
#include "dispatch/error.h"
#include "dispatch/linear.h"
#include "dispatch/registry.h"
#include "harness/ops/linear/case.h"
#include "harness/ops/linear/mutants.h"
#include "harness/ops/loops.h"

static bool runs_here(const AttnKernel *kernel)
{
    return kernel->kind == ATTN_KIND_PRODUCT && (kernel->isa & ~attn_cpu_this()->features) == 0;
}

/* ---- Dispatch --------------------------------------------------------------------------------------------------------------------- */

static const AttnKernel *choose(uint64_t features, uint64_t allowed, const AttnKernel *forced)
{
    const AttnCpu cpu = {.arch = "x86_64", .features = features};
    const AttnSettings settings = {.allowed = allowed, .kernel = forced, .kernel_from = "options.kernel"};
    return attn_linear_choose(attn_registry, attn_registry_count, &cpu, &settings);
}

Test(linear, chooses_the_widest_that_is_there_and_allowed)
{
    const AttnKernel *last = NULL;
    for (size_t i = 0; i < attn_registry_count; i++)
        if (attn_registry[i]->kind == ATTN_KIND_PRODUCT)
            last = attn_registry[i];
    cr_assert_not_null(last);
    cr_expect_eq(choose(UINT64_MAX, UINT64_MAX, NULL), last);
    cr_expect_str_eq(choose(0, UINT64_MAX, NULL)->name, "linear_f32");
    cr_expect_str_eq(choose(UINT64_MAX, 0, NULL)->name, "linear_f32");
    for (size_t i = 0; i < attn_registry_count; i++)
        if (attn_registry[i]->kind == ATTN_KIND_PRODUCT)
            cr_expect_eq(choose(attn_registry[i]->isa, UINT64_MAX, NULL)->isa, attn_registry[i]->isa, "%s", attn_registry[i]->name);
}

Test(linear, forced_kernels)
{
    const AttnKernel *naive = attn_registry_find("linear_f32_naive"), *attention = attn_registry_find("naive_f32");
    cr_expect_eq(choose(UINT64_MAX, UINT64_MAX, naive), naive);
    cr_expect_eq(choose(UINT64_MAX, UINT64_MAX, attention), choose(UINT64_MAX, UINT64_MAX, NULL), "an attention kernel says nothing here");
    const AttnKernel *wide = choose(UINT64_MAX, UINT64_MAX, NULL);
    if (wide->isa == 0)
        cr_skip("only portable kernels are built");
    cr_expect_null(choose(0, UINT64_MAX, wide));
    cr_expect_not_null(strstr(attn_last_error(), wide->name), "%s", attn_last_error());
}

Test(linear, bytes)
{
    for (size_t i = 0; i < attn_registry_count; i++) {
        const AttnKernel *k = attn_registry[i];
        if (k->kind != ATTN_KIND_PRODUCT)
            continue;
        const size_t bytes = attn_linear_bytes(k, 17, 31);
        cr_expect_geq(bytes, 17 * 31 * sizeof(float), "%s", k->name);
        cr_expect_eq(bytes % 64, 0, "%s", k->name);
        cr_expect_eq(attn_linear_bytes(k, 0, 31), 64, "%s: nothing to pack is no overflow", k->name);
        cr_expect_eq(attn_linear_bytes(k, SIZE_MAX / 8, 9), 0, "%s", k->name);
        cr_expect_eq(attn_linear_bytes(k, (size_t)1 << 31, (size_t)1 << 31), 0, "%s", k->name);
        cr_expect_eq(attn_linear_bytes(k, 1, SIZE_MAX), 0, "%s", k->name);
    }
}

/* By hand: [1 2] and [3 4] through W = [[5 6] [7 8] [9 10]], bias [100 200 300]. */
Test(linear, by_hand)
{
    const float x[] = {1, 2, 3, 4}, w[] = {5, 6, 7, 8, 9, 10}, bias[] = {100, 200, 300};
    const float plain[] = {17, 23, 29, 39, 53, 67}, with[] = {117, 223, 329, 139, 253, 367};
    const AttnLinear l = {.rows = 2, .inputs = 2, .outputs = 3, .x_row = 2, .y_row = 3};
    AttnLinear more = l;
    more.accumulate = true;
    for (size_t i = 0; i < attn_registry_count; i++) {
        const AttnKernel *k = attn_registry[i];
        float y[6];
        if (!runs_here(k))
            continue;
        void *packed = aligned_alloc(64, attn_linear_bytes(k, 2, 3));
        attn_linear_pack(k, 2, 3, w, 2, packed);
        attn_linear_run(k, &l, x, packed, NULL, y, NULL, NULL, 1);
        cr_expect_arr_eq(y, plain, sizeof y, "%s", k->name);
        attn_linear_run(k, &l, x, packed, bias, y, NULL, NULL, 4);
        cr_expect_arr_eq(y, with, sizeof y, "%s", k->name);
        attn_linear_run(k, &more, x, packed, NULL, y, NULL, NULL, 1);
        for (size_t n = 0; n < 6; n++)
            cr_expect_eq(y[n], with[n] + plain[n], "%s accumulates", k->name);
        free(packed);
    }
}

typedef struct Spans {
    size_t calls, rows, outputs;
    unsigned char seen[300][700]; /* how often an element belonged to a unit */
} Spans;
static Spans spans;

static size_t no_bytes(size_t inputs, size_t outputs)
{
    return inputs * outputs * sizeof(float);
}

static void see(const AttnLinear *l, AttnLinearSpan span, const float *x, const void *packed, const float *bias, float *y)
{
    (void)x, (void)packed, (void)bias, (void)y;
    cr_assert(span.row0 < span.row1 && span.row1 <= l->rows && span.out0 < span.out1 && span.out1 <= l->outputs);
    cr_expect_eq(span.out0 % 48, 0, "units begin at panels");
    spans.calls++;
    for (size_t r = span.row0; r < span.row1; r++)
        for (size_t o = span.out0; o < span.out1; o++)
            spans.seen[r][o]++;
}

/* Each element in exactly one unit; few rows still make several units, small products make one. */
Test(linear, units_cover_once)
{
    const AttnKernel kernel = {.name = "seer", .kind = ATTN_KIND_PRODUCT, .panel = 48, .unit_panels = 1, .product = {.packed = no_bytes, .run = see}};
    static const size_t sizes[][4] = {{1, 4096, 700, 2}, {300, 600, 700, 6}, {5, 5, 5, 1}, {129, 3000, 49, 2}, {1, 0, 1, 1}, {0, 5, 5, 0}};
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        const AttnLinear l = {.rows = sizes[n][0], .inputs = sizes[n][1], .outputs = sizes[n][2]};
        memset(&spans, 0, sizeof spans);
        attn_linear_run(&kernel, &l, NULL, NULL, NULL, NULL, NULL, NULL, 1);
        const size_t calls = spans.calls;
        for (size_t r = 0; r < l.rows; r++)
            for (size_t o = 0; o < l.outputs; o++)
                cr_assert_eq(spans.seen[r][o], 1, "%zux%zu: element %zu %zu is in %d units", l.rows, l.outputs, r, o, spans.seen[r][o]);
        cr_expect_geq(calls, sizes[n][3] > 1 ? 2 : sizes[n][3], "%zux%zux%zu: %zu units", l.rows, l.inputs, l.outputs, calls);
        memset(&spans, 0, sizeof spans);
        attn_linear_run(&kernel, &l, NULL, NULL, NULL, NULL, loop_reversed, NULL, 7);
        cr_expect_eq(spans.calls, calls, "the number of workers changes the units");
    }
}

/* ---- Proof ------------------------------------------------------------------------------------------------------------------------ */

Test(linear, every_kernel_is_right)
{
    double worst_eta = 0, worst_z = 0;
    for (size_t i = 0; i < attn_registry_count; i++)
        for (size_t n = 0; runs_here(attn_registry[i]) && n < linear_case_count(true); n++) {
            const LinearCase c = linear_case_at(true, n, 0x5eed);
            char name[LINEAR_NAME];
            VerifyResult result;
            linear_case_judge(attn_registry[i], &c, &result);
            cr_expect_eq(result.status, VERIFY_PASS, "%s %s: %s %s", attn_registry[i]->name, linear_case_name(&c, name, sizeof name),
                         verify_judge_name(result.judge), result.why);
            worst_eta = result.eta > worst_eta ? result.eta : worst_eta;
            worst_z = result.z > worst_z ? result.z : worst_z;
        }
    /* A judge whose limits are far from every result would see nothing. */
    cr_expect(worst_z > 2 && worst_z < 8, "worst z %.2f", worst_z);
    cr_expect(worst_eta > 0.05 && worst_eta <= 1, "worst eta %.3f", worst_eta);
    cr_log_info("worst eta %.3f, worst z %.2f", worst_eta, worst_z);
}

Test(linear, every_mutant_is_killed)
{
    for (size_t m = 0; m < linear_mutants.count; m++) {
        size_t failed = 0;
        for (size_t n = 0; n < linear_case_count(false); n++) {
            const LinearCase c = linear_case_at(false, n, 0x5eed);
            failed += linear_case_judge_isolated(&linear_mutants.at[m], &c).status != VERIFY_PASS;
        }
        cr_expect_eq(failed == 0, m == 0, "%s (%s): %zu failures", linear_mutants.at[m].name, linear_mutants.at[m].summary, failed);
    }
}

Test(linear, names_read_back)
{
    for (size_t n = 0; n < linear_case_count(true); n++) {
        const LinearCase c = linear_case_at(true, n, 7);
        LinearCase back;
        char name[LINEAR_NAME], again[LINEAR_NAME], error[300];
        cr_assert(linear_case_parse(linear_case_name(&c, name, sizeof name), &back, error, sizeof error), "%s", error);
        cr_expect_str_eq(linear_case_name(&back, again, sizeof again), name);
    }
    static const char *const bad[] = {
        "", "linear", "linear:1x2x3", "linear:1x2x3:odd:0x1:none:t1:0.0.0", "linear:+1x2x3:wide:0x1:none:t1:0.0.0",
        "linear:1x2x3:wide:0x1:none:t0:0.0.0", "linear:1x2x3:wide:0x1:none:t1:0.0.0:a:b", "linear:01x2x3:wide:0x1:none:t1:0.0.0",
        "linear:1x2x99999999:wide:0x1:none:t1:0.0.0", "linear:1x2x3:wide:0x1:under:t1:0.0.0", "linear:1x2x3:wide:0x1:none:t1:0.0.0 "};
    for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) {
        LinearCase c;
        char error[300] = "";
        cr_expect_not(linear_case_parse(bad[n], &c, error, sizeof error), "'%s' was taken", bad[n]);
        cr_expect_neq(error[0], '\0');
    }
}
