/* json.h - a helper that Jansson lacks. */
#ifndef HARNESS_BASE_JSON_H
#define HARNESS_BASE_JSON_H

#include <jansson.h>

json_t *json_number_or_null(double value); /* a number, or null if not finite */

#endif
