/* expand.c - lists of shapes: items, braces, presets.
 *
 * "b1_h8_q{1,64}_k{512..4096*2}_d64 llama3-8b/decode@777" is split into items at blanks and commas outside braces; the braces of an item
 * are expanded from the left, the last one running fastest; each word that results is a shape or, if it holds a '/', a preset or a glob
 * over presets. The number of words of an item is known before any is made, so an exploding range costs nothing. */
#include "harness/base/grow.h"
#include "harness/ops/sdpa/shape.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_SHAPES = 100000, MAX_ITEM = 512 };

static bool append(Shapes *list, const Shape *shape, char *error, size_t error_size)
{
    if (list->count >= MAX_SHAPES) {
        snprintf(error, error_size, "more than %d shapes; name fewer", MAX_SHAPES);
        return false;
    }
    Shape *at = grow_by_one(list->at, list->count, sizeof *at);
    if (!at) {
        snprintf(error, error_size, "out of memory for %zu shapes", list->count);
        return false;
    }
    list->at = at;
    list->at[list->count++] = *shape;
    return true;
}

/* One word without braces. */
static bool add_word(void *context, const char *word, char *error, size_t error_size)
{
    Shapes *list = context;
    Shape shape;
    if (!strchr(word, '/') && preset_model(word))
        return preset_refuse(word, error, error_size);
    if (!strchr(word, '/') || strchr(word, ':')) /* another kind of work is refused there, for what it is */
        return shape_parse(&shape, word, error, error_size) && append(list, &shape, error, error_size);
    if (!strpbrk(word, "*?["))
        return preset_parse(&shape, word, error, error_size) && append(list, &shape, error, error_size);
    size_t found = preset_match(word, 0);
    if (found == preset_count) {
        snprintf(error, error_size, "no preset matches '%s'; attnzoo list presets shows them", word);
        return false;
    }
    for (; found < preset_count; found = preset_match(word, found + 1))
        if (!preset_parse(&shape, presets[found].name, error, error_size) || !append(list, &shape, error, error_size))
            return false;
    return true;
}

/* A range "a..b", "a..b+s" or "a..b*m" between braces. */
typedef struct Range {
    int64_t first, last, step;
    bool factor; /* multiply by step instead of adding it */
} Range;

/* 1: a range, 0: an ordinary word, -1: an invalid range. */
static int read_range(const char *text, Range *range)
{
    const char *dots = strstr(text, "..");
    char *end;
    if (!dots)
        return 0;
    errno = 0;
    *range = (Range){.step = 1};
    range->first = strtoll(text, &end, 10);
    if (end != dots || isspace((unsigned char)*text) || *text == '+')
        return -1;
    range->last = strtoll(dots + 2, &end, 10);
    if (end == dots + 2 || isspace((unsigned char)dots[2]) || dots[2] == '+' || range->last < range->first)
        return -1;
    if (*end) {
        const char *digits = end + 1;
        range->factor = *end == '*';
        if ((*end != '*' && *end != '+') || !isdigit((unsigned char)*digits))
            return -1;
        range->step = strtoll(digits, &end, 10);
    }
    const int64_t limit = (int64_t)ATTN_MAX_SIZE;
    if (*end || errno != 0 || range->step < (range->factor ? 2 : 1) || (range->factor && range->first < 1))
        return -1;
    return range->first >= -limit && range->last <= limit && range->step <= limit ? 1 : -1;
}

static int64_t after(const Range *range, int64_t value)
{
    return range->factor ? value * range->step : value + range->step;
}

/* Calls itself once per brace: the text before it is settled, each of its values is tried with what follows. With take == NULL it only
 * counts, up to MAX_SHAPES + 1. */
static bool expand(ShapesTake *take, void *context, const char *head, const char *tail, size_t *count, char *error, size_t error_size)
{
    char word[2 * MAX_ITEM];
    const size_t plain = strcspn(tail, "{}");
    if (tail[plain] == '\0') {
        snprintf(word, sizeof word, "%s%s", head, tail);
        return ++*count <= MAX_SHAPES && take ? take(context, word, error, error_size) : true;
    }
    const size_t close = plain + 1 + strcspn(tail + plain + 1, "{}");
    if (tail[plain] == '}' || tail[close] != '}') {
        snprintf(error, error_size, "shape '%s%s': braces must be closed and cannot be nested", head, tail);
        return false;
    }
    char inside[MAX_ITEM];
    snprintf(inside, sizeof inside, "%.*s", (int)(close - plain - 1), tail + plain + 1);
    for (char *value = inside; value && *count <= MAX_SHAPES; ) {
        char *comma = strchr(value, ',');
        Range range;
        if (comma)
            *comma = '\0';
        const int kind = read_range(value, &range);
        if (kind < 0 || !*value) {
            snprintf(error, error_size, "shape '%s%s': '%s' is not a value, a..b, a..b+step or a..b*factor with a <= b", head, tail, value);
            return false;
        }
        if (kind == 0) {
            snprintf(word, sizeof word, "%s%.*s%s", head, (int)plain, tail, value);
            if (!expand(take, context, word, tail + close + 1, count, error, error_size))
                return false;
        }
        for (int64_t n = range.first; kind == 1 && n <= range.last && *count <= MAX_SHAPES; n = after(&range, n)) {
            snprintf(word, sizeof word, "%s%.*s%" PRId64, head, (int)plain, tail, n);
            if (!expand(take, context, word, tail + close + 1, count, error, error_size))
                return false;
        }
        value = comma ? comma + 1 : NULL;
    }
    return true;
}

/* The end of the item that starts at `at`: a blank or comma outside braces. The comma of "…/chunk@q512,k8192" belongs to the name. */
static size_t item_length(const char *at)
{
    size_t depth = 0, length = 0;
    for (; at[length]; length++) {
        const char c = at[length];
        depth += c == '{';
        depth -= c == '}' && depth > 0;
        if (depth == 0 && isspace((unsigned char)c))
            break;
        if (depth == 0 && c == ',') {
            const char *chunk = strstr(at, "/chunk@"), *comma = strchr(at, ',');
            if (!(chunk && chunk < at + length && at[length + 1] == 'k' && (comma == at + length || strchr(at, '{'))))
                break;
        }
    }
    return length;
}

bool shapes_expand(const char *text, ShapesTake *take, void *context, char *error, size_t error_size)
{
    bool ok = true;
    size_t items = 0;
    for (const char *at = text; ok && *at; ) {
        char item[MAX_ITEM];
        if (isspace((unsigned char)*at) || *at == ',') {
            at++;
            continue;
        }
        const size_t length = item_length(at);
        items++;
        ok = length < sizeof item;
        if (!ok) {
            snprintf(error, error_size, "shape '%.40s…' is %zu characters long; allowed: up to %d", at, length, MAX_ITEM - 1);
            break;
        }
        snprintf(item, sizeof item, "%.*s", (int)length, at);
        at += length;
        size_t count = 0;
        ok = expand(NULL, NULL, "", item, &count, error, error_size);
        if (ok && count > MAX_SHAPES) {
            snprintf(error, error_size, "shape '%s' stands for more than %d shapes; narrow its ranges", item, MAX_SHAPES);
            ok = false;
        }
        count = 0;
        ok = ok && expand(take, context, "", item, &count, error, error_size);
    }
    if (ok && items == 0) {
        snprintf(error, error_size, "no shape given; for example b1_h32g8_q512_k512_d128_causal or llama3-8b/prefill@512");
        ok = false;
    }
    return ok;
}

bool shapes_parse(Shapes *list, const char *text, char *error, size_t error_size)
{
    const size_t before = list->count;
    const bool ok = shapes_expand(text, add_word, list, error, error_size);
    if (!ok)
        list->count = before;
    return ok;
}

void shapes_free(Shapes *list)
{
    free(list->at);
    *list = (Shapes){0};
}
