/* threads.c - units to threads.
 *
 * A job holds two counters: the next free worker number and the next unit. Whoever takes part draws a worker number once and then units
 * until none is left, so uneven units balance and nothing but two atomic additions is shared. A worker number is drawn, never derived
 * from the index that a caller's loop passes: a loop that calls an index twice, or at once from two threads, still gives two bodies two
 * numbers, and one that skips an index leaves its share to the others.
 *
 * One worker, or one unit, needs no runner at all and runs here. */
#include "dispatch/threads.h"

#include <stdatomic.h>
#ifdef ATTN_OPENMP
#include <omp.h>
#include <unistd.h>
#endif

#define MOST_WORKERS ((size_t)4096)

typedef struct Job {
    void (*body)(void *context, size_t worker, size_t unit);
    void *context;
    size_t workers, units;
    atomic_size_t next_worker, next_unit;
} Job;

/* Take part in a job; `index` is the caller's loop's and says nothing (see above). */
static void take_part(void *argument, size_t index)
{
    Job *job = argument;
    (void)index;
    const size_t worker = atomic_fetch_add(&job->next_worker, 1);
    if (worker >= job->workers)
        return;
    for (;;) {
        const size_t unit = atomic_fetch_add(&job->next_unit, 1);
        if (unit >= job->units)
            return;
        job->body(job->context, worker, unit);
    }
}

#ifdef ATTN_OPENMP
/* GNU OpenMP keeps its threads between regions, and a fork leaves them behind: a region in the child would then wait for threads that do
 * not exist. So the first process to open a region is remembered, and its children run on their calling thread. */
static bool may_use_openmp(void)
{
    static _Atomic long owner = 0;
    long expected = 0;
    const long self = (long)getpid();
    if (omp_in_parallel())
        return false;
    return atomic_compare_exchange_strong(&owner, &expected, self) || expected == self;
}

static void run_openmp(Job *job)
{
#pragma omp parallel num_threads((int)job->workers)
    take_part(job, 0);
}
#endif

bool attn_threads_own(void)
{
#ifdef ATTN_OPENMP
    return true;
#else
    return false;
#endif
}

size_t attn_threads_workers(const AttnSettings *settings)
{
    size_t workers = 1;
    if (settings->threads > 0)
        workers = settings->threads;
#ifdef ATTN_OPENMP
    else if (!settings->parallel_for)
        workers = (size_t)omp_get_max_threads();
#endif
    return workers < MOST_WORKERS ? workers : MOST_WORKERS;
}

void attn_threads_run(AttnParallelFor loop, void *loop_context, size_t workers, size_t units,
                      void (*body)(void *context, size_t worker, size_t unit), void *context)
{
    Job job = {.body = body, .context = context, .workers = workers < units ? workers : units, .units = units};
    atomic_init(&job.next_worker, 0);
    atomic_init(&job.next_unit, 0);
    if (job.workers <= 1) {
        for (size_t unit = 0; unit < units; unit++)
            body(context, 0, unit);
        return;
    }
    if (loop)
        loop(loop_context, job.workers, take_part, &job);
#ifdef ATTN_OPENMP
    else if (may_use_openmp())
        run_openmp(&job);
#endif
    /* Here too: all the work where there is no runner, what is left where a caller's loop called nothing, else nothing. */
    take_part(&job, 0);
}
