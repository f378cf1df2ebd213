/* pack_kernel.c - a descriptor that hands whole problems to a kernel of a pack.
 *
 * The judges of verify run descriptors unit by unit; a pack runs problems. So the stand-in's panel is longer than any head: a plan then has
 * one unit for each batch entry and KV head, the first of which computes everything with the pack's own plan in the scratch, and the others
 * nothing. `fits` makes that plan, as the last thing that may fail. */
#include "harness/regress/pack.h"

#include "dispatch/cpu.h"

/* Longer than any q_len times its group, and than any number of outputs, yet small enough for products with a few thousand inputs. */
enum { WHOLE = 1 << 28 };

static struct {
    const Pack *pack;
    size_t index;
    AttnPlan *plan; /* the pack's plan, for the last problem that `fits` was asked about */
    char why[256];
    AttnKernel kernel;
} current;

static bool fits(const AttnProblem *p, const char **why)
{
    const AttnPackV1 *v1 = current.pack->v1;
    if (current.plan)
        v1->destroy(current.plan);
    current.plan = NULL;
    if (pack_plan(v1, current.index, p, 1, &current.plan) == ATTN_OK)
        return true;
    strncpy(current.why, v1->last_error(), sizeof current.why - 1);
    if (why)
        *why = current.why;
    return false;
}

static size_t scratch(const AttnProblem *p, size_t rows)
{
    (void)p;
    (void)rows;
    return (current.pack->v1->workspace(current.plan) + 63) / 64 * 64;
}

static double cost(const AttnProblem *p)
{
    (void)p;
    return 1.0;
}

static void run(const AttnArgs *args, AttnSpan unit, void *workspace)
{
    if (unit.b == 0 && unit.kv_head == 0 && unit.row0 == 0)
        pack_run(current.pack->v1, current.plan, args->t, workspace, current.pack->v1->workspace(current.plan));
}

static size_t packed(size_t inputs, size_t outputs)
{
    return current.pack->v1->packed(current.index, inputs, outputs);
}

static void pack_weights(size_t inputs, size_t outputs, const float *w, ptrdiff_t w_row, void *to)
{
    current.pack->v1->pack(current.index, inputs, outputs, w, w_row, to);
}

static void product(const AttnLinear *l, AttnLinearSpan span, const float *x, const void *weights, const float *bias, float *y)
{
    (void)span; /* whole: see WHOLE */
    const AttnPackProductV1 p = {.size = sizeof p, .accumulate = l->accumulate, .rows = l->rows, .inputs = l->inputs, .outputs = l->outputs,
                                 .x_row = l->x_row, .y_row = l->y_row, .x = x, .bias = bias, .packed = weights, .y = y};
    current.pack->v1->product(current.index, &p, 1);
}

const AttnKernel *pack_stand_in(const Pack *pack, size_t index)
{
    const AttnPackKernelV1 *k = pack->v1->kernel(index);
    if (current.plan)
        current.pack->v1->destroy(current.plan);
    current.plan = NULL;
    current.pack = pack;
    current.index = index;
    current.kernel = (AttnKernel){
        .name = k->name,
        .summary = "of a pack",
        .kind = k->linear ? ATTN_KIND_PRODUCT : ATTN_KIND_ATTENTION,
        .dtypes = ATTN_F32_TENSORS,
        .accuracy = {.u_accumulate = k->u_accumulate, .u_score = k->u_score, .u_prob = k->u_prob, .u_out = k->u_out, .exp_ulp = k->exp_ulp,
                     .tanh_ulp = k->tanh_ulp, .exp_exact_at_0 = k->exp_exact_at_0 != 0, .chain_from_m = k->chain_from_m != 0},
        .panel = WHOLE,
        .unit_panels = WHOLE,
    };
    if (k->linear) {
        current.kernel.product = (AttnProduct){.packed = packed, .pack = pack_weights, .run = product};
        return &current.kernel;
    }
    current.kernel.features = ATTN_HAS_OPTIONS | ATTN_HAS_DOT | ATTN_HAS_GAUSSIAN | ATTN_HAS_ADDITIVE;
    current.kernel.fits = fits;
    current.kernel.scratch = scratch;
    current.kernel.cost = cost;
    current.kernel.run = run;
    return &current.kernel;
}
