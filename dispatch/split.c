/* split.c - see split.h.
 *
 * A problem of few rows has few units: a decode step has one per KV head. If the units of a batch entry would leave threads without work,
 * the keys of each unit are split into parts; each part is a separate problem whose o and lse go to the workspace, and the rule of
 * attn_merge merges them. Cost: rows * (dv + 1) floats written and read per part, under 3 % at 512 keys per part. */
#include "dispatch/split.h"

#include "dispatch/merge.h"

enum {
    CHUNK_LEAST = 512, /* keys of a part at least                                  */
    ROWS_MOST = 64     /* rows of a unit that are worth reading and merging parts  */
};

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Keys that a row may see, as far as the problem says. */
static size_t keys_seen(const AttnProblem *p)
{
    const bool bounded = p->window && p->window_left >= 0 && (p->causal || p->window_right >= 0);
    if (!bounded)
        return p->k_len;
    const size_t band = (size_t)p->window_left + (p->causal ? 0 : (size_t)p->window_right) + p->q_len;
    return band < p->k_len ? band : p->k_len;
}

/* Distance of one part's results to the next part's, in bytes. */
static size_t part_bytes(const AttnSplit *split)
{
    const AttnProblem *p = &split->problem;
    return round_up(p->batch * p->q_heads * p->q_len * (p->dv + 1) * sizeof(float), 64);
}

bool attn_split_fix(AttnSplit *split, const AttnProblem *p, const AttnKernel *kernel, size_t units, size_t rows)
{
    *split = (AttnSplit){.parts = 1, .chunk = p->k_len};
    const size_t seen = keys_seen(p);
    units = p->batch > 0 ? units / p->batch : 0; /* as if the entry were alone */
    if (!kernel->splits || p->varlen || p->scores.dtype != ATTN_NONE || units == 0 || units >= ATTN_UNITS_WANTED || rows > ROWS_MOST ||
        seen < 2 * CHUNK_LEAST)
        return true;
    /* Parts of what a row sees; a window may lie anywhere, so that other parts find nothing to do. */
    size_t parts = (ATTN_UNITS_WANTED + units - 1) / units;
    if (parts > seen / CHUNK_LEAST)
        parts = seen / CHUNK_LEAST;
    size_t chunk = round_up((seen + parts - 1) / parts, 64);
    if ((p->k_len + chunk - 1) / chunk > ATTN_PARTS_MOST)
        chunk = round_up((p->k_len + ATTN_PARTS_MOST - 1) / ATTN_PARTS_MOST, 64);
    split->chunk = chunk;
    split->parts = (p->k_len + chunk - 1) / chunk;
    if (split->parts == 1)
        return true;
    const AttnMerge layout = attn_merge_of(split->parts, p->batch, p->q_heads, p->q_len, p->dv);
    split->problem = *p;
    split->problem.o = layout.o_part;
    split->problem.lse = layout.lse_part;
    size_t elements, bytes;
    if (__builtin_mul_overflow(p->batch * p->q_heads * p->q_len, p->dv + 1, &elements) ||
        __builtin_mul_overflow(elements, sizeof(float) * split->parts, &bytes) || bytes > PTRDIFF_MAX / 2)
        return false;
    split->bytes = split->parts * (part_bytes(split) + round_up(sizeof(AttnTensors), 64));
    return true;
}

static const float *part_o(const AttnSplit *split, const void *memory, size_t part)
{
    const char *results = (const char *)memory + split->parts * round_up(sizeof(AttnTensors), 64);
    return (const float *)(const void *)(results + part * part_bytes(split));
}

static const float *part_lse(const AttnSplit *split, const void *memory, size_t part)
{
    const AttnProblem *p = &split->problem;
    return part_o(split, memory, part) + p->batch * p->q_heads * p->q_len * p->dv;
}

void attn_split_open(const AttnSplit *split, const AttnArgs *whole, void *memory, AttnArgs args[ATTN_PARTS_MOST])
{
    for (size_t n = 0; n < split->parts; n++) {
        AttnTensors *t = (AttnTensors *)(void *)((char *)memory + n * round_up(sizeof(AttnTensors), 64));
        *t = *whole->t;
        t->o = (float *)part_o(split, memory, n);
        t->lse = (float *)part_lse(split, memory, n);
        args[n] = *whole;
        args[n].p = &split->problem;
        args[n].t = t;
    }
}

void attn_split_merge(const AttnSplit *split, const AttnArgs *whole, const void *memory, size_t b, size_t h)
{
    const AttnProblem *p = whole->p;
    const float *o[ATTN_PARTS_MOST], *lse[ATTN_PARTS_MOST];
    AttnMerge merge = attn_merge_of(split->parts, p->batch, p->q_heads, p->q_len, p->dv);
    merge.o = p->o;
    merge.lse = p->lse;
    for (size_t n = 0; n < split->parts; n++) {
        o[n] = part_o(split, memory, n);
        lse[n] = part_lse(split, memory, n);
    }
    for (size_t i = 0; i < p->q_len; i++)
        attn_merge_row(&merge, o, lse, false, whole->t->o, whole->t->lse, b, h, i);
}
