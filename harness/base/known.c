/* known.c - see known.h. */
#include "harness/base/known.h"

#include <math.h>
#include <stdio.h>

Known known_ratio(double lo, double hi)
{
    if (!isfinite(lo) || !isfinite(hi) || lo <= 0)
        return KNOWN_FEW;
    if (lo > 1)
        return KNOWN_SLOWER;
    if (hi < 1)
        return KNOWN_FASTER;
    return lo >= 1 / (1 + KNOWN_MARGIN) && hi <= 1 + KNOWN_MARGIN ? KNOWN_TIED : KNOWN_NOT;
}

const char *known_word(Known known)
{
    static const char *const words[] = {"few rounds", "not known", "tied", "slower", "faster"};
    return words[known];
}

const char *known_control(Known known)
{
    static const char *const words[] = {"too few rounds", "says nothing", "ok", "excludes 1", "excludes 1"};
    return words[known];
}

int known_ok(Known known)
{
    return known == KNOWN_TIED ? 1 : known == KNOWN_SLOWER || known == KNOWN_FASTER ? 0 : -1;
}

static int digits(double x)
{
    return x < 9.9995 ? 3 : x < 99.995 ? 2 : 1;
}

const char *known_interval(double lo, double hi, char *text, size_t size)
{
    if (known_ratio(lo, hi) == KNOWN_FEW)
        snprintf(text, size, "few rounds");
    else
        snprintf(text, size, "[%.*f, %.*f]", digits(lo), lo, digits(hi), hi);
    return text;
}
