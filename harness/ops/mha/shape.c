/* shape.c - parse and print the names of multi-head attention. A name that reads back as it was written is right in every part; the
 * words of a wrong one are told apart for the message. */
#include "harness/ops/mha/shape.h"

#include <stdio.h>
#include <stdlib.h>

#include "harness/base/error.h"
#include "harness/base/near.h"

static const char prefix[] = "mha:";
enum { MOST = 1 << 20 };

/* Models whose x is as wide as all query heads together. Biases on all projections or none. */
static const struct {
    const char *model;
    bool rope, no_bias;
} models[] = {{"bert-base", false, false},    {"bert-large", false, false}, {"gpt2", false, false},         {"llama2-7b", true, true},
              {"llama3-8b", true, true},      {"llama3-70b", true, true},   {"vit-b16", false, false},      {"vit-h14", false, false},
              {"whisper-large", false, false}};

static bool is_prefixed(const char *word)
{
    return strncmp(word, prefix, sizeof prefix - 1) == 0;
}

/* `letters` and a size from 1 on; *at moves behind them. Absent and optional: true. */
static bool read_size(const char **at, const char *letters, bool optional, size_t *size)
{
    const char *text = *at;
    size_t value = 0;
    if (strncmp(text, letters, strlen(letters)) != 0)
        return optional;
    text += strlen(letters);
    if (*text < '1' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9' && value <= MOST; text++)
        value = 10 * value + (size_t)(*text - '0');
    if (value > MOST)
        return false;
    *size = value;
    *at = text;
    return true;
}

static bool read_word(const char **at, const char *word)
{
    const size_t length = strlen(word);
    const bool found = strncmp(*at, word, length) == 0 && ((*at)[length] == '\0' || (*at)[length] == '_');
    *at += found ? length : 0;
    return found;
}

static bool unknown_model(const char *word, const char *name, size_t length, char *error, size_t error_size)
{
    enum { MODELS = sizeof models / sizeof *models };
    const char *known[MODELS];
    char list[300] = "", model[64];
    size_t used = 0;
    for (size_t m = 0; m < MODELS; m++) {
        known[m] = models[m].model;
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", m ? ", " : "", known[m]);
    }
    snprintf(model, sizeof model, "%.*s", (int)(length < sizeof model ? length : sizeof model - 1), name);
    const char *near = near_word(model, known, MODELS);
    return error_set(error, error_size, "shape '%s': the projections of model '%s' are not known;%s%s%s known: %s", word, model,
                     near ? " did you mean '" : "", near ? near : "", near ? "'?" : "", list);
}

static bool read_preset(MhaShape *s, const char *word, char *error, size_t error_size)
{
    const char *name = word + sizeof prefix - 1, *slash = strchr(name, '/');
    const size_t length = (size_t)(slash - name);
    size_t m = 0;
    Shape shape;
    while (m < sizeof models / sizeof *models && (strlen(models[m].model) != length || strncmp(models[m].model, name, length) != 0))
        m++;
    if (m == sizeof models / sizeof *models)
        return unknown_model(word, name, length, error, error_size);
    s->cross = strncmp(slash, "/cross", 6) == 0;
    if (!s->cross && strncmp(slash, "/encoder", 8) != 0 && strncmp(slash, "/prefill", 8) != 0)
        return error_set(error, error_size, "shape '%s': phase '%s' is not attention of whole sequences; allowed: encoder, prefill, cross",
                         word, slash + 1);
    if (!preset_parse(&shape, name, error, error_size))
        return false;
    s->batch = shape.batch;
    s->q_heads = shape.q_heads;
    s->kv_heads = shape.kv_heads;
    s->q_len = shape.q_len;
    s->k_len = shape.k_len;
    s->d = shape.d;
    s->embed = s->kdim = s->vdim = shape.q_heads * shape.d;
    s->causal = shape.causal;
    s->rope = models[m].rope;
    s->no_bias = models[m].no_bias;
    return true;
}

/* Products of sizes count bytes and operations: none may overflow, whether or not memory holds so much. */
static bool fits(const MhaShape *s)
{
    const double limit = 1e12, rows = (double)s->batch * (double)(s->q_len + s->k_len);
    const double widths = (double)s->q_heads * (double)s->d + (double)s->embed + (double)s->kdim + (double)s->vdim;
    return s->q_len <= MOST && rows * widths <= limit && widths * widths <= limit;
}

bool mha_shape_parse(MhaShape *shape, const char *word, char *error, size_t error_size)
{
    MhaShape s = {0};
    if (is_prefixed(word) && strchr(word, '/')) {
        if (!read_preset(&s, word, error, error_size))
            return false;
        if (!fits(&s))
            return error_set(error, error_size, "shape '%s' is too large to be held in memory", word);
        *shape = s;
        return true;
    }
    const char *at = is_prefixed(word) ? word + sizeof prefix - 1 : "";
    bool ok = read_size(&at, "b", false, &s.batch) && read_size(&at, "_h", false, &s.q_heads);
    s.kv_heads = s.q_heads;
    ok = ok && read_size(&at, "g", true, &s.kv_heads) && read_size(&at, "_q", false, &s.q_len) && read_size(&at, "_d", false, &s.d) &&
         read_size(&at, "_e", false, &s.embed);
    s.k_len = s.q_len;
    s.kdim = s.vdim = s.embed;
    s.cross = ok && read_word(&at, "_cross");
    if (s.cross) {
        ok = read_size(&at, "_k", false, &s.k_len) && read_size(&at, "_kdim", true, &s.kdim);
        s.vdim = s.kdim;
        s.separate = ok && strncmp(at, "_vdim", 5) == 0;
        ok = ok && read_size(&at, "_vdim", true, &s.vdim);
    }
    s.causal = ok && !s.cross && read_word(&at, "_causal");
    s.rope = ok && read_word(&at, "_rope");
    s.no_bias = ok && read_word(&at, "_nobias");
    if (!ok || *at)
        return error_set(error, error_size,
                         "shape '%s': cannot read '%s'; allowed: mha:b<batch>_h<heads>[g<KV heads>]_q<rows>_d<head width>_e<width>, then "
                         "_cross_k<rows>[_kdim<width>][_vdim<width>] or [_causal], then [_rope][_nobias], sizes from 1 to %d; or "
                         "mha:<preset>, such as mha:bert-base/encoder@128",
                         word, at, MOST);
    if (s.q_heads % s.kv_heads != 0)
        return error_set(error, error_size, "shape '%s': %zu query heads cannot share %zu KV heads; allowed: a divisor", word, s.q_heads,
                         s.kv_heads);
    if (s.rope && s.d % 2 != 0)
        return error_set(error, error_size, "shape '%s': a head width of %zu has no pairs to turn; allowed with _rope: an even one", word,
                         s.d);
    if (!fits(&s))
        return error_set(error, error_size, "shape '%s' is too large to be held in memory", word);
    *shape = s;
    return true;
}

const char *mha_shape_name(const MhaShape *s, char *buffer, size_t size)
{
    char groups[32] = "", cross[96] = "", kdim[32] = "", vdim[32] = "";
    if (s->kv_heads != s->q_heads)
        snprintf(groups, sizeof groups, "g%zu", s->kv_heads);
    if (s->cross) {
        if (s->kdim != s->embed)
            snprintf(kdim, sizeof kdim, "_kdim%zu", s->kdim);
        if (s->separate)
            snprintf(vdim, sizeof vdim, "_vdim%zu", s->vdim);
        snprintf(cross, sizeof cross, "_cross_k%zu%s%s", s->k_len, kdim, vdim);
    }
    snprintf(buffer, size, "%sb%zu_h%zu%s_q%zu_d%zu_e%zu%s%s%s%s", prefix, s->batch, s->q_heads, groups, s->q_len, s->d, s->embed, cross,
             s->causal ? "_causal" : "", s->rope ? "_rope" : "", s->no_bias ? "_nobias" : "");
    return buffer;
}

Shape mha_shape_inner(const MhaShape *s)
{
    return (Shape){.batch = s->batch, .q_heads = s->q_heads, .kv_heads = s->kv_heads, .q_len = s->q_len, .k_len = s->k_len, .d = s->d,
                   .dv = s->d, .causal = s->causal};
}
