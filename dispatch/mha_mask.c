/* mha_mask.c - converts what SDPA does not support directly: a key mask together with a mask; masks and biases too short for the extra
 * rows of bias_k and zero_attn; and structure, which must become a mask because every query row sees those rows. Also the mean of weights
 * over heads. */
#include "dispatch/mha.h"

#include "dispatch/threads.h"
#include "kernels/fpenv.h"

typedef struct Masks {
    const AttnMhaPlan *plan;
    const AttnMhaTensors *t;
    const AttnMhaRooms *rooms;
    AttnTensors stated;
    size_t heads, rows; /* of the mask, the bias or the weights that are made */
} Masks;

static void run(const Masks *masks, size_t batch, void (*body)(void *, size_t, size_t))
{
    const AttnMhaPlan *plan = masks->plan;
    const AttnPhase rows = {
        .items = batch * masks->heads * masks->rows, .item = body, .enter = attn_fp_enter, .leave = attn_fp_leave};
    attn_threads_run(plan->settings.parallel_for, plan->settings.parallel_context, plan->workers, &rows, (void *)masks);
}

/* One row of the mask: unit = (b, h, i). */
static void mask_row(void *context, size_t worker, size_t unit)
{
    const Masks *m = context;
    const AttnMhaPlan *plan = m->plan;
    const AttnProblem *p = &plan->stated;
    const size_t i = unit % m->rows, h = unit / m->rows % m->heads, b = unit / m->rows / m->heads;
    const AttnArgs args = {.p = p, .t = &m->stated, .group = 1};
    const AttnSequence sequence = attn_sequence(&args, b);
    const AttnKeys all = {0, p->k_len}, seen = plan->fold ? attn_visible_keys(&args, &sequence, i) : all;
    const uint8_t *mask = m->t->mask, *key_mask = m->t->key_mask;
    uint8_t *to = m->rooms->mask + unit * plan->keys;
    (void)worker;
    for (size_t j = 0; j < p->k_len; j++)
        to[j] = j >= seen.lo && j < seen.hi && (!mask || mask[attn_score_at(&p->mask, b, h, i, j)] != 0) &&
                (!key_mask || key_mask[(ptrdiff_t)b * plan->s.key_mask_batch + (ptrdiff_t)j] != 0);
    for (size_t j = p->k_len; j < plan->keys; j++)
        to[j] = true;
}

static void bias_row(void *context, size_t worker, size_t unit)
{
    const Masks *m = context;
    const AttnProblem *p = &m->plan->stated;
    const size_t i = unit % m->rows, h = unit / m->rows % m->heads, b = unit / m->rows / m->heads;
    float *to = m->rooms->bias + unit * m->plan->keys;
    (void)worker;
    for (size_t j = 0; j < m->plan->keys; j++)
        to[j] = j < p->k_len ? m->t->bias[attn_score_at(&p->bias, b, h, i, j)] : 0.0f;
}

/* An axis along which the caller's tensor repeats is made once, but not where it has no elements: then nothing of the caller's is there to
 * be read. */
void attn_mha_build_masks(const AttnMhaPlan *plan, const AttnMhaTensors *t, const AttnMhaRooms *rooms)
{
    const AttnProblem *p = &plan->problem;
    if (p->batch == 0 || p->q_len == 0)
        return;
    Masks masks = {.plan = plan, .t = t, .rooms = rooms, .stated = attn_mha_stated(plan, t, rooms)};
    if (plan->build_mask) {
        masks.heads = p->mask.head != 0 ? p->q_heads : 1;
        masks.rows = p->mask.row != 0 ? p->q_len : 1;
        run(&masks, p->batch, mask_row);
    }
    if (plan->build_bias) {
        masks.heads = p->bias.head != 0 ? p->q_heads : 1;
        masks.rows = p->bias.row != 0 ? p->q_len : 1;
        run(&masks, p->bias.batch != 0 ? p->batch : 1, bias_row);
    }
}

/* Mean of one row of weights: unit = (b, i). Summed head after head. */
static void mean_row(void *context, size_t worker, size_t unit)
{
    const Masks *m = context;
    const AttnMhaPlan *plan = m->plan;
    const size_t heads = plan->problem.q_heads, i = unit % m->rows, b = unit / m->rows, keys = plan->keys;
    const float *from = m->rooms->scores + (b * heads * m->rows + i) * keys;
    float *to = m->t->weights + (ptrdiff_t)b * plan->s.weights_batch + (ptrdiff_t)i * plan->s.weights_row;
    (void)worker;
    memcpy(to, from, keys * sizeof *to);
    for (size_t h = 1; h < heads; h++)
        for (size_t j = 0; j < keys; j++)
            to[j] += from[h * m->rows * keys + j];
    for (size_t j = 0; j < keys; j++)
        to[j] /= (float)heads;
}

void attn_mha_mean_weights(const AttnMhaPlan *plan, const AttnMhaTensors *t, const AttnMhaRooms *rooms)
{
    const Masks masks = {.plan = plan, .t = t, .rooms = rooms, .heads = 1, .rows = plan->s.q_len};
    if (plan->keys == 0)
        return;
    run(&masks, plan->s.batch, mean_row);
}
