/* helpers.h - the library's threads: created when first needed, kept between jobs, shared by all callers. */
#ifndef ATTN_HELPERS_H
#define ATTN_HELPERS_H

#include <stddef.h>

/* Call task(argument, 0) here and task(argument, i), for different 0 < i < n, on up to n - 1 helpers, as many as are free; return when all
 * of these calls have returned. How many there are is chance: task must share out its work among those that come. Once one call has
 * returned, no further one begins. A helper gets the same i in every run while only one caller is at work.
 * Never fails, and waits for nobody but the helpers that came. Inside a task, and inside a caller's OpenMP region, no helper is called. */
void attn_helpers_share(size_t n, void (*task)(void *argument, size_t i), void *argument);

/* Make helpers until there are `most`, or the system refuses. Returns how many there are, perhaps more. */
size_t attn_helpers_make(size_t most);

#endif
