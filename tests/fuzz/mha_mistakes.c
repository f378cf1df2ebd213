/* mha_mistakes.c - see mha_mistakes.h. */
#include "tests/fuzz/mha_mistakes.h"

static float *writable(const float *at)
{
    return (float *)(uintptr_t)at;
}

static bool none(MhaInput *x)
{
    (void)x;
    return true;
}

static bool no_bq(MhaInput *x)
{
    const bool had = x->w.bq != NULL;
    x->w.bq = NULL;
    return had;
}

static bool no_bk(MhaInput *x)
{
    const bool had = x->w.bk != NULL;
    x->w.bk = NULL;
    return had;
}

static bool no_bv(MhaInput *x)
{
    const bool had = x->w.bv != NULL;
    x->w.bv = NULL;
    return had;
}

static bool no_bo(MhaInput *x)
{
    const bool had = x->w.bo != NULL;
    x->w.bo = NULL;
    return had;
}

static bool other_pairs(MhaInput *x)
{
    const bool has = x->c.rope != ATTN_ROPE_NONE && x->c.rope_dims > 2;
    if (has)
        x->c.rope = x->c.rope == ATTN_ROPE_HALVES ? ATTN_ROPE_INTERLEAVED : ATTN_ROPE_HALVES;
    return has;
}

static bool other_base(MhaInput *x)
{
    const bool has = x->c.rope != ATTN_ROPE_NONE && x->c.rope_dims > 2;
    x->c.rope_base *= has ? 1.1 : 1.0;
    return has;
}

static bool from_0(MhaInput *x)
{
    const bool has = x->s.q_position != x->s.k_position;
    x->s.q_position = x->s.k_position = 0;
    return has;
}

static bool no_residual(MhaInput *x)
{
    const bool had = x->c.residual;
    x->c.residual = false;
    return had;
}

static bool no_norm(MhaInput *x)
{
    const bool had = x->c.norm != ATTN_NORM_NONE;
    x->c.norm = ATTN_NORM_NONE;
    x->w.norm_weight = x->w.norm_bias = NULL;
    return had;
}

static bool no_norm_weight(MhaInput *x)
{
    const bool had = x->w.norm_weight != NULL;
    x->w.norm_weight = NULL;
    return had;
}

static bool scale_of_dv(MhaInput *x)
{
    x->s.scale = 1.0 / sqrt((double)x->c.dv);
    return x->c.dv != x->c.d;
}

static bool no_causal(MhaInput *x)
{
    const bool had = x->s.causal;
    x->s.causal = false;
    return had;
}

static bool later_frontier(MhaInput *x)
{
    const bool has = x->s.align == ATTN_ALIGN_OFFSET;
    x->s.offset += has;
    return has;
}

static bool top_left(MhaInput *x)
{
    const bool has = x->s.align == ATTN_ALIGN_BOTTOM_RIGHT;
    x->s.align = has ? ATTN_ALIGN_TOP_LEFT : x->s.align;
    return has;
}

static bool wider_window(MhaInput *x)
{
    const bool has = x->s.window && x->s.window_left >= 0 && x->s.window_left < 100;
    x->s.window_left += has;
    return has;
}

static bool no_softcap(MhaInput *x)
{
    const bool had = x->s.softcap > 0.0;
    x->s.softcap = 0.0;
    return had;
}

static bool negated(float *at, size_t n)
{
    for (size_t i = 0; at && i < n; i++)
        at[i] = -at[i];
    return at != NULL;
}

static bool alibi_rewards(MhaInput *x)
{
    return negated(writable(x->t.alibi_slopes), x->c.q_heads);
}

static bool sinks_negated(MhaInput *x)
{
    return negated(writable(x->t.sinks), x->c.q_heads);
}

static bool no_lengths(MhaInput *x)
{
    const bool had = x->s.kv_lengths;
    x->s.kv_lengths = false;
    x->t.kv_lengths = NULL;
    return had;
}

static bool no_key_mask(MhaInput *x)
{
    const bool had = x->s.key_mask;
    x->s.key_mask = false;
    x->s.key_mask_batch = 0;
    x->t.key_mask = NULL;
    return had;
}

static bool no_mask(MhaInput *x)
{
    const bool had = x->s.mask.dtype != ATTN_NONE;
    memset(&x->s.mask, 0, sizeof x->s.mask);
    x->t.mask = NULL;
    return had;
}

static bool no_bias(MhaInput *x)
{
    const bool had = x->s.bias.dtype != ATTN_NONE;
    memset(&x->s.bias, 0, sizeof x->s.bias);
    x->t.bias = NULL;
    return had;
}

static bool no_zero(MhaInput *x)
{
    const bool had = x->c.zero_attn && x->s.weights == ATTN_MHA_WEIGHTS_NONE;
    x->c.zero_attn = had ? false : x->c.zero_attn;
    return had;
}

static bool no_bias_k(MhaInput *x)
{
    const bool had = x->w.bias_k && x->s.weights == ATTN_MHA_WEIGHTS_NONE;
    if (had)
        x->w.bias_k = x->w.bias_v = NULL;
    return had;
}

/* The first two KV heads change places. */
static bool heads_swapped(MhaInput *x)
{
    const size_t n = x->c.d * x->c.kdim;
    float *wk = writable(x->w.wk);
    for (size_t i = 0; i < n && x->c.kv_heads > 1; i++) {
        const float first = wk[i];
        wk[i] = wk[n + i];
        wk[n + i] = first;
    }
    return x->c.kv_heads > 1;
}

static bool past_counts_on(MhaInput *x)
{
    int64_t *past = (int64_t *)(uintptr_t)x->t.past;
    const bool has = past && x->s.batch > 0 && past[0] > 0 && x->s.k_len > 0;
    if (has)
        past[0]--;
    return has;
}

static const struct {
    const char *name;
    bool (*make)(MhaInput *x);
} mistakes[] = {{"right", none},
                {"bq left out", no_bq},
                {"bk left out", no_bk},
                {"bv left out", no_bv},
                {"bo left out", no_bo},
                {"other pairs turn", other_pairs},
                {"base of 1.1", other_base},
                {"positions from 0", from_0},
                {"no residual", no_residual},
                {"no norm", no_norm},
                {"no norm weight", no_norm_weight},
                {"scale of dv", scale_of_dv},
                {"not causal", no_causal},
                {"offset + 1", later_frontier},
                {"bottom-right is top-left", top_left},
                {"window + 1", wider_window},
                {"no soft-cap", no_softcap},
                {"alibi rewards", alibi_rewards},
                {"sinks negated", sinks_negated},
                {"lengths ignored", no_lengths},
                {"key mask ignored", no_key_mask},
                {"mask ignored", no_mask},
                {"bias ignored", no_bias},
                {"no row of zeros", no_zero},
                {"no bias_k", no_bias_k},
                {"KV heads swapped", heads_swapped},
                {"past - 1", past_counts_on}};
const size_t mha_mistake_count = sizeof mistakes / sizeof *mistakes;

const char *mha_mistake_name(size_t n)
{
    return mistakes[n].name;
}

bool mha_mistake_make(MhaInput *x, size_t n)
{
    return mistakes[n].make(x);
}
