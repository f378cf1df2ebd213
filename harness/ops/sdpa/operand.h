/* operand.h - elements of q, k, v and o as numbers, whatever their storage type: the only place in the program that reads and writes
 * storage types. Shares no code with the kernels. A further type is one row of the table in operand.c. */
#ifndef HARNESS_OPS_SDPA_OPERAND_H
#define HARNESS_OPS_SDPA_OPERAND_H

#include <stddef.h>

#include "attnzoo.h"

/* Consecutive elements of a tensor, beginning `at` elements behind its element 0. */
typedef struct Operand {
    const void *zero;
    AttnDtype dtype;
    ptrdiff_t at;
} Operand;

/* Row i of head h of batch entry b; `zero` is the address of the tensor's element 0. */
Operand operand_row(const void *zero, const AttnLayout *layout, size_t b, size_t h, size_t i);

float operand_get(Operand row, size_t c);
void operand_put(Operand row, size_t c, float value); /* rounds to the storage type; the memory is the caller's to write to */

/* The first n of them as f32: in place if they are stored so, else decoded into room[n]. */
const float *operand_floats(Operand row, size_t n, float *room);

/* The storage types that this reads, by number; ATTN_NONE behind the last one. */
AttnDtype operand_dtype(size_t index);

#endif
