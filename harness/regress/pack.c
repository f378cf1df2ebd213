/* pack.c - dlopen behind pack.h. A library without the one symbol is refused before any of its functions is called, and one with the wrong
 * ABI or size before any kernel is used. (Its constructors run on loading: a pack is code and must be trusted like the program.) */
#include "dispatch/fnv.h"
#include "harness/base/input.h"
#include "harness/regress/pack.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dispatch/cpu.h"

enum { LEAST_SIZE = offsetof(AttnPackV1, choice) }; /* size of the part that every pack of this ABI has */

/* Hash of a file and, if `to` is not NULL, a copy of it; false: error[] says what failed. */
static bool read_through(const char *path, FILE *to, char *hash, size_t size, char *error, size_t error_size)
{
    FILE *file = input_open(path, error, error_size);
    if (!file)
        return false;
    uint64_t h = ATTN_FNV64;
    unsigned char block[8192];
    bool ok = true;
    for (size_t n; ok && (n = fread(block, 1, sizeof block, file)) > 0;) {
        h = attn_fnv64(h, block, n);
        ok = !to || fwrite(block, 1, n, to) == n;
    }
    ok = ok && !ferror(file) && (!to || fflush(to) == 0);
    if (!ok)
        snprintf(error, error_size, "%s cannot be %s: %s", path, ferror(file) || !to ? "read" : "copied", strerror(errno));
    fclose(file);
    snprintf(hash, size, "%016" PRIx64, h);
    return ok;
}

static void *load(const char *path, char *error, size_t error_size)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        snprintf(error, error_size, "%s cannot be loaded: %s", path, dlerror());
    return handle;
}

/* Load a copy under a temporary name, and remove that name. */
static void *load_copy(const char *path, char *hash, size_t hash_size, char *error, size_t error_size)
{
    const char *folder = getenv("TMPDIR");
    char name[1100];
    if ((size_t)snprintf(name, sizeof name, "%s/attnzoo-pack-XXXXXX", folder && *folder ? folder : "/tmp") >= sizeof name) {
        snprintf(error, error_size, "TMPDIR is longer than %zu characters", sizeof name - 32);
        return NULL;
    }
    const int fd = mkstemp(name);
    FILE *to = fd >= 0 ? fdopen(fd, "wb") : NULL;
    void *handle = NULL;
    if (!to)
        snprintf(error, error_size, "%s cannot be copied to %s: %s", path, name, strerror(errno));
    else if (read_through(path, to, hash, hash_size, error, error_size))
        handle = load(name, error, error_size);
    if (to)
        fclose(to);
    else if (fd >= 0)
        close(fd);
    if (fd >= 0)
        unlink(name);
    return handle;
}

static bool check(const Pack *pack, char *error, size_t error_size)
{
    const AttnPackV1 *v1 = pack->v1;
    if (v1->abi != ATTN_PACK_ABI)
        snprintf(error, error_size, "%s has pack ABI %u; this program knows %d: compare with a program of about the pack's age", pack->path,
                 (unsigned)v1->abi, ATTN_PACK_ABI);
    else if (v1->size < LEAST_SIZE)
        snprintf(error, error_size, "%s has %u bytes of functions; pack ABI %d has %d", pack->path, (unsigned)v1->size, ATTN_PACK_ABI,
                 LEAST_SIZE);
    else if (v1->count == 0)
        snprintf(error, error_size, "%s holds no kernel", pack->path);
    else
        return true;
    return false;
}

bool pack_open(Pack *pack, const char *path, bool copy, char *error, size_t error_size)
{
    memset(pack, 0, sizeof *pack);
    if ((size_t)snprintf(pack->path, sizeof pack->path, "%s%s", strchr(path, '/') ? "" : "./", path) >= sizeof pack->path) {
        snprintf(error, error_size, "the name of a pack is longer than %zu characters", sizeof pack->path - 3);
        return false;
    }
    if (copy)
        pack->handle = load_copy(pack->path, pack->hash, sizeof pack->hash, error, error_size);
    else if (read_through(pack->path, NULL, pack->hash, sizeof pack->hash, error, error_size))
        pack->handle = load(pack->path, error, error_size);
    if (!pack->handle)
        return false;
    AttnPackEntry *entry = NULL;
    void *symbol = dlsym(pack->handle, ATTN_PACK_SYMBOL);
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from an object pointer to a function */
    pack->v1 = entry ? entry() : NULL;
    if (!pack->v1)
        snprintf(error, error_size, "%s is no kernel pack: it has no " ATTN_PACK_SYMBOL, pack->path);
    if (!pack->v1 || !check(pack, error, error_size)) {
        pack_close(pack);
        return false;
    }
    return true;
}

void pack_close(Pack *pack)
{
    if (pack->handle)
        dlclose(pack->handle);
    memset(pack, 0, sizeof *pack);
}

size_t pack_find(const Pack *pack, const char *name)
{
    size_t i = 0;
    while (i < pack->v1->count && strcmp(pack->v1->kernel(i)->name, name) != 0)
        i++;
    return i;
}

bool pack_chooses(const Pack *pack)
{
    return pack->v1->size >= LEAST_SIZE + sizeof pack->v1->choice && pack->v1->choice;
}

/* The mark of an initialised struct, or 0 for a pack that does not know the mark. */
static uint64_t mark(const AttnPackV1 *v1)
{
    const bool says = v1->size >= offsetof(AttnPackV1, problem_size) + sizeof v1->problem_size;
    return says && v1->problem_size > offsetof(AttnProblem, made) ? ATTN_MADE : 0;
}

AttnStatus pack_plan(const AttnPackV1 *v1, size_t index, const AttnProblem *problem, size_t threads, AttnPlan **plan)
{
    AttnProblem copy = *problem;
    copy.made = mark(v1);
    return v1->plan(index, &copy, threads, plan);
}

AttnStatus pack_run(const AttnPackV1 *v1, const AttnPlan *plan, const AttnTensors *tensors, void *workspace, size_t size)
{
    AttnTensors copy = *tensors;
    copy.made = mark(v1);
    return v1->run(plan, &copy, workspace, size);
}

const char *pack_choice(const Pack *pack, const AttnProblem *problem, const AttnOptions *options)
{
    AttnOptions untuned = *options;
    AttnProblem copy;
    untuned.tune = "off";
    untuned.made = mark(pack->v1);
    if (problem) {
        copy = *problem;
        copy.made = mark(pack->v1);
    }
    const char *name = pack->v1->choice(problem ? &copy : NULL, &untuned);
    return name ? name : "";
}

bool pack_needs(const Pack *pack, size_t index, uint64_t *features)
{
    *features = 0;
    for (const char *at = pack->v1->kernel(index)->needs; *at;) {
        const size_t length = strcspn(at, " ");
        const uint64_t bit = attn_cpu_feature(at, length);
        if (bit == 0)
            return false;
        *features |= bit;
        at += length + strspn(at + length, " ");
    }
    return true;
}
