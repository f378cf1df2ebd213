/* rooms.c - see rooms.h. */
#include "tests/fuzz/rooms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/fence.h"
#include "tests/fuzz/fuzz.h"

enum { CANARY = 0xa5, NAN_BYTE = 0xff };

static ptrdiff_t any_stride(Choices *c)
{
    static const ptrdiff_t strides[] = {0, 1, -1, 12345, -12345, PTRDIFF_MAX, PTRDIFF_MIN, PTRDIFF_MAX / 4, PTRDIFF_MIN / 4};
    return strides[choose(c, sizeof strides / sizeof *strides)];
}

void axes_draw(Axes *axes, Choices *c, AxesKind kind)
{
    static const unsigned char orders[][3] = {{2, 1, 0}, {1, 2, 0}, {1, 0, 2}, {0, 1, 2}, {2, 0, 1}, {0, 2, 1}};
    const unsigned char *rest = orders[choose(c, sizeof orders / sizeof *orders)];
    const size_t column_at = kind.column && maybe(c, 30) ? 1 + choose(c, 3) : 0;
    ptrdiff_t reach = 1;
    for (size_t n = 0; n < 4; n++) {
        const size_t axis = n == column_at ? 3 : rest[n - (n > column_at)];
        const size_t count = axes->count[axis];
        ptrdiff_t *stride = &axes->stride[axis];
        if (axis == 3 && !kind.column) {
            *stride = 1;
            reach = (ptrdiff_t)count;
            continue;
        }
        if (axis == 0 && kind.one_batch) {
            *stride = 0;
            continue;
        }
        *stride = reach + (maybe(c, 25) ? (ptrdiff_t)choose(c, 6) : 0);
        if (count > 1)
            reach += *stride * (ptrdiff_t)(count - 1);
        if (maybe(c, 12))
            *stride = -*stride;
        if (count <= 1 && maybe(c, 20))
            *stride = any_stride(c);
        else if (!kind.output && maybe(c, kind.column ? 30 : 8))
            *stride = 0;
    }
}

bool axes_empty(const Axes *axes)
{
    return axes->count[0] == 0 || axes->count[1] == 0 || axes->count[2] == 0 || axes->count[3] == 0;
}

/* An axis of one element has a stride that nobody may multiply by more than 0. */
ptrdiff_t axes_at(const Axes *axes, size_t b, size_t h, size_t i, size_t j)
{
    const size_t index[4] = {b, h, i, j};
    ptrdiff_t at = 0;
    for (size_t k = 0; k < 4; k++)
        at += index[k] > 0 ? (ptrdiff_t)index[k] * axes->stride[k] : 0;
    return at;
}

Room *rooms_add(Rooms *rooms, Choices *c, const char *name, size_t bytes, int fill)
{
    static const Fence fences[] = {FENCE_AFTER, FENCE_BEFORE, FENCE_NONE};
    fuzz_demand(rooms->count < ROOMS_MOST, "there are rooms enough");
    Room *room = &rooms->room[rooms->count++];
    const Fence fence = fences[choose(c, 3)];
    *room = (Room){.name = name, .bytes = bytes, .fill = (unsigned char)fill};
    if (fence == FENCE_NONE) {
        room->at = malloc(bytes);
        fuzz_demand(room->at != NULL || bytes == 0, "there is memory for a tensor");
        if (bytes > 0)
            memset(room->at, fill, bytes);
    } else {
        fuzz_demand(fence_map(&room->arena, bytes, fence, (unsigned char)fill), "there is memory for a tensor");
        room->at = room->arena.at;
    }
    return room;
}

void room_output(Room *room, const void *first, const Axes *axes, size_t element)
{
    if (!room->written)
        room->written = calloc(room->bytes + 1, sizeof *room->written);
    fuzz_demand(room->written != NULL, "there is memory for marks");
    const ptrdiff_t from = (const unsigned char *)first - room->at;
    for (size_t b = 0; b < axes->count[0]; b++)
        for (size_t h = 0; h < axes->count[1]; h++)
            for (size_t i = 0; i < axes->count[2]; i++)
                for (size_t j = 0; j < axes->count[3]; j++)
                    memset(room->written + from + axes_at(axes, b, h, i, j) * (ptrdiff_t)element, true, element);
}

void *rooms_tensor(Rooms *rooms, Choices *c, const char *name, const Axes *axes, size_t element, bool output)
{
    if (axes_empty(axes))
        return maybe(c, 50) ? rooms_add(rooms, c, name, 0, 0)->at : NULL;
    ptrdiff_t low = 0, high = 0;
    for (size_t k = 0; k < 4; k++)
        if (axes->count[k] > 1) {
            const ptrdiff_t far = (ptrdiff_t)(axes->count[k] - 1) * axes->stride[k];
            low += far < 0 ? far : 0;
            high += far > 0 ? far : 0;
        }
    Room *room = rooms_add(rooms, c, name, (size_t)(high - low + 1) * element, output ? CANARY : NAN_BYTE);
    unsigned char *first = room->at - low * (ptrdiff_t)element;
    if (output)
        room_output(room, first, axes, element);
    return first;
}

void rooms_remember(Rooms *rooms)
{
    for (size_t n = 0; n < rooms->count; n++) {
        Room *room = &rooms->room[n];
        free(room->before);
        room->before = malloc(room->bytes + 1);
        fuzz_demand(room->before != NULL, "there is memory to remember a tensor");
        if (room->bytes > 0)
            memcpy(room->before, room->at, room->bytes);
    }
}

void rooms_restore(Rooms *rooms)
{
    for (size_t n = 0; n < rooms->count; n++)
        if (rooms->room[n].written)
            memcpy(rooms->room[n].at, rooms->room[n].before, rooms->room[n].bytes);
}

const char *rooms_changed(const Rooms *rooms, bool outputs_too)
{
    for (size_t n = 0; n < rooms->count; n++) {
        const Room *room = &rooms->room[n];
        if (room->arena.base && room->written && !fence_margins_intact(&room->arena, room->fill))
            return room->name;
        if (room->bytes == 0 || memcmp(room->at, room->before, room->bytes) == 0)
            continue;
        for (size_t i = 0; i < room->bytes; i++)
            if (room->at[i] != room->before[i] && (outputs_too || !room->written || !room->written[i]))
                return room->name;
    }
    return NULL;
}

unsigned char *rooms_take(const Rooms *rooms, size_t *bytes)
{
    *bytes = 0;
    for (size_t n = 0; n < rooms->count; n++)
        *bytes += rooms->room[n].written ? rooms->room[n].bytes : 0;
    unsigned char *taken = malloc(*bytes + 1), *to = taken;
    fuzz_demand(taken != NULL, "there is memory for results");
    for (size_t n = 0; n < rooms->count; n++)
        if (rooms->room[n].written) {
            memcpy(to, rooms->room[n].at, rooms->room[n].bytes);
            to += rooms->room[n].bytes;
        }
    return taken;
}

bool rooms_same(const unsigned char *a, const unsigned char *b, size_t bytes)
{
    for (size_t at = 0; at + sizeof(float) <= bytes; at += sizeof(float)) {
        float x, y;
        memcpy(&x, a + at, sizeof x);
        memcpy(&y, b + at, sizeof y);
        if (memcmp(a + at, b + at, sizeof x) != 0 && !(isnan(x) && isnan(y)))
            return false;
    }
    return true;
}

void rooms_free(Rooms *rooms)
{
    for (size_t n = 0; n < rooms->count; n++) {
        Room *room = &rooms->room[n];
        if (room->arena.base)
            fence_unmap(&room->arena);
        else
            free(room->at);
        free(room->before);
        free(room->written);
    }
    rooms->count = 0;
}
