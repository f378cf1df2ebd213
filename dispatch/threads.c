/* threads.c - distributes units among threads.
 *
 * A job has a counter for worker numbers, and ranges of consecutive units with one counter each. Each participant draws a worker number
 * once, then units: first from the range of its index, whose data are still in its caches from the previous run, then from the others, so
 * uneven units balance. A worker number is drawn, never derived from the index that a caller's loop passes: if a loop passes an index
 * twice, or concurrently from two threads, the two calls still get two numbers; if it skips an index, the others take its share. (12 heads
 * of 77 to 197 rows on two threads: 1 to 3 % less time than with one counter for all units.)
 *
 * One worker, or one unit, needs no other thread and runs on the calling thread. */
#include "dispatch/threads.h"

#include <stdatomic.h>

#include "dispatch/cpus.h"
#include "dispatch/helpers.h"

#define MOST_WORKERS ((size_t)4096)
enum { RANGES_MOST = 64 };

typedef struct Range {
    _Alignas(64) atomic_size_t next; /* unit: a cache line of its own, as each is one thread's most of the time */
    size_t end;
} Range;

typedef struct Job {
    void (*body)(void *context, size_t worker, size_t unit);
    void *context;
    size_t workers, ranges;
    atomic_size_t next_worker;
    Range range[RANGES_MOST];
} Job;

/* Take part in a job; `index` is the caller's loop's and says no more than where to begin (see above). */
static void take_part(void *argument, size_t index)
{
    Job *job = argument;
    const size_t worker = atomic_fetch_add(&job->next_worker, 1);
    if (worker >= job->workers)
        return;
    for (size_t i = 0; i < job->ranges; i++) {
        Range *range = &job->range[(index + i) % job->ranges];
        while (atomic_load_explicit(&range->next, memory_order_relaxed) < range->end) {
            const size_t unit = atomic_fetch_add(&range->next, 1);
            if (unit < range->end)
                job->body(job->context, worker, unit);
        }
    }
}

size_t attn_threads_workers(const AttnSettings *settings)
{
    size_t workers = 1;
    if (settings->threads > 0)
        workers = settings->threads;
    else if (!settings->parallel_for)
        workers = attn_cpus();
    return workers < MOST_WORKERS ? workers : MOST_WORKERS;
}

void attn_threads_run(AttnParallelFor loop, void *loop_context, size_t workers, size_t units, size_t together,
                      void (*body)(void *context, size_t worker, size_t unit), void *context)
{
    Job job;
    job.body = body;
    job.context = context;
    job.workers = workers < units ? workers : units;
    if (job.workers <= 1) {
        for (size_t unit = 0; unit < units; unit++)
            body(context, 0, unit);
        return;
    }
    const size_t groups = (units + together - 1) / together, most = job.workers < RANGES_MOST ? job.workers : RANGES_MOST;
    job.ranges = groups < most ? groups : most;
    atomic_init(&job.next_worker, 0);
    for (size_t i = 0, begin = 0; i < job.ranges; i++) {
        const size_t end = i + 1 == job.ranges ? units : groups * (i + 1) / job.ranges * together;
        atomic_init(&job.range[i].next, begin);
        job.range[i].end = begin = end;
    }
    if (!loop) {
        attn_helpers_share(job.workers, take_part, &job);
        return;
    }
    loop(loop_context, job.workers, take_part, &job);
    take_part(&job, 0); /* what is left where a caller's loop called nothing, else nothing */
}
