/* error.c - see error.h. */
#include "harness/base/error.h"

#include <stdarg.h>
#include <stdio.h>

bool error_set(char *error, size_t error_size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, error_size, format, arguments);
    va_end(arguments);
    return false;
}
