/* test_registry.c - every descriptor keeps the contract of kernels/kernel.h, and the public enumeration shows the same table. */
#include <criterion/criterion.h>
#include <string.h>

#include "dispatch/cpu.h"
#include "dispatch/registry.h"

Test(registry, descriptors_are_complete)
{
    cr_assert_gt(attn_registry_count, 0);
    for (size_t i = 0; i < attn_registry_count; i++) {
        const AttnKernel *k = attn_registry[i];
        cr_expect(k->name && strlen(k->name) > 0 && strlen(k->name) < 64, "kernel %zu has no name", i);
        cr_expect(k->summary && strlen(k->summary) > 0, "%s: summary", k->name);
        cr_expect(k->kind < ATTN_KINDS, "%s: kind", k->name);
        if (k->kind == ATTN_KIND_PRODUCT) {
            cr_expect(k->product.packed && k->product.pack && k->product.run, "%s: functions", k->name);
        } else {
            cr_expect(k->scratch && k->cost && k->run, "%s: functions", k->name);
            cr_expect_gt(k->accuracy.exp_ulp, 0, "%s: accuracy", k->name);
        }
        cr_expect(k->panel >= 1 && k->unit_panels >= 1, "%s: panel", k->name);
        cr_expect(k->dtypes.q && k->dtypes.kv && k->dtypes.o, "%s: dtypes", k->name);
        cr_expect_eq(k->isa >> ATTN_CPU_BITS, 0, "%s: unknown feature bits", k->name);
        const AttnAccuracy *a = &k->accuracy;
        cr_expect(a->u_accumulate > 0 && a->u_score > 0 && a->u_prob > 0 && a->u_out > 0, "%s: accuracy", k->name);
        for (size_t j = 0; j < i; j++)
            cr_expect_str_neq(attn_registry[j]->name, k->name);
        cr_expect_eq(attn_registry_find(k->name), k);
    }
    cr_assert_null(attn_registry_find("no_such_kernel"));
}

/* Length of "<algorithm>_<dtype>" in "<algorithm>_<dtype>[_<isa>[_<variant>]]". */
static size_t stem(const char *name)
{
    const char *dtype = strchr(name, '_'), *end = dtype ? strchr(dtype + 1, '_') : NULL;
    return end ? (size_t)(end - name) : strlen(name);
}

/* One algorithm is one thing, whatever the instruction set. A variant that takes less is a slip, as what it does not declare is not tested. */
Test(registry, variants_of_an_algorithm_declare_alike)
{
    size_t pairs = 0;
    for (size_t i = 0; i < attn_registry_count; i++)
        for (size_t j = 0; j < i; j++) {
            const AttnKernel *a = attn_registry[i], *b = attn_registry[j];
            if (stem(a->name) != stem(b->name) || strncmp(a->name, b->name, stem(a->name)) != 0)
                continue;
            pairs++;
            cr_assert_eq(a->kind, b->kind, "%s and %s compute different things", a->name, b->name);
            cr_expect_arr_eq(&a->dtypes, &b->dtypes, sizeof a->dtypes, "%s and %s take other storage types", a->name, b->name);
            if (a->kind != ATTN_KIND_ATTENTION)
                continue;
            cr_expect_eq(a->features, b->features, "%s takes options 0x%x, %s 0x%x", a->name, (unsigned)a->features, b->name,
                         (unsigned)b->features);
            cr_expect_eq(a->splits, b->splits, "only one of %s and %s takes part of the keys", a->name, b->name);
            cr_expect_eq(!a->fits, !b->fits, "only one of %s and %s takes any shape", a->name, b->name);
        }
    cr_assert_gt(pairs, 0);
}

/* Between them the kernels that any CPU runs take everything. */
Test(registry, portable_kernels_take_every_option)
{
    uint32_t taken = 0;
    for (size_t i = 0; i < attn_registry_count; i++)
        taken |= attn_registry[i]->isa == 0 && attn_registry[i]->kind == ATTN_KIND_ATTENTION ? attn_registry[i]->features : 0;
    cr_expect_eq(taken, (1u << ATTN_OPTION_BITS) - 1);
}

/* Where no kernel can run a problem, the sentence is the baseline's reason; bench counts speed-ups from it. So it takes every option and
 * any shape, on any CPU. */
Test(registry, the_baseline_takes_every_option)
{
    const AttnKernel *baseline = attn_registry_baseline();
    cr_assert_not_null(baseline);
    cr_expect_str_eq(baseline->name, ATTN_BASELINE);
    cr_expect_eq(baseline->isa, 0);
    cr_expect_eq(baseline->kind, ATTN_KIND_ATTENTION);
    cr_expect_null(baseline->fits, "any shape");
    cr_expect_eq(baseline->features, (1u << ATTN_OPTION_BITS) - 1);
}

Test(registry, scratch_is_monotonic_in_keys_and_never_absurd)
{
    for (size_t i = 0; i < attn_registry_count; i++) {
        const AttnKernel *k = attn_registry[i];
        if (k->kind != ATTN_KIND_ATTENTION)
            continue;
        AttnProblem few = attn_problem(1, 2, 1, 7, 5, 33, 17), many = attn_problem(1, 2, 1, 7, 5000, 33, 17);
        cr_expect_leq(k->scratch(&few, 7), k->scratch(&many, 7), "%s", k->name);
        cr_expect_lt(k->scratch(&many, 7), (size_t)64 << 20, "%s", k->name);
        cr_expect_gt(k->cost(&many), k->cost(&few), "%s: more keys must cost more", k->name);
    }
}

Test(registry, public_enumeration)
{
    cr_assert_eq(attn_kernel_count(), attn_registry_count);
    for (size_t i = 0; i < attn_kernel_count(); i++) {
        AttnKernelInfo info = {.size = sizeof info};
        cr_assert_eq(attn_kernel_query(i, &info), ATTN_OK);
        cr_expect_str_eq(info.name, attn_registry[i]->name);
        cr_expect_eq(info.runnable, (attn_registry[i]->isa & ~attn_cpu_this()->features) == 0);
        char names[96];
        cr_expect_str_eq(info.needs, attn_cpu_feature_names(attn_registry[i]->isa, names, sizeof names));
    }
    AttnKernelInfo info = {.size = sizeof info};
    cr_expect_eq(attn_kernel_query(attn_kernel_count(), &info), ATTN_ERROR_VALUE);
    cr_expect_neq(strstr(attn_last_error(), "index"), NULL);
    info.size = 3;
    cr_expect_eq(attn_kernel_query(0, &info), ATTN_ERROR_STRUCT);
    cr_expect_eq(attn_kernel_query(0, NULL), ATTN_ERROR_NULL);
}
