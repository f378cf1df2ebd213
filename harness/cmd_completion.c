/* cmd_completion.c - `attnzoo completion bash|zsh|fish`: a script that asks the program itself for subcommands, options and names.
 *
 * The words come from the option tables when a key is pressed (--list-options), not from a copy made at build time, so they cannot be out
 * of date. An answer takes a few milliseconds. */
#include "harness/cli.h"
#include "harness/render.h"

#include <getopt.h>

static const char usage[] =
    "attnzoo completion bash|zsh|fish - a script that completes subcommands, options, kernels and shapes\n"
    "\n"
    "  eval \"$(attnzoo completion bash)\"                              now, or in ~/.bashrc\n"
    "  attnzoo completion zsh >\"${fpath[1]}/_attnzoo\"                 once\n"
    "  attnzoo completion fish >~/.config/fish/completions/attnzoo.fish\n";

/* Words after an option, the same in all three. */
#define WORDS_OF_VALUES                                                                                                                      \
    "        -k|--kernel|--kernels|--baseline) attnzoo list kernels -o csv 2>/dev/null | sed '1d;s/,.*//' ;;\n"                            \
    "        -s|--shape|--shapes) attnzoo list presets -o csv 2>/dev/null | sed '1d;s/,.*//' ;;\n"                                         \
    "        --color) printf '%s\\n' auto always never ;;\n"                                                                               \
    "        --progress) printf '%s\\n' auto off ;;\n"                                                                                     \
    "        --driver) printf '%s\\n' inproc hyperfine ;;\n"                                                                               \
    "        --max-isa) printf '%s\\n' baseline sse4_1 avx2 avx512 amx neon ;;\n"                                                          \
    "        --rigor) printf '%s\\n' estimate quick measure patient exhaustive ;;\n"                                                       \
    "        --gate) printf '%s\\n' time insn time,insn ;;\n"                                                                              \
    "        --metric) printf '%s\\n' speedup vs time flops peak roof ;;\n"                                                                \
    "        --micro) attnzoo bench --micro list -o csv 2>/dev/null | sed '1d;s/,.*//'; printf '%s\\n' all list ;;\n"                      \
    "        --suite) case $1 in\n"                                                                                                        \
    "            verify) printf '%s\\n' smoke full adversarial fuzz= ;;\n"                                                                 \
    "            regress) printf '%s\\n' ci models ;;\n"                                                                                   \
    "            *) printf '%s\\n' default speed prefill small decode ;;\n"                                                                \
    "            esac ;;\n"                                                                                                                \
    "        -o|--output) case $1 in\n"                                                                                                    \
    "            report) printf '%s\\n' html md json ;;\n"                                                                                 \
    "            results) printf '%s\\n' table md csv jsonl json hyperfine benchstat gha ;;\n"                                             \
    "            compare) printf '%s\\n' table md csv jsonl json ;;\n"                                                                     \
    "            *) printf '%s\\n' table md csv jsonl ;;\n"                                                                                \
    "            esac ;;\n"

#define WORDS                                                                                                                                \
    "# Words that may stand after $2 ($1: the subcommand, if there is one yet; $3: what of the word is there).\n"                          \
    "_attnzoo_words() {\n"                                                                                                                 \
    "    case $2 in\n" WORDS_OF_VALUES                                                                                                       \
    "        *)\n"                                                                                                                         \
    "            case $3 in\n"                                                                                                             \
    "                -*) { attnzoo $1 --list-options; attnzoo --list-options; printf '%s\\n' --help; } 2>/dev/null | cut -f1 ;;\n"         \
    "                *) case $1 in\n"                                                                                                      \
    "                    '') attnzoo --list-subcommands | cut -f1 ;;\n"                                                                    \
    "                    \"$2\") case $1 in\n"                                                                                             \
    "                        list) printf '%s\\n' kernels shapes presets dtypes mutants ;;\n"                                              \
    "                        results) printf '%s\\n' list check merge export ;;\n"                                                         \
    "                        completion) printf '%s\\n' bash zsh fish ;;\n"                                                                \
    "                        esac ;;\n"                                                                                                    \
    "                    esac ;;\n"                                                                                                        \
    "            esac ;;\n"                                                                                                                \
    "    esac\n"                                                                                                                           \
    "}\n"

static const char bash[] =
    "# attnzoo completion bash: eval this, or keep it in ~/.local/share/bash-completion/completions/attnzoo\n" WORDS
    "_attnzoo() {\n"
    "    local word command= current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} i\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        for word in $(attnzoo --list-subcommands | cut -f1); do [ \"${COMP_WORDS[i]}\" != \"$word\" ] || { command=$word; break 2; }; done\n"
    "    done\n"
    "    COMPREPLY=($(compgen -W \"$(_attnzoo_words \"$command\" \"$before\" \"$current\")\" -- \"$current\"))\n"
    "}\n"
    "complete -o default -F _attnzoo attnzoo\n";

static const char zsh[] =
    "#compdef attnzoo\n"
    "# attnzoo completion zsh: as _attnzoo in a folder of $fpath\n" WORDS
    "_attnzoo() {\n"
    "    local word command= current=${words[CURRENT]} before=${words[CURRENT-1]} i\n"
    "    local -a known answers\n"
    "    known=(${(f)\"$(attnzoo --list-subcommands | cut -f1)\"})\n"
    "    for ((i = 2; i < CURRENT; i++)); do\n"
    "        (( ${known[(Ie)${words[i]}]} )) && { command=${words[i]}; break }\n"
    "    done\n"
    "    answers=(${(f)\"$(_attnzoo_words \"$command\" \"$before\" \"$current\")\"})\n"
    "    (( $#answers )) && compadd -- $answers || _files\n"
    "}\n"
    "[ -z \"$functions[compdef]\" ] || compdef _attnzoo attnzoo\n";

static const char fish[] =
    "# attnzoo completion fish: as attnzoo.fish in ~/.config/fish/completions\n"
    "function __attnzoo_command\n"
    "    set -l known (attnzoo --list-subcommands | cut -f1)\n"
    "    for word in (commandline -opc)[2..-1]\n"
    "        contains -- $word $known; and echo $word; and return 0\n"
    "    end\n"
    "    return 1\n"
    "end\n"
    "function __attnzoo_words\n"
    "    set -l command (__attnzoo_command)\n"
    "    set -l before (commandline -opc)[-1]\n"
    "    switch $before\n"
    "        case -k --kernel --kernels --baseline\n"
    "            attnzoo list kernels -o csv 2>/dev/null | sed '1d;s/,.*//'\n"
    "        case -s --shape --shapes\n"
    "            attnzoo list presets -o csv 2>/dev/null | sed '1d;s/,.*//'\n"
    "        case --color\n"
    "            printf '%s\\n' auto always never\n"
    "        case --progress\n"
    "            printf '%s\\n' auto off\n"
    "        case --driver\n"
    "            printf '%s\\n' inproc hyperfine\n"
    "        case --max-isa\n"
    "            printf '%s\\n' baseline sse4_1 avx2 avx512 amx neon\n"
    "        case --rigor\n"
    "            printf '%s\\n' estimate quick measure patient exhaustive\n"
    "        case --gate\n"
    "            printf '%s\\n' time insn time,insn\n"
    "        case --metric\n"
    "            printf '%s\\n' speedup vs time flops peak roof\n"
    "        case --micro\n"
    "            attnzoo bench --micro list -o csv 2>/dev/null | sed '1d;s/,.*//'; printf '%s\\n' all list\n"
    "        case --suite\n"
    "            switch $command\n"
    "                case verify\n"
    "                    printf '%s\\n' smoke full adversarial fuzz=\n"
    "                case regress\n"
    "                    printf '%s\\n' ci models\n"
    "                case '*'\n"
    "                    printf '%s\\n' default speed prefill small decode\n"
    "            end\n"
    "        case -o --output\n"
    "            switch $command\n"
    "                case report\n"
    "                    printf '%s\\n' html md json\n"
    "                case results\n"
    "                    printf '%s\\n' table md csv jsonl json hyperfine benchstat gha\n"
    "                case compare\n"
    "                    printf '%s\\n' table md csv jsonl json\n"
    "                case '*'\n"
    "                    printf '%s\\n' table md csv jsonl\n"
    "            end\n"
    "        case '*'\n"
    "            begin; attnzoo $command --list-options; attnzoo --list-options; end 2>/dev/null | sed 's/\\t[^\\t]*\\t[^\\t]*\\t/\\t/'\n"
    "            printf '%s\\n' --help\n"
    "            test \"$before\" = list -a \"$command\" = list; and printf '%s\\n' kernels shapes presets dtypes mutants\n"
    "            test \"$before\" = results -a \"$command\" = results; and printf '%s\\n' list check merge export\n"
    "            test \"$before\" = completion; and printf '%s\\n' bash zsh fish\n"
    "            test -n \"$command\"; or attnzoo --list-subcommands\n"
    "    end\n"
    "end\n"
    "complete -c attnzoo -n 'not __attnzoo_command >/dev/null' -f\n"
    "complete -c attnzoo -a '(__attnzoo_words)'\n";

int cmd_completion(const Cli *cli, int argc, char **argv)
{
    static const struct {
        const char *name, *script;
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    const char *value, *known[3];
    (void)cli;
    for (int key; (key = cli_next_option(argc, argv, usage, NULL, 0, &value)) != -1;)
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
