/* helpers.c - see helpers.h.
 *
 * A caller publishes its job on a post, wakes idle helpers and starts. A helper joins by incrementing the post's count of participants; it
 * can join only while the post is open, and the first participant that runs out of work closes it. So a caller never waits for a thread
 * that has not joined: one that is slow to wake, that the system never scheduled, or that does not exist. A helper that has finished looks
 * for other open posts before it idles. Idle helpers spin for a while, then sleep; the only lock is the one around falling asleep.
 *
 * Posts and helpers are static, so that neither a run nor a fork needs memory for them; pages of helpers that were never created are never
 * touched. Waking one helper and its answer cost about four transfers of a cache line. */
#include "dispatch/helpers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

#include "dispatch/cpus.h"

enum {
    HELPERS_MOST = 4095,
    POSTS = 16,               /* callers that have helpers at a time; others work alone                                        */
    TURN_MICROSECONDS = 2000, /* before sleeping, since waking takes 20 to 60; threads of OpenMP turn for 10 ms and more       */
    TURNS_A_LOOK = 256,       /* at the clock                                                                                  */
    TURNS_CROWDED = 50,       /* before sleeping, where a job asks for more workers than there are CPUs                        */
    SPARE_BYTES = 16 << 20,   /* of address space that stay for the process where threads are made until the system refuses    */
    RUNS_REFUSED = 1000,      /* runs after which a system that refused a thread is asked again: it takes some 20 us to say no */
    STACK_BYTES = 512 << 10   /* kernels keep what is large in their workspace and use less than 32 KiB of stack               */
};

/* Words of a helper. Only the helper leaves BUSY and CALLED, only a caller writes CALLED. */
enum { IDLE, ASLEEP, BUSY, CALLED = 1 << 24, POST_SHIFT = 16, INDEX_MASK = 0xffff };

/* States of a post: 0 is free; TAKEN by a caller; OPEN to helpers; the count of those inside; WAITED for by a caller that sleeps. */
#define TAKEN (1u << 31)
#define OPEN (1u << 30)
#define WAITED (1u << 29)
#define INSIDE (WAITED - 1)

typedef struct Bed {
    pthread_mutex_t lock;
    pthread_cond_t wake;
} Bed;

typedef struct Helper {
    _Alignas(64) atomic_uint word;
    bool crowded;  /* its own: as the last job was */
    Bed bed;
} Helper;

typedef struct Post {
    _Alignas(64) atomic_uint state;
    void (*task)(void *argument, size_t i);
    void *argument;
    bool crowded;
    Bed bed;
} Post;

static Helper helper[HELPERS_MOST];
static Post post[POSTS];
static atomic_size_t made; /* how many helpers exist: the first ones */
static atomic_bool making;
static atomic_bool watched; /* forks are noticed */
static atomic_uint refused; /* runs until the system is asked again */
static pthread_key_t at_work; /* set in helpers, and in callers while their job runs */

/* Where a program brings OpenMP, the library asks it whether a caller stands in a region; it needs none itself. Other object formats have
 * no reference that may stay open. */
#ifdef __ELF__
extern int omp_in_parallel(void) __attribute__((weak));
static bool in_region(void)
{
    return omp_in_parallel && omp_in_parallel();
}
#else
static bool in_region(void)
{
    return false;
}
#endif

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

typedef struct Turns {
    unsigned count;
    uint64_t end; /* in microseconds, once there was a look at the clock */
} Turns;

/* Wait for a moment. false: it is time to sleep. */
static bool turn(Turns *turns, bool crowded)
{
    relax();
    turns->count++;
    if (crowded)
        return turns->count < TURNS_CROWDED;
    if (turns->count % TURNS_A_LOOK != 0)
        return true;
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    const uint64_t now = (uint64_t)at.tv_sec * 1000000 + (uint64_t)at.tv_nsec / 1000;
    if (turns->end == 0)
        turns->end = now + TURN_MICROSECONDS;
    return now < turns->end && now + TURN_MICROSECONDS >= turns->end; /* a clock that was set back ends it too */
}

static bool bed_make(Bed *bed)
{
    return pthread_mutex_init(&bed->lock, NULL) == 0 && pthread_cond_init(&bed->wake, NULL) == 0;
}

static void bed_wake(Bed *bed)
{
    pthread_mutex_lock(&bed->lock);
    pthread_mutex_unlock(&bed->lock); /* whoever saw the word as it was now waits */
    pthread_cond_signal(&bed->wake);
}

/* ---- Helpers --------------------------------------------------------------------------------------------------------------------- */

/* The word of the call; the helper is busy then. */
static unsigned await_call(Helper *self)
{
    unsigned word = IDLE;
    for (Turns turns = {0}; atomic_load_explicit(&self->word, memory_order_relaxed) == IDLE && turn(&turns, self->crowded);)
        ;
    if (atomic_compare_exchange_strong(&self->word, &word, ASLEEP)) {
        pthread_mutex_lock(&self->bed.lock);
        while (atomic_load(&self->word) == ASLEEP)
            pthread_cond_wait(&self->bed.wake, &self->bed.lock);
        pthread_mutex_unlock(&self->bed.lock);
    }
    return atomic_exchange(&self->word, BUSY);
}

/* Join the job of a post, if it still takes anybody. The helper is idle again before the caller can know that it has left, so a job that
 * follows at once finds it. */
static void help(Helper *self, Post *at, size_t index)
{
    unsigned state = atomic_load_explicit(&at->state, memory_order_relaxed);
    bool open = true;
    while ((open = (state & OPEN) != 0) &&
           !atomic_compare_exchange_weak_explicit(&at->state, &state, state + 1, memory_order_acquire, memory_order_relaxed))
        ;
    if (open) {
        self->crowded = at->crowded;
        at->task(at->argument, index);
    }
    atomic_store(&self->word, IDLE);
    if (!open)
        return;
    state = atomic_load_explicit(&at->state, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&at->state, &state, (state & ~OPEN) - 1, memory_order_acq_rel, memory_order_relaxed))
        ;
    if ((state & (WAITED | INSIDE)) == (WAITED | 1))
        bed_wake(&at->bed);
}

/* A caller that found no idle helper may have left an open post; it published that before it looked, and this helper its idleness before
 * it looks here, so one of the two sees the other. */
static bool help_another(Helper *self)
{
    unsigned word = IDLE;
    for (size_t i = 0; i < POSTS; i++)
        if (atomic_load(&post[i].state) & OPEN) {
            if (!atomic_compare_exchange_strong(&self->word, &word, BUSY))
                return false; /* called in the meantime */
            help(self, &post[i], (size_t)(self - helper) + 1);
            return true;
        }
    return false;
}

static void *serve(void *argument)
{
    Helper *self = argument;
    pthread_setspecific(at_work, self);
    for (;;) {
        const unsigned call = await_call(self);
        help(self, &post[(call & ~(unsigned)CALLED) >> POST_SHIFT], call & INDEX_MASK);
        while (help_another(self))
            ;
    }
    return NULL;
}

/* Signals are for the caller's threads, except those that a thread brings upon itself. */
static void block_signals(sigset_t *before)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&set, own[i]);
    pthread_sigmask(SIG_SETMASK, &set, before);
}

/* A thread with so much stack; 0: the usual size. Returns an errno. */
static int make_thread(Helper *self, size_t stack)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int error = pthread_attr_init(&attributes);
    if (error != 0)
        return error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (stack > 0)
        error = pthread_attr_setstacksize(&attributes, stack);
    if (error == 0)
        error = pthread_create(&thread, &attributes, serve, self);
    pthread_attr_destroy(&attributes);
    return error;
}

static bool start(Helper *self)
{
    atomic_store(&self->word, IDLE);
    self->crowded = true;
    if (!bed_make(&self->bed))
        return false;
    const int error = make_thread(self, STACK_BYTES);
    return error == 0 || (error == EINVAL && make_thread(self, 0) == 0); /* much thread-local storage in this process: more stack then */
}

static bool make_posts(void)
{
    static bool have_key = false; /* a child keeps its parent's */
    have_key = have_key || pthread_key_create(&at_work, NULL) == 0;
    bool ok = have_key;
    for (size_t i = 0; i < POSTS && ok; i++) {
        atomic_store(&post[i].state, 0);
        ok = bed_make(&post[i].bed);
    }
    return ok;
}

size_t attn_helpers_make(size_t most)
{
    size_t count = atomic_load_explicit(&made, memory_order_acquire);
    if (most > HELPERS_MOST)
        most = HELPERS_MOST;
    if (count >= most || !atomic_load_explicit(&watched, memory_order_relaxed) || atomic_exchange(&making, true))
        return count; /* where another thread is making some, this one goes on with those that there are */
    count = atomic_load_explicit(&made, memory_order_acquire);
    sigset_t before;
    block_signals(&before);
    void *spare = mmap(NULL, SPARE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool ok = spare != MAP_FAILED && (count > 0 || make_posts());
    for (; count < most && (ok = ok && start(&helper[count])); count++)
        atomic_store_explicit(&made, count + 1, memory_order_release);
    if (spare != MAP_FAILED)
        munmap(spare, SPARE_BYTES);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    atomic_store(&refused, ok ? 0 : RUNS_REFUSED);
    atomic_store(&making, false);
    return count;
}

/* In a forked child: its parent's helpers are not here. */
static void forget(void)
{
    atomic_store(&made, 0);
    atomic_store(&refused, 0);
    atomic_store(&making, false);
    for (size_t i = 0; i < POSTS; i++)
        atomic_store(&post[i].state, 0);
}

/* Where forks are not noticed (the system refused, at load), there are no helpers that a child could wait for. */
__attribute__((constructor)) static void watch(void)
{
    atomic_store(&watched, pthread_atfork(NULL, NULL, forget) == 0);
}

/* ---- Callers --------------------------------------------------------------------------------------------------------------------- */

static bool any_helpers(size_t wanted)
{
    const size_t count = atomic_load_explicit(&made, memory_order_acquire);
    if (count >= wanted)
        return true;
    if (atomic_load_explicit(&refused, memory_order_relaxed) > 0 && atomic_fetch_sub(&refused, 1) > 1)
        return count > 0;
    return attn_helpers_make(wanted) > 0;
}

static Post *take_post(void)
{
    for (size_t i = 0; i < POSTS; i++) {
        unsigned state = atomic_load_explicit(&post[i].state, memory_order_relaxed);
        if (state == 0 && atomic_compare_exchange_strong(&post[i].state, &state, TAKEN))
            return &post[i];
    }
    return NULL;
}

static void call_helpers(const Post *from, size_t wanted)
{
    const size_t count = atomic_load_explicit(&made, memory_order_acquire);
    const unsigned call = CALLED | (unsigned)(from - post) << POST_SHIFT;
    for (size_t i = 0, index = 1; i < count && index <= wanted; i++) {
        unsigned word = atomic_load(&helper[i].word);
        if ((word & ~(unsigned)INDEX_MASK) == call) { /* by the job before, and not awake yet */
            index++;
        } else if ((word == IDLE || word == ASLEEP) && atomic_compare_exchange_strong(&helper[i].word, &word, call | (unsigned)index)) {
            index++;
            if (word == ASLEEP)
                bed_wake(&helper[i].bed);
        }
    }
}

static void await_helpers(Post *at)
{
    atomic_fetch_and(&at->state, ~OPEN);
    for (Turns turns = {0}; (atomic_load_explicit(&at->state, memory_order_acquire) & INSIDE) != 0 && turn(&turns, at->crowded);)
        ;
    if ((atomic_load_explicit(&at->state, memory_order_acquire) & INSIDE) != 0) {
        atomic_fetch_or(&at->state, WAITED);
        pthread_mutex_lock(&at->bed.lock);
        while ((atomic_load(&at->state) & INSIDE) != 0)
            pthread_cond_wait(&at->bed.wake, &at->bed.lock);
        pthread_mutex_unlock(&at->bed.lock);
    }
    atomic_store_explicit(&at->state, 0, memory_order_release);
}

void attn_helpers_share(size_t n, void (*task)(void *argument, size_t i), void *argument)
{
    Post *own = n > 1 && !in_region() && any_helpers(n - 1) && !pthread_getspecific(at_work) ? take_post() : NULL;
    if (!own) {
        task(argument, 0);
        return;
    }
    own->task = task;
    own->argument = argument;
    own->crowded = n > attn_cpus();
    atomic_store(&own->state, TAKEN | OPEN);
    call_helpers(own, n - 1);
    pthread_setspecific(at_work, own);
    task(argument, 0);
    pthread_setspecific(at_work, NULL);
    await_helpers(own);
}
