/* mha_create.c - the weights of multi-head attention: checked, and packed once into one block of memory.
 *
 * Projections that read the same rows are packed as one matrix, so that self-attention projects q, k and v in a single product. Biases and
 * norm weights are copied too: the caller's memory is not read after creation. */
#include "dispatch/mha.h"

#include <stdlib.h>

#include "dispatch/error.h"
#include "dispatch/registry.h"
#include "dispatch/structs.h"
#include "kernels/scratch.h"

/* ---- Checks ---------------------------------------------------------------------------------------------------------------------- */

static AttnStatus check_sizes(const AttnMhaConfig *c)
{
    const struct {
        const char *name;
        size_t value;
    } size[] = {{"embed", c->embed}, {"q_heads", c->q_heads}, {"kv_heads", c->kv_heads}, {"d", c->d},
                {"dv", c->dv},       {"kdim", c->kdim},       {"vdim", c->vdim}};
    if ((c->d == 0 || c->dv == 0) && c->embed > 0 && c->q_heads > 0 && c->embed % c->q_heads != 0)
        return attn_fail(ATTN_ERROR_VALUE,
                         "config.embed is %zu and config.q_heads %zu; allowed: a multiple of the heads, or widths of a head set in "
                         "config.d and config.dv, which are %zu and %zu", c->embed, c->q_heads, c->d, c->dv);
    for (size_t i = 0; i < sizeof size / sizeof *size; i++)
        if (size[i].value < 1 || size[i].value > ATTN_MAX_SIZE)
            return attn_fail(ATTN_ERROR_VALUE, "config.%s is %zu; allowed: 1 to %zu", size[i].name, size[i].value, ATTN_MAX_SIZE);
    if (c->q_heads % c->kv_heads != 0)
        return attn_fail(ATTN_ERROR_VALUE, "config.q_heads is %zu; allowed: multiples of config.kv_heads, which is %zu", c->q_heads,
                         c->kv_heads);
    const size_t width[] = {c->d, c->dv};
    for (size_t i = 0; i < 2; i++)
        if (width[i] > ATTN_MAX_SIZE / c->q_heads)
            return attn_fail(ATTN_ERROR_OVERFLOW, "config.q_heads is %zu and config.%s %zu; allowed: a product of at most %zu", c->q_heads,
                             i ? "dv" : "d", width[i], ATTN_MAX_SIZE);
    return ATTN_OK;
}

static AttnStatus check_rope(const AttnMhaConfig *c)
{
    if ((unsigned)c->rope > ATTN_ROPE_HALVES)
        return attn_fail(ATTN_ERROR_VALUE, "config.rope is %d; allowed: 0 to %d, one of ATTN_ROPE_*", (int)c->rope, ATTN_ROPE_HALVES);
    if (c->rope == ATTN_ROPE_NONE && c->rope_dims != 0)
        return attn_fail(ATTN_ERROR_VALUE, "config.rope_dims is %zu, but config.rope is ATTN_ROPE_NONE; allowed: 0", c->rope_dims);
    if (c->rope == ATTN_ROPE_NONE && c->rope_base != 0.0)
        return attn_fail(ATTN_ERROR_VALUE, "config.rope_base is %g, but config.rope is ATTN_ROPE_NONE; allowed: 0", c->rope_base);
    if (c->rope == ATTN_ROPE_NONE)
        return ATTN_OK;
    if (c->rope_dims < 2 || c->rope_dims % 2 != 0 || c->rope_dims > c->d)
        return attn_fail(ATTN_ERROR_VALUE, "config.rope_dims is %zu; allowed: even, 2 to config.d, which is %zu", c->rope_dims, c->d);
    if (!(c->rope_base > 0.0 && c->rope_base <= 0x1p126))
        return attn_fail(ATTN_ERROR_VALUE, "config.rope_base is %g; allowed: above 0, to 2^126", c->rope_base);
    return ATTN_OK;
}

static AttnStatus check_config(const AttnMhaConfig *c)
{
    AttnStatus status = check_sizes(c);
    if (status == ATTN_OK)
        status = check_rope(c);
    if (status != ATTN_OK)
        return status;
    if ((unsigned)c->sources > ATTN_MHA_SEPARATE)
        return attn_fail(ATTN_ERROR_VALUE, "config.sources is %d; allowed: 0 to %d, one of ATTN_MHA_*", (int)c->sources, ATTN_MHA_SEPARATE);
    if (c->sources == ATTN_MHA_SELF && (c->kdim != c->embed || c->vdim != c->embed))
        return attn_fail(ATTN_ERROR_VALUE, "config.kdim is %zu and config.vdim %zu; allowed with ATTN_MHA_SELF: config.embed, which is %zu",
                         c->kdim, c->vdim, c->embed);
    if (c->sources == ATTN_MHA_CROSS && c->kdim != c->vdim)
        return attn_fail(ATTN_ERROR_VALUE, "config.vdim is %zu; allowed with ATTN_MHA_CROSS: config.kdim, which is %zu", c->vdim, c->kdim);
    if ((unsigned)c->norm > ATTN_NORM_POST)
        return attn_fail(ATTN_ERROR_VALUE, "config.norm is %d; allowed: 0 to %d, one of ATTN_NORM_*", (int)c->norm, ATTN_NORM_POST);
    if (!(c->norm_eps >= 0.0 && c->norm_eps <= 0x1p126))
        return attn_fail(ATTN_ERROR_VALUE, "config.norm_eps is %g; allowed: 0 to 2^126", c->norm_eps);
    if (c->residual && !c->output && c->q_heads * c->dv != c->embed)
        return attn_fail(ATTN_ERROR_VALUE, "config.residual is true, but y is %zu wide and xq %zu; allowed: equal widths",
                         c->q_heads * c->dv, c->embed);
    return ATTN_OK;
}

static AttnStatus check_weights(const AttnMhaConfig *c, const AttnMhaWeights *w)
{
    const struct {
        const char *name;
        const float *at;
        bool required, allowed;
        const char *rule;
    } field[] = {
        {"wq", w->wq, true, true, ""},
        {"wk", w->wk, true, true, ""},
        {"wv", w->wv, true, true, ""},
        {"wo", w->wo, c->output, c->output, "config.output is false"},
        {"bo", w->bo, false, c->output, "config.output is false"},
        {"bias_k", w->bias_k, w->bias_v != NULL, true, ""},
        {"bias_v", w->bias_v, w->bias_k != NULL, true, ""},
        {"norm_weight", w->norm_weight, false, c->norm != ATTN_NORM_NONE, "config.norm is ATTN_NORM_NONE"},
        {"norm_bias", w->norm_bias, false, c->norm != ATTN_NORM_NONE, "config.norm is ATTN_NORM_NONE"},
    };
    for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
        if (field[i].required && !field[i].at)
            return attn_fail(ATTN_ERROR_NULL, "weights.%s is NULL; allowed: the address of its numbers%s", field[i].name,
                             field[i].name[0] == 'b' ? "; bias_k and bias_v come together" : "");
        if (!field[i].allowed && field[i].at)
            return attn_fail(ATTN_ERROR_VALUE, "weights.%s is %p, but %s; allowed: NULL", field[i].name, (const void *)field[i].at,
                             field[i].rule);
    }
    return ATTN_OK;
}

static AttnStatus read_all(const AttnMhaConfig *config, const AttnMhaWeights *weights, const AttnOptions *options, AttnMha *mha,
                           AttnMhaWeights *w)
{
    AttnSettings settings;
    AttnStatus status = attn_struct_read(&attn_struct_mha_config, config, &mha->c);
    if (status == ATTN_OK)
        status = attn_struct_read(&attn_struct_mha_weights, weights, w);
    if (status == ATTN_OK)
        status = check_config(&mha->c);
    if (status == ATTN_OK)
        status = check_weights(&mha->c, w);
    if (status == ATTN_OK)
        status = attn_settings_read_environment(options, &settings);
    if (status != ATTN_OK)
        return status;
    mha->kernel = attn_linear_choose(attn_registry, attn_registry_count, attn_cpu_this(), &settings);
    return mha->kernel ? ATTN_OK : ATTN_ERROR_UNSUPPORTED;
}

/* ---- Packing --------------------------------------------------------------------------------------------------------------------- */

/* One of Wq, Wk, Wv. */
typedef struct Part {
    const float *w, *b;
    size_t outputs;
} Part;

/* Widths, and which parts make which product. */
static void set_products(AttnMha *mha, const AttnMhaWeights *w, Part part[3], size_t parts[3])
{
    const AttnMhaConfig *c = &mha->c;
    mha->q_width = c->q_heads * c->d;
    mha->k_width = c->kv_heads * c->d;
    mha->v_width = c->kv_heads * c->dv;
    mha->o_width = c->q_heads * c->dv;
    mha->y_width = c->output ? c->embed : mha->o_width;
    mha->extras = (size_t)(w->bias_k != NULL) + (size_t)c->zero_attn;
    part[0] = (Part){w->wq, w->bq, mha->q_width};
    part[1] = (Part){w->wk, w->bk, mha->k_width};
    part[2] = (Part){w->wv, w->bv, mha->v_width};
    const size_t inputs[] = {c->embed, c->kdim, c->vdim};
    mha->inputs = (size_t)c->sources + 1;
    for (size_t i = 0, next = 0; i < mha->inputs; i++) {
        parts[i] = i + 1 == mha->inputs ? 3 - next : 1;
        mha->in[i] = (AttnProjection){.inputs = inputs[next]};
        for (size_t n = 0; n < parts[i]; n++)
            mha->in[i].outputs += part[next++].outputs;
    }
    mha->out = (AttnProjection){.inputs = mha->o_width, .outputs = c->output ? mha->y_width : 0};
}
_Static_assert(ATTN_MHA_SELF == 0 && ATTN_MHA_CROSS == 1 && ATTN_MHA_SEPARATE == 2, "products are sources + 1");

/* Pack parts one below the other. They are gathered first unless they are one matrix already. */
static bool pack(const AttnKernel *kernel, const AttnProjection *to, const Part *part, size_t parts, void *packed, float *bias)
{
    const float *w = part[0].w;
    float *gathered = NULL;
    bool together = true;
    for (size_t n = 1, rows = part[0].outputs; n < parts; rows += part[n++].outputs)
        together = together && (uintptr_t)part[n].w == (uintptr_t)(w + rows * to->inputs);
    if (!together) {
        w = gathered = malloc(to->outputs * to->inputs * sizeof(float));
        if (!gathered)
            return false;
        float *at = gathered;
        for (size_t n = 0; n < parts; at += part[n++].outputs * to->inputs)
            memcpy(at, part[n].w, part[n].outputs * to->inputs * sizeof(float));
    }
    attn_linear_pack(kernel, to->inputs, to->outputs, w, (ptrdiff_t)to->inputs, packed);
    free(gathered);
    for (size_t n = 0; n < parts && bias; bias += part[n++].outputs) {
        if (part[n].b)
            memcpy(bias, part[n].b, part[n].outputs * sizeof(float));
        else
            memset(bias, 0, part[n].outputs * sizeof(float));
    }
    return true;
}

/* A copy of `count` numbers, if there are any to copy. */
static const float *keep(AttnCarve *carve, const float *from, size_t count)
{
    if (!from)
        return NULL;
    float *to = attn_carve(carve, count, sizeof *to);
    if (to)
        memcpy(to, from, count * sizeof *to);
    return to;
}

/* Lay everything out in `memory` and fill it; with NULL only measure. *bytes 0: it overflows. false: no memory to gather parts. */
static bool fill(AttnMha *mha, const AttnMhaWeights *w, void *memory, size_t *bytes)
{
    AttnCarve carve = {.base = memory};
    Part part[3];
    size_t parts[3];
    set_products(mha, w, part, parts);
    *bytes = 0;
    for (size_t i = 0, next = 0; i < mha->inputs + 1; i++) {
        AttnProjection *to = i < mha->inputs ? &mha->in[i] : &mha->out;
        const Part out = {w->wo, w->bo, mha->out.outputs}, *from = i < mha->inputs ? &part[next] : &out;
        const size_t count = i < mha->inputs ? parts[i] : 1;
        if (to->outputs == 0)
            continue;
        const size_t packed_bytes = attn_linear_bytes(mha->kernel, to->inputs, to->outputs);
        if (packed_bytes == 0 || packed_bytes > PTRDIFF_MAX / 8)
            return true;
        bool biased = false;
        for (size_t n = 0; n < count; n++)
            biased = biased || from[n].b;
        void *packed = attn_carve(&carve, packed_bytes, 1);
        float *bias = biased ? attn_carve(&carve, to->outputs, sizeof(float)) : NULL;
        if (memory && !pack(mha->kernel, to, from, count, packed, bias))
            return false;
        to->packed = packed;
        to->bias = bias;
        next += count;
    }
    mha->bias_k = keep(&carve, w->bias_k, mha->k_width);
    mha->bias_v = keep(&carve, w->bias_v, mha->v_width);
    const size_t norm_width = mha->c.norm == ATTN_NORM_POST ? mha->y_width : mha->c.embed;
    mha->norm_weight = keep(&carve, w->norm_weight, norm_width);
    mha->norm_bias = keep(&carve, w->norm_bias, norm_width);
    *bytes = carve.used;
    return true;
}

/* ---- Create ---------------------------------------------------------------------------------------------------------------------- */

static AttnStatus measure(const AttnMhaConfig *config, const AttnMhaWeights *weights, const AttnOptions *options, AttnMha *mha,
                          AttnMhaWeights *w, size_t *bytes)
{
    const AttnStatus status = read_all(config, weights, options, mha, w);
    if (status != ATTN_OK)
        return status;
    fill(mha, w, NULL, bytes);
    if (*bytes == 0)
        return attn_fail(ATTN_ERROR_OVERFLOW,
                         "packed weights of config.embed = %zu and %zu query heads overflow; allowed: at most %td bytes for each product",
                         mha->c.embed, mha->c.q_heads, PTRDIFF_MAX / 8);
    return ATTN_OK;
}

AttnStatus attn_mha_packed_size(const AttnMhaConfig *config, const AttnMhaWeights *weights, const AttnOptions *options, size_t *bytes)
{
    AttnMha mha = {0};
    AttnMhaWeights w;
    if (!bytes)
        return attn_fail(ATTN_ERROR_NULL, "bytes is NULL; allowed: the address of a size_t for the result");
    *bytes = 0;
    return measure(config, weights, options, &mha, &w, bytes);
}

static AttnStatus check_memory(const void *memory, size_t size, size_t bytes)
{
    if (!memory && size != 0)
        return attn_fail(ATTN_ERROR_VALUE, "memory_size is %zu, but memory is NULL; allowed: 0, or the address of that memory", size);
    if (memory && size < bytes)
        return attn_fail(ATTN_ERROR_WORKSPACE, "memory_size is %zu; allowed: at least %zu", size, bytes);
    if ((uintptr_t)memory % 64 != 0)
        return attn_fail(ATTN_ERROR_WORKSPACE, "memory is at %p; allowed: an address divisible by 64", memory);
    return ATTN_OK;
}

AttnStatus attn_mha_create(const AttnMhaConfig *config, const AttnMhaWeights *weights, const AttnOptions *options, void *memory,
                           size_t memory_size, AttnMha **out)
{
    AttnMha mha = {0};
    AttnMhaWeights w;
    size_t bytes = 0;
    if (!out)
        return attn_fail(ATTN_ERROR_NULL, "mha is NULL; allowed: the address of a pointer for the result");
    *out = NULL;
    AttnStatus status = measure(config, weights, options, &mha, &w, &bytes);
    if (status == ATTN_OK)
        status = check_memory(memory, memory_size, bytes);
    if (status != ATTN_OK)
        return status;
    mha.owned = !memory;
    mha.memory = memory ? memory : aligned_alloc(64, bytes);
    *out = mha.memory ? malloc(sizeof **out) : NULL;
    if (!*out || !fill(&mha, &w, mha.memory, &bytes)) {
        free(*out);
        *out = NULL;
        if (mha.owned)
            free(mha.memory);
        return attn_fail(ATTN_ERROR_MEMORY, "no memory for packed weights of %zu bytes", bytes);
    }
    **out = mha;
    return ATTN_OK;
}

void attn_mha_destroy(AttnMha *mha)
{
    if (mha && mha->owned)
        free(mha->memory);
    free(mha);
}

const char *attn_mha_kernel(const AttnMha *mha)
{
    return mha->kernel->name;
}
