/* test_kernels.c - every registered kernel through the exact oracles and the special values; the test verify-smoke has the cases. */
#include <criterion/alloc.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>

#include "dispatch/cpu.h"
#include "dispatch/registry.h"
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
