/* pack_export.c - the kernel pack's side of pack_abi.h: the registry of this commit behind its functions.
 *
 * Linked with the static library into attnzoo_pack.so, whose other symbols stay hidden, so that two packs in one process never bind to each
 * other. Cost: one indirect call per run. */
#include "harness/regress/pack_abi.h"

#include <pthread.h>

#include "build_info.h"
#include "dispatch/linear.h"
#include "dispatch/plan.h"
#include "dispatch/registry.h"

enum { MOST_KERNELS = 256 };

static AttnPackKernelV1 shown[MOST_KERNELS];

static void describe(void)
{
    for (size_t i = 0; i < attn_registry_count && i < MOST_KERNELS; i++) {
        const AttnKernel *k = attn_registry[i];
        const AttnAccuracy *a = &k->accuracy;
        shown[i] = (AttnPackKernelV1){
            .size = sizeof shown[i],
            .linear = k->kind == ATTN_KIND_PRODUCT,
            .name = k->name,
            .needs = attn_registry_needs(i),
            .u_accumulate = a->u_accumulate, .u_score = a->u_score, .u_prob = a->u_prob, .u_out = a->u_out,
            .exp_ulp = a->exp_ulp, .tanh_ulp = a->tanh_ulp,
            .exp_exact_at_0 = a->exp_exact_at_0, .chain_from_m = a->chain_from_m,
        };
    }
}

static const AttnPackKernelV1 *kernel_at(size_t index)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, describe);
    return index < attn_registry_count && index < MOST_KERNELS ? &shown[index] : NULL;
}

static AttnStatus plan(size_t kernel, const AttnProblem *problem, size_t threads, AttnPlan **made)
{
    return attn_plan_create_with(attn_registry[kernel], problem, threads, NULL, NULL, made);
}

static size_t packed(size_t kernel, size_t inputs, size_t outputs)
{
    return attn_linear_bytes(attn_registry[kernel], inputs, outputs);
}

static void pack(size_t kernel, size_t inputs, size_t outputs, const float *w, ptrdiff_t w_row, void *to)
{
    attn_linear_pack(attn_registry[kernel], inputs, outputs, w, w_row, to);
}

static void product(size_t kernel, const AttnPackProductV1 *p, size_t threads)
{
    const AttnLinear linear = {.rows = p->rows, .inputs = p->inputs, .outputs = p->outputs, .x_row = p->x_row, .y_row = p->y_row,
                               .accumulate = p->accumulate != 0};
    attn_linear_run(attn_registry[kernel], &linear, p->x, p->packed, p->bias, p->y, NULL, NULL, threads);
}

static const char *choice(const AttnProblem *problem, const AttnOptions *options)
{
    AttnSettings settings;
    AttnPlan *made = NULL;
    const AttnKernel *kernel = NULL;
    if (!problem) {
        if (attn_settings_read_environment(options, &settings) == ATTN_OK)
            kernel = attn_linear_choose(attn_registry, attn_registry_count, attn_cpu_this(), &settings);
    } else if (attn_plan_create(problem, options, &made) == ATTN_OK) {
        kernel = attn_registry_find(attn_plan_kernel(made)); /* its name outlives the plan */
        attn_plan_destroy(made);
    }
    return kernel ? kernel->name : NULL;
}

ATTN_API AttnPackEntry attn_pack_v1;

const AttnPackV1 *attn_pack_v1(void)
{
    static AttnPackV1 pack_v1 = {
        .abi = ATTN_PACK_ABI,
        .size = sizeof(AttnPackV1),
        .version = ATTNZOO_VERSION,
        .commit = BUILD_COMMIT,
        .compiler = BUILD_COMPILER,
        .flags = BUILD_FLAGS,
        .kernel = kernel_at,
        .last_error = attn_last_error,
        .plan = plan,
        .workspace = attn_plan_workspace,
        .run = attn_run,
        .destroy = attn_plan_destroy,
        .packed = packed,
        .pack = pack,
        .product = product,
        .choice = choice,
        .problem_size = sizeof(AttnProblem),
    };
    pack_v1.count = attn_registry_count < MOST_KERNELS ? attn_registry_count : MOST_KERNELS;
    return &pack_v1;
}
