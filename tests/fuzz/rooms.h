/* rooms.h - memory of one case: blocks whose end or beginning is an unmapped page, or that lie on the heap for AddressSanitizer; tensors in
 * them with strides of any kind; and the question whether a call wrote anything but the elements of its outputs. */
#ifndef TESTS_FUZZ_ROOMS_H
#define TESTS_FUZZ_ROOMS_H

#include "harness/ops/sdpa/data.h"
#include "tests/fuzz/choices.h"

enum { ROOMS_MOST = 48 };

typedef struct Room {
    const char *name;
    Arena arena; /* its base is NULL where the block is on the heap          */
    unsigned char *at;
    size_t bytes;
    unsigned char fill;
    unsigned char *before; /* what it held before the call                             */
    bool *written;         /* per byte: belongs to an element of an output; NULL: none */
} Room;

typedef struct Rooms {
    Room room[ROOMS_MOST];
    size_t count;
} Rooms;

/* [batch, head, row, column], distances in elements. */
typedef struct Axes {
    size_t count[4];
    ptrdiff_t stride[4];
} Axes;

typedef struct AxesKind {
    bool output;    /* elements lie apart                                  */
    bool column;    /* the column has a stride too, which is else 1        */
    bool one_batch; /* the batch stride must be 0                          */
} AxesKind;

/* Strides for the counts: axes nested in any order, with gaps, backwards, repeating (inputs), and anything where an axis has one element.
 */
void axes_draw(Axes *axes, Choices *c, AxesKind kind);
bool axes_empty(const Axes *axes);
ptrdiff_t axes_at(const Axes *axes, size_t b, size_t h, size_t i, size_t j);

/* A block of so many bytes, all `fill`. */
Room *rooms_add(Rooms *rooms, Choices *c, const char *name, size_t bytes, int fill);

/* A block that holds just the tensor: gaps of inputs are NaN, everything in an output is a canary. Returns the address of element 0, NULL
 * or an address that nobody may touch if there are no elements. */
void *rooms_tensor(Rooms *rooms, Choices *c, const char *name, const Axes *axes, size_t element, bool output);

/* The elements of a tensor in this block, element 0 at `first`, are those of an output. */
void room_output(Room *room, const void *first, const Axes *axes, size_t element);

void rooms_remember(Rooms *rooms);                               /* what the blocks hold now is what they must hold but for outputs */
void rooms_restore(Rooms *rooms);                                /* outputs hold what they held then                                */
const char *rooms_changed(const Rooms *rooms, bool outputs_too); /* the block that changed where it must not, or NULL */
unsigned char *rooms_take(const Rooms *rooms, size_t *bytes);    /* what the outputs hold, one after another; malloc'ed */
bool rooms_same(const unsigned char *a, const unsigned char *b, size_t bytes); /* bit by bit, but one NaN is like another */
void rooms_free(Rooms *rooms);

#endif
