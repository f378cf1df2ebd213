#!/bin/sh
# circles.sh BUILD - no two files of dispatch/ call each other, not even through others, and none of harness/ do: the symbols of their objects
# say who calls whom, and tsort says whether that can be put in an order.
set -eu
build=$1
command -v nm >/dev/null || { echo "skipped: no nm here"; exit 77; }
status=0

# calls OBJECT...: "user definer", a line for each pair of objects.
calls() {
    for object; do
        nm "$object" | awk -v o="$(basename "$object" .c.o)" '$2 ~ /^[TDRBVW]$/ { print "has", $3, o } $1 == "U" { print "uses", $2, o }'
    done | awk '
        $1 == "has" { home[$2] = $3 }
        $1 == "uses" { name[++n] = $2; user[n] = $3 }
        END { for (i = 1; i <= n; i++) if (name[i] in home && home[name[i]] != user[i]) print user[i], home[name[i]] }' | sort -u
}
for room in dispatch harness; do
    case $room in
        dispatch) objects=$(find "$build" -path '*libattnzoo.*' -name 'dispatch_*.c.o' | sort) ;;
        harness) objects=$(find "$build/harness/libharness.a.p" -name '*.c.o' | sort) ;;
    esac
    [ -n "$objects" ] || { echo "no objects of $room in $build"; exit 1; }
    # shellcheck disable=SC2086
    calls $objects | tsort 2>&1 >/dev/null | sed "s/^tsort: -\{0,1\}:\{0,1\} */$room: /" >"$build/circles.$$" || :
    if [ -s "$build/circles.$$" ]; then cat "$build/circles.$$"; status=1; fi
    rm -f "$build/circles.$$"
done
exit $status
