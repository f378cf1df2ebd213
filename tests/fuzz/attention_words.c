/* attention_words.c - what a case is, in words and as options to count. */
#include <inttypes.h>

#include "tests/fuzz/attention_case.h"

static void say_integers(FILE *to, const char *name, const int64_t *at, size_t n)
{
    if (!at)
        return;
    fprintf(to, " %s", name);
    for (size_t i = 0; i < n; i++)
        fprintf(to, "%c%" PRId64, i ? ',' : '=', at[i]);
}

void attention_describe(const AttentionCase *x, char *text, size_t size)
{
    static const char *const scores[] = {"dot", "gaussian", "additive"}, *const aligns[] = {"top-left", "bottom-right", "offset",
                                                                                            "offsets"};
    static const char *const stages[] = {"raw", "capped", "biased", "weights"};
    const AttnProblem *p = &x->p;
    FILE *to = fmemopen(text, size, "w");
    if (!to)
        return;
    fprintf(to, "B %zu Hq %zu Hkv %zu Sq %zu Sk %zu d %zu dv %zu %s scale %g", p->batch, p->q_heads, p->kv_heads, p->q_len, p->k_len, p->d,
            p->dv, scores[p->score], p->scale);
    if (p->causal)
        fprintf(to, " causal");
    if (p->window)
        fprintf(to, " window %" PRId64 ",%" PRId64, p->window_left, p->window_right);
    fprintf(to, " %s", aligns[p->align]);
    if (p->align == ATTN_ALIGN_OFFSET)
        fprintf(to, " %" PRId64, p->offset);
    if (p->softcap > 0.0)
        fprintf(to, " softcap %g", p->softcap);
    if (p->past_len > 0)
        fprintf(to, " past %zu", p->past_len);
    if (p->scores.dtype != ATTN_NONE)
        fprintf(to, " scores %s", stages[p->scores_stage]);
    fprintf(to, "%s%s%s%s%s%s", p->alibi ? " alibi" : "", p->sinks ? " sinks" : "", p->varlen ? " varlen" : "",
            p->mask.dtype ? " mask" : "", p->bias.dtype ? " bias" : "", p->lse.dtype ? " lse" : "");
    say_integers(to, "kv_lengths", x->t.kv_lengths, p->batch);
    say_integers(to, "offsets", x->t.offsets, p->batch);
    say_integers(to, "cu_q", x->t.cu_q, p->batch + 1);
    say_integers(to, "cu_k", x->t.cu_k, p->batch + 1);
    const struct {
        const char *name;
        const AttnLayout *l;
    } tensor[] = {{"q", &p->q}, {"k", &p->k}, {"v", &p->v}, {"o", &p->o}, {"lse", &p->lse}, {"k_past", &p->k_past}, {"v_past", &p->v_past}};
    fprintf(to, " %s", x->arrangement);
    for (size_t n = 0; n < sizeof tensor / sizeof *tensor; n++)
        if (tensor[n].l->dtype != ATTN_NONE)
            fprintf(to, " %s(%td,%td,%td)", tensor[n].name, tensor[n].l->batch, tensor[n].l->head, tensor[n].l->row);
    const struct {
        const char *name;
        const AttnScoreLayout *l;
    } cells[] = {{"mask", &p->mask}, {"bias", &p->bias}, {"scores", &p->scores}};
    for (size_t n = 0; n < sizeof cells / sizeof *cells; n++)
        if (cells[n].l->dtype != ATTN_NONE)
            fprintf(to, " %s(%td,%td,%td,%td)", cells[n].name, cells[n].l->batch, cells[n].l->head, cells[n].l->row, cells[n].l->col);
    fprintf(to, "%s", x->poison);
    fclose(to);
}

size_t attention_options(const AttentionCase *x, const char *name[ATTENTION_OPTIONS], bool on[ATTENTION_OPTIONS])
{
    const AttnProblem *p = &x->p;
    const struct {
        const char *name;
        bool on;
    } option[] = {{"gaussian", p->score == ATTN_SCORE_GAUSSIAN},
                  {"additive", p->score == ATTN_SCORE_ADDITIVE},
                  {"scale 0", p->scale == 0.0},
                  {"scale < 0", p->scale < 0.0},
                  {"causal", p->causal},
                  {"window", p->window},
                  {"top-left", p->align == ATTN_ALIGN_TOP_LEFT},
                  {"bottom-right", p->align == ATTN_ALIGN_BOTTOM_RIGHT},
                  {"offset", p->align == ATTN_ALIGN_OFFSET},
                  {"offsets", p->align == ATTN_ALIGN_OFFSETS},
                  {"kv_lengths", p->kv_lengths},
                  {"varlen", p->varlen},
                  {"past", p->past_len > 0},
                  {"gqa", p->q_heads > p->kv_heads},
                  {"softcap", p->softcap > 0.0},
                  {"alibi", p->alibi},
                  {"sinks", p->sinks},
                  {"mask", p->mask.dtype != ATTN_NONE},
                  {"bias", p->bias.dtype != ATTN_NONE},
                  {"lse", p->lse.dtype != ATTN_NONE},
                  {"scores", p->scores.dtype != ATTN_NONE},
                  {"dv != d", p->d != p->dv},
                  {"batch 0", p->batch == 0},
                  {"q_len 0", p->q_len == 0},
                  {"k_len 0", p->k_len == 0},
                  {"k_len > 256", p->k_len > 256},
                  {"packed", strncmp(x->arrangement, "packed", 6) == 0},
                  {"packed with o", strcmp(x->arrangement, "packed with o") == 0},
                  {"one cache", strcmp(x->arrangement, "one cache") == 0},
                  {"v within k", strcmp(x->arrangement, "v within k") == 0},
                  {"not finite", x->poison[0] != '\0'}};
    _Static_assert(sizeof option / sizeof *option <= ATTENTION_OPTIONS, "there is room for each");
    for (size_t n = 0; n < sizeof option / sizeof *option; n++) {
        name[n] = option[n].name;
        on[n] = option[n].on;
    }
    return sizeof option / sizeof *option;
}
