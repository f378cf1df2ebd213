/* cli.c - what all subcommands share: global options, selection of kernels, signals, the final flush.
 *
 * Global options are removed from argv before a subcommand sees it, so they work before and after its name and are declared once. */
#include "dispatch/cpu.h"
#include "dispatch/isa.h"
#include "harness/base/outputs.h"
#include "harness/base/render.h"
#include "harness/base/stop.h"
#include "harness/cli/cli.h"
#include "harness/machine/topology.h"
#include "harness/ops/zoo.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <unistd.h>

static bool stdout_closed;
static Outputs outputs; /* of the last Cli read, for the end of the program */

enum { MAX_WORD = 64 };

/* ---- Global options -------------------------------------------------------------------------------------------------------------- */

enum { KEY_COLOR = 256, KEY_PROGRESS, KEY_RESULTS, KEY_NO_RESULTS, KEY_SEED, KEY_MAX_ISA, KEY_DISABLE, KEY_THREADS, KEY_BUILD, KEY_VERSION };

static const CliOption globals[] = {
    {'q', "quiet", NULL, "print no progress bar and no notes"},
    {'v', "verbose", NULL, "print more"},
    {KEY_COLOR, "color", "WHEN", "use colour: auto (honours NO_COLOR), always, never (default: auto)"},
    {KEY_PROGRESS, "progress", "WHEN", "show progress: auto (a bar on stderr if it is a terminal), off (default: auto)"},
    {'o', "output", "FMT[:FILE]", "write table, md, csv, jsonl or another format of the subcommand, to FILE; repeat for several (default: table)"},
    {KEY_RESULTS, "results", "DIR", "append records to this folder (default: results)"},
    {KEY_NO_RESULTS, "no-results", NULL, "keep no records"},
    {KEY_SEED, "seed", "N", "seed all random numbers with N (default: 0x5eed)"},
    {KEY_MAX_ISA, "max-isa", "ISA", "use no kernel beyond this level: {} (default: no limit)"},
    {KEY_DISABLE, "disable", "F,F", "do without these CPU features, such as avx512f,fma"},
    {KEY_THREADS, "threads", "N", "use N threads"},
    {KEY_BUILD, "build-info", NULL, "print how this program was built"},
    {KEY_VERSION, "version", NULL, "print the version"},
};
enum { GLOBALS = sizeof globals / sizeof *globals };

void cli_print_global_options(void)
{
    printf("\nGlobal options, before or after the subcommand\n");
    for (size_t i = 0; i < GLOBALS; i++)
        cli_print_option(NULL, &globals[i]);
    cli_print_row(30, "-h, --help", "print this text; after a subcommand, the help of that subcommand");
    printf("\nGive each option once; a list is one value: -k flash_f32,naive_f32\n");
}

static bool one_of(const char *what, const char *text, const char *const *known, size_t count, size_t *index)
{
    for (*index = 0; *index < count; (*index)++)
        if (strcmp(text, known[*index]) == 0)
            return true;
    cli_unknown(what, text, known, count);
    return false;
}

static bool set_format(Cli *cli, const char *text)
{
    static const char *const formats[] = {"table", "md", "csv", "jsonl", "json", "html", "hyperfine", "benchstat", "gha"};
    char name[MAX_WORD];
    const size_t length = strcspn(text, ":");
    size_t index;
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1), text);
    if (!one_of("output format", name, formats, sizeof formats / sizeof *formats, &index))
        return false;
    const char *path = text[length] == ':' ? text + length + 1 : NULL;
    if (path && !*path) {
        render_error("option '-o %s' names no file after the colon", text);
        return false;
    }
    return outputs_add(cli->outputs, formats[index], path);
}

static void print_build_info(void)
{
    printf("attnzoo %s\n", attn_version());
#if defined(__clang__)
    printf("compiler   clang %s\n", __clang_version__);
#else
    printf("compiler   gcc %s\n", __VERSION__);
#endif
#if defined(__OPTIMIZE__)
    printf("optimised  yes\n");
#else
    printf("optimised  no (timings of this build say little)\n");
#endif
    printf("machine    %s\n", attn_cpu_this()->arch);
    printf("kernels    %zu:", zoo_count());
    for (size_t i = 0; i < zoo_count(); i++)
        printf(" %s", zoo_at(i)->name);
    putchar('\n');
}

/* Collected while the options are read, applied once at the end. */
typedef struct OutputSwitches {
    size_t color, progress;
    bool no_results;
} OutputSwitches;

/* Apply one global option. -1: continue, else the exit code. */
static int apply(Cli *cli, OutputSwitches *switches, int key, const char *value)
{
    static const char *const colors[] = {"auto", "always", "never"}, *const progress[] = {"auto", "off"};
    bool ok = true;
    switch (key) {
    case 'q': cli->quiet = true; break;
    case 'v': cli->verbose = true; break;
    case 'o': ok = set_format(cli, value); break;
    case KEY_COLOR: ok = one_of("value of --color", value, colors, 3, &switches->color); break;
    case KEY_PROGRESS: ok = one_of("value of --progress", value, progress, 2, &switches->progress); break;
    case KEY_RESULTS:
        cli->results = value;
        ok = *value != '\0';
        if (!ok)
            render_error("option '--results' needs the name of a folder");
        break;
    case KEY_NO_RESULTS: switches->no_results = true; break;
    case KEY_SEED: ok = cli_number("--seed", value, 0, UINT64_MAX, &cli->seed); break;
    case KEY_MAX_ISA: cli->max_isa = value; break;
    case KEY_DISABLE: cli->disable = value; break;
    case KEY_THREADS: ok = cli_threads("--threads", value, &cli->threads); break;
    case KEY_BUILD: print_build_info(); return EXIT_OK;
    default: printf("attnzoo %s\n", attn_version()); return EXIT_OK;
    }
    return ok ? -1 : EXIT_USAGE;
}

/* Is argv[i] a global option? Its row, and its value if that stands in the same word. Letters may be joined: -qv. */
static const CliOption *find_global(const char *word, const char **value)
{
    *value = NULL;
    if (word[0] != '-')
        return NULL;
    if (word[1] == '-') {
        const size_t length = strcspn(word + 2, "=");
        for (size_t i = 0; i < GLOBALS; i++)
            if (strlen(globals[i].name) == length && strncmp(globals[i].name, word + 2, length) == 0) {
                *value = word[2 + length] == '=' ? word + 3 + length : NULL;
                return &globals[i];
            }
        return NULL;
    }
    for (size_t i = 0; i < GLOBALS; i++)
        if (word[1] && globals[i].key == word[1]) {
            *value = word[2] ? word + 2 : NULL;
            return globals[i].value || !word[2] || strspn(word + 1, "qv") == strlen(word + 1) ? &globals[i] : NULL;
        }
    return NULL;
}

static void ask_global(const CliOption *option)
{
    Cli cli = {0};
    OutputSwitches switches = {0};
    char nothing[] = "\1";
    if (option->key == KEY_MAX_ISA)
        for (size_t i = 0; i < attn_isa_level_count; i++)
            cli_ask->word(attn_isa_levels[i].name);
    else if (option->key == KEY_DISABLE)
        for (unsigned bit = 0; bit < ATTN_CPU_BITS; bit++)
            cli_ask->word(attn_cpu_feature_name(bit));
    else if (option->value)
        apply(&cli, &switches, option->key, nothing);
}

int cli_read(Cli *cli, int *argc, char **argv)
{
    OutputSwitches switches = {0};
    const char *given[GLOBALS] = {0};
    int kept = 1, code = -1;
    outputs = (Outputs){0};
    *cli = (Cli){.seed = 0x5eed, .outputs = &outputs};
    for (int i = 1; i < *argc && code < 0; i++) {
        const char *value;
        if (strcmp(argv[i], "--") == 0) {
            while (i < *argc)
                argv[kept++] = argv[i++];
            break;
        }
        const CliOption *option = find_global(argv[i], &value);
        if (!option) {
            argv[kept++] = argv[i];
        } else if (!option->value && value) {
            if (argv[i][1] == '-') {
                render_error("option '--%s' takes no value", option->name);
                code = EXIT_USAGE;
            }
            for (const char *letter = argv[i] + 1; code < 0 && *letter; letter++)
                code = apply(cli, &switches, *letter, NULL);
        } else if (option->value && !value && i + 1 == *argc) {
            render_error("option '%s' needs a value", argv[i]);
            code = EXIT_USAGE;
        } else {
            value = option->value && !value ? argv[++i] : value;
            const bool once = option->key == 'o' || cli_once(option, &given[option - globals], value);
            code = once ? apply(cli, &switches, option->key, value) : EXIT_USAGE;
        }
    }
    if (code >= 0)
        return code;
    argv[kept] = NULL;
    *argc = kept;
    if (cli->results && switches.no_results) {
        render_error("--results and --no-results cannot be combined");
        return EXIT_USAGE;
    }
    if (!cli->results && !switches.no_results)
        cli->results = "results";
    const RenderColor color = switches.color == 1 ? RENDER_ALWAYS : switches.color == 2 ? RENDER_NEVER : RENDER_AUTO;
    render_setup(color, switches.progress == 0, cli->quiet);
    cli->options = attn_options();
    cli->options.max_isa = cli->max_isa;
    cli->options.disable = cli->disable;
    cli->options.threads = cli->threads;
    if (attn_settings_read_environment(&cli->options, &cli->settings) != ATTN_OK) {
        render_error("%s", attn_last_error());
        return EXIT_USAGE;
    }
    const size_t cpus = cli->threads ? topology_cpus() : 0;
    if (cpus > 0 && cli->threads > cpus) /* fine for verify, which wants other interleavings; times then mean little */
        render_note("--threads %zu: this process may use %zu hardware thread%s, so workers take turns", cli->threads, cpus,
                    cpus == 1 ? "" : "s");
    return -1;
}

/* Is `word` one of the blank-separated `words`? */
static bool is_among(const char *word, const char *words)
{
    const size_t length = strlen(word);
    for (const char *at = words; *at; at += strcspn(at, " "), at += strspn(at, " "))
        if (strcspn(at, " ") == length && strncmp(at, word, length) == 0)
            return true;
    return false;
}

bool cli_writes(const Cli *cli, const char *command, const char *formats)
{
    if (!cli->outputs->given)
        return true;
    if (!*formats) {
        render_error("%s does not take -o: it has one format, and writes it to stdout", command);
        return false;
    }
    for (size_t i = 0; i < cli->outputs->count; i++)
        if (!is_among(cli->outputs->at[i].format, formats)) {
            render_error("%s does not write '%s'; it writes %s", command, cli->outputs->at[i].format, formats);
            return false;
        }
    return true;
}

/* ---- Kernels --------------------------------------------------------------------------------------------------------------------- */

/* Every name without wildcards must exist: a typing mistake must not silently shrink a run. */
static bool check_patterns(const char *patterns)
{
    for (const char *at = patterns; ; at++) {
        const size_t length = strcspn(at, ",");
        char name[4 * MAX_WORD];
        if (length == 0 || length >= sizeof name) {
            render_error("kernel pattern '%s' has %s part; allowed: names or globs separated by commas", patterns, length ? "an overlong" : "an empty");
            return false;
        }
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        if (!strpbrk(name, "*?[") && !zoo_find(name)) {
            cli_unknown_kernel(name, true);
            return false;
        }
        at += length;
        if (!*at)
            return true;
    }
}

int cli_selected(const char *name, const char *patterns)
{
    int found = patterns ? 0 : 1;
    for (const char *at = patterns; at && *at; at += *at == ',') {
        const size_t length = strcspn(at, ",");
        char pattern[4 * MAX_WORD];
        snprintf(pattern, sizeof pattern, "%.*s", (int)length, at);
        if (strcmp(pattern, name) == 0)
            return 2;
        if (fnmatch(pattern, name, 0) == 0)
            found = 1;
        at += length;
    }
    return found;
}

size_t cli_select_kernels(const Cli *cli, const char *patterns, bool runnable_only, const AttnKernel **list)
{
    size_t count = 0;
    if (patterns && !check_patterns(patterns))
        return SIZE_MAX;
    for (size_t i = 0; i < zoo_count(); i++) {
        const AttnKernel *kernel = zoo_at(i);
        const int found = !patterns && zoo_is_yardstick(kernel) ? 0 : cli_selected(kernel->name, patterns);
        const uint64_t missing = kernel->isa & ~(attn_cpu_this()->features & cli->settings.allowed);
        if (found && missing && runnable_only) {
            char names[256];
            if (found == 2)
                render_note("skipping %s: it needs %s", kernel->name, attn_cpu_feature_names(missing, names, sizeof names));
        } else if (found) {
            list[count++] = kernel;
        }
    }
    return count;
}

bool cli_dist(const char *text, DataDist *dist)
{
    const char *known[DIST_COUNT];
    for (size_t i = 0; i < DIST_COUNT; i++)
        known[i] = data_dist_name((DataDist)i);
    const bool found = data_dist_find(text, dist);
    if (!found)
        cli_unknown("distribution", text, known, DIST_COUNT);
    return found;
}

void cli_unknown_kernel(const char *name, bool yardsticks)
{
    const char **known = calloc(zoo_count() + 1, sizeof *known); /* without memory the sentence has no list */
    size_t count = 0;
    for (size_t i = 0; known && i < zoo_count(); i++)
        if (yardsticks || !zoo_is_yardstick(zoo_at(i)))
            known[count++] = zoo_at(i)->name;
    cli_unknown("kernel", name, known, count);
    free(known);
}

/* ---- Signals, the end ------------------------------------------------------------------------------------------------------------ */

void cli_start(const CliCommandRow *commands, size_t count)
{
    cli_grammar = (CliGrammar){commands, count, globals, GLOBALS, ask_global, cli_finish};
    stop_catch();
    /* A file opened later must not get the descriptor of a closed stdout or stderr. The substitute for stdout is not writable, so that lost
     * output is an error. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0) {
            stdout_closed = stdout_closed || fd == STDOUT_FILENO;
            (void)!open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY); /* the lowest free number, which is fd */
        }
}

int cli_finish(int code)
{
    render_progress_end();
    code = stop_exit_code(outputs_close(&outputs, code));
    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || stop_pipe_closed)
        return code;
    render_error("cannot write to stdout: %s", stdout_closed ? "it is closed" : errno ? strerror(errno) : "an earlier write failed");
    return code == EXIT_OK ? EXIT_USAGE : code;
}
