#!/bin/sh
# man.sh PROGRAM SOURCE - every subcommand has a manual page with each option of its help, and a help with an example; attnzoo.1 has every
# global option and every subcommand. Where mandoc is, it finds nothing to say against the pages.
set -u
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$(absolute "$1")
source=$(absolute "$2")
begin

for name in $("$program" --list-subcommands | cut -f1); do
    page=attnzoo-$name.1
    sh "$source/docs/tools/manpage.sh" "$program" "$name" >"$page" 2>err || fail "$name: no page"
    "$program" "$name" --help | sed -n '/^Options/,/^Global/s/^  \(-., \|    \)--\([a-z-]*\).*/\2/p' >options
    grep -q "foreach name : .*'$name'" "$source/meson.build" || fail "$name: meson.build makes no page of it"
    while read -r option; do
        grep -q "^\.It.* Fl $option\( \|\$\)" "$page" || fail "$name: --$option is not in its page"
    done <options
    "$program" "$name" --help | grep -q "^  .*\(attnzoo\|zoo\) $name" || fail "$name: its help has no example"
    grep -q "^\.It Cm $name\( \|\$\)" "$source/docs/attnzoo.1" || fail "attnzoo.1 does not know $name"
    if command -v mandoc >/dev/null; then mandoc -T lint -W warning "$page" >out || fail "$name: mandoc has something to say"; fi
done
for option in $("$program" --list-options | cut -f1); do
    grep -q "Fl Fl ${option#--}\( \|\$\)" "$source/docs/attnzoo.1" || fail "attnzoo.1 does not know $option"
done
if command -v mandoc >/dev/null; then mandoc -T lint -W warning "$source/docs/attnzoo.1" >out || fail 'attnzoo.1: mandoc has something to say'; fi
[ "$failures" -eq 0 ]
