/* operand.c - see operand.h. */
#include "harness/ops/sdpa/operand.h"

#include <stdint.h>
#include <stdlib.h>

#include "dispatch/dtype.h"

typedef struct Type {
    AttnDtype dtype;
    float (*get)(const void *element);
    void (*put)(void *element, float value);
} Type;

static float get_f32(const void *element)
{
    return *(const float *)element;
}

static void put_f32(void *element, float value)
{
    *(float *)element = value;
}

static const Type types[] = {{ATTN_F32, get_f32, put_f32}};
enum { TYPES = sizeof types / sizeof *types };

AttnDtype operand_dtype(size_t index)
{
    return index < TYPES ? types[index].dtype : ATTN_NONE;
}

static const Type *type_of(Operand row)
{
    for (size_t i = 0; i < TYPES; i++)
        if (types[i].dtype == row.dtype)
            return &types[i];
    abort(); /* no shape and no case of a folder has another one */
}

static void *element(Operand row, size_t c)
{
    return (char *)(uintptr_t)row.zero + (row.at + (ptrdiff_t)c) * (ptrdiff_t)attn_dtype_bytes(row.dtype);
}

Operand operand_row(const void *zero, const AttnLayout *layout, size_t b, size_t h, size_t i)
{
    return (Operand){zero, layout->dtype, (ptrdiff_t)b * layout->batch + (ptrdiff_t)h * layout->head + (ptrdiff_t)i * layout->row};
}

float operand_get(Operand row, size_t c)
{
    return type_of(row)->get(element(row, c));
}

void operand_put(Operand row, size_t c, float value)
{
    type_of(row)->put(element(row, c), value);
}

const float *operand_floats(Operand row, size_t n, float *room)
{
    if (row.dtype == ATTN_F32)
        return (const float *)row.zero + row.at;
    for (size_t c = 0; c < n; c++)
        room[c] = operand_get(row, c);
    return room;
}
