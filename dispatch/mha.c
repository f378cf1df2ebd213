/* mha.c - one run of multi-head attention:
 *
 *     xq --norm (pre)--> project --rotate--> q, k, v --append to a cache--> attend --project--> + xq --norm (post)--> y
 *
 * Each arrow is one pass over rows or one matrix product, and is skipped if not requested. Everything is checked first, so nothing can fail
 * after the first write. */
#include "dispatch/mha.h"

#include "dispatch/error.h"
#include "dispatch/threads.h"
#include "kernels/fpenv.h"

typedef struct Run {
    const AttnMhaPlan *plan;
    const AttnMhaTensors *t;
    const AttnMhaRooms *rooms;
} Run;

static void run_rows(const Run *run, size_t rows, void (*body)(void *, size_t, size_t))
{
    const AttnMhaPlan *plan = run->plan;
    const AttnPhase phase = {.items = rows, .item = body, .enter = attn_fp_enter, .leave = attn_fp_leave};
    attn_threads_run(plan->settings.parallel_for, plan->settings.parallel_context, plan->workers, &phase, (void *)run);
}

/* Rows of all batch entries through one projection: one product if all rows are equally far apart, as those of entries of one row are. */
static void project(const Run *run, const AttnProjection *p, const float *x, AttnRows x_at, float *y, AttnRows y_at, size_t rows)
{
    const AttnMhaPlan *plan = run->plan;
    AttnLinear linear = {.rows = rows, .inputs = p->inputs, .outputs = p->outputs, .x_row = x_at.row, .y_row = y_at.row};
    size_t times = plan->s.batch;
    if (rows == 0 || times == 0)
        return;
    if (rows == 1) {
        linear.x_row = x_at.batch;
        linear.y_row = y_at.batch;
    }
    if (rows == 1 || (x_at.batch == (ptrdiff_t)rows * x_at.row && y_at.batch == (ptrdiff_t)rows * y_at.row)) {
        linear.rows *= times;
        times = 1;
    }
    for (size_t b = 0; b < times; b++)
        attn_linear_run(plan->mha->kernel, &linear, x + (ptrdiff_t)b * x_at.batch, p->packed, p->bias, y + (ptrdiff_t)b * y_at.batch,
                        plan->settings.parallel_for, plan->settings.parallel_context, plan->workers);
}

/* Row i of xq. */
static const float *x_row(const Run *run, size_t b, size_t i)
{
    const AttnRows *at = &run->plan->s.xq;
    return (const float *)run->t->xq + (ptrdiff_t)b * at->batch + (ptrdiff_t)i * at->row;
}

static void norm_before(void *context, size_t worker, size_t unit)
{
    const Run *run = context;
    const AttnMha *mha = run->plan->mha;
    const AttnMhaShape *s = &run->plan->s;
    const size_t b = unit / s->q_len, i = unit % s->q_len;
    const AttnPlace *to = &run->rooms->normed;
    (void)worker;
    attn_norm_row(mha->c.embed, mha->c.norm_eps, mha->norm_weight, mha->norm_bias,
                  x_row(run, b, i),
                  to->at + (ptrdiff_t)b * to->batch + (ptrdiff_t)i * to->row);
}

static void project_sources(const Run *run)
{
    const AttnMha *mha = run->plan->mha;
    const AttnMhaShape *s = &run->plan->s;
    const AttnMhaRooms *r = run->rooms;
    const bool normed = mha->c.norm == ATTN_NORM_PRE;
    const float *const x[] = {normed ? r->normed.at : run->t->xq, run->t->xk, run->t->xv};
    const AttnRows at[] = {normed ? (AttnRows){r->normed.batch, r->normed.row} : s->xq, s->xk, s->xv};
    for (size_t i = 0; i < mha->inputs; i++)
        project(run, &mha->in[i], x[i], at[i], r->in[i].at, (AttnRows){r->in[i].batch, r->in[i].row}, i == 0 ? s->q_len : s->k_len);
}

/* The rows of bias_k, bias_v and zero_attn behind the projected ones. */
static void add_extras(const Run *run)
{
    const AttnMha *mha = run->plan->mha;
    const AttnPlace place[] = {run->rooms->k, run->rooms->v};
    const size_t width[] = {mha->k_width, mha->v_width};
    const float *const bias[] = {mha->bias_k, mha->bias_v};
    for (size_t b = 0; b < run->plan->s.batch; b++)
        for (size_t n = 0; n < 2; n++) {
            float *to = place[n].at + (ptrdiff_t)b * place[n].batch + (ptrdiff_t)run->plan->s.k_len * place[n].row;
            if (bias[n]) {
                memcpy(to, bias[n], width[n] * sizeof *to);
                to += place[n].row;
            }
            if (mha->c.zero_attn)
                memset(to, 0, width[n] * sizeof *to);
        }
}

/* Turn the heads of one row of q or k, the row of unit `row`. */
static void rotate(const Run *run, const AttnPlace *place, size_t row, size_t rows, size_t heads, const int64_t *positions, int64_t first)
{
    const AttnMhaConfig *c = &run->plan->mha->c;
    const size_t b = row / rows, i = row % rows;
    const int64_t past = run->t->past ? run->t->past[b] : 0;
    const int64_t position = positions ? positions[row] : first + past + (int64_t)i;
    attn_rope_row(c->rope, run->plan->frequency, c->rope_dims, (double)position, heads, c->d,
                  place->at + (ptrdiff_t)b * place->batch + (ptrdiff_t)i * place->row);
}

/* Units are the rows of q, then those of k. */
static void rotate_unit(void *context, size_t worker, size_t unit)
{
    const Run *run = context;
    const AttnMhaConfig *c = &run->plan->mha->c;
    const AttnMhaShape *s = &run->plan->s;
    const size_t q_rows = s->batch * s->q_len;
    const bool self = c->sources == ATTN_MHA_SELF;
    (void)worker;
    if (unit < q_rows)
        rotate(run, &run->rooms->q, unit, s->q_len, c->q_heads, run->t->q_positions, s->q_position);
    else
        rotate(run, &run->rooms->k, unit - q_rows, s->k_len, c->kv_heads, self ? run->t->q_positions : run->t->k_positions,
               self ? s->q_position : s->k_position);
}

/* Residual and norm of one row of y. */
static void finish_row(void *context, size_t worker, size_t unit)
{
    const Run *run = context;
    const AttnMha *mha = run->plan->mha;
    const AttnMhaShape *s = &run->plan->s;
    const size_t b = unit / s->q_len, i = unit % s->q_len;
    const float *x = x_row(run, b, i);
    float *y = (float *)run->t->y + (ptrdiff_t)b * s->y.batch + (ptrdiff_t)i * s->y.row;
    (void)worker;
    for (size_t c = 0; mha->c.residual && c < mha->y_width; c++)
        y[c] += x[c];
    if (mha->c.norm == ATTN_NORM_POST)
        attn_norm_row(mha->y_width, mha->c.norm_eps, mha->norm_weight, mha->norm_bias, y, y);
}

static AttnStatus compute(const Run *run)
{
    const AttnMhaPlan *plan = run->plan;
    const AttnMha *mha = plan->mha;
    const AttnMhaShape *s = &plan->s;
    const AttnMhaRooms *r = run->rooms;
    const size_t q_rows = s->batch * s->q_len;
    if (mha->c.norm == ATTN_NORM_PRE)
        run_rows(run, q_rows, norm_before);
    project_sources(run);
    if (mha->extras > 0)
        add_extras(run);
    if (mha->c.rope != ATTN_ROPE_NONE)
        run_rows(run, q_rows + s->batch * s->k_len, rotate_unit);
    if (s->capacity > 0)
        attn_mha_append(plan, run->t, r);
    attn_mha_build_masks(plan, run->t, r);
    const AttnTensors inner = attn_mha_inner(plan, run->t, r);
    const AttnStatus status = attn_run(plan->attention, &inner, r->attention, attn_plan_workspace(plan->attention));
    if (status != ATTN_OK)
        return status;
    if (s->weights == ATTN_MHA_WEIGHTS_MEAN)
        attn_mha_mean_weights(plan, run->t, r);
    if (mha->c.output)
        project(run, &mha->out, r->o.at, (AttnRows){r->o.batch, r->o.row}, run->t->y, s->y, s->q_len);
    if (mha->c.residual || mha->c.norm == ATTN_NORM_POST)
        run_rows(run, q_rows, finish_row);
    return ATTN_OK;
}

AttnStatus attn_mha_run(const AttnMhaPlan *plan, const AttnMhaTensors *tensors, void *workspace, size_t workspace_size)
{
    AttnMhaTensors t;
    if (!plan)
        return attn_fail(ATTN_ERROR_NULL, "plan is NULL; allowed: one made by attn_mha_plan_create");
    if (!workspace)
        return attn_fail(ATTN_ERROR_NULL, "workspace is NULL; allowed: %zu bytes aligned to 64", plan->workspace);
    if (workspace_size < plan->workspace)
        return attn_fail(ATTN_ERROR_WORKSPACE, "workspace_size is %zu; allowed: at least %zu", workspace_size, plan->workspace);
    if ((uintptr_t)workspace % 64 != 0)
        return attn_fail(ATTN_ERROR_WORKSPACE, "workspace is at %p; allowed: an address divisible by 64", workspace);
    const AttnMhaRooms rooms = attn_mha_rooms(plan, workspace);
    const AttnStatus status = attn_mha_check(plan, tensors, &rooms, &t);
    if (status != ATTN_OK)
        return status;
    return compute(&(Run){plan, &t, &rooms});
}
