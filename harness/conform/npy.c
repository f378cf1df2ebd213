/* npy.c - NPY files in and out.
 *
 * A file is "\x93NUMPY", a version, the header's length, a header that is a Python dictionary in ASCII, and the bare elements. Nothing in
 * it is trusted: the header is at most 64 KiB, the product of the shape is checked against overflow and against the size of the file before
 * memory is allocated, and one byte too few or too many is an error. Elements are little endian, as are the machines that this program
 * supports. */
#include "harness/base/error.h"
#include "harness/base/input.h"
#include "harness/base/whole.h"
#include "harness/conform/npy.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "npy.c copies elements as they lie in the file, which is little endian"
#endif

enum { MAX_HEADER = 65536 };

static const struct {
    const char *descr, *name;
    size_t size;
} types[] = {
    [NPY_F2] = {"<f2", "float16", 2}, [NPY_F4] = {"<f4", "float32", 4}, [NPY_F8] = {"<f8", "float64", 8},
    [NPY_I8] = {"<i8", "int64", 8},   [NPY_B1] = {"|b1", "bool", 1},
};
enum { TYPES = sizeof types / sizeof *types };

const char *npy_type_name(NpyType type)
{
    return types[type].name;
}

void npy_free(Npy *npy)
{
    free(npy->data);
    *npy = (Npy){0};
}

/* ---- The header: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } ------------------------------------------------------- */

static const char *blanks(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

/* If `at` continues with `word`, the place after it and after blanks; else NULL. */
static const char *after(const char *at, const char *word)
{
    const size_t length = strlen(word);
    return at && strncmp(at, word, length) == 0 ? blanks(at + length) : NULL;
}

/* A quoted word of at most size - 1 characters. */
static const char *quoted(const char *at, char *word, size_t size)
{
    const char quote = *at;
    if (quote != '\'' && quote != '"')
        return NULL;
    const char *end = strchr(at + 1, quote);
    if (!end || (size_t)(end - at - 1) >= size)
        return NULL;
    snprintf(word, size, "%.*s", (int)(end - at - 1), at + 1);
    return blanks(end + 1);
}

static const char *read_shape(const char *at, Npy *npy, const char **why)
{
    at = after(at, "(");
    npy->rank = 0;
    npy->count = 1;
    bool zero = false;
    while (at && *at != ')') {
        char *end;
        errno = 0;
        const unsigned long long value = isdigit((unsigned char)*at) ? strtoull(at, &end, 10) : (errno = EINVAL, 0ULL);
        if (errno != 0 || value > PTRDIFF_MAX) {
            *why = "shape holds something that is not a size";
            return NULL;
        }
        if (npy->rank == NPY_MAX_RANK) {
            *why = "shape has more than 8 axes";
            return NULL;
        }
        npy->shape[npy->rank++] = (size_t)value;
        zero = zero || value == 0;
        at = blanks(end);
        const char *comma = after(at, ",");
        if (!comma && npy->rank == 1) { /* (3) is a number in Python, (3,) a tuple */
            *why = "shape is not a tuple";
            return NULL;
        }
        if (!comma && *at != ')')
            return NULL;
        at = comma ? comma : at;
    }
    for (size_t i = 0; i < npy->rank; i++)
        if (!zero && __builtin_mul_overflow(npy->count, npy->shape[i], &npy->count)) {
            *why = "the product of shape overflows";
            return NULL;
        }
    npy->count = zero ? 0 : npy->count;
    return after(at, ")");
}

static const char *read_value(const char *at, const char *key, Npy *npy, unsigned *seen, const char **why)
{
    char word[24] = "";
    unsigned bit;
    if (strcmp(key, "descr") == 0) {
        bit = 1;
        at = quoted(at, word, sizeof word);
        size_t type = 0;
        while (type < TYPES && strcmp(word, types[type].descr) != 0)
            type++;
        if (at && *word == '>')
            *why = "elements are big endian; allowed: little endian";
        else if (type == TYPES)
            *why = "descr is none of '<f2' '<f4' '<f8' '<i8' '|b1'";
        if (type == TYPES)
            return NULL;
        npy->type = (NpyType)type;
    } else if (strcmp(key, "fortran_order") == 0) {
        bit = 2;
        if (after(at, "True"))
            *why = "fortran_order is True; allowed: False (C order)";
        at = after(at, "False");
    } else if (strcmp(key, "shape") == 0) {
        bit = 4;
        at = read_shape(at, npy, why);
    } else {
        *why = "the header has a key that is none of descr, fortran_order, shape";
        return NULL;
    }
    if (*seen & bit)
        *why = "the header has a key twice";
    at = *seen & bit ? NULL : at;
    *seen |= bit;
    return at;
}

/* false: *why says what is wrong. */
static bool read_header(const char *text, Npy *npy, const char **why)
{
    unsigned seen = 0;
    *why = "the header is not a Python dictionary of descr, fortran_order and shape";
    const char *at = after(blanks(text), "{");
    while (at && *at != '}') {
        char key[24];
        at = quoted(at, key, sizeof key);
        at = at ? after(at, ":") : NULL;
        at = at ? read_value(at, key, npy, &seen, why) : NULL;
        const char *comma = at ? after(at, ",") : NULL;
        if (at && !comma && *at != '}')
            return false;
        at = comma ? comma : at;
    }
    at = at ? after(at, "}") : NULL;
    if (!at || *at)
        return false;
    *why = "the header lacks one of descr, fortran_order, shape";
    return seen == 7;
}

/* ---- Reading --------------------------------------------------------------------------------------------------------------------- */

static bool read_bytes(FILE *file, void *to, size_t count)
{
    return fread(to, 1, count, file) == count;
}

static bool read_open(FILE *file, uint64_t file_size, const char *path, Npy *npy, char *error, size_t error_size)
{
    unsigned char start[12];
    if (!read_bytes(file, start, 10) || memcmp(start, "\x93NUMPY", 6) != 0)
        return error_set(error, error_size, "%s: not an NPY file: it does not begin with \\x93NUMPY and a version", path);
    const unsigned major = start[6], minor = start[7];
    if ((major != 1 && major != 2) || minor != 0)
        return error_set(error, error_size, "%s: NPY version is %u.%u; allowed: 1.0 and 2.0", path, major, minor);
    size_t length = start[8] | (size_t)start[9] << 8, preamble = 10;
    if (major == 2) {
        if (!read_bytes(file, start + 10, 2))
            return error_set(error, error_size, "%s: file ends within the length of its header", path);
        length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
        preamble = 12;
    }
    if (length > MAX_HEADER || preamble + length > file_size)
        return error_set(error, error_size, "%s: header length is %zu bytes; allowed: up to %d and no more than the file holds", path,
                         length, MAX_HEADER);
    char *header = malloc(length + 1);
    if (!header)
        return error_set(error, error_size, "%s: out of memory", path);
    const char *why = "file ends within its header";
    bool ok = read_bytes(file, header, length) && !memchr(header, '\0', length);
    header[length] = '\0';
    ok = ok && read_header(header, npy, &why);
    free(header);
    if (!ok)
        return error_set(error, error_size, "%s: %s", path, why);
    const uint64_t body = file_size - preamble - length;
    size_t bytes;
    if (__builtin_mul_overflow(npy->count, types[npy->type].size, &bytes) || bytes != body)
        return error_set(error, error_size,
                         "%s: shape and dtype (%s) need %zu x %zu bytes, but the file holds %llu after its header; it is %s", path,
                         types[npy->type].name, npy->count, types[npy->type].size, (unsigned long long)body,
                         bytes < body ? "followed by something else" : "truncated");
    npy->data = malloc(bytes ? bytes : 1);
    if (!npy->data)
        return error_set(error, error_size, "%s: out of memory for %zu bytes", path, bytes);
    if (!read_bytes(file, npy->data, bytes)) {
        npy_free(npy);
        return error_set(error, error_size, "%s: cannot read its %zu bytes: %s", path, bytes,
                         ferror(file) ? strerror(errno) : "it ends early");
    }
    return true;
}

bool npy_read(const char *path, Npy *npy, char *error, size_t error_size)
{
    struct stat status;
    *npy = (Npy){0};
    FILE *file = input_open(path, error, error_size);
    if (!file)
        return false;
    const bool ok = fstat(fileno(file), &status) == 0
                        ? read_open(file, (uint64_t)status.st_size, path, npy, error, error_size)
                        : error_set(error, error_size, "%s: cannot read its size: %s", path, strerror(errno));
    fclose(file);
    if (!ok)
        *npy = (Npy){0};
    return ok;
}

/* ---- Writing --------------------------------------------------------------------------------------------------------------------- */

/* Preamble and header padded with blanks so that the elements begin at a multiple of 64. */
static size_t make_header(unsigned char *start, size_t size, size_t rank, const size_t *shape)
{
    char text[256];
    size_t used = (size_t)snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (size_t i = 0; i < rank; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, i ? " %zu," : "%zu,", shape[i]);
    if (rank > 1)
        used--; /* a comma is needed only after a single size */
    used += (size_t)snprintf(text + used, sizeof text - used, "), }");
    const size_t total = (10 + used + 1 + 63) / 64 * 64;
    if (total > size)
        return 0;
    memset(start, ' ', total);
    memcpy(start, "\x93NUMPY\x01\x00", 8);
    start[8] = (unsigned char)((total - 10) & 255);
    start[9] = (unsigned char)((total - 10) >> 8);
    memcpy(start + 10, text, used);
    start[total - 1] = '\n';
    return total;
}

void npy_put_f32(FILE *to, const float *data, size_t rank, const size_t *shape)
{
    unsigned char start[512];
    size_t count = 1;
    for (size_t i = 0; i < rank; i++)
        count *= shape[i];
    const size_t header = make_header(start, sizeof start, rank, shape);
    fwrite(start, 1, header, to);
    fwrite(data, sizeof *data, count, to);
}

bool npy_write_f32(const char *path, const float *data, size_t rank, const size_t *shape, char *error, size_t error_size)
{
    Whole whole;
    if (rank > NPY_MAX_RANK)
        return error_set(error, error_size, "%s: rank is %zu; allowed: up to %d", path, rank, NPY_MAX_RANK);
    if (!whole_open(&whole, path, error, error_size))
        return false;
    npy_put_f32(whole.file, data, rank, shape);
    return whole_close(&whole, true, error, error_size);
}

/* ---- Conversions ----------------------------------------------------------------------------------------------------------------- */

double npy_half_to_double(uint16_t half)
{
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const double sign = half & 0x8000 ? -1.0 : 1.0;
    if (exponent == 31)
        return fraction ? (double)NAN : sign * (double)INFINITY;
    return sign * (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

double npy_at(const Npy *npy, size_t i)
{
    const char *at = (const char *)npy->data + i * types[npy->type].size;
    uint16_t half;
    float single;
    double full;
    int64_t whole;
    switch (npy->type) {
    case NPY_F2: memcpy(&half, at, sizeof half); return npy_half_to_double(half);
    case NPY_F4: memcpy(&single, at, sizeof single); return single;
    case NPY_F8: memcpy(&full, at, sizeof full); return full;
    case NPY_I8: memcpy(&whole, at, sizeof whole); return (double)whole;
    case NPY_B1: break;
    }
    return *at != 0;
}

float *npy_to_f32(const Npy *npy, char *error, size_t error_size)
{
    float *out = calloc(npy->count ? npy->count : 1, sizeof *out);
    if (!out) {
        error_set(error, error_size, "out of memory for %zu f32 elements", npy->count);
        return NULL;
    }
    for (size_t i = 0; i < npy->count; i++) {
        const double value = npy_at(npy, i);
        out[i] = (float)value;
        if (isfinite(value) && !isfinite(out[i])) {
            error_set(error, error_size, "element %zu is %g, which f32 cannot hold", i, value);
            free(out);
            return NULL;
        }
    }
    return out;
}
