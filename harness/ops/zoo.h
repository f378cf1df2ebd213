/* zoo.h - every kernel that the program lists, verifies and measures: those of the library, then the yardsticks (yardstick/). */
#ifndef HARNESS_OPS_ZOO_H
#define HARNESS_OPS_ZOO_H

#include "kernels/kernel.h"

size_t zoo_count(void);
const AttnKernel *zoo_at(size_t index);           /* the library's kernels first, in registry order */
const AttnKernel *zoo_find(const char *name);     /* NULL if unknown                        */
bool zoo_is_yardstick(const AttnKernel *kernel);  /* its library chooses instructions itself */

#endif
