/* ahead.h - memory that will be read soon, as cache lines in the order of memory, asked for a few at a time between the arithmetic.
 *
 * Prefetching in one go is worse: a core has room for some tens of lines on their way, and one more waits, with all that follows it.
 * Cost: an instruction a line. Nothing here changes a result. */
#ifndef ATTN_ALGO_AHEAD_H
#define ATTN_ALGO_AHEAD_H

#include "kernels/kernel.h"

/* Rows that will be read soon, as lines. Rows without gaps between them count as one. */
typedef struct Stretch {
    const char *at;        /* the next line                            */
    size_t left, per_row;  /* lines left of this row; lines of a row   */
    size_t rows;           /* rows after this one                      */
    ptrdiff_t jump;        /* bytes from the end of a row to the next  */
} Stretch;

/* n rows of `bytes` bytes, `stride` bytes apart. */
static inline Stretch stretch_of_rows(const void *first, ptrdiff_t stride, size_t n, size_t bytes)
{
    Stretch s = {0};
    if (n == 0)
        return s;
    s.at = first;
    if (stride == (ptrdiff_t)bytes) {
        s.left = (bytes * n + 63) / 64;
        return s;
    }
    s.left = s.per_row = (bytes + 63) / 64;
    s.rows = n - 1;
    s.jump = stride - (ptrdiff_t)(64 * s.per_row);
    return s;
}

/* The next line; there is one. */
static inline __attribute__((always_inline)) void stretch_prefetch(Stretch *s)
{
    __builtin_prefetch(s->at);
    s->at += 64;
    if (--s->left == 0 && s->rows > 0) {
        s->rows--;
        s->at += s->jump;
        s->left = s->per_row;
    }
}

static inline size_t stretch_lines(const Stretch *s)
{
    return s->left + s->rows * s->per_row;
}

#endif
