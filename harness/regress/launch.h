/* launch.h - one launch of a comparison: a fresh process that loads two packs and measures pairs of kernels in interleaved rounds.
 *
 * A process keeps one layout of code, stack and buffers for its whole life, and a layout may cost or gain several per cent (Mytkowicz et
 * al. 2009). So a decision is based on several launches, each by fork and exec with new addresses: of the libraries (ASLR, and a random
 * order of loading), of the stack (a random gap), of the operands (a random cache line in their page). The arms of a pair:
 *
 *   base     the kernel of the base pack
 *   head     the same kernel of the head pack, or the one that its dispatch chooses
 *   copy     the base once more, from a second copy of its file: any difference is noise (A/A)
 *   planted  the copy with extra work: a chain of dependent multiplications after each call, as long as a share of the call. It takes
 *            time by being executed; nothing is scaled afterwards. Its length is found by timing chain and call side by side.
 *
 * Parent and child are the same program, so they exchange plain structs over pipes. */
#ifndef HARNESS_REGRESS_LAUNCH_H
#define HARNESS_REGRESS_LAUNCH_H

#include "harness/measure/paired.h"
#include "harness/ops/sdpa/shape.h"

enum { LAUNCH_BASE, LAUNCH_HEAD, LAUNCH_COPY, LAUNCH_PLANTED, LAUNCH_MOST_PLANTED = 5, LAUNCH_ARMS = LAUNCH_PLANTED + LAUNCH_MOST_PLANTED };

/* A kernel of each of two packs, normally the same one, and a case. */
typedef struct LaunchPair {
    char kernel[64];
    char shape[SHAPE_NAME]; /* canonical, or linear:…          */
    char head_kernel[64];   /* of the head; "": the same as the base's */
} LaunchPair;

typedef struct LaunchOrder {
    char base[1024], head[1024];         /* files                                              */
    double planted[LAUNCH_MOST_PLANTED]; /* shares of a call, 0.05 = 5 %; 0: that arm is absent */
    double head_planted;                 /* the same, added to the head arm; 0 except in tests  */
    double min_trial;                    /* seconds                                            */
    size_t rounds;                       /* <= PAIRED_MAX_ROUNDS                               */
    size_t threads;
    uint64_t seed;                       /* of the operands                                    */
    uint64_t launch;                     /* of addresses and orders, never 0                   */
    size_t pairs;
} LaunchOrder;

typedef struct LaunchResult {
    bool measured;
    bool crashed;                        /* the child ended on this pair                       */
    char why[240];                       /* if not measured                                    */
    size_t rounds, trials, flagged;
    double call;                         /* seconds of a call of the base, at calibration      */
    double seconds[LAUNCH_ARMS][PAIRED_MAX_ROUNDS]; /* per call; NaN: not in that round        */
} LaunchResult;

const char *launch_head_kernel(const LaunchPair *pair);

/* Are the clock's steps short enough for trials of min_trial? A launch runs all its rounds, however long they take. false: why[]. */
bool launch_clock_serves(double min_trial, char *why, size_t size);

/* Run one launch. take() receives each pair's result as it arrives; after a crash, which is a result too, a new child resumes with the next
 * pair. false: no child could be started, a pack did not load there, or `stop` became non-zero; error[] says which ("" when stopped). */
bool launch_run(const LaunchOrder *order, const LaunchPair *pairs, void (*take)(void *context, size_t pair, const LaunchResult *result),
                void *context, const volatile sig_atomic_t *stop, char *error, size_t error_size);

/* What the child does: order and pairs from stdin, results to stdout. Returns its exit code, with a sentence on stderr if it is not 0. */
int launch_child(void);

/* Start this program again as `attnzoo regress WORD`, with pipes for stdin and stdout, and for stderr if err is not NULL. before() runs in
 * the child before exec and may be NULL. tool: a NULL-terminated command that runs the program, or NULL. -1: error[] says
 * why, and the pipes that were opened still have to be closed. */
int launch_spawn(const char *word, const char *const *tool, void (*before)(void), int *to, int *from, int *err, char *error,
                 size_t error_size);

#endif
