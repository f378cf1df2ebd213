/* test_plan.c - plan, run and the one-call form: results, errors, bits independent of threads, workspace as promised. */
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/choose.h"
#include "dispatch/plan.h"
#include "dispatch/registry.h"
#include "harness/base/random.h"
#include "harness/ops/sdpa/data.h"
#include "tests/support/stand_in.h"

enum { B = 2, H = 6, G = 2, SQ = 61, SK = 87, D = 20, DV = 12 };

typedef struct Operands {
    float q[B * H * SQ * D], k[B * G * SK * D], v[B * G * SK * DV], o[B * H * SQ * DV], lse[B * H * SQ];
} Operands;

static Operands *operands(void)
{
    Operands *x = malloc(sizeof *x);
    uint32_t state = 1;
    float *at = x->q;
    for (size_t i = 0; i < (sizeof x->q + sizeof x->k + sizeof x->v) / sizeof *at; i++) {
        state = state * 1664525u + 1013904223u;
        at[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
    }
    return x;
}

static AttnProblem problem(void)
{
    AttnProblem p = attn_problem(B, H, G, SQ, SK, D, DV);
    p.causal = true;
    p.align = ATTN_ALIGN_BOTTOM_RIGHT;
    attn_problem_want_lse(&p);
    return p;
}

static AttnStatus run(const AttnProblem *p, const AttnOptions *options, Operands *x)
{
    AttnPlan *plan;
    AttnStatus status = attn_plan_create(p, options, &plan);
    if (status != ATTN_OK)
        return status;
    void *workspace = aligned_alloc(64, attn_plan_workspace(plan));
    AttnTensors t = attn_tensors(x->q, x->k, x->v, x->o);
    t.lse = x->lse;
    status = attn_run(plan, &t, workspace, attn_plan_workspace(plan));
    free(workspace);
    attn_plan_destroy(plan);
    return status;
}

/* Not so: kernels beyond this CPU, and those of other scores or other work than dot products. */
static bool takes(const AttnKernel *kernel, const AttnProblem *p)
{
    return attn_choose_judge(kernel, p, attn_cpu_this(), NULL).accepted;
}

/* ---- Phases ---------------------------------------------------------------------------------------------------------------------- */

enum { PREPARED_KEYS = 2 * ATTN_PREPARE_KEYS + 300, PREPARED_DIMS = 5 };

static struct {
    atomic_size_t entered, left, prepared, keys, units; /* how often what was called; keys that were prepared */
    atomic_bool early;                                  /* a unit began before all was prepared               */
    const AttnKernel *inside;                           /* that computes                                      */
} phases;

static uint64_t count_enter(void)
{
    atomic_fetch_add(&phases.entered, 1);
    return phases.inside->enter();
}

static void count_leave(uint64_t entered)
{
    phases.inside->leave(entered);
    atomic_fetch_add(&phases.left, 1);
}

static size_t keys_bytes(const AttnProblem *p)
{
    return p->batch * p->kv_heads * p->k_len * p->d * sizeof(float) + 4; /* not a multiple of 64 */
}

/* Copies K rows, densely. */
static void copy_keys(const AttnArgs *a, AttnKeySpan span, void *shared)
{
    const AttnProblem *p = a->p;
    const AttnSequence s = attn_sequence(a, span.b);
    atomic_fetch_add(&phases.prepared, 1);
    for (size_t j = span.key0; j < span.key1 && j < s.k_len; j++) {
        atomic_fetch_add(&phases.keys, 1);
        memcpy((float *)shared + ((span.b * p->kv_heads + span.kv_head) * p->k_len + j) * p->d, attn_k_row(a, &s, span.kv_head, j),
               p->d * sizeof(float));
    }
}

/* The kernel inside, on the copies instead of K. */
static void run_on_copies(const AttnArgs *a, AttnSpan unit, void *scratch)
{
    AttnProblem p = *a->p;
    AttnTensors t = *a->t;
    AttnArgs args = *a;
    phases.early = phases.early || phases.prepared != p.batch * p.kv_heads * ((p.k_len + ATTN_PREPARE_KEYS - 1) / ATTN_PREPARE_KEYS);
    atomic_fetch_add(&phases.units, 1);
    p.k.row = (ptrdiff_t)p.d;
    p.k.head = (ptrdiff_t)p.k_len * p.k.row;
    p.k.batch = (ptrdiff_t)p.kv_heads * p.k.head;
    t.k = a->shared;
    args.p = &p;
    args.t = &t;
    phases.inside->run(&args, unit, scratch);
}

/* Every span once and before every unit, on shared memory that was NaN; enter and leave in pairs, once per thread and phase. */
Test(plan, what_is_prepared_is_there_for_every_unit)
{
    AttnKernel kernel = *attn_registry_find("naive_f32");
    AttnProblem p = attn_problem(2, 4, 2, 40, PREPARED_KEYS, PREPARED_DIMS, PREPARED_DIMS);
    p.kv_lengths = true;
    const int64_t lengths[] = {PREPARED_KEYS - 1, ATTN_PREPARE_KEYS + 1};
    const size_t q = 2 * 4 * 40 * PREPARED_DIMS, kv = (size_t)2 * 2 * PREPARED_KEYS * PREPARED_DIMS;
    float *x = malloc((3 * q + 2 * kv) * sizeof *x);
    for (size_t i = 0; i < q + 2 * kv; i++)
        x[i] = (float)random_normal(1, i);
    AttnTensors t = attn_tensors(x, x + q, x + q + kv, x + q + 2 * kv);
    t.kv_lengths = lengths;
    phases.inside = attn_registry_find("naive_f32");
    kernel.name = "prepares";
    kernel.enter = count_enter;
    kernel.leave = count_leave;
    kernel.run = run_on_copies;
    for (size_t threads = 1; threads <= 4; threads += 3)
        for (int prepares = 0; prepares < 2; prepares++) {
            AttnPlan *plan;
            kernel.shared = keys_bytes;
            kernel.prepare = copy_keys;
            cr_assert_eq(attn_plan_create_with(prepares ? &kernel : phases.inside, &p, threads, NULL, NULL, &plan), ATTN_OK);
            const size_t size = attn_plan_workspace(plan);
            unsigned char *workspace = aligned_alloc(64, size);
            memset(workspace, 0xff, size);
            t.o = x + (prepares ? 2 * q : q) + 2 * kv;
            phases.entered = phases.left = phases.prepared = phases.keys = phases.units = 0;
            cr_assert_eq(attn_run(plan, &t, workspace, size), ATTN_OK);
            if (prepares) {
                cr_expect_eq(phases.prepared, 2 * 2 * 3);
                cr_expect_eq(phases.keys, 2 * (size_t)(lengths[0] + lengths[1]));
                cr_expect_eq(phases.units, attn_plan_units(plan));
                cr_expect_not(phases.early);
                cr_expect_eq(phases.entered, phases.left);
                cr_expect(phases.entered >= 2 && phases.entered <= 2 * threads, "%zu", (size_t)phases.entered);
                cr_expect_arr_eq(t.o, x + q + 2 * kv, q * sizeof *x, "%zu threads", threads);
            }
            free(workspace);
            attn_plan_destroy(plan);
        }
    free(x);
}

static size_t too_much(const AttnProblem *p)
{
    (void)p;
    return PTRDIFF_MAX - 100;
}

Test(plan, shared_memory_that_overflows_is_refused)
{
    AttnKernel kernel = *attn_registry_find("naive_f32");
    const AttnProblem p = problem();
    AttnPlan *plan;
    kernel.shared = too_much;
    kernel.prepare = copy_keys;
    cr_assert_eq(attn_plan_create_with(&kernel, &p, 1, NULL, NULL, &plan), ATTN_ERROR_OVERFLOW);
    cr_expect_null(plan);
}

/* Two keys, worked by hand: scores 0 and ln 3, so weights 1/4 and 3/4. */
Test(plan, by_hand)
{
    const float q[] = {1.0f, 0.0f}, k[] = {0.0f, 5.0f, 1.0986122887f, -2.0f}, v[] = {4.0f, 8.0f};
    float o[1] = {-1.0f};
    AttnProblem p = attn_problem(1, 1, 1, 1, 2, 2, 1);
    p.scale = 1.0;
    const AttnTensors t = attn_tensors(q, k, v, o);
    for (size_t i = 0; i < attn_kernel_count(); i++) {
        AttnKernelInfo info = {.size = sizeof info};
        attn_kernel_query(i, &info);
        if (!takes(attn_registry[i], &p))
            continue;
        AttnPlan *plan;
        cr_assert_eq(attn_plan_create_with(attn_registry[i], &p, 1, NULL, NULL, &plan), ATTN_OK);
        void *workspace = aligned_alloc(64, attn_plan_workspace(plan));
        o[0] = -1.0f;
        cr_assert_eq(attn_run(plan, &t, workspace, attn_plan_workspace(plan)), ATTN_OK);
        cr_expect_float_eq(o[0], 7.0f, 4e-6, "%s says %g", info.name, (double)o[0]);
        free(workspace);
        attn_plan_destroy(plan);
    }
    o[0] = -1.0f;
    cr_assert_eq(attn_sdpa(&p, &t), ATTN_OK);
    cr_expect_float_eq(o[0], 7.0f, 4e-6);
}

static void backwards(void *context, size_t n, void (*task)(void *, size_t), void *argument)
{
    *(size_t *)context += 1;
    while (n-- > 0)
        task(argument, n);
}

Test(plan, bits_do_not_depend_on_threads)
{
    Operands *x = operands(), *first = malloc(sizeof *first);
    const AttnProblem p = problem();
    for (size_t i = 0; i < attn_kernel_count(); i++) {
        AttnKernelInfo info = {.size = sizeof info};
        attn_kernel_query(i, &info);
        if (!takes(attn_registry[i], &p))
            continue;
        AttnOptions options = attn_options();
        options.kernel = info.name;
        options.threads = 1;
        cr_assert_eq(run(&p, &options, x), ATTN_OK);
        memcpy(first, x, sizeof *x);
        size_t calls = 0;
        for (size_t threads = 2; threads < 9; threads++) {
            options.threads = threads;
            options.parallel_for = threads % 2 ? backwards : NULL;
            options.parallel_context = &calls;
            memset(x->o, 0xff, sizeof x->o);
            cr_assert_eq(run(&p, &options, x), ATTN_OK);
            cr_expect_arr_eq(x->o, first->o, sizeof x->o, "%s with %zu threads", info.name, threads);
            cr_expect_arr_eq(x->lse, first->lse, sizeof x->lse, "%s with %zu threads", info.name, threads);
        }
        cr_expect_gt(calls, 0, "the caller's loop was never used");
    }
    free(x);
    free(first);
}

/* In a decode step an entry of a batch has the bits that it has alone: whether its keys are cut into parts is its own matter. */
Test(plan, bits_of_a_decode_step_do_not_depend_on_the_batch)
{
    enum { BATCH = 5 };
    static const struct {
        size_t q_heads, kv_heads, q_len, k_len, d;
        bool causal;
    } sizes[] = {{1, 1, 1, 2100, 8, false}, {8, 2, 3, 1500, 8, true}, {4, 4, 12, 1300, 8, true}, {12, 1, 1, 700, 4, false},
                 {3, 3, 1, 64, 8, false}};
    size_t cut = 0;
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        AttnProblem p = attn_problem(BATCH, sizes[n].q_heads, sizes[n].kv_heads, sizes[n].q_len, sizes[n].k_len, sizes[n].d, sizes[n].d);
        const size_t rows = p.q_heads * p.q_len * p.d, keys = p.kv_heads * p.k_len * p.d;
        float *q = malloc(BATCH * rows * sizeof *q), *k = malloc(BATCH * keys * sizeof *k), *v = malloc(BATCH * keys * sizeof *v);
        float *o = malloc(BATCH * rows * sizeof *o), *alone = malloc(rows * sizeof *alone);
        for (size_t i = 0; i < BATCH * rows; i++)
            q[i] = (float)random_normal(1, i);
        for (size_t i = 0; i < BATCH * keys; i++) {
            k[i] = (float)random_normal(2, i);
            v[i] = (float)random_normal(3, i);
        }
        p.causal = sizes[n].causal;
        p.align = ATTN_ALIGN_BOTTOM_RIGHT;
        for (size_t i = 0; i < attn_registry_count; i++) {
            if (!takes(attn_registry[i], &p))
                continue;
            for (size_t b = 0; b <= BATCH; b++) { /* all of them, then each alone */
                AttnProblem one = p;
                one.batch = b == 0 ? BATCH : 1;
                const AttnTensors t = attn_tensors(q + (b == 0 ? 0 : b - 1) * rows, k + (b == 0 ? 0 : b - 1) * keys,
                                                   v + (b == 0 ? 0 : b - 1) * keys, b == 0 ? o : alone);
                AttnPlan *plan;
                cr_assert_eq(attn_plan_create_with(attn_registry[i], &one, 2, NULL, NULL, &plan), ATTN_OK);
                void *workspace = aligned_alloc(64, attn_plan_workspace(plan));
                cr_assert_eq(attn_run(plan, &t, workspace, attn_plan_workspace(plan)), ATTN_OK);
                cut += n == 0 && attn_plan_units(plan) > BATCH;
                free(workspace);
                attn_plan_destroy(plan);
                if (b > 0)
                    cr_expect_arr_eq(alone, o + (b - 1) * rows, rows * sizeof *o, "%s, sizes %zu, entry %zu", attn_registry[i]->name, n,
                                     b - 1);
            }
        }
        free(q), free(k), free(v), free(o), free(alone);
    }
    cr_expect_gt(cut, 0, "no keys were cut into parts");
}

/* One query row a head over many keys: the keys are cut into parts, whose number and merging depend on no thread count. */
Test(plan, one_long_sequence_is_shared_among_threads)
{
    enum { HEADS = 4, LONG = 4500, WIDE = 12 };
    float *q = malloc(sizeof *q * HEADS * WIDE), *k = malloc(sizeof *k * LONG * WIDE), *v = malloc(sizeof *v * LONG * WIDE);
    float o[2][HEADS * WIDE], lse[2][HEADS], sinks[HEADS] = {1.0f, 2.0f, 3.0f, 9.0f};
    for (size_t i = 0; i < LONG * WIDE; i++) {
        k[i] = (float)(i * 2654435761u % 1000u) * 0.002f - 1.0f;
        v[i] = (float)(i * 40503u % 1000u) * 0.002f - 1.0f;
    }
    for (size_t i = 0; i < HEADS * WIDE; i++)
        q[i] = (float)(i * 7919u % 1000u) * 0.004f - 2.0f;
    AttnProblem p = attn_problem(1, HEADS, 1, 1, LONG, WIDE, WIDE);
    p.sinks = true;
    attn_problem_want_lse(&p);
    size_t split = 0;
    for (size_t i = 0; i < attn_kernel_count(); i++) {
        if (!takes(attn_registry[i], &p))
            continue;
        for (size_t threads = 1; threads < 5; threads++) {
            AttnPlan *plan;
            cr_assert_eq(attn_plan_create_with(attn_registry[i], &p, threads, NULL, NULL, &plan), ATTN_OK);
            split += threads == 1 && attn_plan_units(plan) > 1;
            cr_expect(!attn_registry[i]->splits || attn_plan_units(plan) >= 4, "%s: %zu units", attn_registry[i]->name,
                      attn_plan_units(plan));
            void *workspace = aligned_alloc(64, attn_plan_workspace(plan));
            AttnTensors t = attn_tensors(q, k, v, o[threads > 1]);
            t.lse = lse[threads > 1];
            t.sinks = sinks;
            memset(o[threads > 1], 0xff, sizeof o[0]);
            cr_assert_eq(attn_run(plan, &t, workspace, attn_plan_workspace(plan)), ATTN_OK);
            free(workspace);
            attn_plan_destroy(plan);
            if (threads > 1) {
                cr_expect_arr_eq(o[1], o[0], sizeof o[0], "%s with %zu threads", attn_registry[i]->name, threads);
                cr_expect_arr_eq(lse[1], lse[0], sizeof lse[0], "%s with %zu threads", attn_registry[i]->name, threads);
            }
        }
        /* In double: a sink that every part counted would show in each head's lse. */
        for (size_t h = 0; h < HEADS; h++) {
            double sum = exp((double)sinks[h]);
            for (size_t j = 0; j < LONG; j++) {
                double s = 0.0;
                for (size_t c = 0; c < WIDE; c++)
                    s += (double)q[h * WIDE + c] * (double)k[j * WIDE + c];
                sum += exp(s * p.scale);
            }
            cr_expect_float_eq(lse[0][h], (float)log(sum), 1e-4, "%s: lse %g, not %g", attn_registry[i]->name, (double)lse[0][h], log(sum));
        }
    }
    cr_expect_gt(split, 2, "only %zu kernels cut the keys", split);
    free(q);
    free(k);
    free(v);
}

Test(plan, workspace_is_checked_before_anything_is_written)
{
    Operands *x = operands();
    const AttnProblem p = problem();
    AttnPlan *plan;
    cr_assert_eq(attn_plan_create(&p, NULL, &plan), ATTN_OK);
    const size_t size = attn_plan_workspace(plan);
    char *workspace = aligned_alloc(64, size + 64);
    AttnTensors t = attn_tensors(x->q, x->k, x->v, x->o);
    t.lse = x->lse;
    memset(x->o, 0x11, sizeof x->o);
    cr_expect_eq(attn_run(plan, &t, workspace, size - 1), ATTN_ERROR_WORKSPACE);
    cr_expect_eq(attn_run(plan, &t, workspace + 4, size), ATTN_ERROR_WORKSPACE);
    cr_expect_eq(attn_run(plan, &t, NULL, size), ATTN_ERROR_NULL);
    cr_expect_eq(attn_run(NULL, &t, workspace, size), ATTN_ERROR_NULL);
    cr_expect_eq(attn_run(plan, NULL, workspace, size), ATTN_ERROR_NULL);
    t.k = NULL;
    cr_expect_eq(attn_run(plan, &t, workspace, size), ATTN_ERROR_NULL);
    cr_expect_neq(strstr(attn_last_error(), "k"), NULL);
    for (size_t i = 0; i < sizeof x->o; i++)
        cr_assert_eq(((unsigned char *)x->o)[i], 0x11, "byte %zu was written", i);
    free(workspace);
    attn_plan_destroy(plan);
    attn_plan_destroy(NULL);
    free(x);
}

Test(plan, explains)
{
    const AttnProblem p = problem();
    AttnOptions options = attn_options();
    options.kernel = "naive_f32";
    AttnPlan *plan;
    cr_assert_eq(attn_plan_create(&p, &options, &plan), ATTN_OK);
    cr_expect_str_eq(attn_plan_kernel(plan), "naive_f32");
    cr_expect_eq(strncmp(attn_plan_explain(plan), "naive_f32: forced by options.kernel", 35), 0, "%s", attn_plan_explain(plan));
    for (size_t i = 0; i < attn_kernel_count(); i++)
        cr_expect_neq(strstr(attn_plan_explain(plan), attn_registry[i]->name), NULL, "no line for %s", attn_registry[i]->name);
    attn_plan_destroy(plan);
}

static void *ask(void *plan)
{
    return (void *)attn_plan_explain(plan);
}

/* The explanation is formed when it is asked for, by whoever asks: all see one text, that of the time when the plan was made. */
Test(plan, explains_from_many_threads_what_was_decided)
{
    enum { ROUNDS = 50, THREADS = 4 };
    const AttnProblem p = problem();
    AttnOptions options = attn_options();
    options.disable = "avx2,neon";
    for (int round = 0; round < ROUNDS; round++) {
        AttnPlan *plan;
        unsetenv("ATTNZOO_KERNEL");
        cr_assert_eq(attn_plan_create(&p, &options, &plan), ATTN_OK, "%s", attn_last_error());
        setenv("ATTNZOO_KERNEL", "naive_f32", 1);
        pthread_t thread[THREADS];
        void *text[THREADS];
        for (int i = 0; i < THREADS; i++)
            cr_assert_eq(pthread_create(&thread[i], NULL, ask, plan), 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(thread[i], &text[i]);
        for (int i = 0; i < THREADS; i++)
            cr_assert_eq(text[i], (const void *)attn_plan_explain(plan));
        const char *why = text[0];
        const size_t name = strlen(attn_plan_kernel(plan));
        cr_assert_eq(strncmp(why, attn_plan_kernel(plan), name), 0, "%s", why);
        cr_assert_eq(strncmp(why + name, ": lowest estimate of those that can run, ", 41), 0, "%s", why);
        cr_assert_null(strstr(why, "asks for"), "the environment was read again: %s", why);
        cr_assert_not_null(strstr(why, "linear_f32: rejected, computes a matrix product, not attention\n"), "%s", why);
#if defined(__x86_64__)
        cr_assert_not_null(strstr(why, "naive_f32: could run, estimate "), "%s", why);
        if (attn_cpu_this()->features & ATTN_CPU(AVX2))
            cr_assert_not_null(strstr(why, "flash_f32_avx2: rejected, max_isa or disable forbids avx2"), "%s", why);
#endif
        attn_plan_destroy(plan);
    }
}

Test(plan, refuses)
{
    AttnPlan *plan = (AttnPlan *)1;
    AttnProblem p = problem();
    cr_expect_eq(attn_plan_create(&p, NULL, NULL), ATTN_ERROR_NULL);
    cr_expect_eq(attn_plan_create(NULL, NULL, &plan), ATTN_ERROR_NULL);
    cr_expect_null(plan);
    AttnOptions options = attn_options();
    options.kernel = "flash_f33";
    cr_expect_eq(attn_plan_create(&p, &options, &plan), ATTN_ERROR_NAME);
    cr_expect_neq(strstr(attn_last_error(), "naive_f32"), NULL, "must list what is known: %s", attn_last_error());
    p.q.dtype = ATTN_F16;
    cr_expect_eq(attn_plan_create(&p, NULL, &plan), ATTN_ERROR_UNSUPPORTED);
    cr_expect_neq(strstr(attn_last_error(), "f16"), NULL, "%s", attn_last_error());
    cr_expect_neq(strstr(attn_last_error(), "the most general one, naive_f32, says: does not take q as f16"), NULL, "%s", attn_last_error());
    options.kernel = "naive_f32";
    cr_expect_eq(attn_plan_create(&p, &options, &plan), ATTN_ERROR_UNSUPPORTED);
    cr_expect_str_eq(attn_last_error(), "options.kernel is naive_f32, which cannot run this problem here: does not take q as f16");
    p = problem();
    p.kv_heads = 4;
    cr_expect_eq(attn_plan_create(&p, NULL, &plan), ATTN_ERROR_VALUE);
    cr_expect_neq(strstr(attn_last_error(), "kv_heads"), NULL, "%s", attn_last_error());
}

Test(plan, empty_problems)
{
    float lse[4] = {0}, o[8], some[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (size_t i = 0; i < attn_kernel_count(); i++) {
        AttnKernelInfo info = {.size = sizeof info};
        attn_kernel_query(i, &info);
        AttnProblem p = attn_problem(1, 2, 1, 2, 0, 3, 2); /* no keys: nothing visible */
        if (!takes(attn_registry[i], &p))
            continue;
        AttnOptions options = attn_options();
        options.kernel = info.name;
        attn_problem_want_lse(&p);
        AttnPlan *plan;
        cr_assert_eq(attn_plan_create(&p, &options, &plan), ATTN_OK, "%s", attn_last_error());
        void *workspace = aligned_alloc(64, attn_plan_workspace(plan));
        AttnTensors t = attn_tensors(some, some, some, o);
        t.q = (float[12]){0};
        t.lse = lse;
        memset(o, 0xff, sizeof o);
        cr_assert_eq(attn_run(plan, &t, workspace, attn_plan_workspace(plan)), ATTN_OK, "%s", attn_last_error());
        for (size_t c = 0; c < 8; c++)
            cr_expect_eq(o[c], 0.0f, "%s", info.name);
        for (size_t r = 0; r < 4; r++)
            cr_expect_eq(lse[r], -INFINITY, "%s", info.name);
        free(workspace);
        attn_plan_destroy(plan);
        for (size_t batch = 0; batch < 2; batch++) { /* no batch; no query rows */
            p = attn_problem(batch, 2, 1, batch ? 0 : 2, 3, 3, 2);
            cr_assert_eq(attn_plan_create(&p, &options, &plan), ATTN_OK, "%s", attn_last_error());
            cr_expect_eq(attn_plan_units(plan), 0);
            attn_plan_destroy(plan);
        }
    }
}

/* ---- Units ------------------------------------------------------------------------------------------------------------------------ */

static AttnSpan spans[64];
static size_t noted;

static void note_span(const AttnArgs *a, AttnSpan unit, void *scratch)
{
    (void)a, (void)scratch;
    spans[noted++] = unit;
}

/* Units of a head follow each other, its last rows first; each knows which one follows it. */
Test(plan, units_know_what_follows)
{
    enum { HEADS = 3, ROWS = 40, PANEL = 8 };
    static float x[2 * HEADS * ROWS], o[2 * HEADS * ROWS];
    const AttnKernel kernel = stand_in(PANEL, 2, note_span);
    const AttnProblem p = attn_problem(2, HEADS, HEADS, ROWS, ROWS, 1, 1);
    const AttnTensors t = attn_tensors(x, x, x, o);
    static _Alignas(64) char workspace[4096];
    AttnPlan *plan;
    cr_assert_eq(attn_plan_create_with(&kernel, &p, 1, NULL, NULL, &plan), ATTN_OK, "%s", attn_last_error());
    cr_assert_eq(attn_run(plan, &t, workspace, sizeof workspace), ATTN_OK, "%s", attn_last_error());
    cr_assert_eq(noted, attn_plan_units(plan));
    cr_assert_geq(noted, 2 * HEADS * 3u);
    const size_t a_head = noted / (2 * HEADS);
    for (size_t i = 0; i < noted; i++) {
        const AttnSpan *unit = &spans[i], *after = &spans[i + 1];
        cr_expect_eq(unit->b * HEADS + unit->kv_head, i / a_head);
        cr_expect_eq(unit->row1, i % a_head == 0 ? ROWS : spans[i - 1].row0);
        if (i + 1 < noted)
            cr_expect(unit->next.b == after->b && unit->next.kv_head == after->kv_head && unit->next.row0 == after->row0 &&
                      unit->next.row1 == after->row1, "unit %zu", i);
        else
            cr_expect_eq(unit->next.row0, unit->next.row1);
    }
    attn_plan_destroy(plan);
}
