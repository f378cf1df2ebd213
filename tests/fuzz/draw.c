/* draw.c - the entry points that compute, without a fuzzer: inputs from a corpus, from random numbers, and against broken kernels.
 *
 *     fuzz_NAME CORPUS [--cases N]        each file of a folder, or one file; then N cases from seed 1 (the Meson test)
 *     fuzz_NAME [--seed S] --cases N      cases S, S + 1 …, N of them
 *     fuzz_NAME [--seed S] --seconds N    … until N seconds have passed
 *     fuzz_NAME --one S                   case S alone, described, on stdout
 *     fuzz_NAME --write S FILE            its bytes: an input for the corpus
 *     fuzz_NAME --mutants N               each broken kernel against cases 1 to N: is it found?
 *     fuzz_NAME … --threads 1             leave out what starts threads
 *
 * A finding ends the process with status 1; its words are the seed, the case and what is wrong. A crash says the same, and with sanitizers
 * so do their reports. */
#include "tests/fuzz/draw.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/random.h"
#include "harness/ops/sdpa/data.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/execution.h"

enum { INPUT = 1024 };

static char origin[4096]; /* where the input at hand comes from */

static void last_words(void)
{
    const char *const words[] = {"\nFAILED: ", origin, "\n    ", fuzz_case, "\n    ", fuzz_finding, "\n"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (write(2, words[i], strlen(words[i])) < 0)
            return;
}

static void on_signal(int number)
{
    static const char *const names[] = {[SIGABRT] = "abort", [SIGSEGV] = "SIGSEGV", [SIGBUS] = "SIGBUS",
                                        [SIGFPE] = "SIGFPE", [SIGILL] = "SIGILL",   [SIGALRM] = "a case takes 5 minutes"};
    if (fuzz_finding[0] == '\0')
        memcpy(fuzz_finding, names[number], strlen(names[number]) + 1);
    last_words();
    signal(number, SIG_DFL);
    raise(number);
}

/* Sanitizers write their report first, and then raise what prints the words above. Without them these names mean nothing. */
extern void __asan_init(void) __attribute__((weak));
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1";
}
const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:abort_on_error=1:print_stacktrace=1";
}

static void watch(void)
{
    static const int always[] = {SIGABRT, SIGALRM}, crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        signal(always[i], on_signal);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes && !__asan_init; i++)
        signal(crashes[i], on_signal);
}

static void draw_input(uint64_t seed, uint8_t input[INPUT])
{
    for (size_t i = 0; i < INPUT; i += sizeof(uint64_t)) {
        const uint64_t bits = random_bits(seed, i);
        memcpy(input + i, &bits, sizeof bits);
    }
}

static void draw_origin(const char *program, uint64_t seed)
{
    snprintf(origin, sizeof origin, "again with %s --one %llu%s", program, (unsigned long long)seed, target_threads ? "" : " --threads 1");
}

static void demand_right(bool right)
{
    if (!right) {
        last_words();
        exit(1);
    }
}

/* ---- Corpus ---------------------------------------------------------------------------------------------------------------------- */

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay_file(const char *path)
{
    uint8_t input[INPUT];
    snprintf(origin, sizeof origin, "%s", path);
    FILE *file = fopen(path, "rb");
    const size_t size = file ? fread(input, 1, sizeof input, file) : 0;
    if (!file || ferror(file) || fclose(file) != 0) {
        fprintf(stderr, "%s: cannot read\n", path);
        exit(2);
    }
    uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees a read past the end */
    fuzz_demand(exact != NULL, "there is memory for an input");
    memcpy(exact, input, size);
    demand_right(target_run(exact, size));
    free(exact);
}

/* All files of a folder, or one file. Returns how many. */
static int replay(const char *corpus)
{
    struct dirent **entries;
    const int count = scandir(corpus, &entries, not_hidden, alphasort);
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", corpus, entries[i]->d_name);
        replay_file(path);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    else
        replay_file(corpus);
    return count >= 0 ? count : 1;
}

/* ---- Broken kernels -------------------------------------------------------------------------------------------------------------- */

/* In a child, since some of them crash. Returns the number of the case that found it, 0 if none did. */
static uint64_t hunt(const char *program, size_t mutant, uint64_t cases)
{
    int pipe_of[2];
    fuzz_demand(pipe(pipe_of) == 0, "there is a pipe");
    fflush(NULL);
    const pid_t child = fork();
    fuzz_demand(child >= 0, "there is a child");
    if (child == 0) {
        close(2); /* its crash is what was hoped for */
        for (uint64_t n = 1; n <= cases; n++) {
            uint8_t input[INPUT];
            draw_origin(program, n);
            draw_input(n, input);
            if (write(pipe_of[1], &n, sizeof n) != sizeof n || !target_run_mutant(mutant, input, sizeof input))
                _exit(1);
        }
        _exit(0);
    }
    close(pipe_of[1]);
    uint64_t last = 0, n;
    while (read(pipe_of[0], &n, sizeof n) == sizeof n)
        last = n;
    close(pipe_of[0]);
    int status = 0;
    fuzz_demand(waitpid(child, &status, 0) == child, "the child has ended");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : last;
}

static int hunt_all(const char *program, uint64_t cases)
{
    size_t broken = 0, missed = 0, wrong = 0;
    for (size_t n = 0; n < target_mutants(); n++) {
        const uint64_t at = hunt(program, n, cases);
        const char *excuse = target_mutant_excuse(n);
        const bool must = n > 0 && !excuse; /* the first one is not broken */
        broken += must;
        missed += must && at == 0;
        wrong += n == 0 && at > 0;
        if (at > 0)
            printf("%-24s found by case %llu%s\n", target_mutant(n), (unsigned long long)at, n == 0 ? ", but it is right" : "");
        else
            printf("%-24s not found%s%s\n", target_mutant(n), n == 0 ? ", as it should be" : excuse ? ": " : "", excuse ? excuse : "");
    }
    printf("%zu of %zu that are broken on purpose are found\n", broken - missed, broken);
    return missed + wrong > 0;
}

/* ---- The program ----------------------------------------------------------------------------------------------------------------- */

static uint64_t read_number(const char *text)
{
    char *end;
    errno = 0;
    const unsigned long long n = text ? strtoull(text, &end, 10) : 0;
    if (!text || *text < '0' || *text > '9' || *end != '\0' || errno != 0) {
        fprintf(stderr, "'%s': a whole number is needed\n", text ? text : "");
        exit(2);
    }
    return n;
}

static int write_input(uint64_t seed, const char *path)
{
    uint8_t input[INPUT];
    draw_input(seed, input);
    FILE *file = path ? fopen(path, "wb") : NULL;
    const bool written = file && fwrite(input, 1, sizeof input, file) == sizeof input;
    if (!file || fclose(file) != 0 || !written) {
        fprintf(stderr, "%s: cannot write\n", path ? path : "no file");
        return 2;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *corpus = NULL;
    uint64_t seed = 1, cases = 0, limit = 0;
    bool one = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (word[0] != '-' && !corpus) {
            corpus = word;
            continue;
        }
        i++;
        if (strcmp(word, "--seed") == 0)
            seed = read_number(value);
        else if (strcmp(word, "--cases") == 0)
            cases = read_number(value);
        else if (strcmp(word, "--seconds") == 0)
            limit = read_number(value);
        else if (strcmp(word, "--threads") == 0)
            target_threads = read_number(value) > 1;
        else if (strcmp(word, "--one") == 0) {
            one = true;
            seed = read_number(value);
            cases = 1;
        } else if (strcmp(word, "--mutants") == 0)
            return hunt_all(argv[0], read_number(value));
        else if (strcmp(word, "--write") == 0)
            return write_input(read_number(value), i + 1 < argc ? argv[i + 1] : NULL);
        else {
            fprintf(stderr, "%s: unknown; the head of tests/fuzz/draw.c has the arguments\n", word);
            return 2;
        }
    }
    watch();
    const int files = corpus ? replay(corpus) : 0;
    if ((corpus && files == 0) || (!corpus && cases == 0 && limit == 0)) {
        fprintf(stderr, "usage: %s CORPUS [--cases N] | [--seed S] --cases N | --seconds N; the head of tests/fuzz/draw.c has more\n",
                argv[0]);
        return 2;
    }
    const double until = clock_seconds() + (double)limit;
    uint64_t n = 0;
    for (; n < cases || (limit > 0 && clock_seconds() < until); n++) {
        uint8_t input[INPUT];
        draw_origin(argv[0], seed + n);
        draw_input(seed + n, input);
        alarm(300); /* a loop without end is a finding too; the largest case takes a second under sanitizers */
        demand_right(target_run(input, sizeof input));
        if (one)
            printf("%s\n", fuzz_case);
    }
    alarm(0);
    printf("%d files and %llu cases from seed %llu: nothing found\n", files, (unsigned long long)n, (unsigned long long)seed);
    target_counts(stdout);
    return 0;
}
