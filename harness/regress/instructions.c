/* instructions.c - counts instructions (instructions.h). The child prepares the case, calls the kernel once uncounted, then runs two
 * regions: an empty one and one with a call. Their difference is the call, whatever the markers themselves cost. */
#include "harness/base/stop.h"
#include "harness/regress/instructions.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#endif

#include "harness/base/exit.h"
#include "harness/base/pipes.h"
#include "harness/regress/rival.h"

#define GATE_SHARE 1.02
#define GATE_COUNT 64
#define MOST_STEPS 50000000u /* ten minutes of single steps: a case that is not tiny */

enum { CHILD_SECONDS = 120, REGIONS = 2 };

typedef struct InsnOrder {
    InsnMethod method;
    char pack[1024];
    LaunchPair pair;
    uint64_t seed;
} InsnOrder;

const char *insn_method_name(InsnMethod method)
{
    static const char *const names[] = {"none", "perf", "ptrace", "valgrind"};
    return method < INSN_METHODS ? names[method] : "unknown";
}

bool insn_fails(uint64_t base, uint64_t head)
{
    return (double)head > GATE_SHARE * (double)base && head > base + GATE_COUNT;
}

const char *insn_outcome(uint64_t base, uint64_t head)
{
    return head == base ? "equal" : head < base ? "fewer" : insn_fails(base, head) ? "more" : "a few more";
}

/* ---- The child -------------------------------------------------------------------------------------------------------------------- */

static void nothing(Rival *rival)
{
    (void)rival;
}

/* Valgrind recognises a region by this function: everything inside is counted. */
void insn_region(void (*call)(Rival *), Rival *rival);
__attribute__((noinline)) void insn_region(void (*call)(Rival *), Rival *rival)
{
    call(rival);
    __asm__ volatile("" ::: "memory");
}

#ifdef __linux__
/* A signal to oneself is a stop under ptrace; as a bare system call it always takes the same few instructions. */
static void mark(int number)
{
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
}

static void stepped(void (*call)(Rival *), Rival *rival)
{
    mark(SIGUSR1);
    insn_region(call, rival);
    mark(SIGUSR2);
}

static int perf_open(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE, .size = sizeof attr, .config = PERF_COUNT_HW_INSTRUCTIONS, .disabled = 1,
                                   .exclude_kernel = 1, .exclude_hv = 1};
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

/* The smallest of a few readings: an interrupt adds one or two. */
static bool perf_region(int fd, void (*call)(Rival *), Rival *rival, uint64_t *least)
{
    *least = UINT64_MAX;
    for (int i = 0; i < 9; i++) {
        uint64_t count = 0;
        ioctl(fd, PERF_EVENT_IOC_RESET, 0);
        ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
        insn_region(call, rival);
        ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
        if (read(fd, &count, sizeof count) != (ssize_t)sizeof count || count == 0)
            return false;
        *least = count < *least ? count : *least;
    }
    return true;
}

static int count_with_perf(Rival *rival)
{
    uint64_t empty, full;
    const int fd = perf_open();
    if (fd < 0) {
        fprintf(stderr, "perf_event_open: %s\n", strerror(errno));
        return EXIT_NOTHING;
    }
    if (!perf_region(fd, nothing, rival, &empty) || !perf_region(fd, rival_call, rival, &full)) {
        fprintf(stderr, "the counter of instructions counts nothing\n");
        return EXIT_NOTHING;
    }
    printf("%" PRIu64 "\n", full - empty);
    return EXIT_OK;
}

static int count_in(InsnMethod method, Rival *rival)
{
    switch (method) {
    case INSN_PERF: return count_with_perf(rival);
    case INSN_PTRACE:
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
            fprintf(stderr, "ptrace: %s\n", strerror(errno));
            return EXIT_NOTHING;
        }
        stepped(nothing, rival);
        stepped(rival_call, rival);
        return EXIT_OK;
    default: insn_region(rival_call, rival); return EXIT_OK;
    }
}
#else
static int count_in(InsnMethod method, Rival *rival)
{
    if (method == INSN_VALGRIND) {
        insn_region(rival_call, rival);
        return EXIT_OK;
    }
    (void)nothing;
    fprintf(stderr, "%s is Linux's\n", insn_method_name(method));
    return EXIT_NOTHING;
}
#endif

int insn_child(void)
{
    static InsnOrder order;
    static Pack pack;
    static RivalCase on;
    static Rival rival;
    static char error[1400];
    stop_ignore(); /* signals are the parent's business */
    alarm(CHILD_SECONDS);
    if (!pipes_get(STDIN_FILENO, &order, sizeof order, NULL)) {
        fprintf(stderr, "--count is how regress starts itself; it is of no use by hand\n");
        return EXIT_USAGE;
    }
    /* By descriptor, since names of different lengths would lead to different heap layouts. */
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", open(order.pack, O_RDONLY | O_CLOEXEC));
    bool ok = pack_open(&pack, access(path, R_OK) == 0 ? path : order.pack, false, error, sizeof error);
    const size_t index = ok ? pack_find(&pack, order.pair.kernel) : 0;
    if (ok && index == pack.v1->count) {
        snprintf(error, sizeof error, "%s has no kernel %s", pack.path, order.pair.kernel);
        ok = false;
    }
    ok = ok && rival_case_open(&on, order.pair.shape, 1, order.seed, 0, error, sizeof error) &&
         rival_open(&rival, &pack, index, &on, 0, error, sizeof error);
    if (!ok) {
        fprintf(stderr, "%s\n", error);
        return EXIT_NOTHING;
    }
    rival_call(&rival); /* first calls resolve symbols and touch pages */
    if (rival.status != ATTN_OK) {
        fprintf(stderr, "%s\n", rival.v1->last_error());
        return EXIT_NOTHING;
    }
    return count_in(order.method, &rival);
}

/* ---- The parent ------------------------------------------------------------------------------------------------------------------- */

static void fixed_addresses(void)
{
#ifdef __linux__
    const int now = personality(0xffffffff);
    if (now >= 0)
        personality((unsigned long)now | ADDR_NO_RANDOMIZE); /* if forbidden, stack alignment may change a few counts */
#endif
}

/* Read everything that a child writes to one descriptor; keep the end of it. */
static void read_words(int fd, char *text, size_t size)
{
    size_t n = 0;
    for (;;) {
        if (n == size - 1) { /* keep the end */
            memmove(text, text + size / 2, n - size / 2);
            n -= size / 2;
        }
        const ssize_t got = read(fd, text + n, size - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    text[n] = '\0';
}

static void reap(pid_t pid, int *status)
{
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
}

#ifdef __linux__
static int wait_stop(pid_t pid, int *status)
{
    reap(pid, status);
    return WIFSTOPPED(*status) ? WSTOPSIG(*status) : 0;
}

/* Wait until the child has ended. Signals that stop it are passed on, including the alarm that ends a child that takes too long. */
static void run_out(pid_t pid, int *status)
{
    for (;;) {
        const int stop = wait_stop(pid, status);
        if (!stop)
            return;
        ptrace(PTRACE_CONT, pid, NULL, stop == SIGTRAP ? 0 : (void *)(intptr_t)stop);
    }
}

/* Step from SIGUSR1 to SIGUSR2, both included; signals are not passed on. false: the child ended, or took too long. */
static bool step_region(pid_t pid, int *status, uint64_t *steps)
{
    *steps = 0;
    for (;;) { /* until the region begins; the stop at exec is ignored */
        const int stop = wait_stop(pid, status);
        if (!stop)
            return false;
        if (stop == SIGUSR1)
            break;
        ptrace(PTRACE_CONT, pid, NULL, stop == SIGTRAP ? 0 : (void *)(intptr_t)stop);
    }
    while (*steps < MOST_STEPS) {
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0)
            return false;
        const int stop = wait_stop(pid, status);
        if (!stop)
            return false;
        if (stop == SIGUSR2) {
            ptrace(PTRACE_CONT, pid, NULL, NULL);
            return true;
        }
        if (stop != SIGTRAP) { /* a crash, or the alarm */
            ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)stop);
            continue;
        }
        ++*steps;
    }
    kill(pid, SIGKILL);
    return false;
}

static bool step_regions(pid_t pid, int *status, uint64_t *count)
{
    uint64_t steps[REGIONS];
    for (size_t i = 0; i < REGIONS; i++)
        if (!step_region(pid, status, &steps[i])) {
            if (!WIFEXITED(*status) && !WIFSIGNALED(*status))
                run_out(pid, status);
            return false;
        }
    run_out(pid, status);
    *count = steps[1] - steps[0];
    return true;
}
#else
static bool step_regions(pid_t pid, int *status, uint64_t *count)
{
    (void)count;
    reap(pid, status);
    return false;
}
#endif

/* "==12== Collected : 4711" */
static bool read_collected(const char *text, uint64_t *count)
{
    const char *at = strstr(text, "Collected : ");
    return at && sscanf(at, "Collected : %" SCNu64, count) == 1;
}

static void explain(int status, const char *words, char *error, size_t error_size)
{
    const size_t length = strcspn(words, "\n");
    if (WIFSIGNALED(status))
        snprintf(error, error_size, "signal %d (%s)%s", WTERMSIG(status), strsignal(WTERMSIG(status)),
                 WTERMSIG(status) == SIGALRM ? ", after two minutes" : "");
    else
        snprintf(error, error_size, "%.*s", (int)(length < 300 ? length : 300), length ? words : "the counting process said nothing");
}

bool insn_count(InsnMethod method, const char *pack, const LaunchPair *pair, uint64_t seed, uint64_t *count, char *error, size_t error_size)
{
    static const char *const valgrind[] = {"valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no",
                                     "--toggle-collect=insn_region", NULL};
    InsnOrder order = {.method = method, .pair = *pair, .seed = seed};
    char words[4096], said[64];
    int to, from, err, status = 0;
    snprintf(order.pack, sizeof order.pack, "%s", pack);
    signal(SIGPIPE, SIG_IGN);
    const pid_t pid = launch_spawn("--count", method == INSN_VALGRIND ? valgrind : NULL, fixed_addresses, &to, &from, &err, error,
                                   error_size);
    if (pid < 0) {
        close(to);
        close(from);
        close(err);
        return false;
    }
    const bool sent = pipes_put(to, &order, sizeof order);
    close(to);
    bool counted = sent;
    if (method == INSN_PTRACE) {
        counted = step_regions(pid, &status, count) && sent;
        read_words(err, words, sizeof words);
    } else {
        read_words(from, said, sizeof said);
        read_words(err, words, sizeof words);
        reap(pid, &status);
        counted = counted && WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
                  (method == INSN_VALGRIND ? read_collected(words, count) : sscanf(said, "%" SCNu64, count) == 1);
    }
    close(from);
    close(err);
    if (!counted || *count == 0)
        explain(status, words, error, error_size);
    return counted && *count > 0;
}

InsnMethod insn_choose(InsnMethod only, const char *pack, const LaunchPair *pair, uint64_t seed, char *error, size_t error_size)
{
    for (InsnMethod method = INSN_PERF; method < INSN_METHODS; method++) {
        uint64_t first, second;
        if (only != INSN_NONE && method != only)
            continue;
        if (insn_count(method, pack, pair, seed, &first, error, error_size) &&
            insn_count(method, pack, pair, seed, &second, error, error_size)) {
            if (first == second)
                return method;
            snprintf(error, error_size, "%s counts %" PRIu64 " instructions, then %" PRIu64, insn_method_name(method), first, second);
        }
    }
    return INSN_NONE;
}
