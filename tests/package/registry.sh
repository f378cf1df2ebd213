#!/bin/sh
# registry.sh SOURCE NAME... - the kernel files are exactly the kernels that kernels/meson.build names: an unregistered kernel is an untested one.
# (A name without a file already stops the configuration.)
set -eu
source=$1
shift
bad=0
for file in "$source"/kernels/*_*.c; do
    name=$(basename "$file" .c)
    found=no
    for known; do [ "$known" != "$name" ] || found=yes; done
    if [ $found = no ]; then
        echo "kernels/$name.c is in no row of kernels/meson.build: it would be neither tested nor chosen"
        bad=1
    fi
done
echo "$# names, $(find "$source/kernels" -maxdepth 1 -name '*_*.c' | wc -l) files"
exit $bad
