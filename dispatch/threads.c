/* threads.c - distributes the items of a phase among threads.
 *
 * A job has a counter for worker numbers, and ranges of consecutive items with one counter each. Each participant draws a worker number
 * once, then items: first from the range of its index, whose data are still in its caches from the previous run, then from the others, so
 * uneven items balance. A worker number is drawn, never derived from the index that a caller's loop passes: if a loop passes an index
 * twice, or concurrently from two threads, the two calls still get two numbers; if it skips an index, the others take its share. (12 heads
 * of 77 to 197 rows on two threads: 1 to 3 % less time than with one counter for all items.)
 *
 * One worker, or one item, needs no other thread and runs on the calling thread. */
#include "dispatch/threads.h"

#include <stdatomic.h>

#include "dispatch/cpus.h"
#include "dispatch/helpers.h"

#define MOST_WORKERS ((size_t)4096)
enum { RANGES_MOST = 64 };

typedef struct Range {
    _Alignas(64) atomic_size_t next; /* item: a cache line of its own, as each is one thread's most of the time */
    size_t end;
} Range;

typedef struct Job {
    const AttnPhase *phase;
    void *context;
    size_t workers, ranges;
    atomic_size_t next_worker;
    Range range[RANGES_MOST];
} Job;

static uint64_t enter(const AttnPhase *phase)
{
    return phase->enter ? phase->enter() : 0;
}

static void leave(const AttnPhase *phase, uint64_t entered)
{
    if (phase->leave)
        phase->leave(entered);
}

/* Take part in a job; `index` is the caller's loop's and says no more than where to begin (see above). */
static void take_part(void *argument, size_t index)
{
    Job *job = argument;
    const AttnPhase *phase = job->phase;
    const size_t worker = atomic_fetch_add(&job->next_worker, 1);
    if (worker >= job->workers)
        return;
    const uint64_t entered = enter(phase);
    for (size_t i = 0; i < job->ranges; i++) {
        Range *range = &job->range[(index + i) % job->ranges];
        while (atomic_load_explicit(&range->next, memory_order_relaxed) < range->end) {
            const size_t item = atomic_fetch_add(&range->next, 1);
            if (item < range->end)
                phase->item(job->context, worker, item);
        }
    }
    leave(phase, entered);
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

void attn_threads_run(AttnParallelFor loop, void *loop_context, size_t workers, const AttnPhase *phase, void *context)
{
    Job job;
    const size_t items = phase->items, together = phase->together > 0 ? phase->together : 1;
    job.phase = phase;
    job.context = context;
    job.workers = workers < items ? workers : items;
    if (job.workers <= 1) {
        const uint64_t entered = enter(phase);
        for (size_t item = 0; item < items; item++)
            phase->item(context, 0, item);
        leave(phase, entered);
        return;
    }
    const size_t groups = (items + together - 1) / together, most = job.workers < RANGES_MOST ? job.workers : RANGES_MOST;
    job.ranges = groups < most ? groups : most;
    atomic_init(&job.next_worker, 0);
    for (size_t i = 0, begin = 0; i < job.ranges; i++) {
        const size_t end = i + 1 == job.ranges ? items : groups * (i + 1) / job.ranges * together;
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
