/* folder.c - reads a conformance case and checks it against the definition of the operator.
 *
 * A case may come from anyone, so each field is checked for type, range and consistency before a kernel sees it, and each error names file
 * and field. Unknown attributes are refused: ignoring one would test something other than what the case asks for. */
#include "harness/base/input.h"
#include "harness/conform/folder.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_META = 1 << 20, MAX_PATH = 4096 };

static const char *const input_names[] = {"Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen"};
static const char *const output_names[] = {"Y", "present_key", "present_value", "qk_matmul_output"};

typedef struct Reader {
    const char *directory;
    Folder *folder;
    int64_t opset;
    char *error;
    size_t error_size;
} Reader;

/* "<directory>/meta.json: …" */
static bool fail(const Reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(const Reader *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int used = snprintf(r->error, r->error_size, "%s/meta.json: ", r->directory);
    if (used >= 0 && (size_t)used < r->error_size)
        vsnprintf(r->error + used, r->error_size - (size_t)used, format, args);
    va_end(args);
    return false;
}

/* ---- Attributes ------------------------------------------------------------------------------------------------------------------ */

enum { IS_CAUSAL, SCALE, SOFTCAP, PRECISION, Q_HEADS, KV_HEADS, SCORES_MODE, LEFT, RIGHT, ATTRIBUTES };
static const struct {
    const char *name;
    bool real;               /* a float; else an integer            */
    double low, high, fallback;
} attributes[ATTRIBUTES] = {
    [IS_CAUSAL] = {"is_causal", false, 0, 1, 0},
    [SCALE] = {"scale", true, 0, 1e30, NAN}, /* the operator takes its square root, so a negative one means nothing */
    [SOFTCAP] = {"softcap", true, 0, 1e30, 0},
    [PRECISION] = {"softmax_precision", false, 1, 16, NAN},
    [Q_HEADS] = {"q_num_heads", false, 1, (double)ATTN_MAX_SIZE, NAN},
    [KV_HEADS] = {"kv_num_heads", false, 1, (double)ATTN_MAX_SIZE, NAN},
    [SCORES_MODE] = {"qk_matmul_output_mode", false, 0, 3, 0},
    [LEFT] = {"left_window_size", false, -1, (double)ATTN_MAX_SIZE, -1},
    [RIGHT] = {"right_window_size", false, -1, (double)ATTN_MAX_SIZE, -1},
};

/* Fills value[]; NAN where an attribute without default is absent. */
static bool read_attributes(const Reader *r, const json_t *object, const char *field, bool nulls, double value[ATTRIBUTES])
{
    const char *key;
    json_t *item;
    for (size_t i = 0; i < ATTRIBUTES; i++)
        value[i] = attributes[i].fallback;
    if (!json_is_object(object))
        return fail(r, "'%s' is missing or no object", field);
    json_object_foreach((json_t *)object, key, item) {
        size_t i = 0;
        while (i < ATTRIBUTES && strcmp(key, attributes[i].name) != 0)
            i++;
        if (i == ATTRIBUTES)
            return fail(r, "%s: unknown attribute '%.60s'", field, key);
        if (nulls && json_is_null(item))
            continue;
        if (!json_is_integer(item) && !(attributes[i].real && json_is_real(item)))
            return fail(r, "%s.%s is no %s", field, key, attributes[i].real ? "number" : "whole number");
        value[i] = json_number_value(item);
        if (!(value[i] >= attributes[i].low && value[i] <= attributes[i].high))
            return fail(r, "%s.%s is %.12g; allowed: %.12g to %.12g", field, key, value[i], attributes[i].low, attributes[i].high);
    }
    const double precision = value[PRECISION];
    if (!isnan(precision) && precision != 1 && precision != 10 && precision != 11 && precision != 16)
        return fail(r, "%s.softmax_precision is %.12g; allowed: 1 (f32), 10 (f16), 11 (f64), 16 (bf16)", field, precision);
    if (r->opset < 25 && (value[LEFT] >= 0 || value[RIGHT] >= 0))
        return fail(r, "%s: windows came with opset 25, but opset is %lld", field, (long long)r->opset);
    return true;
}

/* "is 4", or that there is no value: what is absent and has no default is NaN here. */
static const char *value_text(double value, const char *verb, const char *none, char *text, size_t size)
{
    if (isnan(value))
        snprintf(text, size, "%s", none);
    else
        snprintf(text, size, "%s %.12g", verb, value);
    return text;
}

static bool set_attributes(const Reader *r, const json_t *root, double value[ATTRIBUTES])
{
    double effective[ATTRIBUTES];
    const json_t *others = json_object_get(root, "effective_attributes");
    if (!read_attributes(r, json_object_get(root, "attributes"), "attributes", false, value))
        return false;
    if (others) {
        if (!read_attributes(r, others, "effective_attributes", true, effective))
            return false;
        for (size_t i = 0; i < ATTRIBUTES; i++)
            if (effective[i] != value[i] && !(isnan(effective[i]) && isnan(value[i]))) {
                const json_t *given = json_object_get(others, attributes[i].name);
                char has[40], made[40];
                return fail(r, "effective_attributes.%s %s, but attributes %s", attributes[i].name,
                            !given                 ? "is missing"
                            : json_is_null(given) ? "is null"
                                                   : value_text(effective[i], "is", "is null", has, sizeof has),
                            value_text(value[i], "make it", "have none", made, sizeof made));
            }
    }
    Folder *f = r->folder;
    f->causal = value[IS_CAUSAL] != 0;
    f->scaled = !isnan(value[SCALE]);
    f->scale = f->scaled ? value[SCALE] : 0;
    f->softcap = value[SOFTCAP];
    f->softmax_precision = isnan(value[PRECISION]) ? 0 : (int)value[PRECISION];
    f->scores_mode = (int)value[SCORES_MODE];
    f->left = (int64_t)value[LEFT];
    f->right = (int64_t)value[RIGHT];
    return true;
}

/* ---- Tensors --------------------------------------------------------------------------------------------------------------------- */

static bool same_shape(const Npy *npy, const json_t *shape)
{
    if (!json_is_array(shape) || json_array_size(shape) != npy->rank)
        return false;
    for (size_t i = 0; i < npy->rank; i++) {
        const json_t *size = json_array_get(shape, i);
        if (!json_is_integer(size) || json_integer_value(size) < 0 || (uint64_t)json_integer_value(size) != npy->shape[i])
            return false;
    }
    return true;
}

static bool read_tensor(const Reader *r, const json_t *entry, const char *list, size_t slot, const char *name, Npy *npy)
{
    char path[MAX_PATH];
    const json_t *file = json_object_get(entry, "file"), *dtype = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape");
    const json_t *number = json_object_get(entry, "slot");
    if (json_is_null(entry))
        return true;
    if (!json_is_object(entry))
        return fail(r, "%s[%zu] (%s) is neither an object nor null", list, slot, name);
    if (number && (!json_is_integer(number) || json_integer_value(number) != (json_int_t)slot))
        return fail(r, "%s[%zu].slot (%s) does not say %zu", list, slot, name, slot);
    if (json_is_null(file))
        return true;
    if (!json_is_string(file))
        return fail(r, "%s[%zu].file (%s) is missing or no text", list, slot, name);
    const char *text = json_string_value(file);
    if (!*text || strchr(text, '/') || strlen(text) != json_string_length(file))
        return fail(r, "%s[%zu].file (%s) is '%.60s'; allowed: the name of a file in this folder", list, slot, name, text);
    if (!json_is_string(dtype))
        return fail(r, "%s[%zu].dtype (%s) is missing or no text", list, slot, name);
    if (snprintf(path, sizeof path, "%s/%s", r->directory, text) >= (int)sizeof path)
        return fail(r, "%s[%zu].file (%s): the path is too long", list, slot, name);
    static const char *const known[] = {"float16", "float32", "float64", "int64", "bool"};
    const char *type = json_string_value(dtype);
    size_t i = 0;
    while (i < 5 && strcmp(type, known[i]) != 0)
        i++;
    if (i == 5)
        return fail(r, "%s[%zu].dtype (%s) is '%.60s'; allowed: float16, float32, float64, int64, bool", list, slot, name, type);
    if (!npy_read(path, npy, r->error, r->error_size))
        return false;
    if (strcmp(type, npy_type_name(npy->type)) != 0)
        return fail(r, "%s[%zu].dtype (%s) is %s, but %s holds %s", list, slot, name, type, text, npy_type_name(npy->type));
    if (!same_shape(npy, shape))
        return fail(r, "%s[%zu].shape (%s) is not the shape that %s holds", list, slot, name, text);
    return true;
}

static bool read_tensors(const Reader *r, const json_t *root, const char *list, const char *const *names, size_t count, Npy *npy)
{
    const json_t *array = json_object_get(root, list);
    if (!json_is_array(array) || json_array_size(array) != count)
        return fail(r, "'%s' is missing or no array of %zu", list, count);
    for (size_t i = 0; i < count; i++)
        if (!read_tensor(r, json_array_get(array, i), list, i, names[i], &npy[i]))
            return false;
    return true;
}

/* ---- Agreement ------------------------------------------------------------------------------------------------------------------- */

static bool expect(const Reader *r, const char *name, const Npy *npy, size_t rank, const size_t *shape)
{
    char want[200] = "", have[200] = "";
    bool same = npy->rank == rank;
    for (size_t i = 0, used = 0; i < rank; i++) {
        same = same && npy->shape[i] == shape[i];
        used += (size_t)snprintf(want + used, sizeof want - used, "%s%zu", i ? "," : "", shape[i]);
    }
    for (size_t i = 0, used = 0; i < npy->rank; i++)
        used += (size_t)snprintf(have + used, sizeof have - used, "%s%zu", i ? "," : "", npy->shape[i]);
    return same || fail(r, "%s has shape [%s]; the other tensors and attributes make it [%s]", name, have, want);
}

static bool is_float(const Npy *npy)
{
    return npy->type == NPY_F2 || npy->type == NPY_F4 || npy->type == NPY_F8;
}

/* Sizes from Q, K, V, past and the head attributes. */
static bool set_sizes(const Reader *r, const double value[ATTRIBUTES])
{
    Folder *f = r->folder;
    const Npy *q = &f->in[FOLDER_Q], *k = &f->in[FOLDER_K], *v = &f->in[FOLDER_V], *past = &f->in[FOLDER_PAST_KEY];
    const bool q_heads = !isnan(value[Q_HEADS]), kv_heads = !isnan(value[KV_HEADS]);
    if (!q->data || !k->data || !v->data || !f->out[FOLDER_Y].data)
        return fail(r, "Q, K, V and Y are required, but %s is absent", !q->data ? "Q" : !k->data ? "K" : !v->data ? "V" : "Y");
    if ((q->rank != 3 && q->rank != 4) || k->rank != q->rank || v->rank != q->rank)
        return fail(r, "Q, K and V have ranks %zu, %zu and %zu; allowed: all 3 or all 4", q->rank, k->rank, v->rank);
    f->heads_inside = q->rank == 3;
    if (f->heads_inside ? !q_heads || !kv_heads : q_heads || kv_heads)
        return fail(r, "attributes q_num_heads and kv_num_heads are %s with inputs of rank %zu", f->heads_inside ? "required" : "not allowed", q->rank);
    f->batch = q->shape[0];
    if (f->heads_inside) {
        f->q_heads = (size_t)value[Q_HEADS];
        f->kv_heads = (size_t)value[KV_HEADS];
        f->q_len = q->shape[1];
        f->kv_len = k->shape[1];
        if (q->shape[2] % f->q_heads != 0 || k->shape[2] % f->kv_heads != 0 || v->shape[2] % f->kv_heads != 0)
            return fail(r, "the last axes of Q, K, V are %zu, %zu, %zu; they must be multiples of q_num_heads %zu and kv_num_heads %zu", q->shape[2],
                        k->shape[2], v->shape[2], f->q_heads, f->kv_heads);
        f->d = q->shape[2] / f->q_heads;
        f->dv = v->shape[2] / f->kv_heads;
    } else {
        f->q_heads = q->shape[1];
        f->kv_heads = k->shape[1];
        f->q_len = q->shape[2];
        f->kv_len = k->shape[2];
        f->d = q->shape[3];
        f->dv = v->shape[3];
    }
    if (past->data && past->rank != 4)
        return fail(r, "past_key has rank %zu; allowed: 4", past->rank);
    f->past_len = past->data ? past->shape[2] : 0;
    f->total_len = f->past_len + f->kv_len;
    const size_t sizes[] = {f->batch, f->q_heads, f->q_len, f->total_len, f->d, f->dv};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] > ATTN_MAX_SIZE)
            return fail(r, "a size is %zu; allowed: up to %zu", sizes[i], ATTN_MAX_SIZE);
    if (f->d == 0 || f->dv == 0 || f->q_heads == 0 || f->kv_heads == 0 || f->q_heads % f->kv_heads != 0)
        return fail(r, "%zu query heads, %zu KV heads, widths %zu and %zu; allowed: all at least 1, query heads a multiple of KV heads", f->q_heads,
                    f->kv_heads, f->d, f->dv);
    return true;
}

static bool check_shapes(const Reader *r)
{
    const Folder *f = r->folder;
    const size_t b = f->batch, hq = f->q_heads, hkv = f->kv_heads;
    const size_t q4[] = {b, hq, f->q_len, f->d}, k4[] = {b, hkv, f->kv_len, f->d}, v4[] = {b, hkv, f->kv_len, f->dv}, y4[] = {b, hq, f->q_len, f->dv};
    const size_t q3[] = {b, f->q_len, hq * f->d}, k3[] = {b, f->kv_len, hkv * f->d}, v3[] = {b, f->kv_len, hkv * f->dv};
    const size_t y3[] = {b, f->q_len, hq * f->dv}, rank = f->heads_inside ? 3 : 4;
    const size_t past_k[] = {b, hkv, f->past_len, f->d}, past_v[] = {b, hkv, f->past_len, f->dv};
    const size_t present_k[] = {b, hkv, f->total_len, f->d}, present_v[] = {b, hkv, f->total_len, f->dv}, scores[] = {b, hq, f->q_len, f->total_len};
    const Npy *in = f->in, *out = f->out;
    return expect(r, "Q", &in[FOLDER_Q], rank, rank == 3 ? q3 : q4) && expect(r, "K", &in[FOLDER_K], rank, rank == 3 ? k3 : k4) &&
           expect(r, "V", &in[FOLDER_V], rank, rank == 3 ? v3 : v4) && expect(r, "Y", &out[FOLDER_Y], rank, rank == 3 ? y3 : y4) &&
           (!in[FOLDER_PAST_KEY].data || expect(r, "past_key", &in[FOLDER_PAST_KEY], 4, past_k)) &&
           (!in[FOLDER_PAST_VALUE].data || expect(r, "past_value", &in[FOLDER_PAST_VALUE], 4, past_v)) &&
           (!in[FOLDER_KV_LENGTHS].data || expect(r, "nonpad_kv_seqlen", &in[FOLDER_KV_LENGTHS], 1, &f->batch)) &&
           (!out[FOLDER_PRESENT_KEY].data || expect(r, "present_key", &out[FOLDER_PRESENT_KEY], 4, present_k)) &&
           (!out[FOLDER_PRESENT_VALUE].data || expect(r, "present_value", &out[FOLDER_PRESENT_VALUE], 4, present_v)) &&
           (!out[FOLDER_SCORES].data || expect(r, "qk_matmul_output", &out[FOLDER_SCORES], 4, scores));
}

/* The mask is aligned to the right of [batch, query heads, query rows, keys]; axes of size 1 repeat, but a short last axis is padded. */
static bool check_mask(const Reader *r)
{
    const Folder *f = r->folder;
    const Npy *mask = &f->in[FOLDER_MASK];
    const size_t full[] = {f->batch, f->q_heads, f->q_len, f->total_len};
    static const char *const axes[] = {"batch", "query heads", "query rows", "keys"};
    if (!mask->data)
        return true;
    if (mask->rank < 1 || mask->rank > 4)
        return fail(r, "attn_mask has rank %zu; allowed: 1 to 4", mask->rank);
    for (size_t i = 0; i < mask->rank; i++) {
        const size_t axis = 4 - mask->rank + i, size = mask->shape[i];
        if (axis == 3 ? size > full[3] : size != 1 && size != full[axis])
            return fail(r, "attn_mask has %zu %s; allowed: %s%zu", size, axes[axis], axis == 3 ? "up to " : "1 or ", full[axis]);
    }
    return true;
}

static bool check_types(const Reader *r)
{
    const Npy *in = r->folder->in, *out = r->folder->out;
    static const struct { int input, like; } inputs[] = {{FOLDER_K, FOLDER_Q}, {FOLDER_PAST_KEY, FOLDER_Q}, {FOLDER_PAST_VALUE, FOLDER_V}};
    static const struct { int output, like; } outputs[] = {
        {FOLDER_Y, FOLDER_Q}, {FOLDER_PRESENT_KEY, FOLDER_Q}, {FOLDER_PRESENT_VALUE, FOLDER_V}, {FOLDER_SCORES, FOLDER_Q}};
    if (!is_float(&in[FOLDER_Q]) || !is_float(&in[FOLDER_V]))
        return fail(r, "Q is %s and V is %s; allowed: float16, float32, float64", npy_type_name(in[FOLDER_Q].type), npy_type_name(in[FOLDER_V].type));
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (in[inputs[i].input].data && in[inputs[i].input].type != in[inputs[i].like].type)
            return fail(r, "%s is %s, but %s is %s; they share one type", input_names[inputs[i].input], npy_type_name(in[inputs[i].input].type),
                        input_names[inputs[i].like], npy_type_name(in[inputs[i].like].type));
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        if (out[outputs[i].output].data && out[outputs[i].output].type != in[outputs[i].like].type)
            return fail(r, "%s is %s, but %s is %s; they share one type", output_names[outputs[i].output],
                        npy_type_name(out[outputs[i].output].type), input_names[outputs[i].like], npy_type_name(in[outputs[i].like].type));
    if (in[FOLDER_KV_LENGTHS].data && in[FOLDER_KV_LENGTHS].type != NPY_I8)
        return fail(r, "nonpad_kv_seqlen is %s; allowed: int64", npy_type_name(in[FOLDER_KV_LENGTHS].type));
    return true;
}

static bool check_presence(const Reader *r)
{
    const Npy *in = r->folder->in, *out = r->folder->out;
    if (!in[FOLDER_PAST_KEY].data != !in[FOLDER_PAST_VALUE].data || !out[FOLDER_PRESENT_KEY].data != !out[FOLDER_PRESENT_VALUE].data)
        return fail(r, "past_key and past_value come together, and so do present_key and present_value");
    if (in[FOLDER_KV_LENGTHS].data && (in[FOLDER_PAST_KEY].data || out[FOLDER_PRESENT_KEY].data || r->opset < 24))
        return fail(r, "nonpad_kv_seqlen needs opset 24 and cannot be combined with past and present");
    for (size_t b = 0; in[FOLDER_KV_LENGTHS].data && b < in[FOLDER_KV_LENGTHS].count; b++) {
        const double length = npy_at(&in[FOLDER_KV_LENGTHS], b);
        if (!(length >= 0 && length <= (double)(ATTN_MAX_SIZE / 2))) /* the offset length - Sq must stay in range */
            return fail(r, "nonpad_kv_seqlen[%zu] is %.0f; allowed: 0 to %zu", b, length, ATTN_MAX_SIZE / 2);
    }
    return true;
}

/* The sizes that the case spells out must be those of its tensors. */
static bool check_dims(const Reader *r, const json_t *dims)
{
    const Folder *f = r->folder;
    const struct { const char *name; size_t size; } known[] = {
        {"batch", f->batch}, {"q_heads", f->q_heads}, {"kv_heads", f->kv_heads}, {"q_len", f->q_len}, {"kv_len", f->kv_len},
        {"past_len", f->past_len}, {"total_len", f->total_len}, {"head_size", f->d}, {"v_head_size", f->dv}};
    const char *key;
    json_t *item;
    if (!dims)
        return true;
    if (!json_is_object(dims))
        return fail(r, "'dims' is no object");
    json_object_foreach((json_t *)dims, key, item) {
        if (strcmp(key, "layout") == 0) {
            const char *layout = f->heads_inside ? "3D" : "4D";
            if (!json_is_string(item) || strcmp(json_string_value(item), layout) != 0)
                return fail(r, "dims.layout is not \"%s\", which Q has", layout);
            continue;
        }
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(key, known[i].name) != 0)
            i++;
        if (i == sizeof known / sizeof *known)
            return fail(r, "dims: unknown size '%.60s'", key);
        if (!json_is_integer(item) || json_integer_value(item) < 0 || (uint64_t)json_integer_value(item) != known[i].size)
            return fail(r, "dims.%s is not %zu, which the tensors have", key, known[i].size);
    }
    return true;
}

/* ---- The whole ------------------------------------------------------------------------------------------------------------------- */

static bool read_root(Reader *r, const json_t *root)
{
    double value[ATTRIBUTES];
    const json_t *op = json_object_get(root, "op"), *opset = json_object_get(root, "opset");
    if (!json_is_object(root))
        return fail(r, "not an object");
    if (!json_is_string(op) || strcmp(json_string_value(op), "Attention") != 0)
        return fail(r, "'op' is not \"Attention\"");
    r->opset = json_is_integer(opset) ? json_integer_value(opset) : 0;
    if (r->opset < 23 || r->opset > 25)
        return fail(r, "'opset' is missing or not 23, 24 or 25");
    return set_attributes(r, root, value) && read_tensors(r, root, "inputs", input_names, FOLDER_INPUTS, r->folder->in) &&
           read_tensors(r, root, "outputs", output_names, FOLDER_OUTPUTS, r->folder->out) && set_sizes(r, value) && check_shapes(r) &&
           check_mask(r) && check_types(r) && check_presence(r) && check_dims(r, json_object_get(root, "dims"));
}

bool folder_read(const char *directory, Folder *folder, char *error, size_t error_size)
{
    Reader reader = {.directory = directory, .folder = folder, .error = error, .error_size = error_size};
    char path[MAX_PATH];
    *folder = (Folder){0};
    if (snprintf(path, sizeof path, "%s/meta.json", directory) >= (int)sizeof path)
        return fail(&reader, "the path is too long");
    json_t *root = input_json(path, MAX_META, error, error_size);
    if (!root)
        return false;
    const bool ok = read_root(&reader, root);
    json_decref(root);
    if (!ok) {
        folder_free(folder);
        return false;
    }
    size_t length = strlen(directory);
    while (length > 1 && directory[length - 1] == '/')
        length--;
    size_t start = length;
    while (start > 0 && directory[start - 1] != '/')
        start--;
    snprintf(folder->name, sizeof folder->name, "%.*s", (int)(length - start), directory + start);
    return true;
}

void folder_free(Folder *folder)
{
    for (size_t i = 0; i < FOLDER_INPUTS; i++)
        npy_free(&folder->in[i]);
    for (size_t i = 0; i < FOLDER_OUTPUTS; i++)
        npy_free(&folder->out[i]);
    *folder = (Folder){0};
}
