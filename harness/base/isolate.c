/* isolate.c - child processes that work through items and report each result over a pipe.
 *
 * A child announces an item, computes it and sends the result. If its pipe ends before all its items are done, the announced item crashed;
 * a new child continues with the next one. alarm() ends an item that takes too long. Cost: one fork per worker and one per crash. */
#include "harness/base/isolate.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "harness/base/pipes.h"
#include "harness/base/stop.h"

enum { MAX_WORKERS = 64, POLL_MS = 200 };

/* A child and its progress. */
typedef struct Worker {
    pid_t pid;      /* 0: none, all its items are done */
    int pipe;       /* read end                        */
    size_t next;    /* first item not yet finished     */
    bool announced; /* it has been announced           */
} Worker;

typedef struct Header {
    size_t item;
    bool finished; /* false: the item begins; true: result_size bytes follow */
} Header;

/* The item of worker w after `item`, or job->items. */
static size_t following(const IsolateJob *job, size_t item)
{
    if ((item + 1) % job->group != 0)
        return item + 1 < job->items ? item + 1 : job->items;
    const size_t next = item + 1 + (job->workers - 1) * job->group;
    return next < job->items ? next : job->items;
}

static _Noreturn void child(const IsolateJob *job, size_t item, int to)
{
    static const int defaults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM, SIGTRAP};
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* the child dies with its parent */
#endif
    stop_ignore(); /* signals are the parent's business */
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        signal(defaults[i], SIG_DFL);
    void *result = malloc(job->result_size);
    for (; result && item < job->items; item = following(job, item)) {
        const Header begin = {item, false}, end = {item, true};
        if (!pipes_put(to, &begin, sizeof begin))
            _exit(1);
        memset(result, 0, job->result_size);
        alarm(job->timeout);
        job->work(job->context, item, result);
        alarm(0);
        if (!pipes_put(to, &end, sizeof end) || !pipes_put(to, result, job->result_size))
            _exit(1);
    }
    _exit(result ? 0 : 1);
}

static bool spawn(const IsolateJob *job, Worker *worker, const char **error)
{
    int ends[2];
    if (pipe(ends) != 0) {
        *error = "no pipe to a child process";
        return false;
    }
    fflush(NULL); /* buffered output must not be written twice */
    worker->pid = fork();
    if (worker->pid == 0) {
        close(ends[0]);
        child(job, worker->next, ends[1]);
    }
    close(ends[1]);
    if (worker->pid < 0) {
        close(ends[0]);
        worker->pid = 0;
        *error = "no child process: fork failed";
        return false;
    }
    worker->pipe = ends[0];
    worker->announced = false;
    return true;
}

/* How a child died, in words; NULL if it ended as it should. */
static const char *obituary(int status, unsigned timeout, char *buffer, size_t size)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return NULL;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(buffer, size, "time-out: more than %u s", timeout);
    else if (WIFSIGNALED(status))
        snprintf(buffer, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(buffer, size, "the child process ended with exit code %d", WEXITSTATUS(status));
    return buffer;
}

/* The pipe ended: reap the child, report a crash, and start the next child if items are left. */
static bool bury(const IsolateJob *job, Worker *worker, const char **error)
{
    int status = 0;
    char words[80];
    close(worker->pipe);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        ;
    worker->pid = 0;
    if (worker->next >= job->items)
        return true;
    const char *crash = obituary(status, job->timeout, words, sizeof words);
    if (!worker->announced) {
        *error = "a child process ended before it began";
        return false;
    }
    const bool go_on = job->done(job->context, worker->next, NULL, crash ? crash : "the child process left early");
    worker->next = following(job, worker->next);
    return go_on && (worker->next >= job->items || spawn(job, worker, error));
}

/* Handle one message from a child. */
static bool attend(const IsolateJob *job, Worker *worker, void *result, const char **error)
{
    Header header;
    if (!pipes_get(worker->pipe, &header, sizeof header, NULL))
        return bury(job, worker, error);
    if (!header.finished) {
        worker->next = header.item;
        worker->announced = true;
        return true;
    }
    if (!pipes_get(worker->pipe, result, job->result_size, NULL))
        return bury(job, worker, error);
    worker->next = following(job, header.item);
    worker->announced = false;
    return job->done(job->context, header.item, result, NULL);
}

static void end_all(Worker *workers, size_t count)
{
    for (size_t w = 0; w < count; w++)
        if (workers[w].pid > 0) {
            kill(workers[w].pid, SIGKILL);
            close(workers[w].pipe);
            while (waitpid(workers[w].pid, NULL, 0) < 0 && errno == EINTR)
                ;
        }
}

bool isolate_run(const IsolateJob *job, const char **error)
{
    IsolateJob fixed = *job;
    Worker workers[MAX_WORKERS] = {0};
    *error = NULL;
    fixed.group = job->group ? job->group : 1;
    fixed.workers = job->workers < 1 ? 1 : job->workers < MAX_WORKERS ? job->workers : MAX_WORKERS;
    void *result = malloc(job->result_size);
    bool ok = result != NULL;
    for (size_t w = 0; ok && w < fixed.workers; w++) {
        workers[w].next = w * fixed.group;
        ok = workers[w].next >= fixed.items || spawn(&fixed, &workers[w], error);
    }
    while (ok) {
        struct pollfd polls[MAX_WORKERS];
        size_t who[MAX_WORKERS], n = 0;
        for (size_t w = 0; w < fixed.workers; w++)
            if (workers[w].pid > 0) {
                who[n] = w;
                polls[n++] = (struct pollfd){.fd = workers[w].pipe, .events = POLLIN};
            }
        if (n == 0)
            break;
        const int ready = poll(polls, n, POLL_MS);
        for (size_t i = 0; ok && ready > 0 && i < n; i++)
            if (polls[i].revents)
                ok = attend(&fixed, &workers[who[i]], result, error);
        if (fixed.stop && *fixed.stop)
            ok = false;
    }
    end_all(workers, fixed.workers);
    free(result);
    return ok;
}
