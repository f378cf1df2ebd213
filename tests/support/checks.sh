# checks.sh - the program from outside: what a run must say and leave, and how failures are told; sourced.
#
#     . "$(dirname "$0")/../support/checks.sh"
#     program=$(absolute "$1")
#     begin                          # into an empty folder, without a caller's settings
#     check 0 'word' list kernels
#     finish
#
# The last run's words are in the files out and err, its exit code in $got.
# shellcheck shell=sh

# The path of a file from anywhere: Meson names files relative to the build.
absolute() { echo "$(cd "$(dirname "$1")" && pwd -P)/$(basename "$1")"; }

begin() {
    work=$(mktemp -d) || exit 1
    trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
    cd "$work" || exit 1
    unset ATTNZOO_KERNEL ATTNZOO_MAX_ISA ATTNZOO_DISABLE ATTNZOO_THREADS ATTNZOO_VERBOSE NO_COLOR
    export ATTNZOO_TUNE_FILE=off
    : >out
    : >err
    checks=0
    failures=0
}

# fail SENTENCE: with what the last run said.
fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$1" >&2
    sed 's/^/    /' out err >&2
}

# How the program is started; a test may define it anew, and what sentences call it.
# shellcheck disable=SC2154 # the test says which program
start() { "$program" "$@"; }
called=attnzoo

# also ARGUMENT...: what else must hold of each run that is checked; a test may define it anew.
also() { :; }

# launch ARGUMENT...: one run.
launch() {
    start "$@" >out 2>err </dev/null
    got=$?
}

# check CODES WORD ARGUMENT...: a run that ends with this exit code, or one of several separated by commas, and says WORD, a basic regular
# expression; '' asks for none.
check() {
    codes=$1 word=$2
    shift 2
    checks=$((checks + 1))
    launch "$@"
    case ,$codes, in
        *,"$got",*) [ -z "$word" ] || cat out err | grep -q -- "$word" || fail "$called $*: no '$word' in what it says" ;;
        *) fail "$called $*: exit code $got, expected $codes" ;;
    esac
    also "$@"
}

# says WORD..., hides WORD...: each, or none of them, is in what the last run said.
says() {
    for word in "$@"; do cat out err | grep -q -- "$word" || fail "no '$word' in what it says"; done
}
hides() {
    for word in "$@"; do ! cat out err | grep -q -- "$word" || fail "'$word' in what it says"; done
}

# has FILE WORD..., lacks FILE WORD...: the same of a file.
has() {
    file=$1
    shift
    for word in "$@"; do grep -q -- "$word" "$file" || fail "no '$word' in $file"; done
}
lacks() {
    file=$1
    shift
    for word in "$@"; do ! grep -q -- "$word" "$file" || fail "'$word' in $file"; done
}

finish() {
    echo "$checks checks, $failures failed"
    exit $((failures > 0))
}
