/* near.c - see near.h. Damerau-Levenshtein distance (optimal string alignment) with three rows; words longer than MAX_WORD are near to
 * nothing. */
#include "harness/base/near.h"

#include <string.h>

enum { MAX_WORD = 64 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b)
{
    const size_t la = strlen(a), lb = strlen(b);
    size_t rows[3][MAX_WORD + 1];
    if (la > MAX_WORD || lb > MAX_WORD)
        return MAX_WORD;
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3], *higher = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], higher[j - 2] + 1);
        }
    }
    return rows[la % 3][lb];
}

const char *near_word(const char *word, const char *const *known, size_t count)
{
    const size_t length = strlen(word);
    size_t best = length < 4 ? 2 : length / 3 + 1; /* exclusive */
    const char *near = NULL;
    for (size_t i = 0; i < count; i++) {
        const size_t far = distance(word, known[i]);
        if (far < best) {
            best = far;
            near = known[i];
        }
    }
    return near;
}
