/* test_helpers.c - the library's own threads: who comes, who is refused, and what a fork, a limit or an unloaded library does to them. */
#include <criterion/criterion.h>

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dispatch/cpus.h"
#include "dispatch/fork.h"
#include "dispatch/helpers.h"
#include "dispatch/threads.h"
#include "include/attnzoo.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

enum { UNTESTED = 77 }; /* exit code of a child that could not have what it tests */

/* ---- Children -------------------------------------------------------------------------------------------------------------------- */

/* Run test() in a forked child, which succeeds with 0; anything else, and hanging, fails with `what`. UNTESTED skips the rest. */
static void in_child(int (*test)(void), const char *what)
{
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        alarm(HANG_SECONDS);
        _exit(test());
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == UNTESTED)
        cr_skip_test("%s: the system does not have it", what);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %s %d", what, WIFSIGNALED(status) ? "signal" : "exit code",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- A job whose units are counted ----------------------------------------------------------------------------------------------- */

enum { UNITS = 64 };

typedef struct Tally {
    pthread_t caller;
    atomic_int done[UNITS];
    atomic_int elsewhere;
    size_t wait_for; /* threads at work at the same time that a unit waits for */
    atomic_size_t present;
} Tally;

static void count(void *context, size_t worker, size_t unit)
{
    Tally *t = context;
    (void)worker;
    atomic_fetch_add(&t->done[unit], 1);
    if (!pthread_equal(t->caller, pthread_self()))
        atomic_fetch_add(&t->elsewhere, 1);
    atomic_fetch_add(&t->present, 1);
    while (atomic_load(&t->present) < t->wait_for)
        sched_yield();
}

/* Units that did not run exactly once. */
static int run_units(Tally *t, size_t workers, size_t wait_for)
{
    memset(t, 0, sizeof *t);
    t->caller = pthread_self();
    t->wait_for = wait_for;
    attn_threads_run(NULL, NULL, workers, &(AttnPhase){.items = UNITS, .item = count}, t);
    int wrong = 0;
    for (size_t i = 0; i < UNITS; i++)
        wrong += atomic_load(&t->done[i]) != 1;
    return wrong;
}

/* 0: the units were shared with one thread at least, each ran once. */
static int shares(void)
{
    Tally t;
    return attn_helpers_make(3) < 3 ? 2 : run_units(&t, 4, 4) != 0 ? 3 : t.elsewhere == 0 ? 4 : 0;
}

Test(helpers, as_many_come_as_are_asked_for)
{
    cr_expect_eq(shares(), 0);
    Tally t;
    cr_expect_eq(run_units(&t, 9, 9), 0, "grown from 3 helpers to 8");
    cr_expect_eq(run_units(&t, 1, 1), 0);
    cr_expect_eq(t.elsewhere, 0);
}

static void *call_often(void *failed)
{
    for (size_t i = 0; i < 400; i++) {
        Tally t;
        if (run_units(&t, 2 + i % 7, 1) != 0)
            atomic_fetch_add((atomic_int *)failed, 1);
    }
    return NULL;
}

Test(helpers, many_callers_at_once)
{
    enum { CALLERS = 24 }; /* more than there are posts */
    pthread_t caller[CALLERS];
    atomic_int failed = 0;
    for (size_t i = 0; i < CALLERS; i++)
        cr_assert_eq(pthread_create(&caller[i], NULL, call_often, &failed), 0);
    for (size_t i = 0; i < CALLERS; i++)
        pthread_join(caller[i], NULL);
    cr_expect_eq(failed, 0);
}

/* A caller holds the only helper in its job; another caller then works alone, and does not wait for the first. */
static atomic_int held, let_go;

static void hold(void *context, size_t worker, size_t unit)
{
    (void)context, (void)worker, (void)unit;
    atomic_fetch_add(&held, 1);
    while (!atomic_load(&let_go))
        sched_yield();
}

static void *call_and_hold(void *unused)
{
    (void)unused;
    attn_threads_run(NULL, NULL, 2, &(AttnPhase){.items = 2, .item = hold}, NULL);
    return NULL;
}

Test(helpers, a_caller_without_a_helper_works_alone)
{
    pthread_t other;
    cr_assert_eq(attn_helpers_make(1), 1);
    cr_assert_eq(pthread_create(&other, NULL, call_and_hold, NULL), 0);
    while (atomic_load(&held) < 2)
        sched_yield();
    Tally t;
    cr_expect_eq(run_units(&t, 2, 1), 0);
    cr_expect_eq(t.elsewhere, 0);
    atomic_store(&let_go, 1);
    pthread_join(other, NULL);
}

static atomic_int nested_elsewhere, nested_wrong, outer_present;

static void run_inside(void *context, size_t worker, size_t unit)
{
    Tally t;
    (void)context, (void)worker, (void)unit;
    atomic_fetch_add(&outer_present, 1);
    while (atomic_load(&outer_present) < 2)
        sched_yield();
    atomic_fetch_add(&nested_wrong, run_units(&t, 4, 1));
    atomic_fetch_add(&nested_elsewhere, t.elsewhere);
}

Test(helpers, a_run_inside_a_unit_stays_on_its_thread)
{
    cr_assert_geq(attn_helpers_make(5), 5);
    attn_threads_run(NULL, NULL, 2, &(AttnPhase){.items = 2, .item = run_inside}, NULL);
    cr_expect_eq(nested_wrong, 0);
    cr_expect_eq(nested_elsewhere, 0);
    cr_expect_eq(shares(), 0, "afterwards the caller has helpers again");
}

static sigset_t seen_mask;

static void see_mask(void *context, size_t worker, size_t unit)
{
    Tally *t = context;
    (void)worker, (void)unit;
    if (!pthread_equal(t->caller, pthread_self()))
        pthread_sigmask(SIG_SETMASK, NULL, &seen_mask);
    atomic_fetch_add(&t->present, 1);
    while (atomic_load(&t->present) < 2)
        sched_yield();
}

Test(helpers, signals_are_for_the_callers_threads)
{
    Tally t = {.caller = pthread_self()};
    sigset_t mine;
    attn_threads_run(NULL, NULL, 2, &(AttnPhase){.items = 2, .item = see_mask}, &t);
    cr_expect_eq(sigismember(&seen_mask, SIGTERM), 1);
    cr_expect_eq(sigismember(&seen_mask, SIGINT), 1);
    cr_expect_eq(sigismember(&seen_mask, SIGSEGV), 0, "a crash is reported by whoever handles it");
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    cr_expect_eq(sigismember(&mine, SIGTERM), 0, "the caller's own mask is as it was");
}

/* ---- Forks ----------------------------------------------------------------------------------------------------------------------- */

Test(helpers, a_child_has_helpers_of_its_own)
{
    cr_assert_eq(shares(), 0);
    in_child(shares, "child of a process with helpers");
    cr_expect_eq(shares(), 0, "the parent's are still there");
}

static atomic_int stop;

static void *keep_calling(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        Tally t;
        run_units(&t, 3, 1);
    }
    return NULL;
}

Test(helpers, forks_in_the_middle_of_runs)
{
    enum { CALLERS = 3, FORKS = 100 };
    pthread_t caller[CALLERS];
    for (size_t i = 0; i < CALLERS; i++)
        cr_assert_eq(pthread_create(&caller[i], NULL, keep_calling, NULL), 0);
    for (size_t i = 0; i < FORKS; i++)
        in_child(shares, "child forked while others run");
    atomic_store(&stop, 1);
    for (size_t i = 0; i < CALLERS; i++)
        pthread_join(caller[i], NULL);
}

/* What is done once is being done by another thread when the process is forked: the child does it itself. */
static AttnOnce once;
static atomic_int begun, may_end, made;

static void make_slowly(void)
{
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&may_end))
        sched_yield();
    atomic_fetch_add(&made, 1);
}

static void *make_once(void *unused)
{
    (void)unused;
    attn_once(&once, make_slowly);
    return NULL;
}

static int make_in_child(void)
{
    atomic_store(&may_end, 1);
    attn_once(&once, make_slowly);
    return made == 1 && begun == 2 ? 0 : 1;
}

Test(helpers, a_child_finishes_what_its_parent_had_begun)
{
    pthread_t first, second;
    cr_assert_eq(pthread_create(&first, NULL, make_once, NULL), 0);
    while (!atomic_load(&begun))
        sched_yield();
    cr_assert_eq(pthread_create(&second, NULL, make_once, NULL), 0);
    in_child(make_in_child, "once in a child");
    atomic_store(&may_end, 1);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    cr_expect_eq(made, 1, "made %d times", (int)made);
}

/* ---- Limits ---------------------------------------------------------------------------------------------------------------------- */

enum { LENGTH = 64, SIZE = 4 * LENGTH * LENGTH };

/* An attention with so many threads; 0: it ran. */
static int attend(size_t threads, float *o)
{
    static float x[SIZE];
    for (size_t i = 0; i < SIZE; i++)
        x[i] = (float)(i * 7919 % 1000) / 1000.0f;
    const AttnProblem p = attn_problem(1, 4, 4, LENGTH, LENGTH, LENGTH, LENGTH);
    AttnOptions options = attn_options();
    AttnPlan *plan;
    options.threads = threads;
    if (attn_plan_create(&p, &options, &plan) != ATTN_OK)
        return 1;
    void *workspace = aligned_alloc(64, attn_plan_workspace(plan));
    const AttnTensors t = attn_tensors(x, x, x, o);
    const int failed = !workspace || attn_run(plan, &t, workspace, attn_plan_workspace(plan)) != ATTN_OK;
    free(workspace);
    attn_plan_destroy(plan);
    return failed;
}

static float expected[SIZE], got[SIZE];

static bool limit_processes(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NPROC, &limit);
    limit.rlim_cur = 1;
    return setrlimit(RLIMIT_NPROC, &limit) == 0 && (geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
}

static int without_threads(void)
{
    if (!limit_processes() || attn_helpers_make(3) != 0)
        return UNTESTED; /* the system grants threads all the same */
    if (attend(4, got) != 0)
        return 2;
    if (memcmp(got, expected, sizeof got) != 0)
        return 3;
    /* The limit goes; helpers come after some runs. */
    struct rlimit limit;
    getrlimit(RLIMIT_NPROC, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NPROC, &limit);
    Tally t;
    for (size_t i = 0; i < 5000; i++)
        if (run_units(&t, 2, 1) != 0)
            return 4;
    return run_units(&t, 2, 2) == 0 && t.elsewhere > 0 ? 0 : 5;
}

Test(helpers, no_threads_are_granted)
{
    cr_assert_eq(attend(1, expected), 0);
    in_child(without_threads, "a limit on processes");
}

#ifndef SANITIZED /* sanitizers need memory of their own for each thread */
static int without_memory(void)
{
    struct rlimit limit = {0, 0};
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (!file || fscanf(file, "%lu", &pages) != 1)
        return 2;
    fclose(file);
    limit.rlim_cur = limit.rlim_max = pages * (rlim_t)sysconf(_SC_PAGESIZE) + (64 << 20);
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 3;
    const size_t granted = attn_helpers_make(1000);
    Tally t;
    if (granted >= 1000 || run_units(&t, 1000, 1) != 0)
        return 4;
    void *more = malloc(8 << 20);
    if (!more)
        return 6; /* the helpers took all */
    free(more);
    return attend(1, got) == 0 && memcmp(got, expected, sizeof got) == 0 ? 0 : 5;
}

Test(helpers, no_memory_for_threads)
{
    cr_assert_eq(attend(1, expected), 0);
    in_child(without_memory, "a limit on memory");
}
#endif

/* ---- CPUs ------------------------------------------------------------------------------------------------------------------------ */

#ifdef __linux__
static int count_one_cpu(void)
{
    cpu_set_t set, one;
    int cpu = 0;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 2;
    while (!CPU_ISSET(cpu, &set))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    const AttnSettings settings = {0};
    return sched_setaffinity(0, sizeof one, &one) != 0 ? 3 : attn_threads_workers(&settings) == 1 ? 0 : 1;
}

Test(helpers, a_worker_for_each_cpu_that_may_be_used)
{
    in_child(count_one_cpu, "affinity of one CPU");
    cr_expect_geq(attn_cpus(), 1);
    cr_expect_leq(attn_cpus(), (size_t)sysconf(_SC_NPROCESSORS_CONF));
}
#endif

Test(helpers, quotas)
{
    static const struct { const char *text; size_t cpus; } cases[] = {
        {"max 100000\n", 0}, {"200000 100000\n", 2}, {"150000 100000\n", 2}, {"1000 100000\n", 1}, {"100000 100000", 1},
        {"", 0}, {"100000", 0}, {"100000 0\n", 0}, {"100000 x\n", 0}, {"-1 100000\n", 0}, {"0 100000\n", 0}, {"1 1 1\n", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(attn_cpus_of_quota(cases[i].text), cases[i].cpus, "'%s': %zu", cases[i].text, attn_cpus_of_quota(cases[i].text));
}

/* ---- Unloading ------------------------------------------------------------------------------------------------------------------- */

/* Its helpers turn or sleep in the library's code when that is closed. */
static int load_run_close(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return 2;
    AttnStatus (*create)(const AttnProblem *, const AttnOptions *, AttnPlan **);
    AttnStatus (*run)(const AttnPlan *, const AttnTensors *, void *, size_t);
    size_t (*size_of)(const AttnPlan *);
    void (*destroy)(AttnPlan *);
    *(void **)&create = dlsym(library, "attn_plan_create");
    *(void **)&run = dlsym(library, "attn_run");
    *(void **)&size_of = dlsym(library, "attn_plan_workspace");
    *(void **)&destroy = dlsym(library, "attn_plan_destroy");
    const AttnProblem p = attn_problem(1, 4, 4, LENGTH, LENGTH, LENGTH, LENGTH);
    AttnOptions options = attn_options();
    AttnPlan *plan;
    options.threads = 4;
    if (!create || !run || !size_of || !destroy || create(&p, &options, &plan) != ATTN_OK)
        return 3;
    void *workspace = aligned_alloc(64, size_of(plan));
    const AttnTensors t = attn_tensors(expected, expected, expected, got);
    const AttnStatus status = workspace ? run(plan, &t, workspace, size_of(plan)) : ATTN_ERROR_MEMORY;
    destroy(plan);
    free(workspace);
    dlclose(library);
    usleep(50000); /* time to crash; a system that is too slow for that only sees less */
    return status == ATTN_OK ? 0 : 4;
}

Test(helpers, the_library_is_closed_while_helpers_live)
{
    in_child(load_run_close, "dlclose");
}
