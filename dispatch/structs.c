/* structs.c - the size rules of the public structs, once for all of them. */
#include "dispatch/structs.h"

#include <inttypes.h>

/* No struct here will ever be this large: a larger `size` was never set, and reading that far could leave the stack. */
#define LARGEST_SIZE ((size_t)4096)

/* A caller's compiler flags must not change the offset of a member: enums are 32 bits wide, because of their ..._MAX_ENUM. */
#define IS_32_BITS(type) _Static_assert(sizeof(type) == 4, #type " is not 32 bits wide")
IS_32_BITS(AttnStatus);
IS_32_BITS(AttnDtype);
IS_32_BITS(AttnAlign);
IS_32_BITS(AttnScore);
IS_32_BITS(AttnStage);
IS_32_BITS(AttnMhaSources);
IS_32_BITS(AttnRope);
IS_32_BITS(AttnNorm);
IS_32_BITS(AttnMhaWeightsOut);

/* ---- Structs --------------------------------------------------------------------------------------------------------------------- */

/* One row per struct of ATTN_STRUCTS: what a sentence calls it, who makes it, the last member of its first release (MADE: has the mark
 * `made`), and its members in their order. A member that is appended to a struct of the header is appended here; tests/unit/test_structs.c
 * sees a gap. */
#define F(member) {offsetof(TYPE, member), ATTN_STRUCT_UP_TO(TYPE, member)},
#define MADE(last) ATTN_STRUCT_UP_TO(TYPE, last), sizeof(TYPE), _Alignof(TYPE), offsetof(TYPE, made)
#define INFO(last) ATTN_STRUCT_UP_TO(TYPE, last), sizeof(TYPE), _Alignof(TYPE), 0
#define STRUCT(id, name, maker, sizes, ...)                                                                                                \
    static const AttnField id##_fields[] = {__VA_ARGS__};                                                                                  \
    const AttnStruct attn_struct_##id = {name, maker, sizes, id##_fields, sizeof id##_fields / sizeof *id##_fields};

#define TYPE AttnProblem
STRUCT(problem, "problem", "attn_problem()", MADE(bias),
       F(size) F(batch) F(q_heads) F(kv_heads) F(q_len) F(k_len) F(d) F(dv) F(q) F(k) F(v) F(o) F(lse) F(scale) F(mask) F(bias) F(score)
       F(causal) F(align) F(offset) F(window) F(window_left) F(window_right) F(softcap) F(alibi) F(sinks) F(kv_lengths) F(varlen)
       F(past_len) F(k_past) F(v_past) F(scores) F(scores_stage) F(made))
#undef TYPE
#define TYPE AttnTensors
STRUCT(tensors, "tensors", "attn_tensors()", MADE(bias),
       F(size) F(q) F(k) F(v) F(o) F(lse) F(mask) F(bias) F(w) F(offsets) F(kv_lengths) F(alibi_slopes) F(sinks) F(cu_q) F(cu_k) F(k_past)
       F(v_past) F(scores) F(made))
#undef TYPE
#define TYPE AttnOptions
STRUCT(options, "options", "attn_options()", MADE(parallel_context),
       F(size) F(kernel) F(max_isa) F(disable) F(threads) F(parallel_for) F(parallel_context) F(tune) F(made))
#undef TYPE
#define TYPE AttnCpuInfo
STRUCT(cpu_info, "info", "sizeof before the call", INFO(hypervisor),
       F(size) F(arch) F(vendor) F(brand) F(features) F(hypervisor))
#undef TYPE
#define TYPE AttnKernelInfo
STRUCT(kernel_info, "info", "sizeof before the call", INFO(runnable),
       F(size) F(name) F(summary) F(needs) F(runnable))
#undef TYPE
#define TYPE AttnMerge
STRUCT(merge, "merge", "attn_merge_of()", MADE(lse),
       F(size) F(parts) F(batch) F(heads) F(rows) F(dv) F(o_part) F(lse_part) F(o) F(lse) F(made))
#undef TYPE
#define TYPE AttnMhaConfig
STRUCT(mha_config, "config", "attn_mha_config()", MADE(norm_eps),
       F(size) F(embed) F(q_heads) F(kv_heads) F(d) F(dv) F(kdim) F(vdim) F(sources) F(output) F(zero_attn) F(rope) F(rope_dims)
       F(rope_base) F(residual) F(norm) F(norm_eps) F(made))
#undef TYPE
#define TYPE AttnMhaWeights
STRUCT(mha_weights, "weights", "attn_mha_weights()", MADE(norm_bias),
       F(size) F(wq) F(wk) F(wv) F(wo) F(bq) F(bk) F(bv) F(bo) F(bias_k) F(bias_v) F(norm_weight) F(norm_bias) F(made))
#undef TYPE
#define TYPE AttnMhaShape
STRUCT(mha_shape, "shape", "attn_mha_shape()", MADE(v_cache),
       F(size) F(batch) F(q_len) F(k_len) F(xq) F(xk) F(xv) F(y) F(scale) F(causal) F(align) F(offset) F(window) F(window_left)
       F(window_right) F(softcap) F(alibi) F(sinks) F(kv_lengths) F(mask) F(bias) F(key_mask) F(key_mask_batch) F(weights) F(weights_batch)
       F(weights_head) F(weights_row) F(positions) F(q_position) F(k_position) F(capacity) F(k_cache) F(v_cache) F(made))
#undef TYPE
#define TYPE AttnMhaTensors
STRUCT(mha_tensors, "tensors", "attn_mha_tensors()", MADE(past),
       F(size) F(xq) F(xk) F(xv) F(y) F(weights) F(key_mask) F(mask) F(bias) F(offsets) F(kv_lengths) F(alibi_slopes) F(sinks)
       F(q_positions) F(k_positions) F(k_cache) F(v_cache) F(past) F(made))
#undef TYPE

/* ---- Sizes ----------------------------------------------------------------------------------------------------------------------- */

/* Does some header's struct have this size? It ends with a member, or with the padding behind its last one. Of newer headers nothing is
 * known but that they pad too. */
static bool ends_with_a_member(const AttnStruct *kind, size_t size)
{
    if (size >= kind->known)
        return size % kind->alignment == 0 || size == kind->fields[kind->count - 1].end;
    bool ends = false;
    for (size_t i = 0; i < kind->count; i++) {
        const AttnField *field = &kind->fields[i];
        if (size > field->begin && size < field->end)
            return false;
        ends = ends || size == field->end || size == (field->end + kind->alignment - 1) / kind->alignment * kind->alignment;
    }
    return ends;
}

/* Is this a size that a caller's struct may have? The sentence names the limit that it breaks. */
static AttnStatus check_size(const AttnStruct *kind, size_t size)
{
    if (size < kind->smallest)
        return attn_fail(ATTN_ERROR_STRUCT, "%s.size is %zu; allowed: at least %zu bytes, and %zu in this version; %s sets it",
                         kind->name, size, kind->smallest, kind->known, kind->maker);
    if (size > LARGEST_SIZE)
        return attn_fail(ATTN_ERROR_STRUCT, "%s.size is %zu; allowed: at most %zu bytes, and %zu in this version; %s sets it", kind->name,
                         size, LARGEST_SIZE, kind->known, kind->maker);
    if (!ends_with_a_member(kind, size))
        return attn_fail(ATTN_ERROR_STRUCT, "%s.size is %zu, which ends within a field; allowed: sizes that end with one, %zu in this "
                         "version; %s sets it", kind->name, size, kind->known, kind->maker);
    return ATTN_OK;
}

static size_t size_of(const void *caller)
{
    size_t size;
    memcpy(&size, caller, sizeof size);
    return size;
}

/* A struct that is large enough to be marked and is not was never made; an older caller's is smaller. */
static AttnStatus check_made(const AttnStruct *kind, size_t size, const void *from)
{
    uint64_t mark;
    if (kind->made == 0 || size < kind->made + sizeof mark)
        return ATTN_OK;
    memcpy(&mark, (const char *)from + kind->made, sizeof mark);
    if (mark == ATTN_MADE)
        return ATTN_OK;
    return attn_fail(ATTN_ERROR_STRUCT, "%s.made is 0x%" PRIx64 ", so the struct was not initialized; allowed: one made by %s, "
                     "then changed", kind->name, mark, kind->maker);
}

AttnStatus attn_struct_read(const AttnStruct *kind, const void *from, void *to)
{
    const uint64_t mark = ATTN_MADE;
    if (!from)
        return attn_fail(ATTN_ERROR_NULL, "%s is NULL; allowed: one made by %s", kind->name, kind->maker);
    const size_t size = size_of(from), known = kind->known;
    if (check_size(kind, size) != ATTN_OK || check_made(kind, size, from) != ATTN_OK)
        return ATTN_ERROR_STRUCT;
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)from)[i] != 0)
            return attn_fail(ATTN_ERROR_STRUCT,
                             "%s.size is %zu and byte %zu of it is not 0, a field that this library (version %s, %zu bytes) does not know; "
                             "leave it 0 or use a newer library", kind->name, size, i, ATTNZOO_VERSION, known);
    memset(to, 0, known);
    memcpy(to, from, size < known ? size : known);
    memcpy(to, &known, sizeof known); /* the copy is ours, so its size is ours, and it is made */
    if (kind->made > 0)
        memcpy((char *)to + kind->made, &mark, sizeof mark);
    return ATTN_OK;
}

AttnStatus attn_struct_write(const AttnStruct *kind, void *to, const void *from)
{
    return attn_struct_make(kind, to, size_of(to), from);
}

AttnStatus attn_struct_make(const AttnStruct *kind, void *to, size_t size, const void *from)
{
    if (!to)
        return attn_fail(ATTN_ERROR_NULL, "%s is NULL; allowed: the address of %zu bytes", kind->name, kind->known);
    if (check_size(kind, size) != ATTN_OK)
        return ATTN_ERROR_STRUCT;
    memset(to, 0, size);
    memcpy(to, from, size < kind->known ? size : kind->known);
    memcpy(to, &size, sizeof size);
    return ATTN_OK;
}
