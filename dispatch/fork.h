/* fork.h - one-time initialization that works even if the process is forked in the middle of it. */
#ifndef ATTN_FORK_H
#define ATTN_FORK_H

#include <stdatomic.h>

/* Static and zero at first. */
typedef struct AttnOnce {
    atomic_uint state;
} AttnOnce;

/* Call make() at the first call; return when some call of it has returned. Where the process was forked while another thread was inside
 * make(), the child begins it anew: make() must not mind what an unfinished call left behind. */
void attn_once(AttnOnce *once, void (*make)(void));

#endif
