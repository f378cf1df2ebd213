/* fence.c - mmap and mprotect behind fence.h.
 *
 * A fenced arena is [unmapped page][pages][unmapped page]; the block lies at the end or the beginning of the pages in the middle. Cost: two
 * pages and three system calls per arena. Arenas for timing have no fences; their pages are touched here, so that no first page fault is
 * timed. */
#include "harness/base/fence.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE ((size_t)2 << 20)

static const char *const names[] = {[FENCE_NONE] = "none", [FENCE_AFTER] = "after", [FENCE_BEFORE] = "before"};

const char *fence_name(Fence fence)
{
    return names[fence];
}

bool fence_find(const char *name, Fence *fence)
{
    for (int i = FENCE_NONE; i <= FENCE_BEFORE; i++)
        if (strcmp(name, names[i]) == 0) {
            *fence = (Fence)i;
            return true;
        }
    return false;
}

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Where the accessible bytes of an arena begin and how many there are. */
static unsigned char *accessible(const Arena *arena, size_t *bytes)
{
    const size_t guard = arena->fence == FENCE_NONE ? 0 : (size_t)sysconf(_SC_PAGESIZE);
    *bytes = arena->mapped - 2 * guard;
    return (unsigned char *)arena->base + guard;
}

bool fence_map(Arena *arena, size_t bytes, Fence fence, unsigned char fill)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (bytes > (size_t)PTRDIFF_MAX - 4 * HUGE)
        return false;
    const size_t align = bytes >= HUGE ? HUGE : page;
    const size_t guard = fence == FENCE_NONE ? 0 : page;
    const size_t inner = round_up(bytes + (fence == FENCE_NONE ? 2 * FENCE_MARGIN : 1), page);
    const size_t total = inner + 2 * guard + (fence == FENCE_NONE ? align - page : 0);
    unsigned char *base = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return false;
    arena->base = base;
    arena->mapped = total;
    arena->bytes = bytes;
    arena->fence = fence;
    unsigned char *first = base + guard;
    switch (fence) {
    case FENCE_NONE: {
        unsigned char *aligned = (unsigned char *)round_up((size_t)base, align);
        if (align == HUGE)
            madvise(aligned, inner, MADV_HUGEPAGE); /* a hint; ordinary pages do as well */
        arena->at = aligned + FENCE_MARGIN;
        break;
    }
    case FENCE_AFTER:
        arena->at = first + inner - bytes;
        break;
    case FENCE_BEFORE:
        arena->at = first;
        break;
    }
    memset(base, fill, total);
    if (guard) {
        mprotect(base, guard, PROT_NONE);
        mprotect(first + inner, guard, PROT_NONE);
    }
    return true;
}

void fence_unmap(Arena *arena)
{
    if (arena->base)
        munmap(arena->base, arena->mapped);
    memset(arena, 0, sizeof *arena);
}

void fence_fill(const Arena *arena, unsigned char fill)
{
    size_t bytes;
    unsigned char *first = accessible(arena, &bytes);
    memset(first, fill, bytes);
}

void fence_read_only(const Arena *arena)
{
    size_t bytes;
    unsigned char *first = accessible(arena, &bytes);
    mprotect(first, bytes, PROT_READ);
}

bool fence_margins_intact(const Arena *arena, unsigned char fill)
{
    size_t bytes;
    const unsigned char *first = accessible(arena, &bytes), *block = arena->at;
    for (const unsigned char *at = first; at < block; at++)
        if (*at != fill)
            return false;
    for (const unsigned char *at = block + arena->bytes; at < first + bytes; at++)
        if (*at != fill)
            return false;
    return true;
}
