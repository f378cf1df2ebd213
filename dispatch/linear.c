/* linear.c - y = x W^T + b: which kernel, how many bytes, and the product in units.
 *
 * A unit is a block of rows times a block of outputs. Its size depends on the sizes of the product and on how many outputs the kernel
 * packs together, never on the number of workers, so elements are always summed in the same order. Units take as many rows as possible,
 * because all rows of a unit share one pass over its weights; with few rows (decoding), only the outputs are divided. */
#include "dispatch/linear.h"

#include "dispatch/error.h"
#include "dispatch/threads.h"

/* Rows of a full unit, times the kernel's unit_panels: their x stays in a second-level cache up to a few thousand inputs. */
#define UNIT_ROWS ((size_t)128)

/* Multiply-adds that make a unit worth handing out, some 20 to 100 microseconds of one core; and how many of them take as long as fetching
 * the weight itself from memory, which is what bounds a product of few rows. */
#define UNIT_WORK ((size_t)1 << 22)
#define WEIGHT_WORK ((size_t)16)

const AttnKernel *attn_linear_choose(const AttnKernel *const *kernels, size_t count, const AttnCpu *cpu, const AttnSettings *settings)
{
    const uint64_t usable = cpu->features & settings->allowed;
    if (settings->kernel && settings->kernel->kind == ATTN_KIND_PRODUCT) {
        char names[96];
        const uint64_t missing = settings->kernel->isa & ~usable;
        if (missing == 0)
            return settings->kernel;
        attn_fail(ATTN_ERROR_UNSUPPORTED, "%s is %s, which cannot run here: this CPU lacks, or max_isa or disable forbids, %s",
                  settings->kernel_from, settings->kernel->name, attn_cpu_feature_names(missing, names, sizeof names));
        return NULL;
    }
    const AttnKernel *best = NULL;
    for (size_t i = 0; i < count; i++)
        if (kernels[i]->kind == ATTN_KIND_PRODUCT && (kernels[i]->isa & ~usable) == 0)
            best = kernels[i];
    return best;
}

size_t attn_linear_bytes(const AttnKernel *kernel, size_t inputs, size_t outputs)
{
    /* What any kernel packs is its outputs, filled up to whole panels, times inputs; the slack is for that rounding and the one below. */
    size_t elements, bytes;
    if (__builtin_mul_overflow(outputs, inputs, &elements) || __builtin_mul_overflow(inputs, kernel->panel, &bytes) ||
        __builtin_add_overflow(elements, bytes, &elements) || elements > PTRDIFF_MAX / sizeof(float) - 64)
        return 0;
    bytes = kernel->product.packed(inputs, outputs);
    return bytes < 64 ? 64 : (bytes + 63) / 64 * 64;
}

void attn_linear_pack(const AttnKernel *kernel, size_t inputs, size_t outputs, const float *w, ptrdiff_t w_row, void *packed)
{
    kernel->product.pack(inputs, outputs, w, w_row, packed);
}

/* A product on its way, and its division. */
typedef struct Product {
    const AttnKernel *kernel;
    const AttnLinear *linear;
    const float *x;
    const void *packed;
    const float *bias;
    float *y;
    size_t unit_rows, unit_outputs; /* of a full unit; outputs in whole panels  */
    size_t across;                  /* units side by side over the outputs      */
} Product;

static void run_unit(void *context, size_t worker, size_t unit)
{
    (void)worker;
    const Product *p = context;
    const AttnLinear *l = p->linear;
    const size_t row = unit / p->across * p->unit_rows, out = unit % p->across * p->unit_outputs;
    const AttnLinearSpan span = {
        .row0 = row,
        .row1 = l->rows - row < p->unit_rows ? l->rows : row + p->unit_rows,
        .out0 = out,
        .out1 = l->outputs - out < p->unit_outputs ? l->outputs : out + p->unit_outputs,
    };
    p->kernel->product.run(l, span, p->x, p->packed, p->bias, p->y);
}

void attn_linear_run(const AttnKernel *kernel, const AttnLinear *linear, const float *x, const void *packed, const float *bias, float *y,
                     AttnParallelFor loop, void *loop_context, size_t workers)
{
    if (linear->rows == 0 || linear->outputs == 0)
        return;
    const size_t most = UNIT_ROWS * kernel->unit_panels;
    const size_t down = (linear->rows + most - 1) / most, rows = (linear->rows + down - 1) / down;
    const size_t panels = (linear->outputs + kernel->panel - 1) / kernel->panel;
    const size_t weight_work = rows > WEIGHT_WORK ? rows : WEIGHT_WORK;
    const size_t panel_work = weight_work * kernel->panel * (linear->inputs > 0 ? linear->inputs : 1);
    const size_t least = (UNIT_WORK + panel_work - 1) / panel_work;
    const size_t across = (panels + least - 1) / least, wide = (panels + across - 1) / across;
    Product product = {
        .kernel = kernel,
        .linear = linear,
        .x = x,
        .packed = packed,
        .bias = bias,
        .y = y,
        .unit_rows = rows,
        .unit_outputs = wide * kernel->panel,
        .across = (panels + wide - 1) / wide,
    };
    const AttnPhase units = {.items = down * product.across, .item = run_unit, .enter = kernel->enter, .leave = kernel->leave};
    attn_threads_run(loop, loop_context, workers, &units, &product);
}
