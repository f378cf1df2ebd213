/* server.c - what all verbs share: refusing, and reading counts. */
#include "harness/serve/serve.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

json_t *serve_refuse(Server *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->error, sizeof s->error, format, arguments);
    va_end(arguments);
    return NULL;
}

bool serve_count(Server *s, const char *what, const char *text, uint64_t low, uint64_t *count)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long n = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (!end || *end || errno || n < low || n > 1000000000) {
        serve_refuse(s, "%s is '%s'; allowed: a whole number from %d to 1000000000", what, text, (int)low);
        return false;
    }
    *count = n;
    return true;
}
