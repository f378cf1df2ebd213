/* op.c - what kinds of work share: lists of shapes and jobs, kernels as they are shown. */
#include "harness/ops/op.h"

#include <stdio.h>
#include <stdlib.h>

#include "harness/base/grow.h"
#include "harness/ops/zoo.h"

enum { MOST_SHAPES = 100000 };

bool op_shapes_add(OpShapes *list, const Op *op, const char *name, const char *alias, char *error, size_t error_size)
{
    OpShape *at = list->count < MOST_SHAPES ? grow_by_one(list->at, list->count, sizeof *at) : NULL;
    if (list->count >= MOST_SHAPES)
        snprintf(error, error_size, "more than %d shapes; name fewer", MOST_SHAPES);
    else if (!at)
        snprintf(error, error_size, "out of memory for %zu shapes", list->count);
    if (!at)
        return false;
    list->at = at;
    OpShape *shape = &at[list->count++];
    shape->op = op;
    snprintf(shape->name, sizeof shape->name, "%s", name);
    snprintf(shape->alias, sizeof shape->alias, "%s", alias);
    return true;
}

void op_shapes_free(OpShapes *list)
{
    free(list->at);
    *list = (OpShapes){0};
}

#define PREFIX(name) #name ":",
static const char *const prefixes[] = {OPS(PREFIX)};
#undef PREFIX

size_t op_number(const char *word)
{
    size_t i = sizeof prefixes / sizeof *prefixes;
    while (--i > 0 && strncmp(word, prefixes[i], strlen(prefixes[i])) != 0) /* 0: the kind whose words have none */
        ;
    return i;
}

/* How many characters the types at *at are; 0: the word names none. */
static size_t find_types(const char *word, const char **at)
{
    const size_t kind = op_number(word);
    *at = word + (kind ? strlen(prefixes[kind]) : 0);
    const char *colon = strchr(*at, ':');
    return colon ? (size_t)(colon - *at) : 0;
}

const char *op_types(const char *word, char *buffer, size_t size)
{
    const char *at;
    const size_t length = find_types(word, &at);
    snprintf(buffer, size, "%.*s", length ? (int)length : 3, length ? at : "f32");
    return buffer;
}

const char *op_title(const char *alias, const char *word, char *buffer, size_t size)
{
    const char *at;
    snprintf(buffer, size, "%s%s%s%s", alias, alias[0] ? "  " : "", find_types(word, &at) ? "" : "f32:", word);
    return buffer;
}

void op_kernel_fill(OpKernel *to, const AttnKernel *kernel)
{
    *to = (OpKernel){.summary = kernel->summary, .isa = kernel->isa, .kernel = kernel};
    snprintf(to->name, sizeof to->name, "%s", kernel->name);
}

const char *op_isa_name(const OpKernel *kernel)
{
    return zoo_is_yardstick(kernel->kernel) ? "library" : kernel->isa ? peaks_isa_of(kernel->isa)->name : "portable";
}

bool suite_add(Suite *suite, JobKind kind, const char *name)
{
    Job *at = grow_by_one(suite->at, suite->count, sizeof *at);
    if (!at)
        return false;
    suite->at = at;
    Job *job = &at[suite->count++];
    job->op = suite->op;
    job->kind = kind;
    snprintf(job->name, sizeof job->name, "%s", name);
    return true;
}

void suite_free(Suite *suite)
{
    free(suite->at);
    *suite = (Suite){0};
}
