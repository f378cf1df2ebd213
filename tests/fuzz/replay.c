/* replay.c - the entry points without a fuzzer: `fuzz_NAME CORPUS`, each file of the corpus as it is, each of its beginnings, and mutations
 * drawn from a fixed seed, so that a failure repeats. stdout and stderr of the parsers go nowhere; a signal's last words say which input
 * it was. Cost: a few thousand calls a file. */
#include "harness/base/random.h"
#include "harness/ops/sdpa/data.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_LIMIT = 4096, MUTATIONS = 2000 };

static char where[512];
static int words_fd = 2;

static void last_words(int number)
{
    if (write(words_fd, where, strlen(where)) < 0)
        _exit(1);
    signal(number, SIG_DFL);
    raise(number);
}

static bool finished;

/* exit() within a parser would end the test early, and well. */
static void too_early(void)
{
    if (!finished) {
        if (write(words_fd, where, strlen(where)) > 0)
            _exit(1);
        _exit(2);
    }
}

static size_t draw(uint64_t *state, size_t n)
{
    *state = random_bits(*state, 0x9e3779b97f4a7c15u);
    return n > 0 ? (size_t)(*state % n) : 0;
}

/* One change at a random place: a bit, a byte of those that parsers care about, a byte lost, a part doubled, a digit. */
static size_t mutate(uint64_t *state, uint8_t *data, size_t size)
{
    static const char telling[] = "\0\xff\x7f\x80\n,_:@{}*.-+0129eE'\"()[] ";
    const size_t at = draw(state, size), length = draw(state, 1 + (size - at < 16 ? size - at : 16));
    switch (draw(state, 5)) {
    case 0: data[at] ^= (uint8_t)(1u << draw(state, 8)); break;
    case 1: data[at] = (uint8_t)telling[draw(state, sizeof telling - 1)]; break;
    case 2:
        memmove(data + at, data + at + length, size - at - length);
        return size - length;
    case 3:
        if (size + length > INPUT_LIMIT)
            break;
        memmove(data + at + length, data + at, size - at);
        return size + length;
    case 4: data[at] = (uint8_t)('0' + draw(state, 10)); break;
    }
    return size;
}

static void run_exact(const uint8_t *data, size_t size, const char *file, const char *how, size_t n)
{
    uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees a read past the end */
    fuzz_demand(exact != NULL, "there is memory for an input");
    memcpy(exact, data, size);
    snprintf(where, sizeof where, "FAILED: %s, %s %zu\n", file, how, n);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void replay(const char *file, const uint8_t *data, size_t size)
{
    uint64_t state = 0x5eed;
    uint8_t changed[INPUT_LIMIT + 16];
    run_exact(data, size, file, "as it is", 0);
    for (size_t length = 0; length < size; length += 1 + size / 512)
        run_exact(data, length, file, "cut after byte", length);
    for (size_t n = 0; n < MUTATIONS && size > 0; n++) {
        size_t now = size;
        memcpy(changed, data, size);
        for (size_t changes = 1 + draw(&state, 4); changes > 0 && now > 0; changes--)
            now = mutate(&state, changed, now);
        run_exact(changed, now, file, "mutation", n);
    }
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    const int count = argc == 2 ? scandir(argv[1], &entries, not_hidden, alphasort) : -1;
    if (count <= 0) {
        fprintf(stderr, "usage: %s CORPUS, a folder with at least one file\n", argv[0]);
        return 2;
    }
    words_fd = dup(2);
    if (words_fd < 0 || !freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
        return 2;
    atexit(too_early);
    signal(SIGABRT, last_words);
    signal(SIGSEGV, last_words);
    signal(SIGALRM, last_words);
    for (int i = 0; i < count; i++) {
        static uint8_t data[INPUT_LIMIT];
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
        FILE *file = fopen(path, "rb");
        const size_t size = file ? fread(data, 1, sizeof data, file) : 0;
        if (!file || ferror(file) || fclose(file) != 0) {
            dprintf(words_fd, "%s: cannot read\n", path);
            return 2;
        }
        alarm(60); /* a loop without end is a finding too */
        replay(entries[i]->d_name, data, size);
        free(entries[i]);
    }
    free(entries);
    finished = true;
    dprintf(words_fd, "%d files and their mutations: nothing found\n", count);
    return 0;
}
