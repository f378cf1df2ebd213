/* options.c - words on the command line: the option table of a subcommand, strict numbers, near misses.
 *
 * A subcommand gives its options as rows of CliOption; getopt_long, the help text and the message about an unknown option are all made
 * from those rows, so they cannot disagree. */
#include "dispatch/helpers.h"
#include "harness/base/near.h"
#include "harness/base/render.h"
#include "harness/cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_OPTIONS = 48, MAX_WORD = 64 };

const CliAsk *cli_ask;
CliGrammar cli_grammar;

/* ---- Unknown words --------------------------------------------------------------------------------------------------------------- */

void cli_unknown(const char *what, const char *word, const char *const *known, size_t count)
{
    for (size_t i = 0; cli_ask && i < count; i++)
        cli_ask->word(known[i]);
    if (cli_ask)
        return;
    const char *near = near_word(word, known, count);
    char list[2000] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", known[i]);
    render_error("unknown %s '%s'%s%s%s known: %s", what, word, near ? "; did you mean '" : ";", near ? near : "", near ? "'?" : "", list);
}

bool cli_suite(const CliSuite *suites, size_t count, const char *text, const char **shapes)
{
    const char *names[CLI_SUITES_MOST];
    for (size_t i = 0; i < count; i++) {
        names[i] = suites[i].name;
        if (strcmp(text, suites[i].name) == 0) {
            *shapes = suites[i].shapes;
            return true;
        }
    }
    cli_unknown("suite", text, names, count);
    return false;
}

void cli_suites_print(const CliSuite *suites, size_t count)
{
    char text[900];
    printf("\nSuites\n");
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%s: %s", suites[i].help, suites[i].shapes);
        cli_print_row(10, suites[i].name, text);
    }
}

/* ---- Numbers --------------------------------------------------------------------------------------------------------------------- */

bool cli_number(const char *what, const char *text, uint64_t low, uint64_t high, uint64_t *number)
{
    const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    char *end = NULL;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, hex ? 16 : 10);
    const bool digit = hex ? text[2] != '\0' : text[0] >= '0' && text[0] <= '9'; /* strtoull itself accepts blanks and signs */
    if (!digit || *end || errno == ERANGE || value < low || value > high) {
        render_error("%s is '%s'; allowed: a whole number from %llu to %llu", what, text, (unsigned long long)low, (unsigned long long)high);
        return false;
    }
    *number = value;
    return true;
}

bool cli_threads(const char *what, const char *text, size_t *threads)
{
    uint64_t number;
    if (!cli_number(what, text, 1, 4096, &number))
        return false;
    *threads = (size_t)number;
    return true;
}

size_t cli_granted(size_t threads)
{
    const size_t granted = threads > 1 ? 1 + attn_helpers_make(threads - 1) : 1;
    if (granted >= threads)
        return threads;
    render_note("%zu threads: the system grants this process no more than %zu (see ulimit -u, ulimit -v and the control group's pids.max)",
                threads, granted);
    return granted;
}

/* ---- Each value once ------------------------------------------------------------------------------------------------------------- */

/* The separator of several values in one; NULL: only one is allowed. A list is named by a plural or by two elements: SHAPES, F,F. */
static const char *between(const char *called)
{
    if (strcmp(called, "TERMS") == 0)
        return "blanks";
    return called[strlen(called) - 1] == 'S' || strchr(called, ',') ? "commas" : NULL;
}

bool cli_once(const CliOption *option, const char **given, const char *value)
{
    if (!option->value || !*given) {
        *given = value;
        return true;
    }
    const char letter[] = {(char)option->key, '\0'}, *parted = between(option->value);
    const bool is_letter = option->key < 256;
    render_error("option '-%s%s' is given twice, with '%.80s' and '%.80s'; allowed: once%s%s%s%s", is_letter ? letter : "-",
                 is_letter ? "" : option->name, *given, value, parted ? ", with several " : "", parted ? option->value : "",
                 parted ? " separated by " : "", parted ? parted : "");
    return false;
}

/* ---- Options of a subcommand ----------------------------------------------------------------------------------------------------- */

static char *asked; /* the words reported so far, with room for `asked_size` bytes */
static size_t asked_size;

static void append_word(const char *word)
{
    const size_t used = strlen(asked);
    snprintf(asked + used, asked_size - used, "%s%s", used ? ", " : "", word);
}

/* The help of an option, with the words that its parser knows in place of {}. */
static const char *help_of(const char *command, const CliOption *option, char *text, size_t size)
{
    static const CliAsk ask = {append_word, NULL};
    char words[600] = "", name[64], dashed[64], nothing[] = "\1";
    const char *gap = strstr(option->help, "{}");
    if (!gap)
        return option->help;
    asked = words;
    asked_size = sizeof words;
    cli_ask = &ask;
    if (!command)
        cli_grammar.ask_global(option);
    for (size_t i = 0; command && i < cli_grammar.command_count; i++)
        if (strcmp(cli_grammar.commands[i].name, command) == 0) {
            const Cli cli = {.options = attn_options()};
            snprintf(name, sizeof name, "%s", command);
            snprintf(dashed, sizeof dashed, "--%s", option->name);
            optind = 1;
            cli_grammar.commands[i].run(&cli, 3, (char *[]){name, dashed, nothing, NULL});
        }
    cli_ask = NULL;
    snprintf(text, size, "%.*s%s%s", (int)(gap - option->help), option->help, words, gap + 2);
    return text;
}

void cli_print_row(int width, const char *left, const char *text)
{
    enum { COLUMNS = 100 };
    const int indent = 2 + width + 1;
    size_t at = (size_t)printf("  %-*s", width, left);
    for (; *text; text += strspn(text, " ")) {
        const size_t length = strcspn(text, " ");
        if (at + 1 + length > COLUMNS)
            at = (size_t)printf("\n%*s", indent - 1, "") - 1;
        at += (size_t)printf(" %.*s", (int)length, text);
        text += length;
    }
    putchar('\n');
}

void cli_print_option(const char *command, const CliOption *option)
{
    char left[64], text[900];
    const bool letter = option->key < 256;
    snprintf(left, sizeof left, "%c%c%s--%s%s%s", letter ? '-' : ' ', letter ? option->key : ' ', letter ? ", " : "  ", option->name,
             option->value ? " " : "", option->value ? option->value : "");
    cli_print_row(30, left, help_of(command, option, text, sizeof text));
}

void cli_unknown_option(const char *word, const CliOption *options, size_t count)
{
    char names[2 * MAX_OPTIONS][MAX_WORD];
    const char *known[2 * MAX_OPTIONS];
    size_t used = 0;
    for (size_t i = 0; i < count + cli_grammar.global_count && used < 2 * MAX_OPTIONS; i++, used++) {
        const CliOption *option = i < count ? &options[i] : &cli_grammar.globals[i - count];
        snprintf(names[used], sizeof *names, "--%s", option->name);
        known[used] = names[used];
    }
    cli_unknown("option", word, known, used);
}

void cli_list_option(const char *command, const CliOption *option)
{
    char text[900];
    const bool letter = option->key < 256;
    printf("--%s\t%s%.1s\t%s\t%s\n", option->name, letter ? "-" : "", letter ? (const char[]){(char)option->key, '\0'} : "",
           option->value ? option->value : "", help_of(command, option, text, sizeof text));
}

int cli_next_option(int argc, char **argv, const char *usage, const CliOption *options, size_t count, const char **value)
{
    enum { LIST = 0x7fff }; /* key of --list-options, for completion and man pages */
    static const char *given[MAX_OPTIONS]; /* the value of each row so far, in addition to getopt's own state */
    struct option rows[MAX_OPTIONS + 3];
    char letters[2 * MAX_OPTIONS + 8] = ":h";
    size_t used = strlen(letters);
    for (size_t i = 0; i < count && i < MAX_OPTIONS; i++) {
        rows[i] = (struct option){options[i].name, options[i].value ? required_argument : no_argument, NULL, options[i].key};
        if (options[i].key < 256) {
            letters[used++] = (char)options[i].key;
            if (options[i].value)
                letters[used++] = ':';
        }
    }
    letters[used] = '\0';
    rows[count] = (struct option){"help", no_argument, NULL, 'h'};
    rows[count + 1] = (struct option){"list-options", no_argument, NULL, LIST};
    rows[count + 2] = (struct option){NULL, 0, NULL, 0};

    opterr = 0;
    const int at = optind;
    if (at <= 1) /* a new start: whatever has a value moves to a later word */
        memset(given, 0, sizeof given);
    const int key = getopt_long(argc, argv, letters, rows, NULL);
    *value = optarg;
    for (size_t i = 0; i < count && i < MAX_OPTIONS; i++)
        if (options[i].key == key && !cli_once(&options[i], &given[i], optarg))
            return '?';
    if (cli_ask && (key == LIST || key == '?' || at > 1)) {
        for (size_t i = 0; key == LIST && i < count; i++)
            cli_ask->option(&options[i]);
        return '?';
    }
    if (key == LIST) {
        for (size_t i = 0; i < count; i++)
            cli_list_option(argv[0], &options[i]);
        exit(cli_grammar.finish(EXIT_OK)); /* for programs: nothing that a subcommand adds to its help belongs there */
    }
    if (key == 'h') {
        fputs(usage, stdout);
        printf("\nOptions\n");
        for (size_t i = 0; i < count; i++)
            cli_print_option(argv[0], &options[i]);
        cli_print_row(30, "-h, --help", "print this text");
        printf("\nGlobal options: attnzoo --help\n");
    } else if (key == ':') {
        render_error("option '%s' needs a value", argv[optind - 1]);
        return '?';
    } else if (key == '?') {
        /* A bad letter is in optopt; a bad long name is the word itself, or a known name with a value that it does not take. */
        const char *word = argv[optind > at ? optind - 1 : at];
        const bool is_long = strncmp(word, "--", 2) == 0;
        char name[MAX_WORD];
        if (is_long)
            snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
        else
            snprintf(name, sizeof name, "-%c", optopt);
        if (is_long && optopt)
            render_error("option '%s' takes no value", name);
        else
            cli_unknown_option(name, options, count);
    }
    return key;
}

/* ---- Numbers with a unit --------------------------------------------------------------------------------------------------------- */

/* A number and what follows it; false unless it begins with a digit. */
static bool split(const char *text, double *value, const char **unit)
{
    char *end = NULL;
    errno = 0;
    *value = text[0] >= '0' && text[0] <= '9' && strncmp(text, "0x", 2) != 0 ? strtod(text, &end) : NAN;
    *unit = end;
    return end && errno == 0 && isfinite(*value);
}

/* "2s", "300us", "1.5ms", "2m"; a bare number counts in `bare` seconds. */
bool cli_time(const char *what, const char *text, double bare, double low, double high, const char *allowed, double *seconds)
{
    static const struct { const char *name; double seconds; } units[] = {{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
    const char *unit;
    double value;
    bool known = split(text, &value, &unit);
    double scale = known && !*unit ? bare : 0;
    for (size_t i = 0; known && i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].name) == 0)
            scale = units[i].seconds;
    if (scale <= 0 || value * scale < low * (1 - 1e-9) || value * scale > high * (1 + 1e-9)) {
        render_error("%s is '%s'; allowed: %s, in us, ms, s, m or h", what, text, allowed);
        return false;
    }
    *seconds = value * scale;
    return true;
}

bool cli_percent(const char *what, const char *text, double *share)
{
    const char *unit;
    double value;
    if (!split(text, &value, &unit) || (*unit && strcmp(unit, "%") != 0) || value <= 0 || value > 100) {
        render_error("%s is '%s'; allowed: a percentage above 0, up to 100%%", what, text);
        return false;
    }
    *share = value / 100;
    return true;
}
