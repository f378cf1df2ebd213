/* json.c - see json.h. */
#include "harness/base/json.h"

#include <math.h>

json_t *json_number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}
