/* problem.c - is a problem well formed, and do the pointers of a run fit it?
 *
 * Whatever passes here can be computed: sizes are in range, every element has an address, no two results share a place, and no output
 * touches another tensor. Kernels rely on all of it and check none of it. What passes may still find no kernel (dispatch/choose.c). */
#include "dispatch/problem.h"
#include "dispatch/overlap.h"
#include "dispatch/structs.h"

#include <inttypes.h>

/* The largest |scale|: 2^126, so that scale and scale * log2(e) are finite in f32, in which most kernels hold them. */
#define MOST_SCALE 0x1p126

/* One tensor of a problem as numbers: [batch, head, row, column], a column stride of 1 except over scores. */
typedef struct View {
    const char *name;
    const char *letters; /* its axes, for sentences */
    AttnDtype dtype;
    size_t count[4];
    ptrdiff_t stride[4];
} View;

enum { Q, K, V, O, LSE, MASK, BIAS, VIEWS };

static size_t dtype_bytes(AttnDtype dtype)
{
    switch (dtype) {
    case ATTN_F32: return 4;
    case ATTN_F64: return 8;
    case ATTN_F16:
    case ATTN_BF16: return 2;
    case ATTN_BOOL: return 1;
    case ATTN_NONE: break;
    }
    return 0;
}

static View layout_view(const char *name, const char *letters, const AttnLayout *l, size_t batch, size_t heads, size_t rows, size_t cols)
{
    return (View){name, letters, l->dtype, {batch, heads, rows, cols}, {l->batch, l->head, l->row, 1}};
}

static View score_view(const char *name, const AttnScoreLayout *l, const AttnProblem *p)
{
    return (View){name, "[B,Hq,Sq,Sk]", l->dtype, {p->batch, p->q_heads, p->q_len, p->k_len}, {l->batch, l->head, l->row, l->col}};
}

static void views_of(const AttnProblem *p, View view[VIEWS])
{
    view[Q] = layout_view("q", "[B,Hq,Sq,d]", &p->q, p->batch, p->q_heads, p->q_len, p->d);
    view[K] = layout_view("k", "[B,Hkv,Sk,d]", &p->k, p->batch, p->kv_heads, p->k_len, p->d);
    view[V] = layout_view("v", "[B,Hkv,Sk,dv]", &p->v, p->batch, p->kv_heads, p->k_len, p->dv);
    view[O] = layout_view("o", "[B,Hq,Sq,dv]", &p->o, p->batch, p->q_heads, p->q_len, p->dv);
    view[LSE] = layout_view("lse", "[B,Hq,Sq]", &p->lse, p->batch, p->q_heads, p->q_len, 1);
    view[MASK] = score_view("mask", &p->mask, p);
    view[BIAS] = score_view("bias", &p->bias, p);
}

static bool is_empty(const View *view)
{
    return view->count[0] == 0 || view->count[1] == 0 || view->count[2] == 0 || view->count[3] == 0;
}

/* ---- Problem --------------------------------------------------------------------------------------------------------------------- */

static AttnStatus check_sizes(const AttnProblem *p)
{
    const struct {
        const char *name;
        size_t value, least;
    } size[] = {{"batch", p->batch, 0},       {"q_heads", p->q_heads, 1}, {"kv_heads", p->kv_heads, 1}, {"q_len", p->q_len, 0},
                {"k_len", p->k_len, 0},       {"d", p->d, 1},             {"dv", p->dv, 1}};
    for (size_t i = 0; i < sizeof size / sizeof *size; i++)
        if (size[i].value < size[i].least || size[i].value > ATTN_MAX_SIZE)
            return attn_fail(ATTN_ERROR_VALUE, "problem.%s is %zu; allowed: %zu to %zu", size[i].name, size[i].value, size[i].least,
                             ATTN_MAX_SIZE);
    if (p->q_heads % p->kv_heads != 0)
        return attn_fail(ATTN_ERROR_VALUE, "problem.q_heads is %zu; allowed: multiples of problem.kv_heads, which is %zu", p->q_heads,
                         p->kv_heads);
    return ATTN_OK;
}

static AttnStatus check_dtypes(const View view[VIEWS])
{
    for (size_t i = 0; i < VIEWS; i++) {
        const AttnDtype dtype = view[i].dtype;
        const bool number = dtype == ATTN_F32 || dtype == ATTN_F64 || dtype == ATTN_F16 || dtype == ATTN_BF16;
        if (i <= O && !number)
            return attn_fail(ATTN_ERROR_VALUE,
                             "problem.%s.dtype is %d; allowed: ATTN_F32 (%d), ATTN_F64 (%d), ATTN_F16 (%d), ATTN_BF16 (%d)", view[i].name,
                             (int)dtype, ATTN_F32, ATTN_F64, ATTN_F16, ATTN_BF16);
        if (i == MASK && dtype != ATTN_NONE && dtype != ATTN_BOOL)
            return attn_fail(ATTN_ERROR_VALUE,
                             "problem.mask.dtype is %d; allowed: ATTN_NONE (%d), ATTN_BOOL (%d); a mask of numbers is a bias",
                             (int)dtype, ATTN_NONE, ATTN_BOOL);
        if ((i == LSE || i == BIAS) && dtype != ATTN_NONE && dtype != ATTN_F32)
            return attn_fail(ATTN_ERROR_VALUE, "problem.%s.dtype is %d; allowed: ATTN_NONE (%d), ATTN_F32 (%d)", view[i].name, (int)dtype,
                             ATTN_NONE, ATTN_F32);
    }
    return ATTN_OK;
}

static AttnStatus check_semantics(const AttnProblem *p)
{
    const int64_t most = (int64_t)ATTN_MAX_SIZE;
    if (!(p->scale >= -MOST_SCALE && p->scale <= MOST_SCALE)) /* so written, NaN fails too */
        return attn_fail(ATTN_ERROR_VALUE, "problem.scale is %g; allowed: finite, from -2^126 to 2^126", p->scale);
    switch (p->causal) {
    case ATTN_CAUSAL_NONE:
    case ATTN_CAUSAL_TOP_LEFT:
    case ATTN_CAUSAL_BOTTOM_RIGHT:
        if (p->causal_offset != 0)
            return attn_fail(ATTN_ERROR_VALUE,
                             "problem.causal_offset is %" PRId64 "; allowed: 0 unless problem.causal is ATTN_CAUSAL_OFFSET",
                             p->causal_offset);
        return ATTN_OK;
    case ATTN_CAUSAL_OFFSET:
        if (p->causal_offset < -most || p->causal_offset > most)
            return attn_fail(ATTN_ERROR_VALUE, "problem.causal_offset is %" PRId64 "; allowed: %" PRId64 " to %" PRId64, p->causal_offset,
                             -most, most);
        return ATTN_OK;
    }
    return attn_fail(ATTN_ERROR_VALUE, "problem.causal is %d; allowed: %d to %d, one of ATTN_CAUSAL_*", (int)p->causal, ATTN_CAUSAL_NONE,
                     ATTN_CAUSAL_OFFSET);
}

/* "problem.o" and its numbers, for the two checks below. */
#define SHAPE_FORMAT "problem.%s is %s = [%zu,%zu,%zu,%zu] with strides %td, %td, %td, %td; allowed: "
#define SHAPE(view)                                                                                                                       \
    (view)->name, (view)->letters, (view)->count[0], (view)->count[1], (view)->count[2], (view)->count[3], (view)->stride[0],             \
        (view)->stride[1], (view)->stride[2], (view)->stride[3]

/* Every element has an address, and (dense) the tensor without gaps would fit too, which it must even where a stride of 0 repeats rows:
 * where it does not, the products from which attn_problem() made the strides have wrapped around. */
static AttnStatus check_address_space(const View *view, bool dense)
{
    const size_t element = dtype_bytes(view->dtype);
    size_t bytes = element;
    ptrdiff_t low, high;
    bool fits = attn_span(view->count, view->stride, element, &low, &high);
    for (size_t k = 0; k < 4 && dense && !is_empty(view); k++)
        fits = fits && !__builtin_mul_overflow(bytes, view->count[k], &bytes) && bytes <= ATTN_MOST_SPAN;
    if (fits)
        return ATTN_OK;
    return attn_fail(ATTN_ERROR_OVERFLOW, SHAPE_FORMAT "%td bytes from the first to the last", SHAPE(view), (ptrdiff_t)ATTN_MOST_SPAN);
}

/* Do all elements of an output lie apart? They do if, from the smallest stride to the largest, each step clears all that the smaller ones
 * reach. Outputs woven more finely than that are refused, though some would do. */
static AttnStatus check_distinct(const View *view)
{
    size_t reach = 1, order[4], axes = 0;
    if (is_empty(view))
        return ATTN_OK;
    for (size_t k = 0; k < 4; k++) {
        if (view->count[k] == 1)
            continue;
        size_t at = axes++;
        for (; at > 0 && ATTN_ABS(view->stride[order[at - 1]]) > ATTN_ABS(view->stride[k]); at--)
            order[at] = order[at - 1];
        order[at] = k;
    }
    for (size_t i = 0; i < axes; i++) {
        const size_t step = ATTN_ABS(view->stride[order[i]]);
        if (step < reach)
            return attn_fail(ATTN_ERROR_OVERLAP,
                             SHAPE_FORMAT "strides of which each larger one steps over all that the smaller ones reach (%td does not step "
                             "over %zu elements), so that no two results share a place",
                             SHAPE(view), view->stride[order[i]], reach);
        reach += (view->count[order[i]] - 1) * step;
    }
    return ATTN_OK;
}

AttnStatus attn_problem_read(const AttnProblem *problem, AttnProblem *out)
{
    if (!problem)
        return attn_fail(ATTN_ERROR_NULL, "problem is NULL; allowed: a problem made by attn_problem()");
    View view[VIEWS];
    AttnStatus status =
        attn_struct_read("problem", "attn_problem()", problem, ATTN_STRUCT_UP_TO(AttnProblem, bias), out, sizeof *out);
    if (status == ATTN_OK)
        status = check_sizes(out);
    if (status != ATTN_OK)
        return status;
    views_of(out, view);
    status = check_dtypes(view);
    if (status == ATTN_OK)
        status = check_semantics(out);
    for (size_t i = 0; i < VIEWS && status == ATTN_OK; i++)
        if (view[i].dtype != ATTN_NONE)
            status = check_address_space(&view[i], i < MASK); /* over scores, broadcasting is the purpose */
    if (status == ATTN_OK)
        status = check_distinct(&view[O]);
    if (status == ATTN_OK && out->lse.dtype != ATTN_NONE)
        status = check_distinct(&view[LSE]);
    return status;
}

AttnStatus attn_problem_check(const AttnProblem *problem)
{
    AttnProblem copy;
    return attn_problem_read(problem, &copy);
}

bool attn_layout_extent(const AttnLayout *layout, size_t batch, size_t heads, size_t rows, size_t cols, size_t element,
                        ptrdiff_t *low, ptrdiff_t *high)
{
    const size_t count[4] = {batch, heads, rows, cols};
    const ptrdiff_t stride[4] = {layout->batch, layout->head, layout->row, 1};
    return attn_span(count, stride, element, low, high);
}

/* ---- Tensors --------------------------------------------------------------------------------------------------------------------- */

static AttnStatus check_pointer(const View *view, const void *pointer, AttnRegion *region)
{
    const size_t element = dtype_bytes(view->dtype);
    if (view->dtype == ATTN_NONE) {
        if (pointer)
            return attn_fail(ATTN_ERROR_VALUE, "tensors.%s is %p, but problem.%s.dtype is ATTN_NONE; allowed: NULL", view->name, pointer,
                             view->name);
        return ATTN_OK;
    }
    if (is_empty(view))
        return ATTN_OK;
    if (!pointer)
        return attn_fail(ATTN_ERROR_NULL, "tensors.%s is NULL; allowed: the address of %s = [%zu,%zu,%zu,%zu]", view->name, view->letters,
                         view->count[0], view->count[1], view->count[2], view->count[3]);
    if ((uintptr_t)pointer % element != 0)
        return attn_fail(ATTN_ERROR_VALUE, "tensors.%s is %p; allowed: multiples of %zu, the bytes of an element", view->name, pointer,
                         element);
    if (!attn_region(pointer, view->count, view->stride, element, region))
        return attn_fail(ATTN_ERROR_OVERFLOW, "tensors.%s is %p; allowed: a place from which its strides stay in the address space",
                         view->name, pointer);
    return ATTN_OK;
}

AttnStatus attn_tensors_read(const AttnProblem *problem, const AttnTensors *tensors, AttnTensors *out)
{
    if (!tensors)
        return attn_fail(ATTN_ERROR_NULL, "tensors is NULL; allowed: tensors made by attn_tensors()");
    const AttnStatus status =
        attn_struct_read("tensors", "attn_tensors()", tensors, ATTN_STRUCT_UP_TO(AttnTensors, bias), out, sizeof *out);
    if (status != ATTN_OK)
        return status;
    View view[VIEWS];
    AttnRegion region[VIEWS];
    const void *const pointer[VIEWS] = {out->q, out->k, out->v, out->o, out->lse, out->mask, out->bias};
    views_of(problem, view);
    memset(region, 0, sizeof region); /* an absent or empty tensor is an empty region */
    for (size_t i = 0; i < VIEWS; i++) {
        const AttnStatus checked = check_pointer(&view[i], pointer[i], &region[i]);
        if (checked != ATTN_OK)
            return checked;
    }
    for (size_t output = O; output <= LSE; output++)
        for (size_t i = 0; i < VIEWS; i++)
            if (i != output && attn_regions_overlap(&region[output], &region[i]))
                return attn_fail(ATTN_ERROR_OVERLAP,
                                 "tensors.%s (from %p to %p) overlaps tensors.%s (from %p to %p); allowed: an output that shares no byte "
                                 "with another tensor", view[output].name, (void *)region[output].low, (void *)region[output].end,
                                 view[i].name, (void *)region[i].low, (void *)region[i].end);
    return ATTN_OK;
}
