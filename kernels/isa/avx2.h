/* avx2.h - the vector vocabulary (isa/scalar.h) in AVX2 and FMA: 8 floats, 16 registers. */
#ifndef ATTN_ISA_AVX2_H
#define ATTN_ISA_AVX2_H

#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile this file with the flags of the avx2 row in kernels/meson.build"
#endif
#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef __m256 vf;
#define VF_NEEDS (ATTN_CPU(AVX2) | ATTN_CPU(FMA)) /* features of the CPU, for descriptors */
enum { VL = 8, MR = 4, PQ = 6, NV = 2 };

/* All ones in the first n of 8 lanes: a window into eight ones followed by eight zeros. */
static inline __m256i first(size_t n)
{
    static const int ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    return _mm256_loadu_si256((const __m256i *)(ones + 8 - n));
}

static inline vf vf_set1(float x) { return _mm256_set1_ps(x); }
static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
/* A masked load touches only its n elements, but qemu-user reads all eight: near the end of a page the way is over the stack, so that the
 * fenced tests hold there too. */
static inline vf vf_load_tail(const float *p, size_t n)
{
    if (((uintptr_t)p & 4095) > 4096 - sizeof(vf)) {
        float part[VL] = {0};
        memcpy(part, p, n * sizeof *p);
        return _mm256_loadu_ps(part);
    }
    return _mm256_maskload_ps(p, first(n));
}
static inline void vf_store_tail(float *p, size_t n, vf x) { _mm256_maskstore_ps(p, first(n), x); }
static inline vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vf_where_eq(vf a, vf b, vf x, vf y) { return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_EQ_OQ)); }
static inline vf vf_where_lt(vf a, vf b, vf x, vf y) { return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
static inline int vf_all_below(vf x, vf y) { return _mm256_movemask_ps(_mm256_cmp_ps(x, y, _CMP_LT_OQ)) == 0xff; }
static inline int vf_any_differs(vf x, vf y) { return _mm256_movemask_ps(_mm256_cmp_ps(x, y, _CMP_NEQ_UQ)) != 0; }

/* Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits, ready to be added to an exponent. At -127 the sum of
 * exponents is exactly 0; MAXPS and MINPS return their second operand on NaN. */
#define EXP2_LOW (-0.5f)
static inline vf vf_exp2_reduce(vf x, const float limits[3], vf *n)
{
    const vf big = _mm256_set1_ps(limits[2]);
    x = _mm256_min_ps(_mm256_set1_ps(limits[1]), _mm256_max_ps(_mm256_set1_ps(limits[0]), x));
    *n = _mm256_add_ps(x, big);
    return _mm256_sub_ps(x, _mm256_sub_ps(*n, big));
}
static inline vf vf_exp2_nearest(vf x, const float limits[3], vf *n) { return vf_exp2_reduce(x, limits, n); }
static inline vf vf_exp2_scale(vf p, vf n)
{
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_castps_si256(n), 23)));
}

/* Exchange blocks of 1, 2, then 4 lanes. */
static inline void vf_transpose(vf r[VL])
{
    vf t[VL];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; k++) {
            r[i + 2 * k] = _mm256_shuffle_ps(t[i + k], t[i + 2 + k], 0x44);
            r[i + 2 * k + 1] = _mm256_shuffle_ps(t[i + k], t[i + 2 + k], 0xee);
        }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
    }
    for (int i = 0; i < 8; i++)
        r[i] = t[i];
}

static inline vf vf_load_part(const float *p, int w)
{
    double two;
    switch (w) {
    case 8: return _mm256_loadu_ps(p);
    case 4: return _mm256_broadcast_ps((const __m128 *)(const void *)p);
    case 2: memcpy(&two, p, sizeof two); return _mm256_castpd_ps(_mm256_set1_pd(two));
    default: return _mm256_set1_ps(*p);
    }
}
static inline vf vf_fold(vf a, vf b, int s)
{
    vf own, other; /* lane i of own: from a or b; lane i ^ s of other: the same */
    switch (s) {
    case 4: own = _mm256_blend_ps(a, b, 0xf0); other = _mm256_permute2f128_ps(a, b, 0x21); break;
    case 2: own = _mm256_blend_ps(a, b, 0xcc); other = _mm256_shuffle_ps(a, b, 0x4e); break;
    default: own = _mm256_blend_ps(a, b, 0xaa); other = _mm256_permute_ps(_mm256_blend_ps(a, b, 0x55), 0xb1); break;
    }
    return _mm256_add_ps(own, other);
}

static inline vf vf_load_mask(const unsigned char *p)
{
    const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    const __m256i hidden = _mm256_cmpeq_epi32(bytes, _mm256_setzero_si256());
    return _mm256_and_ps(_mm256_castsi256_ps(hidden), _mm256_set1_ps(-INFINITY));
}

#endif
