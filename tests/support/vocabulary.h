/* vocabulary.h - one vector header under test: tests/support/vocabulary.c is compiled once per row of kernels/meson.build and fills one of these. */
#ifndef TESTS_SUPPORT_VOCABULARY_H
#define TESTS_SUPPORT_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

typedef struct Vocabulary {
    const char *name;                                     /* "avx2"                                                       */
    uint64_t features;                                    /* CPU features that running it needs                           */
    size_t lanes;                                         /* VL                                                           */
    double exp_ulp;                                       /* bound that algo/exp.h states, in units of 2^-23              */
    double tanh_ulp;                                      /* bound that algo/tanh.h states                                 */
    void (*exp2)(const float *x, float *y, size_t n);     /* y = 2^x, n a multiple of 16                                  */
    void (*tanh)(const float *x, float *y, size_t n);     /* y = tanh x                                                   */
    const char *(*check)(float *fenced);                  /* NULL, or what is wrong. `fenced` points at an unmapped page,
                                                             with at least 64 floats mapped before it                     */
} Vocabulary;

#endif
