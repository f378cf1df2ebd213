#!/bin/sh
# package.sh SOURCE BUILD MESON COMPILER... - installs into an empty folder and uses it as a stranger would: the files, pkg-config against the
# shared and the static library, and the header on its own in strict C11 and in C++.
set -eu
source=$1 build=$2 meson=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$meson" install -C "$build" --no-rebuild --destdir "$work/root" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
pc=$(find "$work/root" -name attnzoo.pc)
[ -n "$pc" ] || { echo "no attnzoo.pc was installed"; exit 1; }
prefix=$work/root$(sed -n 's/^prefix=//p' "$pc")
package() { PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --define-variable=prefix="$prefix" "$@" attnzoo; }
libdir=$(package --variable=libdir)

for file in "$prefix/include/attnzoo.h" "$libdir/libattnzoo.a" "$libdir/libattnzoo.so" "$libdir/libattnzoo.so.0" \
    "$prefix/bin/attnzoo" "$libdir/attnzoo/attnzoo_pack.so" "$prefix/share/man/man1/attnzoo.1" "$prefix/share/man/man1/attnzoo-bench.1" \
    "$prefix/share/bash-completion/completions/attnzoo" "$prefix/share/bash-completion/completions/zoo" \
    "$prefix/share/zsh/site-functions/_attnzoo" "$prefix/share/fish/vendor_completions.d/attnzoo.fish" \
    "$prefix/share/fish/vendor_completions.d/zoo.fish"; do
    [ -e "$file" ] || { echo "not installed: ${file#"$work/root"}"; exit 1; }
done
# Nothing that only this tree needs may leak into an installation.
if find "$work/root" -type f \( -name 'libkernel_*' -o -name 'libharness*' -o -name 'test_*' \) | grep .; then echo "installed by mistake"; exit 1; fi

cat >"$work/use.c" <<'END'
#include <attnzoo.h>
#include <stdio.h>

int main(void)
{
    const float q[2] = {1, 0}, k[4] = {1, 0, 0, 1}, v[4] = {1, 2, 3, 4};
    float o[2] = {0, 0};
    AttnProblem p = attn_problem(1, 1, 1, 1, 2, 2, 2);
    p.scale = 0; /* equal weights: the mean of v */
    AttnTensors t = attn_tensors(q, k, v, o);
    if (attn_sdpa(&p, &t) != ATTN_OK) {
        puts(attn_last_error());
        return 1;
    }
    printf("%s: %g %g\n", attn_version(), o[0], o[1]);
    return o[0] == 2 && o[1] == 3 ? 0 : 1;
}
END
# Word splitting of pkg-config's answer is how it is meant to be used.
# shellcheck disable=SC2046
{
    "$@" -std=c11 "$work/use.c" -o "$work/shared" $(package --cflags --libs)
    "$@" -std=c11 "$work/use.c" -o "$work/static" $(package --cflags) "$libdir/libattnzoo.a" $(package --static --libs | sed 's/-lattnzoo\b//g')
}
echo "shared: $(LD_LIBRARY_PATH=$libdir "$work/shared")"
echo "static: $("$work/static")"
"$prefix/bin/attnzoo" --version
# An installation that was moved as a whole finds its pack: selftest measures with it.
code=0
(cd "$work" && "$prefix/bin/attnzoo" selftest --quick >said 2>&1) || code=$?
grep -q '^slowdown ' "$work/said" || { echo "the installed selftest: exit code $code"; cat "$work/said"; exit 1; }

header=$source/include/attnzoo.h
strict='-Wall -Wextra -pedantic-errors -Werror -fsyntax-only'
# shellcheck disable=SC2086
printf '#include "%s"\n' "$header" | "$@" -std=c11 $strict -x c -
# shellcheck disable=SC2086
if c++ --version >/dev/null 2>&1; then
    printf '#include "%s"\nint main() { return attn_problem(1, 1, 1, 1, 1, 1, 1).size == 0; }\n' "$header" | c++ -std=c++11 $strict -x c++ -
    echo "header: C11, C++11"
else
    echo "header: C11 (no C++ compiler here)"
fi
