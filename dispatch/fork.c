/* fork.c - see fork.h. A child of fork() has one thread and a copy of the memory: whatever another thread held, or was about to finish,
 * stays that way for ever. The library therefore has no lock that a run or a plan waits for. One-time initialization records the number of
 * forks at its start; a handler, installed when the library is loaded, counts them. helpers.c has one of its own, which forgets the
 * threads that stayed behind. (pthread_once handles forks in glibc, but not elsewhere.) */
#include "dispatch/fork.h"

#include <pthread.h>
#include <time.h>

/* States of a one-time initialization: not started, done, or BEGUN plus the number of forks at its start. */
enum { UNTOUCHED, DONE, BEGUN };

static atomic_uint forks; /* between the process that loaded the library and this one */

static void in_child(void)
{
    atomic_store(&forks, (atomic_load(&forks) + 1) % (1u << 30));
}

__attribute__((constructor)) static void watch(void)
{
    (void)pthread_atfork(NULL, NULL, in_child); /* refused, a child may wait for what its parent had begun */
}

void attn_once(AttnOnce *once, void (*make)(void))
{
    for (;;) {
        unsigned state = atomic_load_explicit(&once->state, memory_order_acquire);
        const unsigned mine = BEGUN + atomic_load_explicit(&forks, memory_order_relaxed);
        if (state == DONE)
            return;
        if (state == mine)
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL); /* another thread is at it */
        else if (atomic_compare_exchange_strong(&once->state, &state, mine)) {
            make();
            atomic_store_explicit(&once->state, DONE, memory_order_release);
        }
    }
}
