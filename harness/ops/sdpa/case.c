/* case.c - cases to problems, to data, to one line of text and back. */
#include "harness/ops/sdpa/case.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void stretch(AttnLayout *l, ptrdiff_t factor, bool reversed)
{
    l->batch *= factor;
    l->head *= factor;
    l->row *= reversed ? -factor : factor;
}

static void repeat(AttnScoreLayout *l, unsigned axes)
{
    l->batch = axes & 1 ? 0 : l->batch;
    l->head = axes & 2 ? 0 : l->head;
    l->row = axes & 4 ? 0 : l->row;
    l->col = axes & 8 ? 0 : l->col;
}

AttnProblem case_problem(const VerifyCase *c)
{
    AttnProblem p = shape_problem(&c->shape);
    const ptrdiff_t factor = c->storage.stretch > 1 ? (ptrdiff_t)c->storage.stretch : 1;
    AttnLayout *const layouts[] = {&p.q, &p.k, &p.v, &p.o, &p.lse, &p.k_past, &p.v_past};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        stretch(layouts[i], factor, c->storage.reversed);
    p.scores.batch *= factor;
    p.scores.head *= factor;
    p.scores.row *= factor;
    if (c->storage.shared_kv)
        p.k.batch = p.v.batch = p.k_past.batch = p.v_past.batch = 0;
    repeat(&p.mask, c->storage.mask_repeat);
    repeat(&p.bias, c->storage.bias_repeat);
    if (c->storage.has_scale)
        p.scale = c->storage.scale;
    return p;
}

bool case_data(Data *data, const VerifyCase *c, char *error, size_t error_size)
{
    const AttnProblem p = case_problem(c);
    return data_make(data, &c->shape, &p, c->dist, c->seed, c->fence, error, error_size);
}

static void storage_name(const CaseStorage *t, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    if (t->mask_repeat)
        n += (size_t)snprintf(out + n, size - n, "-m%u", t->mask_repeat);
    if (t->bias_repeat)
        n += (size_t)snprintf(out + n, size - n, "-b%u", t->bias_repeat);
    if (t->stretch > 1)
        n += (size_t)snprintf(out + n, size - n, "-x%u", t->stretch);
    n += (size_t)snprintf(out + n, size - n, "%s%s", t->reversed ? "-r" : "", t->shared_kv ? "-z" : "");
    if (t->has_scale)
        snprintf(out + n, size - n, "-s%.17g", t->scale);
}

const char *case_name(const VerifyCase *c, char *buffer, size_t size)
{
    char shape[SHAPE_NAME], storage[80];
    storage_name(&c->storage, storage, sizeof storage);
    if (storage[0] == '-')
        storage[0] = ':';
    snprintf(buffer, size, "%s:%s:0x%llx:%s:t%zu%s", shape_name(&c->shape, shape, sizeof shape), data_dist_name(c->dist),
             (unsigned long long)c->seed, fence_name(c->fence), c->threads, storage);
    return buffer;
}

/* One word of the storage. A scale may contain '-', so it comes last and takes the rest. */
static bool parse_word(const char *text, CaseStorage *t, const char **next)
{
    char *end = NULL;
    const char kind = text[0];
    errno = 0;
    if (kind == 's') {
        t->has_scale = true;
        t->scale = strtod(text + 1, &end);
        *next = end;
        return end != text + 1 && *end == '\0';
    }
    *next = text + 1;
    if (kind == 'r')
        t->reversed = true;
    else if (kind == 'z')
        t->shared_kv = true;
    else {
        const unsigned long n = text[1] >= '0' && text[1] <= '9' ? strtoul(text + 1, &end, 10) : 16;
        unsigned *const to = kind == 'm' ? &t->mask_repeat : kind == 'b' ? &t->bias_repeat : kind == 'x' ? &t->stretch : NULL;
        if (!to || n > 15)
            return false;
        *to = (unsigned)n;
        *next = end;
    }
    return **next == '\0' || **next == '-';
}

static bool parse_storage(const char *text, CaseStorage *t)
{
    while (*text) {
        if (!parse_word(text, t, &text))
            return false;
        if (*text == '-' && *++text == '\0')
            return false;
    }
    return true;
}

/* Cut text at colons, in place; not at the one behind the storage types of the shape, which comes first. */
static size_t cut(char *text, char **fields, size_t most)
{
    size_t n = 0;
    for (char *at = text; at; n++) {
        char *colon = strchr(n == 0 ? at + shape_types_length(at) : at, ':');
        if (colon)
            *colon++ = '\0';
        if (n < most)
            fields[n] = at;
        at = colon;
    }
    return n;
}

static bool parse_shape(const char *text, Shape *shape, char *error, size_t error_size)
{
    Shapes list = {0};
    const bool ok = shapes_parse(&list, text, error, error_size);
    if (ok && list.count == 1)
        *shape = list.at[0];
    else if (ok)
        snprintf(error, error_size, "case names %zu shapes with \"%s\"; allowed: one", list.count, text);
    const bool one = ok && list.count == 1;
    shapes_free(&list);
    return one;
}

bool case_parse(const char *text, VerifyCase *c, char *error, size_t error_size)
{
    char copy[CASE_NAME + 1], *field[6], *end;
    memset(c, 0, sizeof *c);
    if (strlen(text) >= sizeof copy) {
        snprintf(error, error_size, "case is %zu characters long; allowed: %d", strlen(text), CASE_NAME);
        return false;
    }
    strcpy(copy, text);
    const size_t n = cut(copy, field, 6);
    if (n < 5 || n > 6) {
        snprintf(error, error_size, "case \"%s\" has %zu parts; allowed: shape:dist:seed:fence:tN[:storage]", text, n);
        return false;
    }
    if (!parse_shape(field[0], &c->shape, error, error_size))
        return false;
    if (!data_dist_find(field[1], &c->dist)) {
        size_t used = (size_t)snprintf(error, error_size, "dist is \"%s\"; allowed:", field[1]);
        for (int i = 0; i < DIST_COUNT && used < error_size; i++)
            used += (size_t)snprintf(error + used, error_size - used, " %s", data_dist_name((DataDist)i));
        return false;
    }
    errno = 0;
    c->seed = strtoull(field[2], &end, 0);
    if (errno || end == field[2] || *end || field[2][0] == '-') {
        snprintf(error, error_size, "seed is \"%s\"; allowed: a whole number, decimal or 0x...", field[2]);
        return false;
    }
    if (!fence_find(field[3], &c->fence)) {
        snprintf(error, error_size, "fence is \"%s\"; allowed: none after before", field[3]);
        return false;
    }
    c->threads = field[4][0] == 't' ? strtoul(field[4] + 1, &end, 10) : 0;
    if (c->threads < 1 || c->threads > 1024 || *end) {
        snprintf(error, error_size, "threads is \"%s\"; allowed: t1 to t1024", field[4]);
        return false;
    }
    if (n == 6 && !parse_storage(field[5], &c->storage)) {
        snprintf(error, error_size, "storage is \"%s\"; allowed: m0-15 b0-15 x1-15 r z sNUMBER, joined by '-'", field[5]);
        return false;
    }
    return true;
}
