/* mha_words.c - what a case is, in words and as options to count. */
#include <inttypes.h>

#include "tests/fuzz/mha_input.h"

size_t mha_options(const MhaInput *x, const char *name[MHA_OPTIONS], bool on[MHA_OPTIONS])
{
    const AttnMhaConfig *c = &x->c;
    const AttnMhaShape *s = &x->s;
    const struct {
        const char *name;
        bool on;
    } option[] = {{"self", c->sources == ATTN_MHA_SELF},
                  {"cross", c->sources == ATTN_MHA_CROSS},
                  {"separate", c->sources == ATTN_MHA_SEPARATE},
                  {"no output", !c->output},
                  {"zero_attn", c->zero_attn},
                  {"bias_k", x->w.bias_k != NULL},
                  {"bq", x->w.bq != NULL},
                  {"bo", x->w.bo != NULL},
                  {"interleaved", c->rope == ATTN_ROPE_INTERLEAVED},
                  {"halves", c->rope == ATTN_ROPE_HALVES},
                  {"positions", s->positions},
                  {"residual", c->residual},
                  {"pre-norm", c->norm == ATTN_NORM_PRE},
                  {"post-norm", c->norm == ATTN_NORM_POST},
                  {"gqa", c->q_heads > c->kv_heads},
                  {"dv != d", c->dv != c->d},
                  {"causal", s->causal},
                  {"window", s->window},
                  {"bottom-right", s->align == ATTN_ALIGN_BOTTOM_RIGHT},
                  {"offset", s->align == ATTN_ALIGN_OFFSET},
                  {"offsets", s->align == ATTN_ALIGN_OFFSETS},
                  {"softcap", s->softcap > 0.0},
                  {"alibi", s->alibi},
                  {"sinks", s->sinks},
                  {"kv_lengths", s->kv_lengths},
                  {"mask", s->mask.dtype != ATTN_NONE},
                  {"bias", s->bias.dtype != ATTN_NONE},
                  {"key_mask", s->key_mask},
                  {"weights mean", s->weights == ATTN_MHA_WEIGHTS_MEAN},
                  {"weights heads", s->weights == ATTN_MHA_WEIGHTS_HEADS},
                  {"cache", s->capacity > 0},
                  {"batch 0", s->batch == 0},
                  {"q_len 0", s->q_len == 0},
                  {"k_len 0", s->k_len == 0}};
    _Static_assert(sizeof option / sizeof *option <= MHA_OPTIONS, "there is room for each");
    for (size_t n = 0; n < sizeof option / sizeof *option; n++) {
        name[n] = option[n].name;
        on[n] = option[n].on;
    }
    return sizeof option / sizeof *option;
}

static void say_integers(FILE *to, const char *name, const int64_t *at, size_t n)
{
    fprintf(to, "%s%s", at ? " " : "", at ? name : "");
    for (size_t i = 0; at && i < n; i++)
        fprintf(to, "%c%" PRId64, i ? ',' : '=', at[i]);
}

void mha_describe(const MhaInput *x, char *text, size_t size)
{
    const AttnMhaConfig *c = &x->c;
    const AttnMhaShape *s = &x->s;
    const char *name[MHA_OPTIONS];
    bool on[MHA_OPTIONS];
    const size_t options = mha_options(x, name, on);
    FILE *to = fmemopen(text, size, "w");
    if (!to)
        return;
    fprintf(to, "B %zu Sq %zu Sk %zu E %zu Hq %zu Hkv %zu d %zu dv %zu kdim %zu vdim %zu scale %g", s->batch, s->q_len, s->k_len, c->embed,
            c->q_heads, c->kv_heads, c->d, c->dv, c->kdim, c->vdim, s->scale);
    for (size_t n = 0; n < options; n++)
        if (on[n])
            fprintf(to, " %s", name[n]);
    if (s->window)
        fprintf(to, " window=%" PRId64 ",%" PRId64, s->window_left, s->window_right);
    if (c->rope != ATTN_ROPE_NONE)
        fprintf(to, " rope_dims=%zu base=%g from %" PRId64 ",%" PRId64, c->rope_dims, c->rope_base, s->q_position, s->k_position);
    fprintf(to, " softcap=%g eps=%g offset=%" PRId64 " capacity=%zu", s->softcap, c->norm_eps, s->offset, s->capacity);
    say_integers(to, "kv_lengths", x->t.kv_lengths, s->batch);
    say_integers(to, "offsets", x->t.offsets, s->batch);
    say_integers(to, "past", x->t.past, s->batch);
    const struct {
        const char *name;
        AttnRows rows;
    } rows[] = {{"xq", s->xq}, {"xk", s->xk}, {"xv", s->xv}, {"y", s->y}};
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++)
        fprintf(to, " %s(%td,%td)", rows[n].name, rows[n].rows.batch, rows[n].rows.row);
    const struct {
        const char *name;
        const AttnScoreLayout *l;
    } cells[] = {{"mask", &s->mask}, {"bias", &s->bias}};
    for (size_t n = 0; n < sizeof cells / sizeof *cells; n++)
        if (cells[n].l->dtype != ATTN_NONE)
            fprintf(to, " %s(%td,%td,%td,%td)", cells[n].name, cells[n].l->batch, cells[n].l->head, cells[n].l->row, cells[n].l->col);
    if (s->capacity > 0)
        fprintf(to, " k_cache(%td,%td,%td) v_cache(%td,%td,%td)", s->k_cache.batch, s->k_cache.head, s->k_cache.row, s->v_cache.batch,
                s->v_cache.head, s->v_cache.row);
    fclose(to);
}
