/* loops.c - see loops.h. */
#include "harness/ops/loops.h"

#include <pthread.h>
#include <stdatomic.h>

void loop_reversed(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument)
{
    (void)context;
    while (n > 0)
        task(argument, --n);
}

typedef struct Crew {
    atomic_size_t next;
    size_t n;
    void (*task)(void *argument, size_t i);
    void *argument;
} Crew;

static void *work(void *context)
{
    Crew *crew = context;
    for (size_t i; (i = atomic_fetch_add(&crew->next, 1)) < crew->n;)
        crew->task(crew->argument, i);
    return NULL;
}

void loop_threads(void *context, size_t n, void (*task)(void *argument, size_t i), void *argument)
{
    enum { MOST = 64 };
    (void)context;
    Crew crew = {0, n, task, argument};
    pthread_t threads[MOST];
    size_t started = 0;
    while (started < MOST && started + 1 < n && pthread_create(&threads[started], NULL, work, &crew) == 0)
        started++;
    work(&crew);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}
