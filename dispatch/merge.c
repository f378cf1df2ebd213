/* merge.c - merges partial attention results by their log-sum-exps.
 *
 * Each part is a softmax-weighted mean over its own keys, and exp(lse_n) is the weight that its keys have together; so the whole is the
 * mean of the parts under a softmax of their lse. The largest lse is subtracted first, as usual. Cost: one exponential per part and row,
 * in double; one multiply-add per part and element, summed in double and rounded once. */
#include "dispatch/merge.h"
#include "dispatch/dtype.h"
#include "dispatch/structs.h"
#include "dispatch/view.h"
#include "kernels/fpenv.h"

/* Columns that are summed at a time, on the stack. */
enum { COLUMNS = 256 };

static AttnStatus check_sizes(const AttnMerge *m)
{
    const struct {
        const char *name;
        size_t value, least;
    } size[] = {{"parts", m->parts, 0}, {"batch", m->batch, 0}, {"heads", m->heads, 0}, {"rows", m->rows, 0}, {"dv", m->dv, 1}};
    for (size_t i = 0; i < sizeof size / sizeof *size; i++)
        if (size[i].value < size[i].least || size[i].value > ATTN_MAX_SIZE)
            return attn_fail(ATTN_ERROR_VALUE, "merge.%s is %zu; allowed: %zu to %zu", size[i].name, size[i].value, size[i].least,
                             ATTN_MAX_SIZE);
    const AttnLayout *const layout[] = {&m->o_part, &m->lse_part, &m->o, &m->lse};
    static const char *const name[] = {"o_part", "lse_part", "o", "lse"};
    for (size_t i = 0; i < 4; i++)
        if (layout[i]->dtype != ATTN_F32 && !(i == 3 && layout[i]->dtype == ATTN_NONE))
            return attn_fail(ATTN_ERROR_VALUE, "merge.%s.dtype is %d; allowed: %sATTN_F32 (%d)", name[i], (int)layout[i]->dtype,
                             i == 3 ? "ATTN_NONE (0), " : "", ATTN_F32);
    return ATTN_OK;
}

static AttnView view_of(const AttnMerge *m, const char *name, const AttnLayout *l, size_t cols)
{
    const size_t element = l->dtype == ATTN_F32 ? sizeof(float) : 0;
    return (AttnView){name, "[B,H,S,dv]", element, {m->batch, m->heads, m->rows, cols}, {l->batch, l->head, l->row, 1}};
}

/* Output `out` against part `in`: apart, or, if they are alike (both o, both lse), the same. */
static AttnStatus check_part(const AttnView *out, const float *to, const AttnRegion *out_region, const AttnView *in, const float *from,
                             size_t n, bool alike)
{
    AttnRegion region = {0};
    const AttnStatus status = attn_view_check_pointer("merge", in, from, &region);
    const bool same = alike && to == from && memcmp(out->stride, in->stride, sizeof out->stride) == 0;
    if (status != ATTN_OK || same || !attn_regions_overlap(out_region, &region))
        return status;
    return attn_fail(ATTN_ERROR_OVERLAP,
                     "%s overlaps %s[%zu]; allowed: results apart from the parts, or one at the same address with the same "
                     "strides",
                     out->name, in->name, n);
}

static AttnStatus check(const AttnMerge *m, const float *const *o_parts, const float *const *lse_parts, const float *o, const float *lse)
{
    AttnView out[] = {view_of(m, "o", &m->o, m->dv), view_of(m, "lse", &m->lse, 1)};
    const AttnView part[] = {view_of(m, "o_parts", &m->o_part, m->dv), view_of(m, "lse_parts", &m->lse_part, 1)};
    const float *const to[] = {o, lse};
    AttnRegion region[2] = {{0}, {0}};
    if (m->parts > 0 && (!o_parts || !lse_parts))
        return attn_fail(ATTN_ERROR_NULL, "%s is NULL; allowed: merge.parts, which is %zu, addresses", o_parts ? "lse_parts" : "o_parts",
                         m->parts);
    AttnStatus status = ATTN_OK;
    for (size_t i = 0; i < 2 && status == ATTN_OK; i++) {
        status = attn_view_check_addresses("merge", &part[i], true);
        if (status == ATTN_OK && out[i].element > 0)
            status = attn_view_check_addresses("merge", &out[i], true);
        if (status == ATTN_OK && out[i].element > 0)
            status = attn_view_check_distinct("merge", &out[i]);
        if (status == ATTN_OK)
            status = attn_view_check_pointer("merge", &out[i], to[i], &region[i]);
    }
    if (status == ATTN_OK)
        status = attn_view_check_apart(out, region, 2, 0);
    for (size_t n = 0; n < m->parts; n++)
        for (size_t i = 0; i < 4 && status == ATTN_OK; i++)
            status = check_part(&out[i / 2], to[i / 2], &region[i / 2], &part[i % 2], i % 2 ? lse_parts[n] : o_parts[n], n, i / 2 == i % 2);
    return status;
}

static ptrdiff_t at(const AttnLayout *l, size_t b, size_t h, size_t i)
{
    return (ptrdiff_t)b * l->batch + (ptrdiff_t)h * l->head + (ptrdiff_t)i * l->row;
}

/* The weight that a part has beside the heaviest one, of lse `most`. An infinite sink has all there is. */
static double weight_of(double lse, double most)
{
    return lse == most ? 1.0 : exp(lse - most);
}

/* One row. Its lse values are read before anything of it is written, and each block of columns too, so that a result may be a part. */
void attn_merge_row(const AttnMerge *m, const float *const *o_parts, const float *const *lse_parts, bool inf_is_dead, void *o, float *lse,
                    size_t b, size_t h, size_t i)
{
    const ptrdiff_t from = at(&m->o_part, b, h, i), lse_from = at(&m->lse_part, b, h, i);
    const float dead_too = inf_is_dead ? INFINITY : -INFINITY;
    void *const to = (char *)o + at(&m->o, b, h, i) * (ptrdiff_t)attn_dtype_bytes(m->o.dtype);
    double most = -INFINITY, sum = 0.0;
    for (size_t n = 0; n < m->parts; n++) {
        const float value = lse_parts[n][lse_from];
        if (value != dead_too)
            most = (double)value > most || isnan(value) ? (double)value : most; /* a NaN stays: nothing is greater than it */
    }
    const bool dead = most == -INFINITY;
    for (size_t n = 0; n < m->parts && !dead; n++)
        if (lse_parts[n][lse_from] != dead_too)
            sum += weight_of((double)lse_parts[n][lse_from], most);
    for (size_t c = 0; c < m->dv; c += COLUMNS) {
        const size_t columns = m->dv - c < COLUMNS ? m->dv - c : COLUMNS;
        double total[COLUMNS] = {0.0};
        for (size_t n = 0; n < m->parts; n++) {
            const float value = lse_parts[n][lse_from];
            if (value == -INFINITY || value == dead_too)
                continue;
            const double weight = weight_of((double)value, most) / sum;
            for (size_t x = 0; x < columns; x++)
                total[x] += weight * (double)o_parts[n][from + (ptrdiff_t)(c + x)];
        }
        for (size_t x = 0; x < columns; x++)
            attn_element_put(to, m->o.dtype, c + x, total[x]);
    }
    if (lse)
        lse[at(&m->lse, b, h, i)] = dead ? -INFINITY : (float)(most + log(sum));
}

AttnStatus attn_merge(const AttnMerge *merge, const float *const *o_parts, const float *const *lse_parts, float *o, float *lse)
{
    AttnMerge m;
    AttnStatus status = attn_struct_read(&attn_struct_merge, merge, &m);
    if (status == ATTN_OK)
        status = check_sizes(&m);
    AttnLayout *const layout[] = {&m.o_part, &m.lse_part, &m.o, &m.lse};
    for (size_t i = 0; i < 4 && status == ATTN_OK; i++)
        attn_layout_settle(layout[i], m.batch, m.heads, m.rows);
    if (status == ATTN_OK)
        status = check(&m, o_parts, lse_parts, o, lse);
    if (status != ATTN_OK)
        return status;
    const AttnFpState fp = attn_fp_enter();
    for (size_t b = 0; b < m.batch; b++)
        for (size_t h = 0; h < m.heads; h++)
            for (size_t i = 0; i < m.rows; i++)
                attn_merge_row(&m, o_parts, lse_parts, true, o, lse, b, h, i);
    attn_fp_leave(fp);
    return ATTN_OK;
}
