/* bind.c - a conformance case as a call of the library, and the comparison of what comes out.
 *
 * Adjustments so that the interface can express a case: storage types become f32, a mask with too few keys is padded with "hidden", heads
 * inside rows become strides, lengths beyond the keys are cut (their offsets are not). Everything else - grouping, broadcasting, frontier,
 * windows, past and new keys, dead rows - is left to the kernel.
 *
 * Tolerance: the expected outputs are exact mathematics rounded once, so an f32 kernel is held to 2e-6 of the largest expected magnitude,
 * plus half a unit of float16 where that is what they were rounded to. The official tolerance (1e-3) would let most semantic mistakes pass
 * on these nearly flat softmaxes. A sharp row is allowed more, because f32 cannot do better: its scores are rounded by about u * sum |q_c
 * k_c|, and an error added to a score multiplies its weight. */
#include "harness/conform/folder.h"
#include "kernels/kernel.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define FLAT_PART 2e-6          /* of the largest magnitude                                              */
#define SCORE_PART (4 * 0x1p-24) /* of that and of a row's largest scale * sum |q_c k_c|: a few roundings */

const char *folder_converted(const Folder *f, char *buffer, size_t size)
{
    const int precision = f->softmax_precision;
    const char *type = NULL, *softmax = precision == 11 ? "f64" : precision == 10 ? "f16" : precision == 16 ? "bf16" : NULL;
    for (size_t i = 0; i <= FOLDER_V && !type; i++)
        if (f->in[i].type != NPY_F4)
            type = npy_type_name(f->in[i].type);
    snprintf(buffer, size, "%s%s%s%s%s", type ? type : "", type ? " by conversion" : "", type && softmax ? ", " : "", softmax ? softmax : "",
             softmax ? " softmax done in f32" : "");
    return buffer;
}

/* ---- Binding --------------------------------------------------------------------------------------------------------------------- */

static void set_layout(AttnLayout *layout, bool heads_inside, size_t heads, size_t rows, size_t width)
{
    layout->head = (ptrdiff_t)(heads_inside ? width : rows * width);
    layout->row = (ptrdiff_t)(heads_inside ? heads * width : width);
    layout->batch = (ptrdiff_t)(heads * rows * width);
}

/* The mask with its own leading axes (size 1 becomes stride 0) and a full last axis; missing keys are hidden. */
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
        snprintf(error, error_size, "the padded mask does not fit the address space"); /* a mask without keys is a small file */
        return false;
    }
    if (boolean)
        call->mask = calloc(total ? total : 1, 1);
    else
        call->bias = calloc(total ? total : 1, sizeof *call->bias);
    for (size_t row = 0; row < rows && (call->mask || call->bias); row++)
        for (size_t j = 0; j < f->total_len; j++) {
            const size_t to = row * f->total_len + j;
            const double value = j < given ? npy_at(mask, row * given + j) : boolean ? 0 : -INFINITY;
            if (boolean)
                call->mask[to] = value != 0;
            else /* large finite mask values of f64 effectively hide in f32 too, but stay finite */
                call->bias[to] = isfinite(value) ? (float)fmin(fmax(value, -FLT_MAX), FLT_MAX) : (float)value;
        }
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

/* nonpad_kv_seqlen: lengths, and the position of row 0. A length beyond the keys hides nothing, but still moves the rows. */
static bool bind_lengths(const Folder *f, FolderCall *call)
{
    const Npy *lengths = &f->in[FOLDER_KV_LENGTHS];
    AttnProblem *p = &call->problem;
    if (!lengths->data)
        return true;
    call->lengths = malloc((2 * f->batch + 1) * sizeof *call->lengths);
    int64_t *offsets = call->lengths ? call->lengths + f->batch : NULL;
    bool beyond = false;
    for (size_t b = 0; call->lengths && b < f->batch; b++) {
        const int64_t length = (int64_t)npy_at(lengths, b), total = (int64_t)f->total_len;
        beyond = beyond || length > total;
        call->lengths[b] = length < total ? length : total;
        offsets[b] = length - (int64_t)f->q_len;
    }
    p->kv_lengths = true;
    call->tensors.kv_lengths = call->lengths;
    p->align = beyond ? ATTN_ALIGN_OFFSETS : ATTN_ALIGN_BOTTOM_RIGHT;
    call->tensors.offsets = beyond ? offsets : NULL;
    return call->lengths != NULL;
}

static void bind_options(const Folder *f, AttnProblem *p)
{
    if (f->scaled)
        p->scale = f->scale;
    p->softcap = f->softcap;
    p->causal = f->causal;
    p->window = f->left >= 0 || f->right >= 0;
    p->window_left = p->window ? f->left : 0;
    p->window_right = p->window ? f->right : 0;
    if (f->in[FOLDER_PAST_KEY].data) {
        p->align = ATTN_ALIGN_OFFSET;
        p->offset = (int64_t)f->past_len;
    }
    set_layout(&p->q, f->heads_inside, f->q_heads, f->q_len, f->d);
    set_layout(&p->o, f->heads_inside, f->q_heads, f->q_len, f->dv);
    set_layout(&p->k, f->heads_inside, f->kv_heads, f->kv_len, f->d);
    set_layout(&p->v, f->heads_inside, f->kv_heads, f->kv_len, f->dv);
    p->past_len = f->past_len;
    if (f->past_len > 0) {
        p->k_past.dtype = p->v_past.dtype = ATTN_F32;
        set_layout(&p->k_past, false, f->kv_heads, f->past_len, f->d);
        set_layout(&p->v_past, false, f->kv_heads, f->past_len, f->dv);
    }
    if (f->out[FOLDER_SCORES].data) {
        const size_t rows = f->q_len * f->total_len;
        p->scores = (AttnScoreLayout){ATTN_F32, (ptrdiff_t)(f->q_heads * rows), (ptrdiff_t)rows, (ptrdiff_t)f->total_len, 1};
        p->scores_stage = (AttnStage)f->scores_mode;
    }
}

/* Does row i see key j? Structure, mask, bias. */
static bool sees(const FolderCall *call, AttnKeys keys, size_t b, size_t h, size_t i, size_t j)
{
    const AttnProblem *p = &call->problem;
    return j >= keys.lo && j < keys.hi && (!call->mask || call->mask[attn_score_at(&p->mask, b, h, i, j)]) &&
           (!call->bias || call->bias[attn_score_at(&p->bias, b, h, i, j)] > -INFINITY);
}

/* The largest |scale| * sum |q_c k_c| that each row sees; raw and capped scores are shown of hidden keys too, so there of all keys. */
static bool measure_rows(const Folder *f, FolderCall *call)
{
    const AttnProblem *p = &call->problem;
    const AttnArgs args = {.p = p, .t = &call->tensors, .group = f->q_heads / f->kv_heads};
    const bool all = f->out[FOLDER_SCORES].data && f->scores_mode <= (int)ATTN_STAGE_CAPPED;
    const size_t rows = f->batch * f->q_heads * f->q_len;
    call->sharpness = calloc(rows ? rows : 1, sizeof *call->sharpness);
    for (size_t r = 0; call->sharpness && r < rows; r++) {
        const size_t b = r / f->q_len / f->q_heads, h = r / f->q_len % f->q_heads, i = r % f->q_len;
        const AttnSequence s = attn_sequence(&args, b);
        const AttnKeys keys = attn_visible_keys(&args, &s, i);
        const float *q = attn_q_row(&args, &s, h, i);
        for (size_t j = 0; j < f->total_len; j++) {
            if (!all && !sees(call, keys, b, h, i, j))
                continue;
            const float *k = attn_k_row(&args, &s, h / args.group, j);
            double sum = 0;
            for (size_t c = 0; c < f->d; c++)
                sum += fabs((double)q[c] * (double)k[c]);
            call->sharpness[r] = fmax(call->sharpness[r], fabs(p->scale) * sum);
        }
    }
    return call->sharpness != NULL;
}

bool folder_bind(const Folder *f, FolderCall *call, char *error, size_t error_size)
{
    *call = (FolderCall){0};
    call->problem = attn_problem(f->batch, f->q_heads, f->kv_heads, f->q_len, f->total_len, f->d, f->dv);
    bind_options(f, &call->problem);
    snprintf(error, error_size, "out of memory");
    const bool past = f->past_len > 0, scores = f->out[FOLDER_SCORES].data != NULL;
    call->outputs = f->out[FOLDER_Y].count;
    call->scores_count = scores ? f->out[FOLDER_SCORES].count : 0;
    call->q = npy_to_f32(&f->in[FOLDER_Q], error, error_size);
    call->k = call->q ? npy_to_f32(&f->in[FOLDER_K], error, error_size) : NULL;
    call->v = call->k ? npy_to_f32(&f->in[FOLDER_V], error, error_size) : NULL;
    call->k_past = call->v && past ? npy_to_f32(&f->in[FOLDER_PAST_KEY], error, error_size) : NULL;
    call->v_past = call->k_past ? npy_to_f32(&f->in[FOLDER_PAST_VALUE], error, error_size) : NULL;
    call->o = call->v && (call->v_past || !past) ? malloc((call->outputs ? call->outputs : 1) * sizeof *call->o) : NULL;
    call->scores = call->o && scores ? malloc((call->scores_count ? call->scores_count : 1) * sizeof *call->scores) : NULL;
    call->tensors = attn_tensors(call->q, call->k, call->v, call->o);
    call->tensors.k_past = call->k_past;
    call->tensors.v_past = call->v_past;
    call->tensors.scores = call->scores;
    bool ok = call->o && (call->scores || !scores) && bind_lengths(f, call) && bind_mask(f, call, error, error_size);
    if (ok && attn_problem_check(&call->problem) != ATTN_OK) {
        snprintf(error, error_size, "%s", attn_last_error());
        ok = false;
    }
    if (ok && measure_rows(f, call)) {
        folder_poison(call);
        return true;
    }
    folder_release(call);
    return false;
}

void folder_poison(FolderCall *call)
{
    for (size_t i = 0; i < call->outputs; i++)
        call->o[i] = NAN;
    for (size_t i = 0; i < call->scores_count; i++)
        call->scores[i] = NAN;
}

void folder_release(FolderCall *call)
{
    float *const floats[] = {call->q, call->k, call->v, call->k_past, call->v_past, call->o, call->scores, call->bias};
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        free(floats[i]);
    free(call->mask);
    free(call->lengths);
    free(call->sharpness);
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

/* Number [b,h,i] of the row that an element of Y or of the scores belongs to. */
static size_t row_of(const Folder *f, const Npy *npy, size_t index)
{
    if (npy->rank == 4)
        return index / npy->shape[3];
    const size_t h = index / f->dv % f->q_heads, row = index / f->dv / f->q_heads; /* Y [batch, row, head, column] */
    return (row / f->q_len * f->q_heads + h) * f->q_len + row % f->q_len;
}

/* One output; a larger error than *worst becomes *worst, and why[] names it. false: beyond what is allowed. */
static bool judge(const Folder *f, const FolderCall *call, const Npy *expected, const char *name, const float *data, double *worst,
                  char *why, size_t why_size)
{
    double largest = 0;
    for (size_t i = 0; i < expected->count; i++)
        if (isfinite(npy_at(expected, i)))
            largest = fmax(largest, fabs(npy_at(expected, i)));
    for (size_t i = 0; i < expected->count; i++) {
        char where[120];
        const double want = npy_at(expected, i), have = data[i], off = fabs(have - want);
        if (want == have || (isnan(want) && isnan(have)))
            continue;
        if (!isfinite(want) || !isfinite(have)) {
            *worst = INFINITY;
            snprintf(why, why_size, "%s is %.9g, expected %.9g", element(name, expected, i, where, sizeof where), have, want);
            return false;
        }
        const double allowed = (FLAT_PART + SCORE_PART * call->sharpness[row_of(f, expected, i)]) * largest +
                               (expected->type == NPY_F2 ? half_unit(want) : 0);
        const double share = allowed > 0 ? off / allowed : INFINITY;
        if (share > *worst) {
            *worst = share;
            snprintf(why, why_size, "%s is %.9g, expected %.9g: off by %.2e, allowed %.2e",
                     element(name, expected, i, where, sizeof where), have, want, off, allowed);
        }
    }
    return *worst <= 1;
}

bool folder_judge(const Folder *f, const FolderCall *call, double *worst, char *why, size_t why_size)
{
    *worst = 0;
    return judge(f, call, &f->out[FOLDER_Y], "Y", call->o, worst, why, why_size) &&
           (!call->scores || judge(f, call, &f->out[FOLDER_SCORES], "qk_matmul_output", call->scores, worst, why, why_size));
}

/* present_key or present_value against the two segments that the kernel was given. */
static bool same_rows(const Folder *f, const FolderCall *call, bool values, char *why, size_t why_size)
{
    const Npy *expected = &f->out[values ? FOLDER_PRESENT_VALUE : FOLDER_PRESENT_KEY];
    const AttnProblem *p = &call->problem;
    const size_t width = values ? f->dv : f->d;
    char where[120];
    for (size_t i = 0; expected->data && i < expected->count; i++) {
        const size_t c = i % width, j = i / width % f->total_len, g = i / width / f->total_len % f->kv_heads;
        const AttnSequence s = {.b = i / width / f->total_len / f->kv_heads};
        const float *row = values ? attn_kv_row(&p->v_past, call->v_past, &p->v, call->v, p->past_len, &s, g, j)
                                  : attn_kv_row(&p->k_past, call->k_past, &p->k, call->k, p->past_len, &s, g, j);
        const float have = row[c], want = (float)npy_at(expected, i);
        if (have != want && !(isnan(have) && isnan(want))) {
            snprintf(why, why_size, "%s is %.9g, expected %.9g",
                     element(values ? "present_value" : "present_key", expected, i, where, sizeof where), (double)have, (double)want);
            return false;
        }
    }
    return true;
}

bool folder_judge_present(const Folder *f, const FolderCall *call, char *why, size_t why_size)
{
    return same_rows(f, call, false, why, why_size) && same_rows(f, call, true, why, why_size);
}
