/* launch.c - parent and child of launch.h. */
#include "harness/base/random.h"
#include "harness/machine/chain.h"
#include "harness/regress/launch.h"

#include <alloca.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "harness/base/pipes.h"
#include "harness/base/render.h"
#include "harness/base/self.h"
#include "harness/base/exit.h"
#include "harness/machine/topology.h"
#include "harness/regress/rival.h"

#define CHAIN_UNIT 1024 /* multiplications timed against a call             */
#define CHAIN_PAIRS 10  /* pairs that find how many of these units a call takes */
#define STACK_GAP 4096  /* largest gap in the stack, bytes                  */
#define FAR_APART 4.0   /* ratio of times from which trials have separate counts */

const char *launch_head_kernel(const LaunchPair *pair)
{
    return pair->head_kernel[0] ? pair->head_kernel : pair->kernel;
}

/* ---- The child -------------------------------------------------------------------------------------------------------------------- */

typedef struct Arm {
    Rival rival;
    size_t chain; /* multiplications after each call */
} Arm;

/* No overlap: what follows starts only after the chain has finished. */
static void in_order(void)
{
#if defined(__x86_64__)
    __asm__ volatile("lfence" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

static void run_arm(void *context, size_t iterations)
{
    Arm *arm = context;
    for (size_t i = 0; i < iterations && arm->rival.status == ATTN_OK; i++) {
        rival_call(&arm->rival);
        if (arm->chain) {
            in_order();
            chain_multiply(arm->chain);
            in_order();
        }
    }
}

/* The number of multiplications that take `share` of a call. */
static size_t chain_of(double share, double units_a_call)
{
    return share > 0 ? (size_t)lround(share * units_a_call * CHAIN_UNIT / 16) * 16 : 0;
}

/* How many CHAIN_UNITs take as long as a call of the base: the median over a few pairs of a trial and a chain of about its length. The
 * length actually reached is in the record, as the measured ratio of the planted arm. */
static double units_in_call(const PairedConfig *config, const PairedArm *base)
{
    double ratio[CHAIN_PAIRS], work[CHAIN_PAIRS];
    size_t units = 1;
    for (size_t i = 0; i < CHAIN_PAIRS; i++) {
        const double start = config->clock.now(config->clock.context);
        base->run(base->context, base->iterations);
        const double middle = config->clock.now(config->clock.context);
        chain_multiply(units * CHAIN_UNIT);
        const double end = config->clock.now(config->clock.context);
        const double call = (middle - start) / (double)base->iterations, unit = (end - middle) / (double)units;
        ratio[i] = i > 0 && unit > 0 ? call / unit : NAN; /* the first pair only finds the length */
        units = (size_t)fmin(1e6, fmax(1, unit > 0 ? (middle - start) / unit : 1));
    }
    const double median = stats_summary(ratio, CHAIN_PAIRS, work).median;
    return isfinite(median) ? median : 0;
}

/* Each pack has its own threads. */
static void let_others_sleep(void *context)
{
    (void)context;
    topology_let_workers_sleep();
}

static bool measure(const LaunchOrder *order, Arm *arms, const bool *present, uint64_t seed, LaunchResult *result)
{
    PairedConfig config = paired_config();
    config.min_trial = order->min_trial;
    config.budget = 1e9; /* all rounds, however long they take */
    config.max_rounds = order->rounds;
    config.seed = seed;
    PairedArm paired[LAUNCH_ARMS] = {0};
    size_t which[LAUNCH_ARMS], count = 0;
    for (size_t a = 0; a < LAUNCH_ARMS; a++)
        if (present[a]) {
            paired[count] = (PairedArm){.run = run_arm, .context = &arms[a], .before = order->threads > 1 ? let_others_sleep : NULL};
            which[count++] = a;
        }
    paired_calibrate(&config, &paired[LAUNCH_BASE]);
    paired_calibrate(&config, &paired[LAUNCH_HEAD]);
    const double call[2] = {paired[0].trial / (double)paired[0].iterations, paired[1].trial / (double)paired[1].iterations};
    /* One count for all arms, large enough for the faster of the two to fill a trial; kernels of very different speed have separate
     * counts. */
    const size_t counts[2] = {paired[0].iterations, paired[1].iterations}, most = counts[0] > counts[1] ? counts[0] : counts[1];
    const bool apart = fmax(call[0], call[1]) > FAR_APART * fmin(call[0], call[1]);
    for (size_t a = 0; a < count; a++) {
        paired[a].iterations = apart ? counts[a == LAUNCH_HEAD] : most;
        paired[a].trial = call[a == LAUNCH_HEAD] * (double)paired[a].iterations;
    }
    const double units = units_in_call(&config, &paired[LAUNCH_BASE]);
    for (size_t a = LAUNCH_PLANTED; a < LAUNCH_ARMS; a++)
        arms[a].chain = chain_of(order->planted[a - LAUNCH_PLANTED], units);
    arms[LAUNCH_HEAD].chain = chain_of(order->head_planted, units);
    PairedRun run;
    if (!paired_measure(&config, paired, count, &run))
        return false;
    result->rounds = run.rounds;
    result->trials = run.trials;
    result->flagged = run.flagged;
    result->call = call[0];
    for (size_t a = 0; a < LAUNCH_ARMS; a++)
        for (size_t r = 0; r < PAIRED_MAX_ROUNDS; r++)
            result->seconds[a][r] = NAN;
    for (size_t a = 0; a < count; a++)
        memcpy(result->seconds[which[a]], paired[a].seconds, run.rounds * sizeof *paired[a].seconds);
    paired_free(paired, count);
    return true;
}

static void measure_pair(const LaunchOrder *order, Pack *packs, const LaunchPair *pair, uint64_t seed, LaunchResult *result)
{
    RivalCase on;
    Arm arms[LAUNCH_ARMS] = {0};
    bool present[LAUNCH_ARMS] = {0}, ok = true;
    memset(result, 0, sizeof *result);
    if (!rival_case_open(&on, pair->shape, order->threads, order->seed, seed, result->why, sizeof result->why)) {
        rival_case_close(&on);
        return;
    }
    for (size_t a = 0; ok && a < LAUNCH_ARMS; a++) {
        const Pack *pack = &packs[a < LAUNCH_COPY ? a : LAUNCH_COPY];
        const char *kernel = a == LAUNCH_HEAD ? launch_head_kernel(pair) : pair->kernel;
        const size_t index = pack_find(pack, kernel);
        present[a] = a < LAUNCH_PLANTED || order->planted[a - LAUNCH_PLANTED] > 0;
        if (index == pack->v1->count) {
            ok = false;
            snprintf(result->why, sizeof result->why, "one of the packs has no kernel %s", kernel);
        } else if (present[a])
            ok = rival_open(&arms[a].rival, pack, index, &on, seed, result->why, sizeof result->why);
    }
    if (ok) {
        result->measured = measure(order, arms, present, seed, result);
        if (!result->measured)
            snprintf(result->why, sizeof result->why, "out of memory");
        for (size_t a = 0; a < LAUNCH_ARMS; a++)
            if (present[a] && arms[a].rival.status != ATTN_OK) {
                result->measured = false;
                snprintf(result->why, sizeof result->why, "%s", arms[a].rival.v1->last_error());
            }
    }
    for (size_t a = 0; a < LAUNCH_ARMS; a++)
        if (arms[a].rival.v1)
            rival_close(&arms[a].rival);
    rival_case_close(&on);
}

/* Base, head and copy in random order, so that none always gets the lower addresses. */
static bool load_packs(const LaunchOrder *order, Pack *packs)
{
    size_t at[3];
    char error[1400];
    paired_order(order->launch, 0, 3, at);
    for (size_t i = 0; i < 3; i++) {
        const size_t which = at[i];
        if (!pack_open(&packs[which], which == LAUNCH_HEAD ? order->head : order->base, which != LAUNCH_BASE, error, sizeof error)) {
            fprintf(stderr, "%s\n", error);
            return false;
        }
    }
    return true;
}

static int work(const LaunchOrder *order)
{
    LaunchPair *pairs = calloc(order->pairs ? order->pairs : 1, sizeof *pairs);
    LaunchResult *result = calloc(1, sizeof *result);
    Pack packs[3] = {0};
    char pinned[96];
    int code = EXIT_OK;
    if (!pairs || !result || !pipes_get(STDIN_FILENO, pairs, order->pairs * sizeof *pairs, NULL)) {
        fprintf(stderr, "a launch got no pairs\n");
        code = EXIT_USAGE;
    } else if (!load_packs(order, packs))
        code = EXIT_NOTHING;
    else
        topology_pin(order->threads, pinned, sizeof pinned);
    for (size_t i = 0; code == EXIT_OK && i < order->pairs; i++) {
        measure_pair(order, packs, &pairs[i], random_bits(order->launch, i + 1) | 1, result);
        if (!pipes_put(STDOUT_FILENO, result, sizeof *result))
            code = EXIT_USAGE;
    }
    free(result);
    free(pairs);
    return code;
}

int launch_child(void)
{
    LaunchOrder order;
    if (!pipes_get(STDIN_FILENO, &order, sizeof order, NULL)) {
        fprintf(stderr, "--launch is how regress starts itself; it is of no use by hand\n");
        return EXIT_USAGE;
    }
    const size_t gap = (size_t)(random_bits(order.launch, 0) % (STACK_GAP / 16)) * 16 + 16;
    volatile char *stack = alloca(gap);
    stack[0] = 0;
    return work(&order);
}

bool launch_clock_serves(double min_trial, char *why, size_t size)
{
    char step[32], asked[32];
    const PairedClock clock = paired_clock();
    if (paired_trust(&clock, min_trial, INFINITY, why, size) == PAIRED_UNFIT)
        return false;
    if (PAIRED_LEAST_STEPS * clock.resolution <= min_trial)
        return true;
    snprintf(why, size, "the clock of this system moves in steps of %s, and trials of %s hold fewer than %d of them",
             render_time(clock.resolution, step, sizeof step), render_time(min_trial, asked, sizeof asked), PAIRED_LEAST_STEPS);
    return false;
}

/* ---- The parent ------------------------------------------------------------------------------------------------------------------- */

static void become(const char *word, const char *const *tool)
{
    const char *argv[16];
    size_t n = 0;
    while (tool && tool[n] && n < 11) {
        argv[n] = tool[n];
        n++;
    }
    char self[4096], error[600];
    if (!self_path(self, sizeof self, error, sizeof error)) {
        fprintf(stderr, "cannot start another process: %s\n", error);
        _exit(127);
    }
    argv[n++] = self;
    argv[n++] = "regress";
    argv[n++] = word;
    argv[n] = NULL;
    execvp(argv[0], (char *const *)argv); /* exec's prototype predates const */
    fprintf(stderr, "cannot start %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int launch_spawn(const char *word, const char *const *tool, void (*before)(void), int *to, int *from, int *err, char *error,
                 size_t error_size)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, errors[2] = {-1, -1};
    const bool piped = pipe(in) == 0 && pipe(out) == 0 && (!err || pipe(errors) == 0);
    if (piped)
        fflush(NULL);
    const pid_t pid = piped ? fork() : -1;
    if (pid < 0)
        snprintf(error, error_size, "%s child process: %s", piped ? "no" : "no pipe to a", strerror(errno));
    if (pid == 0) {
#ifdef __linux__
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* the child dies with its parent */
#endif
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        if (err)
            dup2(errors[1], STDERR_FILENO);
        const int all[] = {in[0], in[1], out[0], out[1], errors[0], errors[1]};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            if (all[i] > STDERR_FILENO)
                close(all[i]);
        if (before)
            before();
        become(word, tool);
    }
    close(in[0]);
    close(out[1]);
    if (err)
        close(errors[1]);
    *to = in[1];
    *from = out[0];
    if (err)
        *err = errors[0];
    return pid;
}

/* Describe how an unfinished child ended, and say whether the current pair is to blame. */
static bool obituary(int status, const char *kernel, char *text, size_t size)
{
    if (WIFSIGNALED(status)) {
        snprintf(text, size, "signal %d (%s) while it was measured", WTERMSIG(status), strsignal(WTERMSIG(status)));
        return true;
    }
    snprintf(text, size, "the launch ended with exit code %d before %s was measured", WEXITSTATUS(status), kernel);
    return false;
}

/* Run one child on pairs [first, count). Returns the pair to continue with; count: done; *failed: error[] says why. */
static size_t run_child(const LaunchOrder *order, const LaunchPair *pairs, size_t first, void (*take)(void *, size_t, const LaunchResult *),
                        void *context, LaunchResult *result, const volatile sig_atomic_t *stop, bool *failed, char *error, size_t error_size)
{
    LaunchOrder rest = *order;
    int to, from, status = 0;
    size_t next = first;
    rest.pairs = order->pairs - first;
    const pid_t pid = launch_spawn("--launch", NULL, NULL, &to, &from, NULL, error, error_size);
    *failed = pid < 0;
    if (pid > 0) {
        pipes_put(to, &rest, sizeof rest);
        pipes_put(to, pairs + first, rest.pairs * sizeof *pairs);
    }
    close(to);
    while (pid > 0 && next < order->pairs && pipes_get(from, result, sizeof *result, stop))
        take(context, next++, result);
    close(from);
    if (pid < 0)
        return order->pairs;
    if (stop && *stop)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (next == order->pairs)
        return next;
    if (stop && *stop) {
        *failed = true;
        return next;
    }
    memset(result, 0, sizeof *result);
    if (!obituary(status, pairs[next].kernel, result->why, sizeof result->why)) {
        snprintf(error, error_size, "%s", result->why);
        *failed = true;
        return next;
    }
    result->crashed = true;
    take(context, next, result);
    return next + 1;
}

bool launch_run(const LaunchOrder *order, const LaunchPair *pairs, void (*take)(void *context, size_t pair, const LaunchResult *result),
                void *context, const volatile sig_atomic_t *stop, char *error, size_t error_size)
{
    LaunchResult *result = malloc(sizeof *result);
    bool failed = !result;
    error[0] = '\0';
    if (failed)
        snprintf(error, error_size, "no memory for a launch");
    signal(SIGPIPE, SIG_IGN); /* a child that died early is noticed by its exit code */
    for (size_t next = 0; !failed && next < order->pairs;)
        next = run_child(order, pairs, next, take, context, result, stop, &failed, error, error_size);
    free(result);
    return !failed;
}
