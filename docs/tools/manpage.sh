#!/bin/sh
# manpage.sh PROGRAM SUBCOMMAND - the manual page of a subcommand in mdoc, from what the program says of itself: its summary, the examples and
# words of --help, and the option table. attnzoo.1, the page of the whole, is written by hand.
set -eu
program=$1
name=$2
tab=$(printf '\t')
# Text as it is: no escapes, no requests, minus signs that can be copied.
literal() { sed 's/\\/\\e/g; s/-/\\-/g; s/^\([.'"'"']\)/\\\&\1/'; }
summary=$("$program" --list-subcommands | sed -n "s/^$name$tab//p" | literal)
[ -n "$summary" ] || { echo "no subcommand $name" >&2; exit 1; }
help=$("$program" "$name" --help)
cat <<END
.\\" attnzoo-$name.1 - made by docs/tools/manpage.sh from the program's own tables; edit those.
.Dd November 21, 2026
.Dt ATTNZOO-$(printf %s "$name" | tr '[:lower:]' '[:upper:]') 1
.Os
.Sh NAME
.Nm attnzoo-$name
.Nd $summary
.Sh SYNOPSIS
.Nm attnzoo $name
.Op Ar options
.Ar ...
.Sh DESCRIPTION
.Bd -literal
END
printf '%s\n' "$help" | sed '/^Options$/,$d' | literal
cat <<END
.Ed
.Sh OPTIONS
Global options stand in
.Xr attnzoo 1 .
.Bl -tag -width Ds
END
"$program" "$name" --list-options | while IFS= read -r row; do
    long=$(printf %s "$row" | cut -f1) letter=$(printf %s "$row" | cut -f2) value=$(printf %s "$row" | cut -f3)
    # A word that is the name of a macro would be taken for one: \& in front of each.
    printf '.It %s%s%s\n' "${letter:+Fl ${letter#-} , }" "Fl Fl ${long#--}" "${value:+ Ar \\&$(printf %s "$value" | literal)}"
    printf %s "$row" | cut -f4 | literal
done
printf '.It Fl h , Fl Fl help\nexamples and options\n.El\n'
after=$(printf '%s\n' "$help" | sed '1,/^Global options:/d' | sed '/./,$!d')
if [ -n "$after" ]; then
    printf '.Sh FURTHER\n.Bd -literal\n'
    printf '%s\n' "$after" | literal
    printf '.Ed\n'
fi
cat <<END
.Sh EXIT STATUS
See
.Xr attnzoo 1 .
.Sh SEE ALSO
.Xr attnzoo 1
END
