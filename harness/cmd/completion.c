/* completion.c - `attnzoo completion bash|zsh|fish`: scripts that hand the words of the line to `attnzoo --complete`, and that itself.
 *
 * The answer comes when a key is pressed, from the tables and parsers that read a command line: cli_ask lets a command tell what it knows
 * where it would have refused a word. So no word is offered that is refused, and none can be out of date. It takes a few milliseconds. */
#include "harness/base/grow.h"
#include "harness/base/render.h"
#include "harness/cmd/commands.h"
#include "harness/ops/sdpa/shape.h"
#include "harness/ops/zoo.h"

#include <getopt.h>
#include <stdlib.h>

static const char usage[] =
    "attnzoo completion bash|zsh|fish - print a script that completes command lines of attnzoo and ./zoo\n"
    "\n"
    "  eval \"$(attnzoo completion bash)\"                        now, or in ~/.bashrc\n"
    "  attnzoo completion zsh >\"${fpath[1]}/_attnzoo\"           once\n"
    "  attnzoo completion fish >~/.config/fish/completions/attnzoo.fish\n"
    "\n"
    "It completes subcommands, options and their values. Installing attnzoo puts the scripts where the\n"
    "shells look for them.\n";

/* ---- Candidates ------------------------------------------------------------------------------------------------------------------ */

typedef struct Answer {
    char **words;        /* candidates, each perhaps with a tab and words on it */
    size_t count;
    const char *option;  /* the option that is looked for, NULL: all are candidates */
    const CliOption *found;
} Answer;
static Answer answer;

static void add(const char *word, const char *about)
{
    char **more = grow_by_one(answer.words, answer.count, sizeof *more), *line = NULL;
    if (!more)
        return;
    answer.words = more;
    if (asprintf(&line, "%s%s%s", word, *about ? "\t" : "", about) >= 0)
        answer.words[answer.count++] = line;
}

static void take_word(const char *word)
{
    char text[256]; /* "fuzz=SECONDS": as far as it is always the same */
    const char *equals = strchr(word, '=');
    snprintf(text, sizeof text, "%.*s", equals ? (int)(equals + 1 - word) : (int)strlen(word), word);
    add(text, "");
}

static void take_option(const CliOption *option)
{
    char name[80];
    const char letter[] = {'-', (char)option->key, '\0'};
    snprintf(name, sizeof name, "--%s", option->name);
    if (!answer.option)
        add(name, strstr(option->help, "{}") ? "" : option->help); /* its words are offered behind it */
    else if (strcmp(answer.option, name) == 0 || (option->key < 256 && strcmp(answer.option, letter) == 0))
        answer.found = option;
}

static const CliAsk ask = {take_word, take_option};

static const CliCommandRow *find_command(const char *word)
{
    for (size_t i = 0; i < cli_grammar.command_count; i++)
        if (strcmp(cli_grammar.commands[i].name, word) == 0)
            return &cli_grammar.commands[i];
    return NULL;
}

/* Have a command read `count` words of its line. */
static void run(const CliCommandRow *command, int count, const char *first, const char *second)
{
    char name[32], one[80], two[8];
    char *words[] = {name, one, two, NULL};
    Cli cli = {.options = attn_options()};
    snprintf(name, sizeof name, "%s", command->name);
    snprintf(one, sizeof one, "%s", first);
    snprintf(two, sizeof two, "%s", second);
    words[count] = NULL;
    optind = 1;
    command->run(&cli, count, words);
}

/* All options that may stand here, or the one called `option`. */
static void options_of(const CliCommandRow *command, const char *option)
{
    answer.option = option;
    answer.found = NULL;
    for (size_t i = 0; i < cli_grammar.global_count; i++)
        take_option(&cli_grammar.globals[i]);
    if (command)
        run(command, 2, "--list-options", "");
}

static void kernels(const CliCommandRow *command)
{
    const bool own = strcmp(command->name, "run") == 0 || strcmp(command->name, "regress") == 0 || strcmp(command->name, "tune") == 0;
    for (size_t i = 0; i < zoo_count(); i++)
        if (!own || !zoo_is_yardstick(zoo_at(i)))
            add(zoo_at(i)->name, zoo_at(i)->summary);
    if (strcmp(command->name, "run") == 0)
        add("auto", "what dispatch chooses");
    if (strcmp(command->name, "regress") == 0)
        add("dispatch", "what dispatch takes");
}

static void formats(const CliCommandRow *command)
{
    const char *at = command && command->formats ? command->formats : CLI_FORMATS;
    for (; *at; at += strspn(at, " ")) {
        char word[32];
        const size_t length = strcspn(at, " ");
        snprintf(word, sizeof word, "%.*s", (int)length, at);
        add(word, "");
        at += length;
    }
}

/* What `option` may be given. Kernels and shapes are read behind the options, so they are told here. */
static void values(const CliCommandRow *command, const CliOption *option)
{
    const char *name = option->name, *called = option->value;
    const bool global = option >= cli_grammar.globals && option < cli_grammar.globals + cli_grammar.global_count;
    char dashed[80];
    if (global && option->key == 'o')
        formats(command);
    else if (global)
        cli_grammar.ask_global(option);
    else if (strcmp(called, "KERNEL") == 0 || strcmp(called, "PATTERNS") == 0)
        kernels(command);
    else if (strcmp(called, "SHAPE") == 0 || strcmp(called, "SHAPES") == 0)
        for (size_t i = 0; i < preset_count; i++)
            add(presets[i].name, presets[i].shape);
    else {
        snprintf(dashed, sizeof dashed, "--%s", name);
        run(command, 3, dashed, "\1");
    }
}

/* ---- The line -------------------------------------------------------------------------------------------------------------------- */

/* Print what begins as the word does, behind `glue`, which is the part of the word that stays. Returns how many. */
static size_t print_from(const char *start, const char *glue, size_t glue_length)
{
    size_t printed = 0;
    for (size_t i = 0; i < answer.count; i++)
        if (strncmp(answer.words[i], start, strlen(start)) == 0) {
            printf("%.*s%s\n", (int)glue_length, glue, answer.words[i]);
            printed++;
        }
    return printed;
}

/* Behind the last comma or blank that is in no braces: the word of a list that is being written. */
static const char *last_of_list(const char *word)
{
    const char *start = word;
    int depth = 0;
    for (const char *at = word; *at; at++) {
        depth += (*at == '{') - (*at == '}');
        if (depth <= 0 && (*at == ',' || *at == ' '))
            start = at + 1;
    }
    return start;
}

/* The subcommand of the line, NULL: none yet. Words that are values of options do not count. */
static const CliCommandRow *command_of(int count, char **words, int *place)
{
    for (int i = 0; i + 1 < count; i++) {
        const CliCommandRow *command = find_command(words[i]);
        options_of(NULL, i > 0 ? words[i - 1] : "");
        if (!command || (answer.found && answer.found->value))
            continue;
        *place = i;
        return command;
    }
    return NULL;
}

int completion_answer(int count, char **words, bool in_zoo)
{
    int place = -1;
    const char *current = words[count - 1], *glue = current, *equals = strchr(current, '=');
    char option[80] = "";
    if (!freopen("/dev/null", "w", stderr))
        return EXIT_USAGE; /* what a parser says of the impossible is for nobody */
    cli_ask = &ask;
    const CliCommandRow *command = command_of(count, words, &place);
    if (strncmp(current, "--", 2) == 0 && equals) { /* --suite=sm */
        snprintf(option, sizeof option, "%.*s", (int)(equals - current), current);
        current = equals + 1;
    } else if (count > 1 && words[count - 2][0] == '-') {
        snprintf(option, sizeof option, "%s", words[count - 2]);
    }
    options_of(command, option);
    if (*option && answer.found && answer.found->value) {
        values(command, answer.found);
        if (print_from(current, glue, (size_t)(current - glue)) == 0) {
            const char *last = last_of_list(current);
            print_from(last, glue, (size_t)(last - glue));
        }
    } else if (*current == '-') {
        options_of(command, NULL);
        add("--help", "this text, or that of a subcommand");
        print_from(current, "", 0);
    } else if (!command || (place == count - 2 && strcmp(command->name, "help") == 0)) {
        for (size_t i = 0; i < cli_grammar.command_count; i++)
            add(cli_grammar.commands[i].name, cli_grammar.commands[i].summary);
        add("help", "the same for one subcommand");
        if (in_zoo) {
            add("test", "run all tests, or those named");
            add("peers", "other libraries beside ours");
        }
        print_from(current, "", 0);
    } else if (place == count - 2) {
        run(command, 2, "\1", "");
        print_from(current, "", 0);
    }
    for (size_t i = 0; i < answer.count; i++)
        free(answer.words[i]);
    free(answer.words);
    cli_ask = NULL;
    return EXIT_OK;
}

/* ---- Scripts --------------------------------------------------------------------------------------------------------------------- */

/* The front door has its program in build/, where it has one. */
#define PROGRAM                                                                                                                          \
    "# The program that answers for $1: itself, or what ./zoo has built.\n"                                                                \
    "_attnzoo_answer() {\n"                                                                                                                \
    "    local program=$1 how=--complete\n"                                                                                                \
    "    shift\n"                                                                                                                          \
    "    case $program in\n"                                                                                                               \
    "        */zoo) program=${program%/zoo}/build/harness/attnzoo how=--complete-zoo ;;\n"                                                 \
    "    esac\n"                                                                                                                           \
    "    \"$program\" $how \"$@\" 2>/dev/null\n"                                                                                           \
    "}\n"

/* bash cuts words at the characters of COMP_WORDBREAKS, '@' and '=' among them, and puts an answer in the place of the last piece only. */
static const char bash[] =
    "# attnzoo completion bash: eval this, or keep it in ~/.local/share/bash-completion/completions/attnzoo\n" PROGRAM
    "_attnzoo() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} current piece=${COMP_WORDS[COMP_CWORD]} quote= word\n"
    "    local -a words\n"
    "    read -ra words <<<\"$line\"\n"
    "    case $line in *[[:space:]]) words+=('') ;; esac\n"
    "    current=${words[${#words[@]} - 1]}\n"
    "    case $current in \\'* | \\\"*) quote=${current:0:1} current=${current:1} ;; esac\n"
    "    words[${#words[@]} - 1]=$current\n"
    "    piece=${piece#\"$quote\"}\n"
    "    case $piece in '=' | '@' | ':') piece= ;; esac\n"
    "    [ -z \"$quote\" ] || piece=$current\n"
    "    COMPREPLY=()\n"
    "    while IFS=$'\\t' read -r word _; do\n"
    "        word=${word#\"$current\"}\n"
    "        [ -n \"$quote\" ] || case $word in *[!A-Za-z0-9_/@,.:=+%-]*) printf -v word %q \"$word\" ;; esac\n"
    "        COMPREPLY+=(\"$piece$word\")\n"
    "    done < <(_attnzoo_answer \"${words[@]}\")\n"
    "    case ${COMPREPLY[0]-} in *=) compopt -o nospace 2>/dev/null ;; esac\n"
    "}\n"
    "complete -o default -F _attnzoo attnzoo ./zoo zoo\n";

static const char zsh[] =
    "#compdef attnzoo ./zoo zoo\n"
    "# attnzoo completion zsh: as _attnzoo in a folder of $fpath\n" PROGRAM
    "_attnzoo() {\n"
    "    local -a answers\n"
    "    answers=(${${(f)\"$(_attnzoo_answer \"${(@Q)words[1,CURRENT]}\")\"}%%$'\\t'*})\n"
    "    (( $#answers )) && compadd -- $answers || _files\n"
    "}\n"
    "[ -z \"$functions[compdef]\" ] || compdef _attnzoo attnzoo ./zoo zoo\n";

static const char fish[] =
    "# attnzoo completion fish: as attnzoo.fish in ~/.config/fish/completions\n"
    "function __attnzoo_answer\n"
    "    set -l words (commandline -opc)\n"
    "    set -l program $words[1]\n"
    "    set -l how --complete\n"
    "    if string match -q '*/zoo' -- $program\n"
    "        set program (string replace -r '/zoo$' /build/harness/attnzoo -- $program)\n"
    "        set how --complete-zoo\n"
    "    end\n"
    "    set -l current (commandline -ct | string trim -lc \"'\\\"\")\n"
    "    $program $how $words[2..-1] \"$current\" 2>/dev/null\n"
    "end\n"
    "for name in attnzoo zoo\n"
    "    complete -c $name -n 'set -l answers (__attnzoo_answer); test -n \"$answers\"' -f\n"
    "    complete -c $name -a '(__attnzoo_answer)'\n"
    "end\n";

int cmd_completion(const Cli *cli, int argc, char **argv)
{
    static const struct {
        const char *name, *script;
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    const char *value, *known[3];
    (void)cli;
    const int key = cli_next_option(argc, argv, usage, NULL, 0, &value);
    if (key != -1)
        return key == 'h' ? EXIT_OK : EXIT_USAGE;
    if (argc - optind != 1) {
        render_error("completion needs the name of one shell; allowed: bash, zsh, fish");
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < 3; i++) {
        known[i] = shells[i].name;
        if (strcmp(argv[optind], shells[i].name) == 0) {
            fputs(shells[i].script, stdout);
            return EXIT_OK;
        }
    }
    cli_unknown("shell", argv[optind], known, 3);
    return EXIT_USAGE;
}
