/* tune.c - tune files of this process: identifies the machine, finds the file, and reads each file once.
 *
 * Opened files are in a lock-free list that only grows at its head: if two threads read the same path at once, one inserts what it read
 * and the other uses that. Entries are never freed, because plans keep pointers to the file that decided their choice. */
#include "dispatch/fnv.h"
#include "dispatch/tune.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attn_build_id.h"
#include "dispatch/cpu.h"
#include "dispatch/fork.h"

const char *attn_tune_build(void)
{
    return ATTN_BUILD_ID;
}

static char machine[ATTN_TUNE_WORD], compiler[ATTN_TUNE_WORD];

/* Visible ASCII that a file name and a word of a line may hold; anything else becomes '_'. */
static void make_word(char *text)
{
    for (; *text; text++)
        if (!((*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') || *text == '.' || *text == '-'))
            *text = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : '_';
}

static long cache_size(int name)
{
    const long size = sysconf(name);
    return size > 0 ? size : 0;
}

/* Not the key of harness/machine/machine.c: that one names records and asks hwloc, which the library does without. */
static void name_machine(void)
{
    const AttnCpu *cpu = attn_cpu_this();
    char names[1024], facts[1200];
    long caches[3] = {0};
#ifdef _SC_LEVEL1_DCACHE_SIZE
    caches[0] = cache_size(_SC_LEVEL1_DCACHE_SIZE);
    caches[1] = cache_size(_SC_LEVEL2_CACHE_SIZE);
    caches[2] = cache_size(_SC_LEVEL3_CACHE_SIZE);
#endif
    attn_cpu_feature_names(cpu->features, names, sizeof names);
    snprintf(facts, sizeof facts, "%s|%ld %ld %ld|%d", names, caches[0], caches[1], caches[2], cpu->hypervisor);
    const uint32_t hash = attn_fnv32(ATTN_FNV32, facts, strlen(facts));
    snprintf(machine, sizeof machine, "%s-%s-%u.%u-%ldc-%08x", cpu->arch, cpu->vendor[0] ? cpu->vendor : "unknown", cpu->family, cpu->model,
             cache_size(_SC_NPROCESSORS_CONF), (unsigned)hash);
    make_word(machine);
#if defined(__clang__)
    snprintf(compiler, sizeof compiler, "clang-%d.%d.%d", __clang_major__, __clang_minor__, __clang_patchlevel__);
#elif defined(__GNUC__)
    snprintf(compiler, sizeof compiler, "gcc-%d.%d.%d", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#else
    snprintf(compiler, sizeof compiler, "unknown");
#endif
}

static AttnOnce named;

const char *attn_tune_machine(void)
{
    attn_once(&named, name_machine);
    return machine;
}

const char *attn_tune_compiler(void)
{
    attn_once(&named, name_machine);
    return compiler;
}

/* ---- Files ----------------------------------------------------------------------------------------------------------------------- */

static AttnTune *without(AttnTuneState state, const char *why)
{
    AttnTune *tune = calloc(1, sizeof *tune);
    if (tune) {
        tune->state = state;
        tune->fault = state == ATTN_TUNE_REFUSED ? ATTN_TUNE_UNREADABLE : ATTN_TUNE_SOUND;
        snprintf(tune->why, sizeof tune->why, "%s", why);
    }
    return tune;
}

/* All of a regular file of at most ATTN_TUNE_MOST_BYTES. NULL: *why says what stopped it. Opening must not wait for a pipe's writer. */
static char *read_whole(const char *path, size_t *length, const char **why)
{
    char *text = NULL;
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    *why = fd < 0 ? strerror(errno) : NULL;
    if (!*why && fstat(fd, &status) != 0)
        *why = strerror(errno);
    if (!*why && !S_ISREG(status.st_mode))
        *why = "is not a regular file";
    if (!*why && status.st_size > ATTN_TUNE_MOST_BYTES)
        *why = "is larger than 1 MiB, which no tune file is";
    if (!*why && !(text = malloc(ATTN_TUNE_MOST_BYTES + 1)))
        *why = "no memory to read it";
    *length = 0;
    for (ssize_t got = 1; !*why && got > 0 && *length <= ATTN_TUNE_MOST_BYTES; *length += got > 0 ? (size_t)got : 0) {
        got = read(fd, text + *length, ATTN_TUNE_MOST_BYTES + 1 - *length);
        if (got < 0)
            *why = strerror(errno);
    }
    if (!*why && *length > ATTN_TUNE_MOST_BYTES)
        *why = "is larger than 1 MiB, which no tune file is";
    if (fd >= 0)
        close(fd);
    if (*why) {
        free(text);
        text = NULL;
    }
    return text;
}

AttnTune *attn_tune_load(const char *path)
{
    size_t length;
    const char *why;
    errno = 0;
    char *text = read_whole(path, &length, &why);
    const bool absent = !text && (errno == ENOENT || errno == ENOTDIR);
    /* A byte order mark, which editors of other systems write. */
    const size_t mark = text && length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    AttnTune *tune = text     ? attn_tune_parse(text + mark, length - mark, attn_tune_machine(), attn_tune_build(), attn_tune_compiler())
                     : absent ? without(ATTN_TUNE_NONE, "no such file")
                              : without(ATTN_TUNE_REFUSED, why);
    free(text);
    if (tune && !(tune->path = strdup(path))) {
        attn_tune_free(tune);
        tune = NULL;
    }
    return tune;
}

static const AttnTune off = {.state = ATTN_TUNE_NONE, .why = "switched off"};
static const AttnTune nowhere = {.state = ATTN_TUNE_NONE, .why = "no place to look for one: neither XDG_CACHE_HOME nor HOME is set"};
static const AttnTune no_memory = {.state = ATTN_TUNE_REFUSED, .fault = ATTN_TUNE_UNREADABLE, .why = "no memory to read it"};
static _Atomic(AttnTune *) opened;

static const AttnTune *find_opened(const AttnTune *from, const char *path)
{
    for (const AttnTune *tune = from; tune; tune = tune->next)
        if (strcmp(tune->path, path) == 0)
            return tune;
    return NULL;
}

const AttnTune *attn_tune_open(const char *path)
{
    if (!path)
        return &nowhere;
    if (strcmp(path, "off") == 0)
        return &off;
    AttnTune *head = atomic_load_explicit(&opened, memory_order_acquire), *fresh = NULL;
    for (;;) {
        const AttnTune *tune = find_opened(head, path);
        if (tune) {
            attn_tune_free(fresh);
            return tune;
        }
        if (!fresh && !(fresh = attn_tune_load(path)))
            return &no_memory;
        fresh->next = head;
        if (atomic_compare_exchange_strong_explicit(&opened, &head, fresh, memory_order_acq_rel, memory_order_acquire))
            return fresh;
    }
}
