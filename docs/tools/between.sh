# between.sh - generated parts of Markdown files; sourced by the scripts that write them.
# shellcheck shell=sh

# between FILE MARK TEXT: FILE on standard output, with the contents of the file TEXT between <!-- MARK --> and <!-- /MARK -->. 1: no such marks.
between() {
    awk -v mark="$2" -v file="$3" '
        $0 == "<!-- /" mark " -->" { inside = 0 }
        !inside { print }
        $0 == "<!-- " mark " -->" { inside = seen = 1; while ((getline line < file) > 0) print line }
        END { if (!seen || inside) exit 1 }' "$1" || { echo "$1 lacks the marks of $2" >&2; return 1; }
}
