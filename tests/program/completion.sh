#!/bin/sh
# completion.sh PROGRAM - in each shell that is here, every option in the help of every subcommand is completed, and nothing else is.
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$(absolute "$1")
begin
ln -s "$program" attnzoo
PATH=$work:$PATH
export PATH HOME="$work" XDG_CONFIG_HOME="$work" XDG_DATA_HOME="$work"
shells=0

# ask SHELL WORD...: what the shell offers for the last word.
# shellcheck disable=SC2016,SC1003 # "$@" is of the shell that is asked
ask() {
    shell=$1
    shift
    case $shell in
        bash)
            # As readline does it: words are cut at @ and =, and an answer stands for the last piece.
            bash -c 'eval "$(attnzoo completion bash)"
                COMP_LINE="$*" COMP_POINT=${#COMP_LINE} last=${*: -1} before=
                COMP_WORDS=("${@:1:$# - 1}")
                case $last in
                [\"\'"'"']*) before=${last:0:1} ;;
                *[=@]*) before=${last%"${last##*[=@]}"} ;;
                esac
                COMP_WORDS+=("${last#"$before"}")
                COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
                _attnzoo
                for word in "${COMPREPLY[@]}"; do printf "%s\n" "${before#[\"\'"'"']}$word"; done' bash "$@"
            ;;
        zsh)
            zsh -fc 'compadd() { shift; print -rl -- $@; }; _files() { :; }; eval "$(attnzoo completion zsh)"; words=("$@"); CURRENT=$#; _attnzoo' zsh "$@" ;;
        fish) fish -N -c 'attnzoo completion fish | source; complete -C "$argv"' -- "$*" 2>/dev/null | cut -f1 ;;
    esac | sort -u
}
same() { # same WHAT: the files expected and got
    diff expected got >out || fail "$1"
}
mkdir empty # fish offers files too
attnzoo --help | sed -n '/^Global options/,$s/^  \(-., \|    \)\(--[a-z-]*\).*/\2/p' >globals
for shell in bash zsh fish; do
    command -v $shell >/dev/null || { echo "skipped: no $shell here"; continue; }
    shells=$((shells + 1))
    for command in $(attnzoo --list-subcommands | cut -f1); do
        { cat globals; attnzoo "$command" --help | sed -n '/^Options/,$s/^  \(-., \|    \)\(--[a-z-]*\).*/\2/p'; } | sort -u >expected
        [ "$(wc -l <expected)" -ge 13 ] || { echo "FAILED: the help of $command has too few options" >&2; exit 1; }
        ask "$shell" attnzoo "$command" -- >got
        same "$shell: attnzoo $command --"
    done
    attnzoo --help | sed -n '/^Subcommands/,/^$/s/^  \([a-z]*\) .*/\1/p' | sort -u >expected
    echo help >>expected
    sort -o expected expected
    ask "$shell" attnzoo '' | grep -v '^-' >got
    same "$shell: subcommands"
    attnzoo list kernels -o csv | sed '1d;s/,.*//' | grep '^flash' | sort -u >expected
    ask "$shell" attnzoo bench -q -k flash >got
    same "$shell: kernels"
    sed 's/^/naive_f32,/' expected >expected2
    mv expected2 expected
    ask "$shell" attnzoo bench -q -k naive_f32,flash >got
    same "$shell: the second kernel of a list"
    # All presets, those with a comma among them; what is offered is accepted.
    attnzoo list presets -o jsonl | sed 's/.*"preset":"\([^"]*\)".*/\1/' | sort -u >expected
    ask "$shell" attnzoo bench -s '' | grep / >got
    same "$shell: presets"
    attnzoo list -s "$(tr '\n' ' ' <got)" >/dev/null 2>err || fail "$shell offers a preset that is refused"
    echo --suite=small >expected
    ask "$shell" attnzoo bench --suite=sm >got
    same "$shell: a value behind ="
    # The front door answers by what it has built, and knows two words more.
    mkdir -p tree/build/harness
    ln -sf "$program" tree/build/harness/attnzoo
    { attnzoo --list-subcommands | cut -f1; printf 'help\ntest\npeers\n'; } | sort >expected
    ask "$shell" tree/zoo '' | grep -v '^-' >got
    [ "$shell" = fish ] || same "$shell: ./zoo" # fish asks only for commands that it finds
    # after SUBCOMMAND OPTION, or SUBCOMMAND alone: a word of each set, and one of another subcommand that must not be there
    while read -r words from expect; do
        # shellcheck disable=SC2046 # words on purpose
        (cd empty && ask "$shell" attnzoo $(printf %s "$words" | tr , ' ') "$from") | grep -v '^-' | tr '\n' ' ' | sed 's/ $//' >got
        printf %s "$expect" >expected
        same "$shell: $words $from"
    done <<'END'
tune,--rigor q quick
regress,--gate t time time,insn
regress,--suite m models
verify,--suite f full fuzz=
bench,--suite sp speed
bench,--micro me merge
bench,--micro l list
compare,--metric sp speedup
report,-o h html
results,-o g gha
verify,-o m md
list p presets
results m merge
completion z zsh
bench,--suite def default
help ver verify
tune,-s gpt2/d gpt2/decode@1024
bench,-s llama2-7b/chunk@q llama2-7b/chunk@q512,k8192
bench,-s b1_h1_q{1,2}_k8_d8,gpt2/d b1_h1_q{1,2}_k8_d8,gpt2/decode@1024
regress,--fail-on t taken
bench,--color al always
END
done
# A help text has every word that its options take; {} is where they go in.
for command in $(attnzoo --list-subcommands | cut -f1) ''; do
    # shellcheck disable=SC2086 # no subcommand is no word
    attnzoo $command --help >help
    grep -F '{}' help >out && fail "a gap in the help of '$command'"
    # shellcheck disable=SC2086
    attnzoo $command --list-options | cut -f1,3 | while read -r option value; do
        case $value in '' | PATTERNS | KERNEL | SHAPE* | F,F | FMT*) continue ;; esac
        attnzoo --complete $command "$option" '' | cut -f1 | while read -r word; do
            grep -qw -e "${word%=}" help || echo "$command --help: no $word of $option" >>lacking
        done
    done
done
if [ -e lacking ]; then cp lacking out; fail 'words of values that the help lacks'; fi
for command in '' tcsh 'bash zsh'; do
    # shellcheck disable=SC2086
    attnzoo completion $command >out 2>err
    [ $? -eq 2 ] || fail "completion $command"
done
[ "$failures" -eq 0 ] || exit 1
[ $shells -gt 0 ] || exit 77
