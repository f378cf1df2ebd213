/* presets.c - shapes of real models, by name.
 *
 * <model>/<phase>[@length]. The rows below are the named lengths; where a phase has a length, any other one may be asked for too: it
 * replaces the sizes that the phase's letters stand for. Rows without '@' have one size only. A model whose layers alternate between two
 * kinds of attention has two names, the plain one for layers that see everything and one with "-local" for those with a window. A window
 * that a model calls W wide holds W keys, the row's own included, so its left width here is W - 1. */
#include "harness/base/near.h"
#include "harness/ops/sdpa/shape.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ENCODER(model, length, heads, width, source) \
    {model "/encoder@" length, "b1_" heads "_q" length "_k" length "_" width, source},
#define PREFILL(model, length, heads, width, options, source) \
    {model "/prefill@" length, "b1_" heads "_q" length "_k" length "_" width "_causal" options, source},
#define DECODE(model, length, heads, width, options, source) \
    {model "/decode@" length, "b1_" heads "_q1_k" length "_" width "_causal" options, source},
#define CHUNK(model, q, k, heads, width, options, source) \
    {model "/chunk@q" q ",k" k, "b1_" heads "_q" q "_k" k "_" width "_causal" options, source},
#define BATCHDECODE(model, batch, heads, width, options, source) \
    {model "/batchdecode@b" batch, "b" batch "_" heads "_q1_k4096_" width "_causal" options, source},
/* A decoder with a cache: the phases that serving it has. */
#define DECODER(model, heads, width, options, source)                 \
    PREFILL(model, "128", heads, width, options, source)              \
    PREFILL(model, "512", heads, width, options, source)              \
    PREFILL(model, "2048", heads, width, options, source)             \
    PREFILL(model, "8192", heads, width, options, source)             \
    DECODE(model, "128", heads, width, options, source)               \
    DECODE(model, "1024", heads, width, options, source)              \
    DECODE(model, "4096", heads, width, options, source)              \
    DECODE(model, "32768", heads, width, options, source)             \
    CHUNK(model, "512", "8192", heads, width, options, source)        \
    BATCHDECODE(model, "1", heads, width, options, source)            \
    BATCHDECODE(model, "8", heads, width, options, source)            \
    BATCHDECODE(model, "32", heads, width, options, source)
/* Encoders are padded to a few usual lengths. */
#define READER(model, heads, width, source)                  \
    ENCODER(model, "128", heads, width, source)              \
    ENCODER(model, "384", heads, width, source)              \
    ENCODER(model, "512", heads, width, source)

#define BERT "BERT (Devlin et al. 2018)"
#define GPT2 "GPT-2 (Radford et al. 2019)"
#define LLAMA2 "Llama 2 (Touvron et al. 2023)"
#define LLAMA3 "Llama 3 (Grattafiori et al. 2024)"
#define QWEN2 "Qwen2 (Yang et al. 2024)"
#define PHI3 "Phi-3 (Abdin et al. 2024)"
#define VIT "ViT (Dosovitskiy et al. 2020), 224 px"
#define CLIP "CLIP (Radford et al. 2021), text tower of ViT-B/32"
#define WHISPER "Whisper (Radford et al. 2022), 30 s of audio"
#define SD15 "latent diffusion (Rombach et al. 2022), 512 px"
#define DEEPSEEK "DeepSeek-V3 (2024), multi-head latent attention"
#define MISTRAL "Mistral 7B v0.1 (Jiang et al. 2023), window of 4096 keys"
#define GEMMA2 "Gemma 2 9B (Gemma Team 2024), soft-cap 50, every other layer a window of 4096 keys"
#define GPT_OSS "gpt-oss 20B and 120B (OpenAI 2025), sinks, every other layer a window of 128 keys"
#define BLOOM "BLOOM 7B1 (BigScience 2022), ALiBi"
#define MPT "MPT-7B (MosaicML 2023), ALiBi"

const Preset presets[] = {
    READER("bert-base", "h12", "d64", BERT)
    READER("bert-large", "h16", "d64", BERT)
    PREFILL("gpt2", "1024", "h12", "d64", "", GPT2)
    DECODE("gpt2", "1024", "h12", "d64", "", GPT2)
    DECODER("llama2-7b", "h32", "d128", "", LLAMA2)
    DECODER("llama3-8b", "h32g8", "d128", "", LLAMA3)
    DECODER("llama3-70b", "h64g8", "d128", "", LLAMA3)
    DECODER("qwen2-7b", "h28g4", "d128", "", QWEN2)
    DECODER("phi3-mini", "h32", "d96", "", PHI3)
    DECODER("mistral-7b", "h32g8", "d128", "_win4095", MISTRAL)
    DECODER("gemma2-9b", "h16g8", "d256", "_cap50", GEMMA2)
    DECODER("gemma2-9b-local", "h16g8", "d256", "_win4095_cap50", GEMMA2)
    DECODER("gpt-oss", "h64g8", "d64", "_sink", GPT_OSS)
    DECODER("gpt-oss-local", "h64g8", "d64", "_win127_sink", GPT_OSS)
    DECODER("bloom-7b1", "h32", "d128", "_alibi", BLOOM)
    DECODER("mpt-7b", "h32", "d128", "_alibi", MPT)
    {"vit-b16/encoder", "b1_h12_q197_k197_d64", VIT},
    {"vit-h14/encoder", "b1_h16_q257_k257_d80", VIT},
    {"clip-b32/text", "b1_h8_q77_k77_d64_causal", CLIP},
    {"whisper-large/encoder", "b1_h20_q1500_k1500_d64", WHISPER},
    {"whisper-large/cross", "b1_h20_q1_k1500_d64", WHISPER},
    {"whisper-large/cross-prompt", "b1_h20_q224_k1500_d64", WHISPER},
    {"sd15/self-4096", "b1_h8_q4096_k4096_d40", SD15},
    {"sd15/self-1024", "b1_h8_q1024_k1024_d80", SD15},
    {"sd15/self-256", "b1_h8_q256_k256_d160", SD15},
    {"sd15/cross-4096", "b1_h8_q4096_k77_d40", SD15},
    PREFILL("deepseek-mla", "512", "h128", "d192v128", "", DEEPSEEK)
    PREFILL("deepseek-mla", "2048", "h128", "d192v128", "", DEEPSEEK)
    DECODE("deepseek-mla", "1024", "h128g1", "d576v512", "_vk", DEEPSEEK)
    DECODE("deepseek-mla", "4096", "h128g1", "d576v512", "_vk", DEEPSEEK)
};
const size_t preset_count = sizeof presets / sizeof *presets;

/* What may follow '@' for each phase that has a length: 'L' is q and k together, 'K' is k; 'q', 'k', 'b' are
 * sizes written with their letter. */
static const struct {
    const char *phase, *form, *example;
} phases[] = {
    {"prefill", "L", "prefill@512"},          {"encoder", "L", "encoder@384"},        {"decode", "K", "decode@4096"},
    {"chunk", "qk", "chunk@q512,k8192"},      {"batchdecode", "b", "batchdecode@b8"},
};

static bool set_lengths(Shape *shape, const char *phase, size_t phase_length, const char *text, const char *after, char *error, size_t error_size)
{
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++) {
        if (strlen(phases[i].phase) != phase_length || strncmp(phases[i].phase, phase, phase_length) != 0)
            continue;
        const char *at = after;
        for (const char *form = phases[i].form; *form; form++) {
            char *end;
            if (form != phases[i].form) /* "" fails below, as anything that does not begin with a digit does */
                at = *at == ',' ? at + 1 : "";
            if (*form >= 'a')
                at = *at == *form ? at + 1 : "";
            errno = 0;
            const unsigned long long value = *at >= '0' && *at <= '9' ? strtoull(at, &end, 10) : 0;
            if (value < 1 || value > ATTN_MAX_SIZE || errno != 0 || (!form[1] && *end)) {
                snprintf(error, error_size, "preset '%s': length is '%s'; allowed: as in %s, each from 1 to %zu", text, after, phases[i].example,
                         ATTN_MAX_SIZE);
                return false;
            }
            at = end;
            if (*form == 'b')
                shape->batch = (size_t)value;
            if (*form == 'L' || *form == 'q')
                shape->q_len = (size_t)value;
            if (*form != 'b' && *form != 'q')
                shape->k_len = (size_t)value;
        }
        return true;
    }
    snprintf(error, error_size, "preset '%s': its size is fixed, nothing may follow '@'", text);
    return false;
}

enum { NAME = 64, MOST_NAMES = 64 };

/* The names of a model's presets, or, of no model (NULL), the names of all models. Returns how many. */
static size_t names_of(const char *model, size_t length, char names[][NAME], const char **known)
{
    size_t count = 0;
    for (size_t i = 0; i < preset_count && count < MOST_NAMES; i++) {
        const char *name = presets[i].name;
        const size_t part = model ? strlen(name) : strcspn(name, "/");
        if (model ? strcspn(name, "/") != length || strncmp(name, model, length) != 0
                  : count > 0 && strlen(names[count - 1]) == part && strncmp(names[count - 1], name, part) == 0)
            continue;
        snprintf(names[count], NAME, "%.*s", (int)part, name);
        known[count] = names[count];
        count++;
    }
    return count;
}

/* Nothing of that name: say what the model has, or which models there are, and which was meant. */
bool preset_refuse(const char *text, char *error, size_t error_size)
{
    char names[MOST_NAMES][NAME], list[900] = "", model[NAME];
    const char *known[MOST_NAMES];
    const size_t length = strcspn(text, "/");
    size_t used = 0, count = names_of(text, length, names, known);
    const bool has = count > 0, alone = !text[length];
    if (!has)
        count = names_of(NULL, 0, names, known);
    for (size_t i = 0; i < count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", known[i]);
    snprintf(model, sizeof model, "%.*s", (int)(length < NAME ? length : NAME - 1), text);
    const char *near = alone && has ? NULL : near_word(has ? text : model, known, count);
    if (alone && has)
        snprintf(error, error_size, "'%s' is a model, not a shape; allowed: %s, or %s/* for all", text, list, text);
    else
        snprintf(error, error_size, "unknown preset '%s';%s%s%s%s %s: %s", text, near ? " did you mean '" : "", near ? near : "",
                 near && !has ? text + length : "", near ? "'?" : "", has ? "this model has" : "known models", list);
    return false;
}

bool preset_model(const char *word)
{
    char names[MOST_NAMES][NAME];
    const char *known[MOST_NAMES];
    const size_t count = names_of(NULL, 0, names, known);
    const char *near = near_word(word, known, count);
    return near && (strcmp(near, word) == 0 || word[0] != 'b' || word[1] < '0' || word[1] > '9');
}

bool preset_parse(Shape *shape, const char *text, char *error, size_t error_size)
{
    const size_t stem = strcspn(text, "@");
    const char *phase = strchr(text, '/') + 1;
    for (size_t i = 0; i < preset_count; i++) {
        const char *name = presets[i].name;
        const size_t length = strcspn(name, "@");
        if (length != stem || strncmp(name, text, stem) != 0)
            continue;
        if (!text[stem] && name[length])
            return preset_refuse(text, error, error_size); /* the phase needs a length; the list shows examples */
        if (!shape_parse(shape, presets[i].shape, error, error_size))
            return false;
        if (text[stem] && !set_lengths(shape, phase, name[length] ? (size_t)(name + length - strchr(name, '/') - 1) : 0, text, text + stem + 1,
                                       error, error_size))
            return false;
        snprintf(shape->name, sizeof shape->name, "%s", text);
        return true;
    }
    return preset_refuse(text, error, error_size);
}

size_t preset_match(const char *glob, size_t from)
{
    while (from < preset_count && fnmatch(glob, presets[from].name, 0) != 0)
        from++;
    return from;
}
