/* dots.c - the files of narrow peaks that this compiler could build. */
#include "harness/measure/peak/dot.h"

#define DOT(name) extern const PeakDot peak_dot_##name[];
#include "peak_dots.def"
#undef DOT

const PeakDot *const peak_dots[] = {
#define DOT(name) peak_dot_##name,
#include "peak_dots.def"
#undef DOT
    NULL,
};
const size_t peak_dot_files = sizeof peak_dots / sizeof *peak_dots - 1;
