/* tile.c - micro-benchmarks of the parts of the tile kernels: exponential, tiles, packing, blocks and units.
 *
 * Tiles work on operands in L1 and are compared with the multiply-add peak of their ISA, an arm of the same run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatch/plan.h"
#include "harness/base/random.h"
#include "harness/bench/micro/micro.h"
#include "harness/bench/micro/micro_isa.h"
#include "harness/ops/sdpa/case.h"
#include "harness/ops/sdpa/verify.h"

static bool usable(const MicroContext *context, size_t i)
{
    return (context->features & peak_isas[i]->needs) == peak_isas[i]->needs;
}

static bool no_memory(const char *what, char *error, size_t error_size)
{
    snprintf(error, error_size, "%s: out of memory", what);
    return false;
}

/* The multiply-add peak as the first row, which the others are compared with. */
static void add_fma_peak(MicroTable *t, Peak *peak, const PeakIsa *isa, const Topology *topology)
{
    peak_make(peak, PEAK_FMA, isa, 0, 1, topology);
    micro_row(t, isa->name, peak_run, peak, peak->units, "multiply-adds in registers");
}

/* ---- exp -------------------------------------------------------------------------------------------------------------------------- */

enum { FLOATS = 1024 };

typedef struct ExpArm {
    void (*plain)(float *out, const float *in, size_t n); /* as in harness/measure/peak/, or NULL */
    const MicroIsa *isa;
    int chains;
    float *in, *out;
} ExpArm;

static void run_exp(void *context, size_t iterations)
{
    const ExpArm *arm = context;
    for (size_t n = 0; n < iterations; n++)
        if (arm->plain)
            arm->plain(arm->out, arm->in, FLOATS);
        else
            arm->isa->exp(arm->chains, arm->out, arm->in, FLOATS);
}

bool micro_exp(const MicroContext *context, char *error, size_t error_size)
{
    float *in = aligned_alloc(64, 2 * FLOATS * sizeof *in);
    if (!in)
        return no_memory("exp", error, error_size);
    for (size_t i = 0; i < FLOATS; i++)
        in[i] = -20.0f * (float)random_uniform(context->options->seed, i); /* typical arguments of 2^x in a softmax */
    bool ok = true;
    for (size_t i = 0; i < peak_isa_count && ok; i++) {
        const PeakIsa *isa = peak_isas[i];
        MicroTable t = {.micro = "exp", .unit = "vector", .compare = MICRO_SHARE};
        ExpArm arm[16];
        Peak fma;
        size_t arms = 0;
        if (!usable(context, i))
            continue;
        const double vectors = (double)FLOATS / (double)micro_isas[i]->vl;
        snprintf(t.title, sizeof t.title, "exp, %s: 2^x, L1 to L1, %zu floats a vector; share of the exp peak", isa->name,
                 micro_isas[i]->vl);
        for (size_t e = 0; e < PEAK_EXPS && isa->exp[e].name; e++) {
            arm[arms] = (ExpArm){.plain = isa->exp[e].run, .in = in, .out = in + FLOATS};
            MicroRow *row = micro_row(&t, isa->name, run_exp, &arm[arms++], vectors, "%s, the peak loop", isa->exp[e].name);
            row->against = 0;
            row->group = e > 0;
        }
        for (const int *chains = micro_isas[i]->chains; *chains; chains++) {
            arm[arms] = (ExpArm){.isa = micro_isas[i], .chains = *chains, .in = in, .out = in + FLOATS};
            MicroRow *row = micro_row(&t, isa->name, run_exp, &arm[arms++], vectors, "algo/exp.h, %d vector%s at a time", *chains,
                                      *chains == 1 ? "" : "s");
            row->against = 0;
            row->group = 1;
        }
        peak_make(&fma, PEAK_FMA, isa, 0, 1, context->topology);
        micro_row(&t, isa->name, peak_run, &fma, fma.units / (2.0 * (double)micro_isas[i]->vl), "one multiply-add in registers, for scale");
        ok = micro_measure(context, &t, error, error_size);
    }
    free(in);
    return ok;
}

/* ---- Tiles ------------------------------------------------------------------------------------------------------------------------ */

enum { SCORE_KEYS = 24, VALUE_KEYS = 64, WIDEST = 128 };
static const size_t widths[] = {64, 128};
enum { WIDTHS = sizeof widths / sizeof *widths };

typedef struct TileArm {
    const MicroIsa *isa;
    MicroTile tile;
    bool values, exponential;
    const MicroOperands *x;
} TileArm;

static void run_tile(void *context, size_t iterations)
{
    const TileArm *arm = context;
    for (size_t n = 0; n < iterations; n++)
        if (arm->values)
            arm->isa->value(arm->tile, arm->x);
        else
            arm->isa->score(arm->tile, arm->exponential, arm->x);
}

/* Operands of every width. Numbers are small, so that o, to which each run adds, stays finite: it stops growing when what is added falls
 * below its rounding step. */
static bool make_operands(MicroOperands x[WIDTHS], const MicroIsa *isa, size_t keys, float **memory)
{
    const size_t lanes = 4 * isa->vl, each = WIDEST * lanes + 2 * keys * WIDEST + keys * lanes + lanes * WIDEST;
    *memory = aligned_alloc(64, (WIDTHS * each * sizeof **memory + 63) / 64 * 64);
    float *at = *memory;
    for (size_t i = 0; *memory && i < WIDTHS * each; i++)
        at[i] = (float)(random_uniform(7, i) - 0.5) * 0.25f;
    for (size_t i = 0; *memory && i < WIDTHS; i++) {
        x[i] = (MicroOperands){.d = widths[i], .keys = keys, .lanes = lanes};
        x[i].q = at;
        x[i].k = x[i].q + WIDEST * lanes;
        x[i].v = x[i].k + keys * WIDEST;
        x[i].p = x[i].v + keys * WIDEST;
        x[i].o = x[i].p + keys * lanes;
        at += each;
    }
    return *memory != NULL;
}

/* flop of one call: whole tiles only. */
static double tile_flop(const TileArm *arm)
{
    const size_t rows = (size_t)arm->tile.rows, width = (size_t)arm->tile.vectors * arm->isa->vl;
    const MicroOperands *x = arm->x;
    if (arm->values)
        return 2.0 * (double)(x->lanes / rows * rows) * (double)(x->d / width * width) * (double)x->keys;
    return 2.0 * (double)(x->keys / rows * rows) * (double)width * (double)x->d;
}

static bool tiles_of_isa(const MicroContext *context, size_t i, bool values, char *error, size_t error_size)
{
    const MicroIsa *isa = micro_isas[i];
    const MicroKernel *kernel = micro_kernels[i];
    const MicroTile used = {values ? kernel->pq : kernel->mr, values ? kernel->nv : kernel->nq};
    MicroTable t = {.micro = values ? "values" : "tile", .unit = "flop", .by_rate = true, .compare = MICRO_SHARE};
    MicroOperands x[WIDTHS];
    TileArm arm[MICRO_ROWS];
    float *memory;
    Peak peak;
    if (!make_operands(x, isa, values ? VALUE_KEYS : SCORE_KEYS, &memory))
        return no_memory(t.micro, error, error_size);
    snprintf(t.title, sizeof t.title, values ? "values, %s: o += P V, query rows x vectors of columns; share of the multiply-add peak"
                                             : "tile, %s: S = K Q, keys x vectors of queries; share of the multiply-add peak",
             isa->name);
    add_fma_peak(&t, &peak, peak_isas[i], context->topology);
    for (int kind = 0; kind < (values ? 1 : 2); kind++)
        for (size_t w = 0; w < WIDTHS; w++)
            for (const MicroTile *tile = values ? isa->values : isa->scores; tile->rows; tile++) {
                TileArm *a = &arm[t.count];
                *a = (TileArm){isa, *tile, values, kind == 1, &x[w]};
                MicroRow *row = t.count < MICRO_ROWS ? micro_row(&t, isa->name, run_tile, a, tile_flop(a), "%dx%d%s, d %zu", tile->rows,
                                                                 tile->vectors, kind == 1 ? " and 2^x" : "", widths[w])
                                                     : NULL;
                if (!row)
                    break;
                row->against = 0;
                row->group = 1 + kind * WIDTHS + (int)w;
                row->in_use = tile->rows == used.rows && tile->vectors == used.vectors;
            }
    const bool ok = micro_measure(context, &t, error, error_size);
    free(memory);
    return ok;
}

bool micro_scores(const MicroContext *context, char *error, size_t error_size)
{
    for (size_t i = 0; i < peak_isa_count; i++)
        if (usable(context, i) && !tiles_of_isa(context, i, false, error, error_size))
            return false;
    return true;
}

bool micro_values(const MicroContext *context, char *error, size_t error_size)
{
    for (size_t i = 0; i < peak_isa_count; i++)
        if (usable(context, i) && !tiles_of_isa(context, i, true, error, error_size))
            return false;
    return true;
}

/* ---- Packing ---------------------------------------------------------------------------------------------------------------------- */

typedef struct PackArm {
    const MicroIsa *isa;
    const void **rows;
    size_t lanes, d;
    float *to;
} PackArm;

static void run_pack(void *context, size_t iterations)
{
    const PackArm *arm = context;
    for (size_t n = 0; n < iterations; n++)
        arm->isa->pack(arm->rows, arm->lanes, arm->d, arm->to);
}

bool micro_pack(const MicroContext *context, char *error, size_t error_size)
{
    static const size_t d[] = {40, 64, 80, 128};
    enum { DS = sizeof d / sizeof *d, LANES = 128, KEYS = 256 };
    float *q = aligned_alloc(64, (size_t)2 * LANES * WIDEST * sizeof *q);
    bool ok = q || no_memory("pack", error, error_size);
    for (size_t i = 0; q && i < (size_t)2 * LANES * WIDEST; i++)
        q[i] = (float)random_uniform(3, i);
    for (size_t i = 0; i < peak_isa_count && ok; i++) {
        const size_t lanes = (size_t)micro_kernels[i]->nq * micro_isas[i]->vl;
        MicroTable t = {.micro = "pack", .unit = "panel", .compare = MICRO_COST};
        const void *rows[DS][LANES];
        PackArm arm[DS];
        Peak peak;
        if (!usable(context, i))
            continue;
        snprintf(t.title, sizeof t.title, "pack, %s: a panel of %zu queries; share of its multiply-adds over %d keys at the peak",
                 peak_isas[i]->name, lanes, KEYS);
        add_fma_peak(&t, &peak, peak_isas[i], context->topology);
        for (size_t w = 0; w < DS; w++) {
            for (size_t lane = 0; lane < lanes; lane++)
                rows[w][lane] = q + lane * WIDEST;
            arm[w] = (PackArm){micro_isas[i], rows[w], lanes, d[w], q + LANES * WIDEST};
            MicroRow *row = micro_row(&t, peak_isas[i]->name, run_pack, &arm[w], 4.0 * (double)lanes * (double)d[w] * KEYS, "d %zu", d[w]);
            row->against = 0;
            row->shown = 1;
        }
        ok = micro_measure(context, &t, error, error_size);
    }
    free(q);
    return ok;
}

/* ---- Blocks and units ------------------------------------------------------------------------------------------------------------- */

typedef struct BlockArm {
    const MicroKernel *of;
    AttnKernel kernel;
    size_t block; /* keys; 0: the registered kernel, as it is */
    AttnPlan *plan;
    const AttnTensors *tensors;
    void *workspace;
    size_t size;
} BlockArm;

static void run_blocks(void *context, size_t iterations)
{
    BlockArm *arm = context;
    if (arm->block)
        arm->of->set_block(arm->block);
    for (size_t n = 0; n < iterations; n++)
        if (attn_run(arm->plan, arm->tensors, arm->workspace, arm->size) != ATTN_OK)
            return;
}

/* Verify the kernel on this shape like any other, then plan it. */
static bool ready_blocks(BlockArm *arm, const AttnKernel *kernel, const VerifyCase *c, const Data *data, char *error, size_t error_size)
{
    if (arm->block)
        arm->of->set_block(arm->block);
    const VerifyResult result = verify_case_isolated(kernel, &c->shape, c->dist, c->seed, c->fence, 1);
    if (result.status != VERIFY_PASS) {
        snprintf(error, error_size, "blocks: %s with blocks of %zu keys is not right: %s", kernel->name, arm->block, result.why);
        return false;
    }
    if (attn_plan_create_with(kernel, &data->problem, 1, NULL, NULL, &arm->plan) != ATTN_OK) {
        snprintf(error, error_size, "blocks: %.250s", attn_last_error());
        return false;
    }
    arm->tensors = &data->tensors;
    arm->size = attn_plan_workspace(arm->plan);
    arm->workspace = aligned_alloc(64, arm->size);
    return arm->workspace || no_memory("blocks", error, error_size);
}

/* The registered kernel of the same row and algorithm. */
static const AttnKernel *registered(const MicroContext *context, const char *isa)
{
    char name[64];
    snprintf(name, sizeof name, strcmp(isa, "portable") == 0 ? "flash_f32" : "flash_f32_%s", isa);
    for (size_t i = 0; i < context->kernel_count; i++)
        if (strcmp(context->kernels[i]->name, name) == 0)
            return context->kernels[i];
    return NULL;
}

static bool blocks_of(const MicroContext *context, size_t i, const char *shape, char *error, size_t error_size)
{
    static const struct {
        size_t keys, panels;
    } tried[] = {{0, 0}, {64, 8}, {128, 8}, {256, 8}, {512, 8}, {1024, 8}, {256, 1}, {256, 2}, {256, 4}};
    enum { TRIED = sizeof tried / sizeof *tried };
    const MicroKernel *of = micro_kernels[i];
    const AttnKernel *own = registered(context, of->name);
    VerifyCase c = {.dist = DIST_NORMAL, .seed = context->options->seed, .fence = FENCE_NONE, .threads = 1};
    MicroTable t = {.micro = "blocks", .unit = "flop", .by_rate = true, .compare = MICRO_SHARE};
    BlockArm arm[TRIED] = {{0}};
    Data data;
    if (!own)
        return true;
    if (!shape_parse(&c.shape, shape, error, error_size) || !case_data(&data, &c, error, error_size))
        return false;
    snprintf(t.title, sizeof t.title, "blocks, %s, %s: share of the speed of %s", of->name, shape, own->name);
    bool ok = true;
    for (size_t k = 0; k < TRIED && ok; k++) {
        arm[k].of = of;
        arm[k].kernel = *of->kernel;
        arm[k].block = tried[k].keys;
        arm[k].kernel.unit_panels = tried[k].panels < of->unit_panels ? tried[k].panels : of->unit_panels;
        ok = ready_blocks(&arm[k], k == 0 ? own : &arm[k].kernel, &c, &data, error, error_size);
        if (ok && k == 0)
            micro_row(&t, of->name, run_blocks, &arm[k], shape_flop(&c.shape), "%s as it is", own->name)->in_use = true;
        else if (ok) {
            MicroRow *row = micro_row(&t, of->name, run_blocks, &arm[k], shape_flop(&c.shape), "blocks of %zu keys, units of %zu panels",
                                      tried[k].keys, arm[k].kernel.unit_panels);
            row->against = 0;
            row->group = 1;
        }
    }
    ok = ok && micro_measure(context, &t, error, error_size);
    for (size_t k = 0; k < TRIED; k++) {
        attn_plan_destroy(arm[k].plan);
        free(arm[k].workspace);
    }
    data_free(&data);
    return ok;
}

bool micro_blocks(const MicroContext *context, char *error, size_t error_size)
{
    static const char *const shapes[] = {"b1_h2_q512_k512_d64", "b1_h1_q2048_k2048_d64", "b1_h1_q2048_k2048_d128"};
    for (size_t i = 0; i < peak_isa_count; i++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes && usable(context, i); s++)
            if (!blocks_of(context, i, shapes[s], error, error_size))
                return false;
    return true;
}
