/* fuzz_options.c - command lines, the environment and kernel patterns. The first byte chooses the reader, the rest is its input: words
 * separated by newlines. Readers print their sentences, so this one is run with stdout and stderr closed. */
#include "dispatch/options.h"
#include "harness/cli/cli.h"
#include "harness/cmd/bench_options.h"
#include "harness/cmd/verify_options.h"
#include "harness/ops/zoo.h"
#include "tests/fuzz/fuzz.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 24, READERS = 6, RUNNABLE_ONLY = READERS };

/* Words of the input, in place; argv[0] is the program's. */
static int split(char *text, char **argv)
{
    int argc = 0;
    argv[argc++] = (char *)"attnzoo";
    for (char *at = text; *at && argc < MAX_WORDS;) {
        const size_t length = strcspn(at, "\n");
        argv[argc++] = at;
        at += length;
        if (*at)
            *at++ = '\0';
    }
    argv[argc] = NULL;
    return argc;
}

/* --list-options, or a beginning of it, answers and ends the process, as it should. */
static bool asks_for_list(char *const *words)
{
    for (; *words; words++)
        if (strncmp(*words, "--l", 3) == 0)
            return true;
    return false;
}

static char *const *environment;

/* ATTNZOO_X=value is one of the words. */
static const char *get(const char *name)
{
    for (char *const *word = environment; *word; word++)
        if (strncmp(*word, name, strlen(name)) == 0 && (*word)[strlen(name)] == '=')
            return *word + strlen(name) + 1;
    return NULL;
}

static void read_environment(char **words)
{
    AttnSettings settings;
    AttnOptions options = attn_options();
    environment = words;
    options.max_isa = get("max_isa");
    options.disable = get("disable");
    options.kernel = get("kernel");
    const AttnStatus status = attn_settings_read(&options, get, &settings);
    fuzz_demand(status == ATTN_OK || attn_last_error()[0] != '\0', "a refused setting has a sentence");
}

static void select_kernels(const char *patterns, bool runnable_only)
{
    Cli cli = {.settings.allowed = UINT64_MAX};
    const AttnKernel **list = calloc(zoo_count(), sizeof *list);
    const size_t count = cli_select_kernels(&cli, patterns, runnable_only, list);
    fuzz_demand(count == SIZE_MAX || count <= zoo_count(), "no more kernels are chosen than there are");
    for (size_t i = 0; count != SIZE_MAX && i < count; i++)
        fuzz_demand(list[i] && zoo_find(list[i]->name) == list[i], "a chosen kernel is one of the zoo");
    free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *argv[MAX_WORDS + 1], *text = fuzz_text(data + 1, size - 1), *whole = fuzz_text(data + 1, size - 1);
    int argc = split(text, argv);
    uint64_t number = 0;
    Cli cli;
    BenchWanted bench = {0};
    VerifyRequest verify = {0};
    optind = 0; /* GNU: begin anew, inside a word too */
    switch (data[0] % (READERS + 1)) {
    case 0: cli_read(&cli, &argc, argv); break;
    case 1:
        if (!asks_for_list(argv))
            bench_options_read(&bench, argc, argv);
        break;
    case 2:
        if (!asks_for_list(argv))
            verify_request_read(argc, argv, &verify);
        break;
    case 3: read_environment(argv); break;
    case 4: fuzz_demand(!cli_number("number", whole, 10, 1000, &number) || (number >= 10 && number <= 1000), "a number is in its range"); break;
    case 5: select_kernels(whole, false); break;
    case RUNNABLE_ONLY: select_kernels(whole, true); break;
    }
    free(text);
    free(whole);
    return 0;
}
