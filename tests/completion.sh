#!/bin/sh
# completion.sh PROGRAM - in each shell that is here, every option in the help of every subcommand is completed, and nothing else is.
set -u
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
ln -s "$program" attnzoo
PATH=$work:$PATH
export PATH HOME="$work" XDG_CONFIG_HOME="$work" XDG_DATA_HOME="$work"
failures=0
shells=0

# ask SHELL WORD...: what the shell offers for the last word.
# shellcheck disable=SC2016 # "$@" is of the shell that is asked
ask() {
    shell=$1
    shift
    case $shell in
        bash)
            bash -c 'eval "$(attnzoo completion bash)"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _attnzoo; printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
            ;;
        zsh)
            zsh -fc 'compadd() { shift; print -l -- $@; }; _files() { :; }; eval "$(attnzoo completion zsh)"; words=("$@"); CURRENT=$#; _attnzoo' zsh "$@" |
                grep -- "^$(eval "printf %s \"\${$#}\"")"
            ;;
        fish) fish -N -c 'attnzoo completion fish | source; complete -C "$argv"' -- "$*" 2>/dev/null | cut -f1 ;;
    esac | sort -u
}
same() { # same WHAT: the files expected and got
    if ! cmp -s expected got; then
        failures=$((failures + 1))
        echo "FAILED: $1" >&2
        diff expected got >&2
    fi
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
    ask "$shell" attnzoo '' | grep -v '^-' >got
    same "$shell: subcommands"
    attnzoo list kernels -o csv | sed '1d;s/,.*//' | grep '^flash' | sort -u >expected
    ask "$shell" attnzoo bench -q -k flash >got
    same "$shell: kernels"
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
END
done
for command in '' tcsh 'bash zsh'; do
    # shellcheck disable=SC2086
    attnzoo completion $command >got 2>&1
    [ $? -eq 2 ] || { echo "FAILED: completion $command" >&2; failures=$((failures + 1)); }
done
[ $failures -eq 0 ] || exit 1
[ $shells -gt 0 ] || exit 77
