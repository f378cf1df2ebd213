/* allow.c - reads and applies waivers (allow.h). A file counts as a whole or not at all. */
#include "harness/regress/allow.h"

#include "harness/base/grow.h"
#include "harness/base/input.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_LINE = 1024, MOST_WAIVERS = 10000 };

/* The next word, terminated in place; *rest is what follows. NULL: none. */
static char *word(char **rest)
{
    char *at = *rest + strspn(*rest, " \t");
    if (!*at)
        return NULL;
    *rest = at + strcspn(at, " \t");
    if (**rest)
        *(*rest)++ = '\0';
    return at;
}

static bool read_percent(const char *text, double *share)
{
    char *end;
    errno = 0;
    if (text[0] != '+' || !isdigit((unsigned char)text[1]) || strncmp(text + 1, "0x", 2) == 0)
        return false;
    const double value = strtod(text + 1, &end);
    *share = value / 100;
    return errno == 0 && strcmp(end, "%") == 0 && value > 0 && value <= 1000;
}

static bool read_date(const char *text, int *date)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y, m, d, used = 0;
    if (strlen(text) != 10 || sscanf(text, "%4d-%2d-%2d%n", &y, &m, &d, &used) != 3 || used != 10)
        return false;
    *date = y * 10000 + m * 100 + d;
    return y >= 2000 && m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1];
}

/* One line that is neither empty nor a comment. Returns what is wrong with it, or NULL. */
static const char *read_line(char *line, Waiver *w, char *buffer, size_t size)
{
    char *rest = line;
    const char *shape = word(&rest), *kernel = word(&rest), *percent = word(&rest), *until = word(&rest);
    const char *reason = rest + strspn(rest, " \t");
    if (!until)
        return "has fewer than four fields; allowed: CASE KERNEL +N% until=YYYY-MM-DD REASON";
    if (strlen(shape) >= sizeof w->shape || strlen(kernel) >= sizeof w->kernel || strlen(reason) >= sizeof w->reason)
        return "has a field that is too long";
    strcpy(w->shape, shape);
    strcpy(w->kernel, kernel);
    strcpy(w->reason, reason);
    if (!read_percent(percent, &w->most)) {
        snprintf(buffer, size, "has '%s' as its most; allowed: +N%% with N above 0, up to 1000", percent);
        return buffer;
    }
    if (strncmp(until, "until=", 6) != 0 || !read_date(until + 6, &w->until)) {
        snprintf(buffer, size, "has '%s' as its end; allowed: until=YYYY-MM-DD", until);
        return buffer;
    }
    return *reason ? NULL : "gives no reason; allowed: a few words after the date";
}

static bool append(Waivers *list, const Waiver *w)
{
    Waiver *at = list->count < MOST_WAIVERS ? grow_by_one(list->at, list->count, sizeof *at) : NULL;
    if (!at)
        return false;
    list->at = at;
    list->at[list->count++] = *w;
    return true;
}

bool waivers_read(Waivers *list, const char *path, char *error, size_t error_size)
{
    FILE *file = input_open(path, error, error_size);
    char line[MOST_LINE], buffer[400];
    size_t number = 0;
    const char *wrong = NULL;
    *list = (Waivers){0};
    if (!file)
        return false;
    while (!wrong && fgets(line, sizeof line, file)) {
        number++;
        const size_t length = strcspn(line, "\r\n");
        Waiver w = {.line = number};
        if (!line[length] && !feof(file))
            wrong = "is too long, or holds a zero byte";
        line[length] = '\0';
        char *text = line + (number == 1 ? input_mark(line, length) : 0);
        const char *first = text + strspn(text, " \t");
        if (wrong || !*first || *first == '#')
            continue;
        wrong = read_line(text, &w, buffer, sizeof buffer);
        if (!wrong && !append(list, &w))
            wrong = "is one too many for the memory there is";
    }
    const bool failed = ferror(file);
    fclose(file);
    if (wrong)
        snprintf(error, error_size, "%s: line %zu %s", path, number, wrong);
    else if (failed)
        snprintf(error, error_size, "cannot read the waivers %s", path);
    if (wrong || failed)
        waivers_free(list);
    return !wrong && !failed;
}

void waivers_free(Waivers *list)
{
    free(list->at);
    *list = (Waivers){0};
}

bool waiver_names(const Waiver *w, const char *shape, const char *kernel)
{
    return fnmatch(w->shape, shape, 0) == 0 && fnmatch(w->kernel, kernel, 0) == 0;
}

const Waiver *waivers_find(const Waivers *list, const char *shape, const char *kernel, double ratio, int today, const Waiver **expired)
{
    *expired = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const Waiver *w = &list->at[i];
        if (!waiver_names(w, shape, kernel) || !(ratio <= 1 + w->most))
            continue;
        if (w->until >= today)
            return w;
        *expired = w;
    }
    return NULL;
}

int waivers_today(void)
{
    const time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    return (utc.tm_year + 1900) * 10000 + (utc.tm_mon + 1) * 100 + utc.tm_mday;
}
