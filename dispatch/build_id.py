"""build_id.py OUTPUT FILE... - a header with one number for everything that decides how fast a kernel is.

The number is SHA-256 over the kernels' object files and over the sources that cut a problem into units, each by its base name, so that two
builds share it exactly if their kernels are the same machine code. A tune file (dispatch/tune.h) counts only for the build it was made by.
"""
import hashlib
import os
import sys

total = hashlib.sha256()
for path in sorted(sys.argv[2:], key=os.path.basename):
    with open(path, "rb") as file:
        content = hashlib.sha256(file.read()).digest()
    total.update(os.path.basename(path).encode() + b"\0" + content)
with open(sys.argv[1], "w", encoding="ascii") as header:
    header.write('/* Made by dispatch/build_id.py. */\n#define ATTN_BUILD_ID "%s"\n' % total.hexdigest()[:16])
