/* npy_write.h - NPY files of every type, for tests of what reads them. Independent of the reader (harness/conform/npy.c). */
#ifndef TESTS_SUPPORT_NPY_WRITE_H
#define TESTS_SUPPORT_NPY_WRITE_H

#include "harness/conform/npy.h"

#include <math.h>

static inline size_t npy_element_size(NpyType type)
{
    static const size_t sizes[] = {[NPY_F2] = 2, [NPY_F4] = 4, [NPY_F8] = 8, [NPY_I8] = 8, [NPY_B1] = 1};
    return sizes[type];
}

/* IEEE binary16, rounded to nearest even, once, from the double. */
static inline uint16_t half_from_double(double value)
{
    const uint16_t sign = signbit(value) ? 0x8000 : 0;
    const double size = fabs(value);
    if (isnan(value))
        return 0x7E00;
    if (size == 0)
        return sign;
    if (size >= 65520) /* half way between the largest finite half and the next power: rounds to infinity */
        return sign | 0x7C00;
    int exponent;
    frexp(size, &exponent);                                /* size = f * 2^exponent, f in [0.5, 1) */
    const int unit = exponent > -13 ? exponent - 11 : -24; /* exponent of the last place           */
    const double scaled = ldexp(size, -unit);              /* exact; below 2048                    */
    double whole = floor(scaled);
    const double rest = scaled - whole;
    if (rest > 0.5 || (rest == 0.5 && fmod(whole, 2) == 1))
        whole += 1;
    /* A carry out of the fraction is a carry into the exponent, so one addition serves normal, subnormal and the border between them. */
    const unsigned biased = exponent > -13 ? (unsigned)(exponent + 13) : 0;
    return (uint16_t)(sign | (biased * 1024 + (unsigned)whole));
}

/* A whole file. shape: the tuple without its parentheses, "2, 3" or "2,". Values are given as doubles. */
static inline void npy_write(FILE *file, NpyType type, const char *shape, const double *values, size_t count)
{
    static const char *const descr[] = {[NPY_F2] = "<f2", [NPY_F4] = "<f4", [NPY_F8] = "<f8", [NPY_I8] = "<i8", [NPY_B1] = "|b1"};
    char header[200];
    const int length = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr[type], shape);
    fwrite("\x93NUMPY\x01\x00", 1, 8, file);
    fputc(length, file);
    fputc(0, file);
    fwrite(header, 1, (size_t)length, file);
    for (size_t i = 0; i < count; i++) {
        const uint16_t half = half_from_double(values[i]);
        const float single = (float)values[i];
        const int64_t whole = type == NPY_I8 ? (int64_t)values[i] : 0;
        const char boolean = values[i] != 0;
        const void *const from[] = {[NPY_F2] = &half, [NPY_F4] = &single, [NPY_F8] = &values[i], [NPY_I8] = &whole, [NPY_B1] = &boolean};
        fwrite(from[type], npy_element_size(type), 1, file);
    }
}

#endif
