#!/bin/sh
# peers.sh PROGRAM SOURCE - runs tests/program/peers.py where there is a Python that can.
set -eu
if ! command -v python3 >/dev/null || ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))'; then
    echo 'skipped: no python3 of version 3.8 or newer here'
    exit 77
fi
exec python3 -B "$2/tests/program/peers.py" "$1" "$2"
