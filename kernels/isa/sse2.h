/* sse2.h - the vector vocabulary (isa/scalar.h) in SSE2, the x86-64 baseline: 4 floats, 16 registers, no FMA: two roundings. */
#ifndef ATTN_ISA_SSE2_H
#define ATTN_ISA_SSE2_H

#include <emmintrin.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

typedef __m128 vf;
#define VF_NEEDS ATTN_CPU(SSE2) /* features of the CPU, for descriptors */
enum { VL = 4, MR = 4, PQ = 6, NV = 2 };

static inline vf vf_set1(float x) { return _mm_set1_ps(x); }
static inline vf vf_load(const float *p) { return _mm_loadu_ps(p); }
static inline void vf_store(float *p, vf x) { _mm_storeu_ps(p, x); }
static inline vf vf_load_tail(const float *p, size_t n)
{
    float part[4] = {0};
    memcpy(part, p, n * sizeof *p);
    return _mm_loadu_ps(part);
}
static inline void vf_store_tail(float *p, size_t n, vf x)
{
    float part[4];
    _mm_storeu_ps(part, x);
    memcpy(p, part, n * sizeof *p);
}
static inline vf vf_add(vf a, vf b) { return _mm_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm_div_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
static inline vf vf_max(vf a, vf b) { return _mm_max_ps(a, b); }
static inline vf select_ps(vf mask, vf x, vf y) { return _mm_or_ps(_mm_and_ps(mask, x), _mm_andnot_ps(mask, y)); }
static inline vf vf_where_eq(vf a, vf b, vf x, vf y) { return select_ps(_mm_cmpeq_ps(a, b), x, y); }
static inline vf vf_where_lt(vf a, vf b, vf x, vf y) { return select_ps(_mm_cmplt_ps(a, b), x, y); }
static inline int vf_all_below(vf x, vf y) { return _mm_movemask_ps(_mm_cmplt_ps(x, y)) == 0xf; }
static inline int vf_any_differs(vf x, vf y) { return _mm_movemask_ps(_mm_cmpneq_ps(x, y)) != 0; }

/* As in avx2.h: the nearest integer by adding 1.5 * 2^23, NaN through the second operand of MAXPS and MINPS. */
#define EXP2_LOW (-0.5f)
static inline vf vf_exp2_reduce(vf x, const float limits[3], vf *n)
{
    const vf big = _mm_set1_ps(limits[2]);
    x = _mm_min_ps(_mm_set1_ps(limits[1]), _mm_max_ps(_mm_set1_ps(limits[0]), x));
    *n = _mm_add_ps(x, big);
    return _mm_sub_ps(x, _mm_sub_ps(*n, big));
}
static inline vf vf_exp2_nearest(vf x, const float limits[3], vf *n) { return vf_exp2_reduce(x, limits, n); }
static inline vf vf_exp2_scale(vf p, vf n)
{
    return _mm_castsi128_ps(_mm_add_epi32(_mm_castps_si128(p), _mm_slli_epi32(_mm_castps_si128(n), 23)));
}

static inline void vf_transpose(vf r[VL])
{
    _MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]);
}

static inline vf vf_load_part(const float *p, int w)
{
    double two;
    switch (w) {
    case 4: return _mm_loadu_ps(p);
    case 2: memcpy(&two, p, sizeof two); return _mm_castpd_ps(_mm_set1_pd(two));
    default: return _mm_set1_ps(*p);
    }
}
static inline vf vf_fold(vf a, vf b, int s)
{
    if (s == 2)
        return _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
    const vf even = _mm_shuffle_ps(a, b, 0x88), odd = _mm_shuffle_ps(a, b, 0xdd), sum = _mm_add_ps(even, odd);
    return _mm_shuffle_ps(sum, sum, 0xd8);
}

static inline vf vf_load_mask(const unsigned char *p)
{
    int four;
    memcpy(&four, p, sizeof four);
    const __m128i zero = _mm_setzero_si128();
    const __m128i bytes = _mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(four), zero), zero);
    return _mm_and_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(bytes, zero)), _mm_set1_ps(-INFINITY));
}

#endif
