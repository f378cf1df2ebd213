/* shape.c - one shape: read its name, write its name, make the problem, count its work.
 *
 * A name is words joined by '_': five sizes, then options in a fixed order, each at most once. A word that a later part of the grammar
 * will know is refused by what it means, not as a typing mistake. Lists, ranges and presets are shapes.c and presets.c. */
#include "harness/shape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool fail(char *error, size_t error_size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool fail(char *error, size_t error_size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, error_size, format, args);
    va_end(args);
    return false;
}

/* ---- Reading --------------------------------------------------------------------------------------------------------------------- */

/* Options in the order in which a name holds them. Words of the same rank exclude each other. */
typedef enum Word { WORD_CAUSAL, WORD_TOP_LEFT, WORD_OFFSET, WORD_MASK, WORD_BIAS, WORD_BHLD, WORD_BLHD, WORD_PACKED, WORD_VK, WORD_LSE } Word;
static const struct {
    const char *text;
    int rank;
    bool number; /* a whole number follows, without a gap */
} words[] = {
    [WORD_CAUSAL] = {"causal", 0, false}, [WORD_TOP_LEFT] = {"causal-tl", 0, false}, [WORD_OFFSET] = {"causal-off", 0, true},
    [WORD_MASK] = {"maskbool", 1, false}, [WORD_BIAS] = {"bias", 2, false},          [WORD_BHLD] = {"bhld", 3, false},
    [WORD_BLHD] = {"blhd", 3, false},     [WORD_PACKED] = {"packed", 3, false},      [WORD_VK] = {"vk", 4, false},
    [WORD_LSE] = {"lse", 5, false},
};
enum { WORDS = sizeof words / sizeof *words, RANKS = 6 };

/* Parts of the grammar that the public interface cannot express yet. */
static const struct {
    const char *text, *meaning;
} later[] = {
    {"win", "sliding windows"},        {"sink", "attention sinks"},  {"alibi", "ALiBi slopes"},       {"cap", "logit soft-caps"},
    {"pad", "lengths per batch entry"}, {"maskf32", "float masks under this name (say bias)"}, {"mask2d", "masks shared by all heads"}, {"paged", "paged caches"},
};

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
static bool size_at(const char **at, const char *text, const char *lead, const char *what, uint64_t low, size_t *size, char *error, size_t error_size)
{
    uint64_t value = 0;
    if (strncmp(*at, lead, strlen(lead)) != 0)
        return fail(error, error_size, "shape '%s': expected %s<%s> at '%s'; a shape is b1_h32g8_q512_k4096_d128 and options after it", text,
                    lead, what, **at ? *at : "the end");
    *at += strlen(lead);
    const char *digits = *at;
    if (!number(at, ATTN_MAX_SIZE, &value) || value < low)
        return fail(error, error_size, "shape '%s': %s is '%.*s'; allowed: a whole number from %" PRIu64 " to %zu", text, what,
                    (int)strcspn(digits, "_"), digits, low, ATTN_MAX_SIZE);
    *size = (size_t)value;
    return true;
}

static bool refuse(const char *text, const char *word, size_t length, char *error, size_t error_size)
{
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        const size_t stem = strlen(later[i].text);
        if (length >= stem && strncmp(word, later[i].text, stem) == 0 && strspn(word + stem, "0123456789.") == length - stem)
            return fail(error, error_size, "shape '%s': '%.*s': %s are not in the interface yet", text, (int)length, word, later[i].meaning);
    }
    return fail(error, error_size, "shape '%s': unknown option '%.*s'; known, in this order: causal, causal-tl or causal-off<N>; maskbool; bias; "
                                   "bhld, blhd or packed; vk; lse", text, (int)length, word);
}

/* One option; *rank is that of the option before it. */
static bool option(Shape *shape, const char *text, const char *word, size_t length, int *rank, char *error, size_t error_size)
{
    size_t found = 0;
    for (; found < WORDS; found++) {
        const size_t stem = strlen(words[found].text);
        if (strncmp(word, words[found].text, stem) == 0 && (words[found].number ? length >= stem : length == stem))
            break;
    }
    if (found == WORDS)
        return refuse(text, word, length, error, error_size);
    if (words[found].rank <= *rank)
        return fail(error, error_size, "shape '%s': option '%.*s' %s; the order is causal, maskbool, bias, layout, vk, lse", text, (int)length,
                    word, words[found].rank == *rank ? "is given twice or contradicts the one before it" : "comes too late");
    *rank = words[found].rank;
    switch ((Word)found) {
    case WORD_CAUSAL: shape->causal = true, shape->align = ATTN_ALIGN_BOTTOM_RIGHT; break;
    case WORD_TOP_LEFT: shape->causal = true; break;
    case WORD_OFFSET: {
        const char *at = word + strlen(words[WORD_OFFSET].text), *digits = at;
        const bool negative = *at == '-';
        uint64_t value = 0;
        at += negative;
        if (!number(&at, ATTN_MAX_SIZE, &value) || at != word + length)
            return fail(error, error_size, "shape '%s': causal offset is '%.*s'; allowed: a whole number from -%zu to %zu", text,
                        (int)(word + length - digits), digits, ATTN_MAX_SIZE, ATTN_MAX_SIZE);
        shape->causal = true;
        shape->align = ATTN_ALIGN_OFFSET;
        shape->offset = negative ? -(int64_t)value : (int64_t)value;
        break;
    }
    case WORD_MASK: shape->mask = true; break;
    case WORD_BIAS: shape->bias = true; break;
    case WORD_BHLD: shape->layout = SHAPE_BHLD; break;
    case WORD_BLHD: shape->layout = SHAPE_BLHD; break;
    case WORD_PACKED: shape->layout = SHAPE_PACKED; break;
    case WORD_VK: shape->v_in_k = true; break;
    case WORD_LSE: shape->lse = true; break;
    }
    return true;
}

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
        return fail(error, error_size, "shape '%s': h is %zu and g is %zu; h must be a multiple of g", text, s->q_heads, s->kv_heads);
    if (s->v_in_k && s->dv > s->d)
        return fail(error, error_size, "shape '%s': vk makes v the first columns of k, but v is %zu wide and k only %zu", text, s->dv, s->d);
    if (s->layout == SHAPE_PACKED && (s->q_len != s->k_len || s->dv != s->d || s->v_in_k))
        return fail(error, error_size, "shape '%s': packed puts q, k and v into one tensor, so q and k lengths and d and v must be equal, without vk",
                    text);
    const size_t heads = s->q_heads + (s->layout == SHAPE_PACKED ? 2 * s->kv_heads : 0), wide = s->d > s->dv ? s->d : s->dv;
    const size_t rows = s->q_len > s->k_len ? s->q_len : s->k_len;
    if (!product_fits(s->batch, heads, rows, wide) || ((s->mask || s->bias || s->lse) && !product_fits(s->batch, s->q_heads, s->q_len, s->k_len)))
        return fail(error, error_size, "shape '%s': its tensors do not fit the address space", text);
    return true;
}

bool shape_parse(Shape *shape, const char *text, char *error, size_t error_size)
{
    const char *at = text, *colon = strchr(text, ':');
    Shape s = {0};
    int rank = -1;
    if (strchr(text, '='))
        return fail(error, error_size, "shape '%s': storage types per tensor are not in the interface yet; all are f32", text);
    if (colon && (colon - text != 3 || strncmp(text, "f32", 3) != 0))
        return fail(error, error_size, "shape '%s': storage type '%.*s' is not in the interface yet; known: f32", text, (int)(colon - text), text);
    at = colon ? colon + 1 : text;
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
        return fail(error, error_size, "shape '%s': cannot read '%s'; options follow the sizes after a '_'", text, at);
    if (!consistent(&s, text, error, error_size))
        return false;
    *shape = s;
    return true;
}

/* ---- Writing --------------------------------------------------------------------------------------------------------------------- */

const char *shape_name(const Shape *shape, char *buffer, size_t size)
{
    char heads[32] = "", values[32] = "", causal[48] = "";
    if (shape->kv_heads != shape->q_heads)
        snprintf(heads, sizeof heads, "g%zu", shape->kv_heads);
    if (shape->dv != shape->d)
        snprintf(values, sizeof values, "v%zu", shape->dv);
    if (shape->causal && shape->align == ATTN_ALIGN_OFFSET)
        snprintf(causal, sizeof causal, "_causal-off%" PRId64, shape->offset);
    else if (shape->causal)
        snprintf(causal, sizeof causal, shape->align == ATTN_ALIGN_TOP_LEFT ? "_causal-tl" : "_causal");
    snprintf(buffer, size, "b%zu_h%zu%s_q%zu_k%zu_d%zu%s%s%s%s%s%s%s", shape->batch, shape->q_heads, heads, shape->q_len, shape->k_len, shape->d,
             values, causal, shape->mask ? "_maskbool" : "", shape->bias ? "_bias" : "",
             shape->layout == SHAPE_BLHD ? "_blhd" : shape->layout == SHAPE_PACKED ? "_packed" : "", shape->v_in_k ? "_vk" : "",
             shape->lse ? "_lse" : "");
    return buffer;
}

/* ---- Problem and work ------------------------------------------------------------------------------------------------------------ */

/* Heads of `width` columns side by side in rows that are `row` elements long. */
static void interleave(AttnLayout *layout, size_t width, size_t row, size_t rows)
{
    layout->head = (ptrdiff_t)width;
    layout->row = (ptrdiff_t)row;
    layout->batch = (ptrdiff_t)(rows * row);
}

static void score_strides(AttnScoreLayout *layout, AttnDtype dtype, const Shape *s)
{
    layout->dtype = dtype;
    layout->col = 1;
    layout->row = (ptrdiff_t)s->k_len;
    layout->head = (ptrdiff_t)(s->q_len * s->k_len);
    layout->batch = (ptrdiff_t)(s->q_heads * s->q_len * s->k_len);
}

AttnProblem shape_problem(const Shape *s)
{
    AttnProblem p = attn_problem(s->batch, s->q_heads, s->kv_heads, s->q_len, s->k_len, s->d, s->dv);
    p.causal = s->causal;
    p.align = s->align;
    p.offset = s->offset;
    if (s->layout != SHAPE_BHLD) {
        const size_t packed = s->layout == SHAPE_PACKED ? (s->q_heads + 2 * s->kv_heads) * s->d : 0;
        interleave(&p.q, s->d, packed ? packed : s->q_heads * s->d, s->q_len);
        interleave(&p.k, s->d, packed ? packed : s->kv_heads * s->d, s->k_len);
        interleave(&p.v, s->dv, packed ? packed : s->kv_heads * s->dv, s->k_len);
        interleave(&p.o, s->dv, s->q_heads * s->dv, s->q_len);
    }
    if (s->v_in_k)
        p.v = p.k;
    if (s->mask)
        score_strides(&p.mask, ATTN_BOOL, s);
    if (s->bias)
        score_strides(&p.bias, ATTN_F32, s);
    if (s->lse)
        attn_problem_want_lse(&p);
    return p;
}

double shape_visible_pairs(const Shape *s)
{
    const double q_len = (double)s->q_len, k_len = (double)s->k_len;
    double pairs = q_len * k_len;
    if (s->causal) {
        /* Row i sees clamp(i + offset + 1, 0, Sk) keys: rows before `first` none, from `full` on all of them, between them one more each. */
        const double offset = s->align == ATTN_ALIGN_OFFSET ? (double)s->offset :
                              s->align == ATTN_ALIGN_TOP_LEFT ? 0 : k_len - q_len;
        const double first = offset < 0 ? (-offset < q_len ? -offset : q_len) : 0;
        double full = k_len - offset - 1;
        full = full < first ? first : full > q_len ? q_len : full;
        pairs = (full - first) * (first + full + 2 * offset + 1) / 2 + (q_len - full) * k_len;
    }
    return pairs * (double)s->batch * (double)s->q_heads;
}

double shape_flop(const Shape *s)
{
    return 2 * shape_visible_pairs(s) * (double)(s->d + s->dv);
}

double shape_bytes(const Shape *s)
{
    const double b = (double)s->batch, hq = (double)s->q_heads, hkv = (double)s->kv_heads, d = (double)s->d, dv = (double)s->dv;
    const double q_len = (double)s->q_len, k_len = (double)s->k_len, scores = b * hq * q_len * k_len;
    const double in_out = 4 * b * hq * q_len * (d + dv), cache = 4 * b * hkv * k_len * (d + (s->v_in_k ? 0 : dv));
    return in_out + cache + (s->mask ? scores : 0) + (s->bias ? 4 * scores : 0) + (s->lse ? 4 * b * hq * q_len : 0);
}
