/* structs.c - the size rules of the public structs, once for all of them. */
#include "dispatch/structs.h"

/* No struct here will ever be this large: a larger `size` was never set, and reading that far could leave the stack. */
#define LARGEST_SIZE ((size_t)4096)

/* The caller's `size`, or 0 after storing the sentence. */
static size_t claimed_size(const char *name, const char *maker, const void *from, size_t smallest, size_t known)
{
    size_t size;
    memcpy(&size, from, sizeof size);
    if (size >= smallest && size <= LARGEST_SIZE)
        return size;
    attn_fail(ATTN_ERROR_STRUCT, "%s.size is %zu; allowed: at least %zu bytes, and %zu in this version; %s sets it", name, size, smallest,
              known, maker);
    return 0;
}

AttnStatus attn_struct_read(const char *name, const char *maker, const void *from, size_t smallest, void *to, size_t known)
{
    const size_t size = claimed_size(name, maker, from, smallest, known);
    if (size == 0)
        return ATTN_ERROR_STRUCT;
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)from)[i] != 0)
            return attn_fail(ATTN_ERROR_STRUCT,
                             "%s.size is %zu and byte %zu of it is not 0, a field that this library (version %s, %zu bytes) does not know; "
                             "leave it 0 or use a newer library", name, size, i, ATTNZOO_VERSION, known);
    memset(to, 0, known);
    memcpy(to, from, size < known ? size : known);
    memcpy(to, &known, sizeof known); /* the copy is ours, so its size is ours */
    return ATTN_OK;
}

AttnStatus attn_struct_write(const char *name, void *to, size_t smallest, const void *from, size_t known)
{
    const size_t size = claimed_size(name, "sizeof before the call", to, smallest, known);
    if (size == 0)
        return ATTN_ERROR_STRUCT;
    memset(to, 0, size);
    memcpy(to, from, size < known ? size : known);
    memcpy(to, &size, sizeof size);
    return ATTN_OK;
}
