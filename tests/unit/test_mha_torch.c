/* test_mha_torch.c - the reference outputs of torch.nn.MultiheadAttention in tests/data/mha, made by tests/data/make_mha.py.
 *
 * Each case is run as a user of torch would port it: masks turned from torch's polarity (true = not allowed), the packed in_proj_weight cut
 * into its three blocks. It is held to the error bounds of ops/mha/reference.h around torch's numbers, and that reference must give torch's
 * numbers too. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/conform/npy.h"
#include "harness/ops/mha/reference.h"
#include "tests/support/npy_write.h"

TestSuite(mha_torch, .fini = reference_release);

/* A tensor of the case, its data in a reference_room; data NULL where the case has none. */
static Npy tensor(const char *folder, const char *name)
{
    char path[1024], error[1024];
    Npy npy = {.data = NULL};
    snprintf(path, sizeof path, "%s/%s/%s.npy", MHA_DATA, folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return npy;
    fclose(file);
    cr_assert(npy_read(path, &npy, error, sizeof error), "%s", error);
    Npy kept = npy;
    kept.data = reference_room(npy.count * npy_element_size(npy.type));
    memcpy(kept.data, npy.data, npy.count * npy_element_size(npy.type));
    npy_free(&npy);
    return kept;
}

static int argument(const char *folder, const char *name)
{
    char path[1024], word[64];
    int value = -1;
    snprintf(path, sizeof path, "%s/%s/arguments.txt", MHA_DATA, folder);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    while (fscanf(file, "%63s %d", word, &value) == 2 && strcmp(word, name) != 0)
        value = -1;
    fclose(file);
    cr_assert_geq(value, 0, "%s has no %s", path, name);
    return value;
}

/* torch hides where true, this library shows. */
static const void *inverted(const Npy *mask)
{
    uint8_t *x = reference_room(mask->count);
    for (size_t i = 0; i < mask->count; i++)
        x[i] = !((const uint8_t *)mask->data)[i];
    return x;
}

static void set_weights(MhaCase *x, const char *folder)
{
    const size_t e = x->c.embed;
    const Npy in = tensor(folder, "in_proj_weight"), bias = tensor(folder, "in_proj_bias"), out = tensor(folder, "out_proj.weight");
    const float *w = in.data, *b = bias.data;
    if (w)
        x->w = attn_mha_weights(w, w + e * e, w + 2 * e * e, out.data);
    else
        x->w = attn_mha_weights(tensor(folder, "q_proj_weight").data, tensor(folder, "k_proj_weight").data,
                                tensor(folder, "v_proj_weight").data, out.data);
    if (b) {
        x->w.bq = b;
        x->w.bk = b + e;
        x->w.bv = b + 2 * e;
        x->w.bo = tensor(folder, "out_proj.bias").data;
    }
    x->w.bias_k = tensor(folder, "bias_k").data;
    x->w.bias_v = tensor(folder, "bias_v").data;
}

static void set_masks(MhaCase *x, const char *folder)
{
    const Npy padding = tensor(folder, "key_padding_mask"), mask = tensor(folder, "attn_mask");
    const ptrdiff_t keys = (ptrdiff_t)x->s.k_len, rows = (ptrdiff_t)x->s.q_len;
    if (padding.data) {
        x->s.key_mask = true;
        x->s.key_mask_batch = keys;
        x->t.key_mask = inverted(&padding);
    }
    if (mask.data && mask.type == NPY_B1) {
        x->s.mask = (AttnScoreLayout){ATTN_BOOL, 0, 0, keys, 1};
        x->t.mask = inverted(&mask);
    } else if (mask.data) {
        const bool per_head = mask.rank == 3; /* [B * heads, Sq, Sk], index b * heads + h */
        x->s.bias = (AttnScoreLayout){ATTN_F32, per_head ? (ptrdiff_t)x->c.q_heads * rows * keys : 0, per_head ? rows * keys : 0, keys, 1};
        x->t.bias = mask.data;
    }
}

static MhaCase load(const char *folder)
{
    MhaCase x;
    const Npy query = tensor(folder, "query"), key = tensor(folder, "key"), value = tensor(folder, "value");
    memset(&x, 0, sizeof x);
    cr_assert_not_null(query.data, "%s/%s has no query.npy", MHA_DATA, folder);
    const size_t batch = query.shape[0], rows = query.shape[1], embed = query.shape[2];
    x.c = attn_mha_config(embed, (size_t)argument(folder, "heads"));
    x.c.sources = value.data ? ATTN_MHA_SEPARATE : key.data ? ATTN_MHA_CROSS : ATTN_MHA_SELF;
    if (key.data)
        x.c.kdim = x.c.vdim = key.shape[2];
    if (value.data)
        x.c.vdim = value.shape[2];
    x.c.zero_attn = argument(folder, "zero_attn") != 0;
    set_weights(&x, folder);
    x.s = attn_mha_shape(&x.c, batch, rows, key.data ? key.shape[1] : rows);
    x.t = attn_mha_tensors(query.data, key.data, value.data, reference_room(batch * rows * embed * sizeof(float)));
    set_masks(&x, folder);
    const size_t keys = x.s.k_len + (x.w.bias_k != NULL) + x.c.zero_attn;
    attn_mha_shape_want_weights(&x.s, &x.c, argument(folder, "average") ? ATTN_MHA_WEIGHTS_MEAN : ATTN_MHA_WEIGHTS_HEADS, keys);
    x.t.weights = reference_room(batch * x.c.q_heads * rows * keys * sizeof(float));
    return x;
}

static void run(const MhaCase *x, const char *folder)
{
    AttnMha *mha;
    AttnMhaPlan *plan;
    cr_assert_eq(attn_mha_create(&x->c, &x->w, NULL, NULL, 0, &mha), ATTN_OK, "%s: %s", folder, attn_last_error());
    cr_assert_eq(attn_mha_plan_create(mha, &x->s, NULL, &plan), ATTN_OK, "%s: %s", folder, attn_last_error());
    void *workspace = aligned_alloc(64, attn_mha_plan_workspace(plan));
    cr_assert_eq(attn_mha_run(plan, &x->t, workspace, attn_mha_plan_workspace(plan)), ATTN_OK, "%s: %s", folder, attn_last_error());
    free(workspace);
    attn_mha_plan_destroy(plan);
    attn_mha_destroy(mha);
}

/* torch's float64, rounded once: within 2^-24 of the reference; the library within its bound and that. */
static void compare(const char *folder, const char *what, const Npy *torch, const float *got, const Number *reference_at)
{
    for (size_t i = 0; i < torch->count; i++) {
        const double expected = npy_at(torch, i), rounding = 0x1p-24 * fabs(expected) + 0x1p-40;
        cr_assert_leq(fabs(reference_at[i].v - expected), rounding, "%s: %s[%zu] of torch is %.9g, of the reference %.9g", folder, what, i,
                      expected, reference_at[i].v);
        cr_assert_leq(fabs((double)got[i] - expected), reference_at[i].e + rounding, "%s: %s[%zu] of torch is %.9g, here %.9g; bound %.3g",
                      folder, what, i, expected, (double)got[i], reference_at[i].e);
    }
}

static void check(const char *folder)
{
    const MhaCase x = load(folder);
    const Reference r = reference(&x, RIGHT);
    const Npy y = tensor(folder, "y"), weights = tensor(folder, "weights");
    const size_t heads = x.c.q_heads, matrix = x.s.q_len * r.keys;
    Number *mean = reference_room(x.s.batch * matrix * sizeof *mean);
    for (size_t n = 0; n < x.s.batch * heads * matrix; n++) {
        Number *to = &mean[n / (heads * matrix) * matrix + n % matrix];
        to->v += r.weights[n].v / (double)heads;
        to->e += r.weights[n].e / (double)heads + 0x1p-23 * r.weights[n].v;
    }
    run(&x, folder);
    compare(folder, "y", &y, x.t.y, r.y);
    compare(folder, "weights", &weights, x.t.weights, x.s.weights == ATTN_MHA_WEIGHTS_MEAN ? mean : r.weights);
    /* torch weighs what it makes of a mask: with the other polarity nothing would fit. */
    if (x.t.mask) {
        const Reference wrong = reference(&x, MASK_INVERTED);
        double worst = 0.0;
        for (size_t i = 0; i < y.count; i++)
            worst = fmax(worst, fabs(wrong.y[i].v - npy_at(&y, i)));
        cr_expect_gt(worst, 1e-2, "%s: an inverted mask would pass", folder);
    }
}

#define CASE(name)                                                                                                                         \
    Test(mha_torch, name)                                                                                                                  \
    {                                                                                                                                      \
        check(#name);                                                                                                                      \
    }
CASE(self)
CASE(self_one_head)
CASE(self_no_bias)
CASE(self_per_head)
CASE(self_seq_first)
CASE(cross)
CASE(cross_kdim_vdim)
CASE(bias_kv)
CASE(zero_attn)
CASE(bias_kv_zero_attn_masks)
CASE(key_padding)
CASE(mask_bool)
CASE(mask_float)
CASE(mask_float_per_head)
CASE(mask_and_padding)
CASE(causal)

/* torch wants a mask for a causal module; here it is a flag and gives the same. */
Test(mha_torch, causal_without_a_mask)
{
    MhaCase x = load("causal");
    const Npy y = tensor("causal", "y");
    x.s.mask = (AttnScoreLayout){ATTN_NONE, 0, 0, 0, 0};
    x.t.mask = NULL;
    x.s.causal = true;
    const Reference r = reference(&x, RIGHT);
    run(&x, "causal");
    compare("causal", "y", &y, x.t.y, r.y);
}

/* torch's default layout [S,B,E] is a matter of two strides. */
Test(mha_torch, sequence_first_by_strides)
{
    MhaCase x = load("self_seq_first");
    const Npy y = tensor("self_seq_first", "y");
    const size_t batch = x.s.batch, rows = x.s.q_len, embed = x.c.embed;
    const Reference r = reference(&x, RIGHT);
    float *turned = reference_room(batch * rows * embed * sizeof *turned), *out = reference_room(batch * rows * embed * sizeof *out);
    for (size_t b = 0; b < batch; b++)
        for (size_t i = 0; i < rows; i++)
            memcpy(turned + (i * batch + b) * embed, (const float *)x.t.xq + (b * rows + i) * embed, embed * sizeof *turned);
    x.s.xq.batch = x.s.y.batch = (ptrdiff_t)embed;
    x.s.xq.row = x.s.y.row = (ptrdiff_t)(batch * embed);
    x.t.xq = turned;
    float *back = x.t.y;
    x.t.y = out;
    run(&x, "self_seq_first");
    for (size_t b = 0; b < batch; b++)
        for (size_t i = 0; i < rows; i++)
            memcpy(back + (b * rows + i) * embed, out + (i * batch + b) * embed, embed * sizeof *back);
    compare("self_seq_first", "y", &y, back, r.y);
}
