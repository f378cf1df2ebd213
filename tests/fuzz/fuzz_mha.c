/* fuzz_mha.c - any valid multi-head attention against reference_mha.c, and calls that are not valid.
 *
 * Each case packs its weights twice, for the linear kernel that dispatch takes and for another one by name, to memory of its own or the
 * caller's; then the caller's weights become NaN, as they are never read again. It runs with the attention that dispatch takes and with
 * every kernel that can run here, forced by name, in two ways (execution.h): y, weights and the new rows of the caches lie within the
 * reference's bound, the bits of both ways are equal, nothing else is written. Cost: 6 ms a case, 31 ms under sanitizers (AMD
 * family 26 model 2, gcc 12.2, 2026-11-30). */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mha_hostile.h"
#include "tests/fuzz/mha_input.h"
#include "tests/fuzz/mha_mistakes.h"
#include "tests/fuzz/target.h"

/* ---- Judgement ------------------------------------------------------------------------------------------------------------------- */

static ptrdiff_t step(size_t index, ptrdiff_t stride)
{
    return index > 0 ? (ptrdiff_t)index * stride : 0;
}

static bool judge_y(const MhaInput *x, const RefMha *want, const char *runner, size_t b, size_t i)
{
    const float *y = (const float *)x->t.y + step(b, x->s.y.batch) + step(i, x->s.y.row);
    for (size_t n = 0; n < want->width; n++)
        if (!judge_number("y", runner, b, 0, i, n, want->y[(b * x->s.q_len + i) * want->width + n], y[n]))
            return false;
    return true;
}

/* Of one head, or of all of them together. */
static RefNumber weight_of(const MhaInput *x, const RefMha *want, size_t b, size_t h, size_t i, size_t j)
{
    const size_t heads = x->c.q_heads;
    if (x->s.weights == ATTN_MHA_WEIGHTS_HEADS)
        return want->weights[((b * heads + h) * x->s.q_len + i) * want->keys + j];
    RefNumber mean = {0.0, 0x1p-126};
    for (size_t n = 0; n < heads; n++) {
        const RefNumber w = want->weights[((b * heads + n) * x->s.q_len + i) * want->keys + j];
        mean.v += w.v / (double)heads;
        mean.e += (w.e + ((double)heads + 2.0) * 0x1p-24 * w.v) / (double)heads;
    }
    return mean;
}

static bool judge_weights(const MhaInput *x, const RefMha *want, const char *runner, size_t b, size_t i)
{
    const AttnMhaShape *s = &x->s;
    const size_t heads = s->weights == ATTN_MHA_WEIGHTS_HEADS ? x->c.q_heads : 1;
    for (size_t h = 0; want->weights && h < heads; h++)
        for (size_t j = 0; j < want->keys; j++)
            if (!judge_number("weights", runner, b, h, i, j, weight_of(x, want, b, h, i, j),
                              x->t.weights[step(b, s->weights_batch) + step(h, s->weights_head) + step(i, s->weights_row) + (ptrdiff_t)j]))
                return false;
    return true;
}

static bool judge_cache(const MhaInput *x, const char *what, const char *runner, const RefNumber *want, const float *at,
                        const AttnLayout *l, size_t width)
{
    const AttnMhaShape *s = &x->s;
    for (size_t b = 0; b < s->batch; b++)
        for (size_t g = 0; g < x->c.kv_heads; g++)
            for (size_t j = 0; j < s->k_len; j++)
                for (size_t n = 0; n < width; n++)
                    if (!judge_number(what, runner, b, g, j, n, want[((b * x->c.kv_heads + g) * s->k_len + j) * width + n],
                                      at[step(b, l->batch) + step(g, l->head) + step((size_t)x->t.past[b] + j, l->row) + (ptrdiff_t)n]))
                        return false;
    return true;
}

static bool judge_all(const MhaInput *x, const RefMha *want, const char *runner)
{
    for (size_t b = 0; b < x->s.batch; b++)
        for (size_t i = 0; i < x->s.q_len; i++)
            if (!judge_y(x, want, runner, b, i) || !judge_weights(x, want, runner, b, i))
                return false;
    return x->s.capacity == 0 || (judge_cache(x, "k_cache", runner, want->k, x->t.k_cache, &x->s.k_cache, x->c.d) &&
                                  judge_cache(x, "v_cache", runner, want->v, x->t.v_cache, &x->s.v_cache, x->c.dv));
}

/* ---- Runs ------------------------------------------------------------------------------------------------------------------------ */

/* Weights, a case, and what it must give. */
typedef struct Due {
    MhaInput *x;
    const AttnMha *mha;
    const RefMha *want;
} Due;

static AttnStatus plan_of(void *context, const AttnOptions *options, void **plan)
{
    const Due *due = context;
    AttnMhaPlan *made = NULL;
    const AttnStatus status = attn_mha_plan_create(due->mha, &due->x->s, options, &made);
    *plan = made;
    return status;
}

static size_t workspace_of(const void *plan)
{
    return attn_mha_plan_workspace(plan);
}

static AttnStatus call(void *context, const void *plan, void *workspace, size_t bytes)
{
    const Due *due = context;
    return attn_mha_run(plan, &due->x->t, workspace, bytes);
}

static void destroy(void *plan)
{
    attn_mha_plan_destroy(plan);
}

static const char *who(void *context, const void *plan, const char *kernel, char *buffer, size_t size)
{
    const Due *due = context;
    (void)plan;
    snprintf(buffer, size, "%s and %s", attn_mha_kernel(due->mha), kernel ? kernel : "dispatch");
    return buffer;
}

static bool judge(void *context, const char *runner)
{
    const Due *due = context;
    return judge_all(due->x, due->want, runner);
}

static Subject subject_of(Due *due)
{
    return (Subject){"attn_mha_plan_create", "attn_mha_run", "shape", &due->x->rooms, due, plan_of, workspace_of, call, destroy,
                     who, judge};
}

static bool run_twice(MhaInput *x, Choices *c, const AttnMha *mha, const RefMha *want, const char *kernel)
{
    Due due = {x, mha, want};
    const Subject subject = subject_of(&due);
    return target_run_twice(&subject, c, kernel);
}

/* Every kernel that can run, or the names of those for products alone. */
static size_t kernels(const char *names[], size_t most, bool linear)
{
    size_t count = 0;
    for (size_t n = 0; n < attn_kernel_count() && count < most; n++) {
        AttnKernelInfo info = {.size = sizeof info};
        fuzz_demand(attn_kernel_query(n, &info) == ATTN_OK, "a kernel has a name");
        if (info.runnable && (strncmp(info.name, "linear_", 7) == 0) == linear)
            names[count++] = info.name;
    }
    return count;
}

/* ---- Weights --------------------------------------------------------------------------------------------------------------------- */

typedef struct Packed {
    AttnMha *mha;
    Workspace memory; /* the caller's, if asked for */
} Packed;

static bool pack(MhaInput *x, Choices *c, const char *kernel, Packed *packed)
{
    AttnOptions options = attn_options();
    size_t bytes = 0;
    options.kernel = kernel;
    *packed = (Packed){0};
    AttnStatus status = attn_mha_packed_size(&x->c, &x->w, &options, &bytes);
    if (status == ATTN_OK && maybe(c, 50))
        packed->memory = workspace_make(c, bytes);
    if (status == ATTN_OK)
        status = attn_mha_create(&x->c, &x->w, &options, packed->memory.at, packed->memory.at ? bytes : 0, &packed->mha);
    return status == ATTN_OK || found("%s: attn_mha_create of a valid configuration: %s: %s", kernel ? kernel : "dispatch",
                                      attn_status_string(status), attn_last_error());
}

static void unpack(Packed *packed)
{
    attn_mha_destroy(packed->mha);
    if (packed->memory.at)
        workspace_free(&packed->memory);
}

/* ---- One input ------------------------------------------------------------------------------------------------------------------- */

static void count(const MhaInput *x)
{
    const char *name[MHA_OPTIONS];
    bool on[MHA_OPTIONS];
    target_count_case(mha_options(x, name, on), on);
}

void target_counts(FILE *to)
{
    const MhaInput none = {0};
    const char *name[MHA_OPTIONS];
    bool on[MHA_OPTIONS];
    target_print_counts(to, "runs", mha_options(&none, name, on), name);
}

static bool run_all(MhaInput *x, Choices *c, const Packed *packed, const RefMha *want)
{
    const char *names[64];
    const size_t count_of = kernels(names, 64, false);
    bool right = run_twice(x, c, packed[0].mha, want, NULL) && run_twice(x, c, packed[1].mha, want, NULL);
    for (size_t n = 0; right && n < count_of; n++)
        right = run_twice(x, c, packed[n % 2].mha, want, names[n]);
    for (size_t n = 0; right && n < 2; n++)
        right = mha_hostile_run(x, c, packed[0].mha) && mha_hostile_shape(x, c, packed[1].mha);
    return right;
}

bool target_run(const uint8_t *data, size_t size)
{
    Choices c = choices_of(data, size);
    MhaInput x;
    RefMha want;
    Packed packed[2] = {{0}};
    const char *names[64];
    const size_t products = kernels(names, 64, true);
    fuzz_demand(products > 0, "there is a linear kernel");
    fuzz_finding[0] = fuzz_case[0] = '\0';
    mha_decode(&x, &c);
    mha_describe(&x, fuzz_case, sizeof fuzz_case);
    count(&x);
    fuzz_demand(ref_mha(&x.c, &x.w, &x.s, &x.t, &want), "there is memory for the reference");
    bool right = pack(&x, &c, NULL, &packed[0]) && pack(&x, &c, names[choose(&c, products)], &packed[1]);
    for (size_t n = 0; n < x.weights.count; n++)
        if (x.weights.room[n].bytes > 0)
            memset(x.weights.room[n].at, 0xff, x.weights.room[n].bytes);
    right = right && run_all(&x, &c, packed, &want);
    unpack(&packed[0]);
    unpack(&packed[1]);
    ref_mha_release(&want);
    mha_free(&x);
    return right;
}

/* ---- Mistakes -------------------------------------------------------------------------------------------------------------------- */

size_t target_mutants(void)
{
    return mha_mistake_count;
}

const char *target_mutant(size_t n)
{
    return mha_mistake_name(n);
}

const char *target_mutant_excuse(size_t n)
{
    (void)n;
    return NULL;
}

bool target_run_mutant(size_t n, const uint8_t *data, size_t size)
{
    static const Execution plain = {"1 thread", 1, NULL, false, false};
    Choices c = choices_of(data, size);
    MhaInput x;
    RefMha want;
    Packed packed = {0};
    AttnMhaPlan *plan = NULL;
    mha_decode(&x, &c);
    fuzz_demand(ref_mha(&x.c, &x.w, &x.s, &x.t, &want), "there is memory for the reference");
    bool right = true;
    if (mha_mistake_make(&x, n)) {
        AttnOptions options = attn_options();
        options.threads = 1;
        rooms_remember(&x.rooms);
        right = pack(&x, &c, NULL, &packed) && attn_mha_plan_create(packed.mha, &x.s, &options, &plan) == ATTN_OK;
        fuzz_demand(right, "the right implementation takes something else too");
        Due due = {&x, packed.mha, &want};
        const Subject subject = subject_of(&due);
        right = target_run_once(&subject, &c, plan, &plain, mha_mistake_name(n));
        attn_mha_plan_destroy(plan);
        unpack(&packed);
    }
    ref_mha_release(&want);
    mha_free(&x);
    return right;
}
