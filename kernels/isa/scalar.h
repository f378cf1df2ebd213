/* scalar.h - the vector vocabulary at width 1, in plain C: the specification that every other header of this folder follows.
 *
 * The algorithms in kernels/algo/ are written in these words only. A header gives
 *   VF_NEEDS        the ATTN_CPU bits that its instructions need
 *   vf              VL floats
 *   MR              keys in a score tile; PQ query rows and NV vectors of columns in a value tile: sized so that
 *                   MR*3 + 3 + 1 and PQ*NV + NV + 1 vectors fit the register file
 *   loads, stores   no alignment needed; the *_tail forms touch only n elements, 0 <= n <= VL, and load 0 for the rest
 *   vf_max(a, b)    b where either is NaN
 *   vf_fma(a, b, c) a*b + c with one rounding; headers of CPUs without FMA round twice
 *   vf_where_eq(a, b, x, y), vf_where_lt(a, b, x, y)   x where a == b (a < b), else y; false on NaN
 *   vf_all_below(x, y)    every lane x < y; false if any is NaN
 *   vf_any_differs(x, y)  some lane x != y; NaN differs
 *   vf_exp2_reduce(x, limits, &n)  r = x - n with n = floor(x) or nearest, r in [EXP2_LOW, EXP2_LOW + 1), x clamped to limits[0], limits[1]
 *                   where the CPU does not saturate by itself; limits[2] = 1.5 * 2^23, which rounds to an integer when added; so that
 *   vf_exp2_scale(p, n)  = p * 2^n is 0 (or denormal, which reads as 0) for x <= -126, at least 2^126 for x >= 127; NaN stays NaN
 *   vf_exp2_nearest(x, limits, &n)  as vf_exp2_reduce, but n = nearest and r in [-1/2, 1/2], always clamped
 *   vf_transpose(r)       r[i][j] <-> r[j][i] over VL vectors
 *   vf_load_part(p, w)    the w floats at p again and again; w: a constant power of two, at most VL
 *   vf_fold(a, b, s)      a[i] + a[i ^ s] in lanes i with bit s clear, b[i] + b[i ^ s] in the others; s: a constant power of two below VL
 *   vf_load_mask(bytes)   VL bytes: 0 where the byte is not 0, -inf where it is */
#ifndef ATTN_ISA_SCALAR_H
#define ATTN_ISA_SCALAR_H

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef float vf;
#define VF_NEEDS UINT64_C(0) /* features of the CPU, for descriptors */
enum { VL = 1, MR = 4, PQ = 4, NV = 2 };

static inline vf vf_set1(float x) { return x; }
static inline vf vf_load(const float *p) { return *p; }
static inline void vf_store(float *p, vf x) { *p = x; }
static inline vf vf_load_tail(const float *p, size_t n) { return n > 0 ? *p : 0.0f; }
static inline void vf_store_tail(float *p, size_t n, vf x)
{
    if (n > 0)
        *p = x;
}
static inline vf vf_add(vf a, vf b) { return a + b; }
static inline vf vf_sub(vf a, vf b) { return a - b; }
static inline vf vf_mul(vf a, vf b) { return a * b; }
static inline vf vf_div(vf a, vf b) { return a / b; }
static inline vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
static inline vf vf_max(vf a, vf b) { return a > b ? a : b; }
static inline vf vf_where_eq(vf a, vf b, vf x, vf y) { return a == b ? x : y; }
static inline vf vf_where_lt(vf a, vf b, vf x, vf y) { return a < b ? x : y; }
static inline int vf_all_below(vf x, vf y) { return x < y; }
static inline int vf_any_differs(vf x, vf y) { return !(x == y); }
static inline void vf_transpose(vf r[VL]) { (void)r; }
static inline vf vf_load_part(const float *p, int w)
{
    (void)w;
    return *p;
}
static inline vf vf_fold(vf a, vf b, int s)
{
    (void)s;
    return a + b;
}
static inline vf vf_load_mask(const unsigned char *p) { return *p ? 0.0f : -INFINITY; }

#define EXP2_LOW (-0.5f)
static inline vf vf_exp2_reduce(vf x, const float limits[3], vf *n)
{
    x = x < limits[0] ? limits[0] : x;
    x = x > limits[1] ? limits[1] : x;
    *n = x + limits[2];
    return x - (*n - limits[2]);
}
static inline vf vf_exp2_nearest(vf x, const float limits[3], vf *n) { return vf_exp2_reduce(x, limits, n); }
static inline vf vf_exp2_scale(vf p, vf n)
{
    unsigned bits, power;
    memcpy(&bits, &p, sizeof bits);
    memcpy(&power, &n, sizeof power);
    bits += power << 23;
    memcpy(&p, &bits, sizeof bits);
    return p;
}

#endif
