/* folder_call.c - a conformance case as a call of the library, and the comparison of what comes out.
 *
 * What the door does so that the interface can express a case: past and new keys are joined, storage types become f32, a mask with too few
 * keys is padded with "hidden", heads inside rows become strides. All else - grouping, broadcasting, causal frontier, dead rows - is the kernel's.
 *
 * Tolerance: the expected outputs are exact mathematics rounded once, so an f32 kernel is held to 2e-6 of the largest expected magnitude, plus
 * half a unit of float16 where that is what they were rounded to. The official bar (1e-3) would let most mistakes of meaning through on
 * these nearly flat softmaxes. */
#include "harness/folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *folder_missing(const Folder *f, char *buffer, size_t size)
{
    static const char *const modes[] = {"raw scores output", "capped scores output", "biased scores output", "weights output"};
    const char *list[8];
    size_t count = 0, used = 0;
    if (f->softcap > 0)
        list[count++] = "soft-cap";
    if (f->left >= 0 || f->right >= 0)
        list[count++] = "sliding window";
    if (f->in[FOLDER_KV_LENGTHS].data)
        list[count++] = "kv lengths";
    if (f->out[FOLDER_SCORES].data)
        list[count++] = modes[f->scores_mode];
    /* softmax in f32 is what the kernels do; it is also better than what f16 would ask for without saying so. */
    if (f->softmax_precision != 0 && f->softmax_precision != 1)
        list[count++] = f->softmax_precision == 11 ? "f64 softmax" : f->softmax_precision == 10 ? "f16 softmax" : "bf16 softmax";
    buffer[0] = '\0';
    for (size_t i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", i ? ", " : "", list[i]);
    return buffer;
}

const char *folder_converted(const Folder *f)
{
    for (size_t i = 0; i <= FOLDER_V; i++)
        if (f->in[i].type != NPY_F4)
            return npy_type_name(f->in[i].type);
    return NULL;
}

/* ---- Binding --------------------------------------------------------------------------------------------------------------------- */

static void set_layout(AttnLayout *layout, bool heads_inside, size_t heads, size_t rows, size_t width)
{
    layout->head = (ptrdiff_t)(heads_inside ? width : rows * width);
    layout->row = (ptrdiff_t)(heads_inside ? heads * width : width);
    layout->batch = (ptrdiff_t)(heads * rows * width);
}

/* New rows behind past rows, [batch, KV head, past + new, width]; takes and frees both parts. */
static float *join(const Folder *f, float *past, float *new, const AttnLayout *layout, size_t width)
{
    const size_t total = f->batch * f->kv_heads * f->total_len * width;
    float *all = past && new ? calloc(total ? total : 1, sizeof *all) : NULL;
    for (size_t b = 0; all && b < f->batch; b++)
        for (size_t g = 0; g < f->kv_heads; g++) {
            const size_t head = b * f->kv_heads + g;
            float *to = all + head * f->total_len * width;
            memcpy(to, past + head * f->past_len * width, f->past_len * width * sizeof *to);
            for (size_t j = 0; j < f->kv_len; j++)
                memcpy(to + (f->past_len + j) * width,
                       new + (ptrdiff_t)b * layout->batch + (ptrdiff_t)g * layout->head + (ptrdiff_t)j * layout->row, width * sizeof *to);
        }
    free(past);
    free(new);
    return all;
}

static float *keys_or_values(const Folder *f, int new_slot, int past_slot, AttnLayout *layout, size_t width, char *error, size_t error_size)
{
    set_layout(layout, f->heads_inside, f->kv_heads, f->kv_len, width);
    float *new = npy_to_f32(&f->in[new_slot], error, error_size);
    if (!f->in[past_slot].data || !new)
        return new;
    float *all = join(f, npy_to_f32(&f->in[past_slot], error, error_size), new, layout, width);
    set_layout(layout, false, f->kv_heads, f->total_len, width);
    return all;
}

/* The mask with its own leading axes (size 1 becomes stride 0) and a full last axis; what it lacks there is hidden. */
static bool bind_mask(const Folder *f, FolderCall *call, char *error, size_t error_size)
{
    const Npy *mask = &f->in[FOLDER_MASK];
    if (!mask->data)
        return true;
    const bool boolean = mask->type == NPY_B1;
    size_t axis[4] = {1, 1, 1, 1};
    for (size_t i = 0; i < mask->rank; i++)
        axis[4 - mask->rank + i] = mask->shape[i];
    const size_t given = axis[3];
    size_t rows, total;
    if (__builtin_mul_overflow(axis[0] * axis[1], axis[2], &rows) || __builtin_mul_overflow(rows, f->total_len, &total)) {
        snprintf(error, error_size, "the padded mask does not fit the address space"); /* a mask of no keys is a small file */
        return false;
    }
    float *values = npy_to_f32(mask, error, error_size);
    if (!values)
        return false;
    if (boolean)
        call->mask = calloc(total ? total : 1, 1);
    else
        call->bias = calloc(total ? total : 1, sizeof *call->bias);
    for (size_t row = 0; row < rows && (call->mask || call->bias); row++)
        for (size_t j = 0; j < f->total_len; j++) {
            const size_t to = row * f->total_len + j;
            if (boolean)
                call->mask[to] = j < given && values[row * given + j] != 0;
            else
                call->bias[to] = j < given ? values[row * given + j] : -INFINITY;
        }
    free(values);
    if (!call->mask && !call->bias) {
        snprintf(error, error_size, "out of memory for the mask");
        return false;
    }
    const ptrdiff_t keys = (ptrdiff_t)f->total_len;
    AttnScoreLayout *layout = boolean ? &call->problem.mask : &call->problem.bias;
    layout->dtype = boolean ? ATTN_BOOL : ATTN_F32;
    layout->col = 1;
    layout->row = axis[2] == 1 ? 0 : keys;
    layout->head = axis[1] == 1 ? 0 : keys * (ptrdiff_t)axis[2];
    layout->batch = axis[0] == 1 ? 0 : keys * (ptrdiff_t)(axis[1] * axis[2]);
    call->tensors.mask = call->mask;
    call->tensors.bias = call->bias;
    return true;
}

bool folder_bind(const Folder *f, FolderCall *call, char *error, size_t error_size)
{
    *call = (FolderCall){0};
    AttnProblem *p = &call->problem;
    *p = attn_problem(f->batch, f->q_heads, f->kv_heads, f->q_len, f->total_len, f->d, f->dv);
    if (f->scaled)
        p->scale = f->scale;
    if (f->causal && f->in[FOLDER_PAST_KEY].data) {
        p->causal = true;
        p->align = ATTN_ALIGN_OFFSET;
        p->offset = (int64_t)f->past_len;
    } else if (f->causal) {
        p->causal = true;
    }
    set_layout(&p->q, f->heads_inside, f->q_heads, f->q_len, f->d);
    set_layout(&p->o, f->heads_inside, f->q_heads, f->q_len, f->dv);
    snprintf(error, error_size, "out of memory");
    call->outputs = f->out[FOLDER_Y].count;
    call->q = npy_to_f32(&f->in[FOLDER_Q], error, error_size);
    call->k = call->q ? keys_or_values(f, FOLDER_K, FOLDER_PAST_KEY, &p->k, f->d, error, error_size) : NULL;
    call->v = call->k ? keys_or_values(f, FOLDER_V, FOLDER_PAST_VALUE, &p->v, f->dv, error, error_size) : NULL;
    call->o = call->v ? malloc((call->outputs ? call->outputs : 1) * sizeof *call->o) : NULL;
    call->tensors = attn_tensors(call->q, call->k, call->v, call->o);
    if (call->o && bind_mask(f, call, error, error_size)) {
        for (size_t i = 0; i < call->outputs; i++)
            call->o[i] = NAN; /* what a kernel forgets to write is seen */
        return true;
    }
    folder_release(call);
    return false;
}

void folder_release(FolderCall *call)
{
    free(call->q);
    free(call->k);
    free(call->v);
    free(call->o);
    free(call->bias);
    free(call->mask);
    *call = (FolderCall){0};
}

/* ---- Judging --------------------------------------------------------------------------------------------------------------------- */

/* "Y[1,2,3]" */
static const char *element(const char *name, const Npy *npy, size_t index, char *buffer, size_t size)
{
    size_t rest = npy->count, used = (size_t)snprintf(buffer, size, "%s[", name);
    for (size_t i = 0; i < npy->rank && used < size; i++) {
        rest /= npy->shape[i];
        used += (size_t)snprintf(buffer + used, size - used, i + 1 < npy->rank ? "%zu," : "%zu]", index / rest % npy->shape[i]);
    }
    return buffer;
}

/* Half the distance between float16 values around x. */
static double half_unit(double x)
{
    int exponent;
    frexp(x, &exponent);
    return ldexp(0.5, x != 0 && exponent > -13 ? exponent - 11 : -24);
}

bool folder_judge(const Folder *f, const FolderCall *call, double *worst, char *why, size_t why_size)
{
    const Npy *y = &f->out[FOLDER_Y];
    double largest = 0;
    *worst = 0;
    for (size_t i = 0; i < y->count; i++)
        if (isfinite(npy_at(y, i)))
            largest = fmax(largest, fabs(npy_at(y, i)));
    for (size_t i = 0; i < y->count; i++) {
        char name[120];
        const double want = npy_at(y, i), have = call->o[i], allowed = 2e-6 * largest + (y->type == NPY_F2 ? half_unit(want) : 0);
        const double off = fabs(have - want);
        if (want == have || (isnan(want) && isnan(have)))
            continue;
        if (!isfinite(want) || !isfinite(have)) {
            *worst = INFINITY;
            snprintf(why, why_size, "%s is %.9g, expected %.9g", element("Y", y, i, name, sizeof name), have, want);
            return false;
        }
        const double share = allowed > 0 ? off / allowed : INFINITY;
        if (share > *worst) {
            *worst = share;
            snprintf(why, why_size, "%s is %.9g, expected %.9g: off by %.2e, allowed %.2e", element("Y", y, i, name, sizeof name), have, want, off,
                     allowed);
        }
    }
    return *worst <= 1;
}

static bool same_rows(const Folder *f, const Npy *expected, const char *name, const float *data, const AttnLayout *layout, size_t width, char *why,
                      size_t why_size)
{
    char where[120];
    for (size_t i = 0; expected->data && i < expected->count; i++) {
        const size_t c = i % width, j = i / width % f->total_len, g = i / width / f->total_len % f->kv_heads;
        const size_t b = i / width / f->total_len / f->kv_heads;
        const float have = data[(ptrdiff_t)b * layout->batch + (ptrdiff_t)g * layout->head + (ptrdiff_t)j * layout->row + (ptrdiff_t)c];
        const float want = (float)npy_at(expected, i);
        if (have != want && !(isnan(have) && isnan(want))) {
            snprintf(why, why_size, "%s is %.9g, expected %.9g", element(name, expected, i, where, sizeof where), (double)have, (double)want);
            return false;
        }
    }
    return true;
}

bool folder_judge_present(const Folder *f, const FolderCall *call, char *why, size_t why_size)
{
    return same_rows(f, &f->out[FOLDER_PRESENT_KEY], "present_key", call->k, &call->problem.k, f->d, why, why_size) &&
           same_rows(f, &f->out[FOLDER_PRESENT_VALUE], "present_value", call->v, &call->problem.v, f->dv, why, why_size);
}
