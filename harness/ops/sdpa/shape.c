/* shape.c - one shape: read its name, write its name. Problem and work are problem.c, lists and ranges shapes.c, models presets.c.
 *
 * A name is words joined by '_': five sizes, then options in a fixed order, each at most once. One table, shape_words.def, says
 * which words there are. */
#include "dispatch/dtype.h"
#include "harness/base/error.h"
#include "harness/ops/sdpa/operand.h"
#include "harness/ops/sdpa/shape.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Words ----------------------------------------------------------------------------------------------------------------------- */

typedef enum Word {
#define WORD(id, text, rank, value, option, example, meaning) WORD_##id,
#include "harness/ops/sdpa/shape_words.def"
    WORDS
} Word;
static const struct {
    const char *text;
    int rank;
    bool value;
} words[WORDS] = {
#define WORD(id, text, rank, value, option, example, meaning) {text, rank, value},
#include "harness/ops/sdpa/shape_words.def"
};
static const char order[] = "causal[-tl|-off<N>|-offs] or br, off<N>, offs; win[<L>][r<R>]; gauss or additive; cap<C>; alibi; sink; "
                            "maskbool; bias; pad<F> or varlen; past<N>; bhld, blhd or packed; vk; lse; scores{raw,capped,biased,weights}";

/* Parts of the grammar that the public interface cannot express yet. */
static const struct {
    const char *text, *meaning;
} later[] = {
    {"maskf32", "float masks under this name (say bias)"}, {"mask2d", "masks shared by all heads"}, {"paged", "paged caches"},
};

/* ---- Reading --------------------------------------------------------------------------------------------------------------------- */

/* A whole number at *at, at most `high`; *at moves past it. */
static bool number(const char **at, uint64_t high, uint64_t *value)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *value = strtoull(*at, &end, 10);
    *at = end;
    return errno == 0 && *value <= high;
}

/* A size with what leads it, for example "_q" and 512. */
static bool size_at(const char **at, const char *text, const char *lead, const char *what, uint64_t low, size_t *size, char *error,
                    size_t error_size)
{
    uint64_t value = 0;
    if (strncmp(*at, lead, strlen(lead)) != 0)
        return error_set(error, error_size, "shape '%s': expected %s<%s> at '%s'; a shape is b1_h32g8_q512_k4096_d128 and options after it",
                         text, lead, what, **at ? *at : "the end");
    *at += strlen(lead);
    const char *digits = *at;
    if (!number(at, ATTN_MAX_SIZE, &value) || value < low)
        return error_set(error, error_size, "shape '%s': %s is '%.*s'; allowed: a whole number from %" PRIu64 " to %zu", text, what,
                         (int)strcspn(digits, "_"), digits, low, ATTN_MAX_SIZE);
    *size = (size_t)value;
    return true;
}

static bool refuse(const char *text, const char *word, size_t length, char *error, size_t error_size)
{
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        const size_t stem = strlen(later[i].text);
        if (length >= stem && strncmp(word, later[i].text, stem) == 0 && strspn(word + stem, "0123456789.") == length - stem)
            return error_set(error, error_size, "shape '%s': '%.*s': %s are not in the interface yet", text, (int)length, word,
                             later[i].meaning);
    }
    return error_set(error, error_size, "shape '%s': unknown option '%.*s'; known, in this order: %s", text, (int)length, word, order);
}

/* A whole number that may be negative, all of `digits`. */
static bool offset_of(Shape *shape, const char *text, const char *digits, size_t length, char *error, size_t error_size)
{
    const bool negative = *digits == '-';
    const char *at = digits + negative;
    uint64_t value = 0;
    if (!number(&at, ATTN_MAX_SIZE, &value) || at != digits + length)
        return error_set(error, error_size, "shape '%s': offset is '%.*s'; allowed: a whole number from -%zu to %zu", text, (int)length,
                         digits, ATTN_MAX_SIZE, ATTN_MAX_SIZE);
    shape->align = ATTN_ALIGN_OFFSET;
    shape->offset = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

/* "128", "r64", "128r64" or nothing. */
static bool window_of(Shape *shape, const char *text, const char *digits, size_t length, char *error, size_t error_size)
{
    const char *at = digits;
    uint64_t left = 0, right = 0;
    const bool has_left = length > 0 && *at != 'r';
    bool ok = !has_left || number(&at, ATTN_MAX_SIZE, &left);
    const bool has_right = ok && at < digits + length && *at == 'r';
    at += has_right;
    ok = ok && (!has_right || number(&at, ATTN_MAX_SIZE, &right)) && at == digits + length;
    if (!ok)
        return error_set(error, error_size,
                         "shape '%s': window is '%.*s'; allowed: <left>, r<right> or <left>r<right>, whole numbers from 0 to %zu", text,
                         (int)length, digits, ATTN_MAX_SIZE);
    shape->window = true;
    shape->window_left = has_left ? (int64_t)left : -1;
    shape->window_right = has_right ? (int64_t)right : -1;
    return true;
}

/* A decimal number, all of `digits`, from low to high. */
static bool real_of(double *value, const char *text, const char *what, const char *digits, size_t length, double low, double high,
                    const char *allowed, char *error, size_t error_size)
{
    char *end;
    const bool plain = length > 0 && digits[0] >= '0' && digits[0] <= '9' && strspn(digits, "0123456789.eE+-") >= length;
    const double x = plain ? strtod(digits, &end) : NAN;
    if (!plain || end != digits + length || !(x >= low && x <= high))
        return error_set(error, error_size, "shape '%s': %s is '%.*s'; allowed: %s", text, what, (int)length, digits, allowed);
    *value = x;
    return true;
}

static bool past_of(Shape *shape, const char *text, const char *digits, size_t length, char *error, size_t error_size)
{
    const char *at = digits;
    uint64_t value = 0;
    if (!number(&at, shape->k_len, &value) || at != digits + length || value == 0)
        return error_set(error, error_size,
                         "shape '%s': past is '%.*s'; allowed: a whole number from 1 to %zu, the key length, which counts the past", text,
                         (int)length, digits, shape->k_len);
    shape->past_len = (size_t)value;
    return true;
}

/* One option; *rank is that of the option before it. */
static bool option(Shape *shape, const char *text, const char *word, size_t length, int *rank, char *error, size_t error_size)
{
    size_t found = 0, stem = 0;
    for (; found < WORDS; found++) {
        stem = strlen(words[found].text);
        if (strncmp(word, words[found].text, stem) == 0 && (words[found].value ? length >= stem : length == stem))
            break;
    }
    if (found == WORDS)
        return refuse(text, word, length, error, error_size);
    if (words[found].rank <= *rank)
        return error_set(error, error_size, "shape '%s': option '%.*s' %s; the order is %s", text, (int)length, word,
                         words[found].rank == *rank ? "is given twice or contradicts the one before it" : "comes too late", order);
    *rank = words[found].rank;
    const char *value = word + stem;
    const size_t rest = length - stem;
    switch ((Word)found) {
    case WORD_CAUSAL: shape->causal = true, shape->align = ATTN_ALIGN_BOTTOM_RIGHT; break;
    case WORD_CAUSAL_TL: shape->causal = true; break;
    case WORD_CAUSAL_OFFS: shape->causal = true, shape->align = ATTN_ALIGN_OFFSETS; break;
    case WORD_CAUSAL_OFF: shape->causal = true; return offset_of(shape, text, value, rest, error, error_size);
    case WORD_BR: shape->align = ATTN_ALIGN_BOTTOM_RIGHT; break;
    case WORD_OFFS: shape->align = ATTN_ALIGN_OFFSETS; break;
    case WORD_OFF: return offset_of(shape, text, value, rest, error, error_size);
    case WORD_WINDOW: return window_of(shape, text, value, rest, error, error_size);
    case WORD_GAUSS: shape->score = ATTN_SCORE_GAUSSIAN; break;
    case WORD_ADDITIVE: shape->score = ATTN_SCORE_ADDITIVE; break;
    case WORD_CAP:
        return real_of(&shape->softcap, text, "soft-cap", value, rest, 0x1p-60, 0x1p60, "a number from 2^-60 to 2^60, such as cap50", error,
                       error_size);
    case WORD_ALIBI: shape->alibi = true; break;
    case WORD_SINK: shape->sinks = true; break;
    case WORD_MASK: shape->mask = true; break;
    case WORD_BIAS: shape->bias = true; break;
    case WORD_PAD:
        shape->kv_lengths = true;
        return real_of(&shape->pad, text, "padding", value, rest, 0, 1, "a part of the keys from 0 to 1, such as pad0.5", error, error_size);
    case WORD_VARLEN: shape->varlen = true; break;
    case WORD_PAST: return past_of(shape, text, value, rest, error, error_size);
    case WORD_BHLD: shape->layout = SHAPE_BHLD; break;
    case WORD_BLHD: shape->layout = SHAPE_BLHD; break;
    case WORD_PACKED: shape->layout = SHAPE_INTERLEAVED; break;
    case WORD_VK: shape->v_in_k = true; break;
    case WORD_LSE: shape->lse = true; break;
    case WORD_RAW:
    case WORD_CAPPED:
    case WORD_BIASED:
    case WORD_WEIGHTS: shape->scores = true, shape->scores_stage = (AttnStage)(found - WORD_RAW); break;
    case WORDS: break;
    }
    return true;
}
_Static_assert(WORD_WEIGHTS - WORD_RAW == ATTN_STAGE_WEIGHTS && ATTN_STAGE_RAW == 0, "words of the stages stand in the order of AttnStage");

/* Does the product, in bytes, fit the address space? */
static bool product_fits(size_t a, size_t b, size_t c, size_t d)
{
    size_t bytes = 0;
    return !__builtin_mul_overflow(a, b, &bytes) && !__builtin_mul_overflow(bytes, c, &bytes) && !__builtin_mul_overflow(bytes, d, &bytes) &&
           !__builtin_mul_overflow(bytes, (size_t)4, &bytes) && bytes <= PTRDIFF_MAX;
}

/* What no single word can show. */
static bool consistent(const Shape *s, const char *text, char *error, size_t error_size)
{
    if (s->q_heads % s->kv_heads != 0)
        return error_set(error, error_size, "shape '%s': h is %zu and g is %zu; h must be a multiple of g", text, s->q_heads, s->kv_heads);
    if (s->v_in_k && s->dv > s->d)
        return error_set(error, error_size, "shape '%s': vk makes v the first columns of k, but v is %zu wide and k only %zu", text, s->dv,
                         s->d);
    if (s->layout == SHAPE_INTERLEAVED && (s->q_len != s->k_len - s->past_len || s->dv != s->d || s->v_in_k))
        return error_set(error, error_size,
                         "shape '%s': packed interleaves q, k and v in one tensor, so q and new k lengths must be equal, d and v too, without "
                         "vk",
                         text);
    if (s->varlen && (s->past_len > 0 || s->scores))
        return error_set(error, error_size, "shape '%s': varlen and %s cannot be combined", text, s->scores ? "scores" : "past");
    const size_t heads = s->q_heads + (s->layout == SHAPE_INTERLEAVED ? 2 * s->kv_heads : 0), wide = s->d > s->dv ? s->d : s->dv;
    const size_t rows = s->q_len > s->k_len ? s->q_len : s->k_len;
    if (!product_fits(s->batch, heads, rows, wide) ||
        ((s->mask || s->bias || s->lse || s->scores) && !product_fits(s->batch, s->q_heads, s->q_len, s->k_len)))
        return error_set(error, error_size, "shape '%s': its tensors do not fit the address space", text);
    return true;
}

/* One storage type at `at`, of those that operands are read as; what follows it, or NULL. */
static const char *read_type(const char *at, size_t length, AttnDtype *type)
{
    for (size_t i = 0; (*type = operand_dtype(i)) != ATTN_NONE; i++)
        if (strlen(attn_dtype_name(*type)) == length && strncmp(at, attn_dtype_name(*type), length) == 0)
            return at + length;
    return NULL;
}

/* "f32:", or the types of q, k, v and o with '/' between them. What follows the colon, or NULL. */
static const char *read_types(Shape *s, const char *text)
{
    AttnDtype *const types[] = {&s->q_type, &s->k_type, &s->v_type, &s->o_type};
    size_t count = 0;
    const char *at = text;
    for (; at && count < 4; count++) {
        at = read_type(at, strcspn(at, "/:"), types[count]);
        if (!at || *at == ':')
            break;
        at++;
    }
    if (!at || *at != ':' || (count != 0 && count != 3))
        return NULL;
    for (size_t i = 1; i < 4 && count == 0; i++)
        *types[i] = s->q_type;
    return at + 1;
}

size_t shape_types_length(const char *text)
{
    Shape unused = {0};
    const char *end = read_types(&unused, text);
    return end ? (size_t)(end - text) : 0;
}

const char *shape_types(const Shape *s, char *buffer, size_t size)
{
    const AttnDtype types[] = {s->q_type, s->k_type, s->v_type, s->o_type};
    const char *names[4];
    bool alike = true;
    for (size_t i = 0; i < 4; i++) {
        names[i] = attn_dtype_name(types[i] == ATTN_NONE ? ATTN_F32 : types[i]);
        alike = alike && strcmp(names[i], names[0]) == 0;
    }
    if (alike)
        snprintf(buffer, size, "%s", names[0]);
    else
        snprintf(buffer, size, "%s/%s/%s/%s", names[0], names[1], names[2], names[3]);
    return buffer;
}

static bool refuse_types(const char *text, const char *colon, char *error, size_t error_size)
{
    char known[100] = "";
    for (size_t i = 0; operand_dtype(i) != ATTN_NONE; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", attn_dtype_name(operand_dtype(i)));
    return error_set(error, error_size, "shape '%s': storage type '%.*s' is not in the interface yet; known: %s", text, (int)(colon - text),
                     text, known);
}

bool shape_parse(Shape *shape, const char *text, char *error, size_t error_size)
{
    const char *at = text, *colon = strchr(text, ':');
    Shape s = {0};
    int rank = -1;
    if (strchr(text, '='))
        return error_set(error, error_size, "shape '%s': storage types per tensor are not in the interface yet; all are f32", text);
    if (op_number(text) != 0)
        return error_set(error, error_size, "shape '%s': attention is wanted here, a b<batch>_h<heads>_... shape", text);
    if (colon && !(at = read_types(&s, text)))
        return refuse_types(text, colon, error, error_size);
    if (!size_at(&at, text, "b", "batch", 0, &s.batch, error, error_size))
        return false;
    if (!size_at(&at, text, "_h", "query heads", 1, &s.q_heads, error, error_size))
        return false;
    s.kv_heads = s.q_heads;
    if (*at == 'g' && !size_at(&at, text, "g", "KV heads", 1, &s.kv_heads, error, error_size))
        return false;
    if (!size_at(&at, text, "_q", "query length", 0, &s.q_len, error, error_size))
        return false;
    if (!size_at(&at, text, "_k", "key length", 0, &s.k_len, error, error_size))
        return false;
    if (!size_at(&at, text, "_d", "head width", 1, &s.d, error, error_size))
        return false;
    s.dv = s.d;
    if (*at == 'v' && !size_at(&at, text, "v", "value width", 1, &s.dv, error, error_size))
        return false;
    while (*at == '_') {
        const size_t length = strcspn(++at, "_");
        if (!option(&s, text, at, length, &rank, error, error_size))
            return false;
        at += length;
    }
    if (*at)
        return error_set(error, error_size, "shape '%s': cannot read '%s'; options follow the sizes after a '_'", text, at);
    if (!consistent(&s, text, error, error_size))
        return false;
    *shape = s;
    return true;
}

/* ---- Writing --------------------------------------------------------------------------------------------------------------------- */

/* Does the name hold this word? */
static bool holds(const Shape *s, Word word)
{
    switch (word) {
    case WORD_CAUSAL: return s->causal && s->align == ATTN_ALIGN_BOTTOM_RIGHT;
    case WORD_CAUSAL_TL: return s->causal && s->align == ATTN_ALIGN_TOP_LEFT;
    case WORD_CAUSAL_OFFS: return s->causal && s->align == ATTN_ALIGN_OFFSETS;
    case WORD_CAUSAL_OFF: return s->causal && s->align == ATTN_ALIGN_OFFSET;
    case WORD_BR: return !s->causal && s->align == ATTN_ALIGN_BOTTOM_RIGHT;
    case WORD_OFFS: return !s->causal && s->align == ATTN_ALIGN_OFFSETS;
    case WORD_OFF: return !s->causal && s->align == ATTN_ALIGN_OFFSET;
    case WORD_WINDOW: return s->window;
    case WORD_GAUSS: return s->score == ATTN_SCORE_GAUSSIAN;
    case WORD_ADDITIVE: return s->score == ATTN_SCORE_ADDITIVE;
    case WORD_CAP: return s->softcap != 0;
    case WORD_ALIBI: return s->alibi;
    case WORD_SINK: return s->sinks;
    case WORD_MASK: return s->mask;
    case WORD_BIAS: return s->bias;
    case WORD_PAD: return s->kv_lengths;
    case WORD_VARLEN: return s->varlen;
    case WORD_PAST: return s->past_len > 0;
    case WORD_BHLD: return false; /* goes without saying */
    case WORD_BLHD: return s->layout == SHAPE_BLHD;
    case WORD_PACKED: return s->layout == SHAPE_INTERLEAVED;
    case WORD_VK: return s->v_in_k;
    case WORD_LSE: return s->lse;
    case WORD_RAW:
    case WORD_CAPPED:
    case WORD_BIASED:
    case WORD_WEIGHTS: return s->scores && s->scores_stage == (AttnStage)(word - WORD_RAW);
    case WORDS: break;
    }
    return false;
}

/* A decimal number, no longer than needed, that reads back as `value`. */
static void put_real(char *text, size_t size, double value)
{
    text[0] = '\0';
    for (int precision = 6; precision <= 17 && strtod(text, NULL) != value; precision++)
        snprintf(text, size, "%.*g", precision, value);
    if (!*text)
        snprintf(text, size, "0");
}

static void put_window(char *text, size_t size, const Shape *s)
{
    size_t used = 0;
    text[0] = '\0';
    if (s->window_left >= 0)
        used = (size_t)snprintf(text, size, "%" PRId64, s->window_left);
    if (s->window_right >= 0)
        snprintf(text + used, size - used, "r%" PRId64, s->window_right);
}

/* What follows a word of which something follows. */
static void put_value(char *text, size_t size, const Shape *s, Word word)
{
    if (word == WORD_WINDOW)
        put_window(text, size, s);
    else if (word == WORD_CAP || word == WORD_PAD)
        put_real(text, size, word == WORD_CAP ? s->softcap : s->pad);
    else if (word == WORD_PAST)
        snprintf(text, size, "%zu", s->past_len);
    else
        snprintf(text, size, "%" PRId64, s->offset);
}

const char *shape_name(const Shape *s, char *buffer, size_t size)
{
    char heads[32] = "", values[32] = "", types[SHAPE_TYPES];
    const bool plain = strcmp(shape_types(s, types, sizeof types), "f32") == 0;
    if (s->kv_heads != s->q_heads)
        snprintf(heads, sizeof heads, "g%zu", s->kv_heads);
    if (s->dv != s->d)
        snprintf(values, sizeof values, "v%zu", s->dv);
    const int sizes = snprintf(buffer, size, "%s%sb%zu_h%zu%s_q%zu_k%zu_d%zu%s", plain ? "" : types, plain ? "" : ":", s->batch,
                               s->q_heads, heads, s->q_len, s->k_len, s->d, values);
    size_t used = sizes > 0 ? (size_t)sizes : 0;
    for (Word word = 0; word < WORDS && used < size; word++)
        if (holds(s, word)) {
            char value[64] = "";
            if (words[word].value)
                put_value(value, sizeof value, s, word);
            const int wrote = snprintf(buffer + used, size - used, "_%s%s", words[word].text, value);
            used += wrote > 0 ? (size_t)wrote : 0;
        }
    return buffer;
}
