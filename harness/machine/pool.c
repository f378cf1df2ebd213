/* pool.c - see pool.h. A job is announced by a counter, on which the threads spin for a while and then sleep. Each thread answers once, so
 * that none reads a job that has ended. Handing over costs two shared writes, as in any runtime. */
#include "harness/machine/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "harness/machine/topology.h"

enum { SPINS = 20000 /* about 0.1 to 0.5 ms, as for the library's own threads */ };

typedef struct Member {
    Pool *pool;
    size_t index;
    pthread_t thread;
} Member;

struct Pool {
    size_t threads;
    void (*task)(void *argument, size_t i);
    void *argument;
    size_t n;
    bool ends;
    atomic_size_t job;     /* number of the current job                */
    atomic_size_t waiting; /* threads that have not answered yet       */
    atomic_size_t asleep;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    Member member[]; /* without the caller */
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void await_job(Pool *pool, size_t last)
{
    for (int spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&pool->job, memory_order_acquire) != last)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->asleep, 1);
    while (atomic_load(&pool->job) == last)
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->asleep, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *serve(void *argument)
{
    const Member *self = argument;
    Pool *pool = self->pool;
    const int cpu = topology_core(self->index);
    if (cpu >= 0)
        topology_pin_thread(cpu);
    for (size_t job = 0;;) {
        await_job(pool, job++);
        const bool ends = pool->ends;
        for (size_t i = self->index; i < pool->n && !ends; i += pool->threads)
            pool->task(pool->argument, i);
        atomic_fetch_sub_explicit(&pool->waiting, 1, memory_order_release);
        if (ends)
            return NULL;
    }
}

static void announce(Pool *pool)
{
    atomic_store(&pool->waiting, pool->threads - 1);
    atomic_fetch_add(&pool->job, 1);
    if (atomic_load(&pool->asleep) == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

void pool_loop(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument)
{
    Pool *pool = context;
    pool->task = task;
    pool->argument = argument;
    pool->n = n;
    announce(pool);
    for (size_t i = 0; i < n; i += pool->threads)
        task(argument, i);
    while (atomic_load_explicit(&pool->waiting, memory_order_acquire) > 0)
        relax();
}

Pool *pool_open(size_t threads)
{
    Pool *pool = calloc(1, sizeof *pool + threads * sizeof *pool->member);
    if (!pool)
        return NULL;
    topology_core(0); /* read once, before the threads ask for it concurrently */
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->threads = 1;
    for (size_t i = 1; i < threads; i++) {
        pool->member[i] = (Member){.pool = pool, .index = i};
        if (pthread_create(&pool->member[i].thread, NULL, serve, &pool->member[i]) != 0) {
            pool_close(pool);
            return NULL;
        }
        pool->threads = i + 1;
    }
    return pool;
}

void pool_close(Pool *pool)
{
    if (!pool)
        return;
    pool->ends = true;
    announce(pool);
    for (size_t i = 1; i < pool->threads; i++)
        pthread_join(pool->member[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
