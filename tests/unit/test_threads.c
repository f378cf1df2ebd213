/* test_threads.c - every unit once, no worker number twice at a time, whatever the runner does. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "dispatch/plan.h"
#include "dispatch/threads.h"
#include "harness/ops/loops.h"
#include "tests/support/stand_in.h"

enum { MOST_UNITS = 5000, MOST_WORKERS = 64 };

typedef struct Tally {
    size_t workers, units;
    atomic_int done[MOST_UNITS];   /* times that a unit ran                        */
    atomic_int busy[MOST_WORKERS]; /* bodies at work under this number             */
    atomic_int clashes;            /* two at once, or a number out of range        */
    atomic_int now;                /* bodies at work                               */
} Tally;

static Tally tally;

static void body(void *context, size_t worker, size_t unit)
{
    Tally *t = context;
    if (worker >= t->workers || unit >= t->units) {
        atomic_fetch_add(&t->clashes, 1);
        return;
    }
    if (atomic_fetch_add(&t->busy[worker], 1) != 0)
        atomic_fetch_add(&t->clashes, 1);
    atomic_fetch_add(&t->now, 1);
    atomic_fetch_add(&t->done[unit], 1);
    for (volatile int spin = 0; spin < 200; spin++)
        ;
    atomic_fetch_sub(&t->now, 1);
    atomic_fetch_sub(&t->busy[worker], 1);
}

static void run_and_check(AttnParallelFor loop, void *loop_context, size_t workers, size_t units)
{
    memset(&tally, 0, sizeof tally);
    tally.workers = workers;
    tally.units = units;
    attn_threads_run(loop, loop_context, workers, &(AttnPhase){.items = units, .item = body}, &tally);
    cr_expect_eq(tally.clashes, 0, "%d clashes with %zu workers, %zu units", (int)tally.clashes, workers, units);
    cr_expect_eq(tally.now, 0, "bodies still at work after the return");
    for (size_t i = 0; i < units; i++)
        cr_assert_eq(tally.done[i], 1, "unit %zu of %zu ran %d times (%zu workers)", i, units, (int)tally.done[i], workers);
}

static void run_all_sizes(AttnParallelFor loop, void *loop_context)
{
    static const size_t counts[] = {0, 1, 2, 3, 7, 64, 1000, MOST_UNITS}, workers[] = {1, 2, 3, 8, MOST_WORKERS};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (size_t j = 0; j < sizeof workers / sizeof *workers; j++)
            run_and_check(loop, loop_context, workers[j], counts[i]);
}

Test(threads, own_runner)
{
    run_all_sizes(NULL, NULL);
}

/* ---- Loops of a caller ----------------------------------------------------------------------------------------------------------- */

typedef void (*Task)(void *argument, size_t i);

static void serial_loop(void *context, size_t n, Task task, void *argument)
{
    (*(size_t *)context)++;
    for (size_t i = n; i-- > 0;)
        task(argument, i);
}

/* What a loop was asked for, for loops that ask for something else. */
typedef struct Asked {
    Task task;
    void *argument;
} Asked;

static void always_0(void *asked, size_t i)
{
    const Asked *a = asked;
    (void)i;
    a->task(a->argument, 0);
}

/* Everybody gets the same index, twice as often as asked for. */
static void same_index_loop(void *context, size_t n, Task task, void *argument)
{
    Asked asked = {task, argument};
    loop_threads(context, 2 * n, always_0, &asked);
}

static void idle_loop(void *context, size_t n, Task task, void *argument)
{
    (void)context, (void)n, (void)task, (void)argument;
}

static void half_loop(void *context, size_t n, Task task, void *argument)
{
    (void)context;
    for (size_t i = 0; i < n; i += 2)
        task(argument, i);
}

static void absurd_loop(void *context, size_t n, Task task, void *argument)
{
    (void)context;
    for (size_t i = 0; i < 3 * n; i++)
        task(argument, (size_t)-1 - i);
}

Test(threads, loops_that_keep_the_contract)
{
    size_t calls = 0;
    run_all_sizes(serial_loop, &calls);
    cr_expect_gt(calls, 0);
    run_all_sizes(loop_threads, NULL);
}

Test(threads, loops_that_break_it)
{
    run_all_sizes(same_index_loop, NULL);
    run_all_sizes(idle_loop, NULL);
    run_all_sizes(half_loop, NULL);
    run_all_sizes(absurd_loop, NULL);
}

/* Both workers are held inside their bodies while the loop calls a third time: that call must find no number left. */
static atomic_int inside, released, third_call_ran;

static void held_body(void *context, size_t worker, size_t unit)
{
    (void)context, (void)unit;
    if (worker >= 2)
        atomic_store(&third_call_ran, 1);
    atomic_fetch_add(&inside, 1);
    while (worker < 2 && !released)
        usleep(10);
}

static void third_call(void *asked, size_t i)
{
    const Asked *a = asked;
    while (i == 2 && inside < 2)
        usleep(10);
    a->task(a->argument, i / 2);
    if (i == 2)
        atomic_store(&released, 1);
}

static void third_call_loop(void *context, size_t n, Task task, void *argument)
{
    Asked asked = {task, argument};
    (void)n;
    loop_threads(context, 3, third_call, &asked);
}

Test(threads, a_call_too_many_does_nothing, .timeout = HANG_SECONDS)
{
    attn_threads_run(third_call_loop, NULL, 2, &(AttnPhase){.items = 100, .item = held_body}, NULL);
    cr_expect_eq(inside, 100);
    cr_expect_eq(third_call_ran, 0);
}

Test(threads, one_worker_or_unit_needs_no_loop)
{
    size_t calls = 0;
    run_and_check(serial_loop, &calls, 1, 100);
    run_and_check(serial_loop, &calls, 100 % MOST_WORKERS, 1);
    run_and_check(serial_loop, &calls, 2, 0);
    cr_expect_eq(calls, 0);
    run_and_check(serial_loop, &calls, 2, 2);
    cr_expect_eq(calls, 1);
}

/* A thread begins with the range of its index, cut between groups of units, and then helps: here it does the others' work as well. */
static size_t order[10], ordered;

static void note_order(void *context, size_t worker, size_t unit)
{
    (void)context, (void)worker;
    order[ordered++] = unit;
}

static void last_index_loop(void *context, size_t n, Task task, void *argument)
{
    (void)context;
    task(argument, n - 1);
}

Test(threads, a_thread_begins_with_its_own_range)
{
    static const struct { size_t together, begin; } cases[] = {{1, 5}, {3, 6}, {4, 4}, {10, 0}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ordered = 0;
        attn_threads_run(last_index_loop, NULL, 2, &(AttnPhase){.items = 10, .together = cases[c].together, .item = note_order}, NULL);
        cr_assert_eq(ordered, 10);
        for (size_t i = 0; i < 10; i++)
            cr_expect_eq(order[i], (cases[c].begin + i) % 10, "unit %zu as number %zu where %zu belong together", order[i], i,
                         cases[c].together);
    }
}

/* ---- Own threads, and the program's OpenMP --------------------------------------------------------------------------------------- */

typedef struct Where {
    pthread_t caller;
    atomic_int elsewhere;
} Where;

static void note_thread(void *context, size_t worker, size_t unit)
{
    Where *where = context;
    (void)worker, (void)unit;
    usleep(100);
    if (!pthread_equal(where->caller, pthread_self()))
        atomic_fetch_add(&where->elsewhere, 1);
}

static int units_elsewhere(size_t workers)
{
    Where where = {.caller = pthread_self()};
    attn_threads_run(NULL, NULL, workers, &(AttnPhase){.items = 50, .item = note_thread}, &where);
    return where.elsewhere;
}

Test(threads, helpers_share_the_work)
{
    cr_expect_gt(units_elsewhere(4), 0);
    cr_expect_eq(units_elsewhere(1), 0);
}

#ifdef _OPENMP
Test(threads, inside_a_region_units_stay_on_their_thread)
{
    int elsewhere = -1;
    omp_set_max_active_levels(2); /* else OpenMP itself keeps them there */
#pragma omp parallel num_threads(2)
    {
#pragma omp master
        elsewhere = units_elsewhere(4);
    }
    cr_expect_eq(elsewhere, 0);
}

/* The same for whole runs: two threads of a caller's region, each with a run of its own under a plan for four workers, are two threads. */
static _Thread_local int runs_of_this_thread;
static atomic_int units_run, on_other_threads;

static void note_unit(const AttnArgs *a, AttnSpan unit, void *scratch)
{
    (void)a, (void)unit, (void)scratch;
    usleep(100);
    atomic_fetch_add(&units_run, 1);
    if (runs_of_this_thread == 0)
        atomic_fetch_add(&on_other_threads, 1);
}

Test(threads, a_run_inside_a_region_takes_no_more_threads)
{
    enum { HEADS = 16, ROWS = 8 };
    static float q[HEADS * ROWS], k[HEADS * ROWS], v[HEADS * ROWS], o[2][HEADS * ROWS];
    static _Alignas(64) char workspace[2][4096];
    const AttnKernel kernel = stand_in(ROWS, 1, note_unit);
    const AttnProblem p = attn_problem(1, HEADS, HEADS, ROWS, ROWS, 1, 1);
    AttnPlan *plan;
    const AttnStatus bound = attn_plan_create_with(&kernel, &p, 4, NULL, NULL, &plan);
    cr_assert_eq(bound, ATTN_OK, "%s", attn_last_error());
    omp_set_max_active_levels(2); /* else OpenMP itself keeps them there */
    atomic_int failed = 0;
#pragma omp parallel num_threads(2)
    {
        const AttnTensors t = attn_tensors(q, k, v, o[omp_get_thread_num()]);
        runs_of_this_thread = 1;
        if (attn_run(plan, &t, workspace[omp_get_thread_num()], attn_plan_workspace(plan)) != ATTN_OK)
            atomic_fetch_add(&failed, 1);
        runs_of_this_thread = 0;
    }
    cr_expect_eq(failed, 0);
    cr_expect_eq(units_run, 2 * HEADS);
    cr_expect_eq(on_other_threads, 0, "%d units ran on threads that the caller did not start", (int)on_other_threads);
    const AttnTensors t = attn_tensors(q, k, v, o[0]);
    cr_assert_eq(attn_run(plan, &t, workspace[0], attn_plan_workspace(plan)), ATTN_OK);
    cr_expect_gt(on_other_threads, 0, "outside a region the units are shared");
    attn_plan_destroy(plan);
}

/* Threads of the program's OpenMP stay behind at a fork. The child's first run must not wait for them. */
Test(threads, a_child_of_a_process_with_openmp, .timeout = HANG_SECONDS)
{
    int members = 0;
#pragma omp parallel num_threads(2) reduction(+ : members)
    members++;
    cr_assert_eq(members, 2);
    const pid_t child = fork();
    if (child == 0) {
        alarm(HANG_SECONDS);
        memset(&tally, 0, sizeof tally);
        tally.workers = 4;
        tally.units = 100;
        attn_threads_run(NULL, NULL, 4, &(AttnPhase){.items = 100, .item = body}, &tally);
        int missed = tally.clashes;
        for (size_t i = 0; i < 100; i++)
            missed += tally.done[i] != 1;
        _exit(missed == 0 ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
    run_and_check(NULL, NULL, 4, 100);
}
#endif

Test(threads, workers)
{
    AttnSettings settings = {.threads = 5};
    cr_expect_eq(attn_threads_workers(&settings), 5);
    settings.parallel_for = serial_loop;
    cr_expect_eq(attn_threads_workers(&settings), 5);
    settings.threads = 0;
    cr_expect_eq(attn_threads_workers(&settings), 1);
    settings.parallel_for = NULL;
    cr_expect_geq(attn_threads_workers(&settings), 1);
}
