/* npy.h - tensors in files: NumPy's NPY format, versions 1.0 and 2.0, C order, little endian, and conversions between float widths. */
#ifndef HARNESS_CONFORM_NPY_H
#define HARNESS_CONFORM_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum NpyType { NPY_F2, NPY_F4, NPY_F8, NPY_I8, NPY_B1 } NpyType;
enum { NPY_MAX_RANK = 8 };

typedef struct Npy {
    NpyType type;
    size_t rank;
    size_t shape[NPY_MAX_RANK];
    size_t count; /* product of shape; 1 for rank 0                          */
    void *data;   /* count elements, C order; owned; NULL: there is no tensor */
} Npy;

/* Read a whole file. false: error[] names the file, what is wrong with it and what is allowed; *npy is then empty. */
bool npy_read(const char *path, Npy *npy, char *error, size_t error_size);

/* Write f32 in C order; rank is at most NPY_MAX_RANK. Errors are those of the stream. */
void npy_put_f32(FILE *to, const float *data, size_t rank, const size_t *shape);

/* The same to a file. It appears under its name only when it is complete. */
bool npy_write_f32(const char *path, const float *data, size_t rank, const size_t *shape, char *error, size_t error_size);

void npy_free(Npy *npy);

const char *npy_type_name(NpyType type); /* "float16", "float32", "float64", "int64", "bool" */

/* Element i as a double (exact, but for int64 beyond 2^53; bool gives 0 or 1). */
double npy_at(const Npy *npy, size_t i);

/* All elements as f32, rounded to nearest; malloc'ed, at least one element. NULL: out of memory, or a finite value is beyond the range of
 * f32; error[] says which. */
float *npy_to_f32(const Npy *npy, char *error, size_t error_size);

/* IEEE binary16, exactly. */
double npy_half_to_double(uint16_t half);

#endif
