/* avx512.h - the vector vocabulary (isa/scalar.h) in AVX-512 F, BW, DQ, VL: 16 floats, 32 registers. */
#ifndef ATTN_ISA_AVX512_H
#define ATTN_ISA_AVX512_H

#if !defined(__AVX512F__) || !defined(__AVX512DQ__)
#error "compile this file with the flags of the avx512 row in kernels/meson.build"
#endif
#include <immintrin.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

typedef __m512 vf;
/* features of the CPU, for descriptors */
#define VF_NEEDS (ATTN_CPU(AVX512F) | ATTN_CPU(AVX512BW) | ATTN_CPU(AVX512DQ) | ATTN_CPU(AVX512VL) | ATTN_CPU(FMA))
enum { VL = 16, MR = 8, PQ = 6, NV = 4 };

static inline __mmask16 first(size_t n) { return (__mmask16)((1u << n) - 1u); }

static inline vf vf_set1(float x) { return _mm512_set1_ps(x); }
static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
static inline vf vf_load_tail(const float *p, size_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
static inline void vf_store_tail(float *p, size_t n, vf x) { _mm512_mask_storeu_ps(p, first(n), x); }
static inline vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_where_eq(vf a, vf b, vf x, vf y) { return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), x); }
static inline vf vf_where_lt(vf a, vf b, vf x, vf y) { return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), x); }
static inline int vf_all_below(vf x, vf y) { return _mm512_cmp_ps_mask(x, y, _CMP_LT_OQ) == 0xffff; }
static inline int vf_any_differs(vf x, vf y) { return _mm512_cmp_ps_mask(x, y, _CMP_NEQ_UQ) != 0; }

/* floor, because VSCALEFPS multiplies by 2^floor(n); it and VREDUCEPS do the right thing for infinities, NaN and underflow alone. */
#define EXP2_LOW 0.0f
static inline vf vf_exp2_reduce(vf x, const float limits[3], vf *n)
{
    (void)limits;
    __asm__("" : "+v"(x)); /* in a register: with a memory operand VREDUCEPS costs 25 cycles instead of 1 on Zen 5 */
    *n = x;
    return _mm512_reduce_ps(x, 1);
}
static inline vf vf_exp2_nearest(vf x, const float limits[3], vf *n)
{
    x = _mm512_min_ps(_mm512_set1_ps(limits[1]), _mm512_max_ps(_mm512_set1_ps(limits[0]), x));
    *n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    return _mm512_sub_ps(x, *n);
}
static inline vf vf_exp2_scale(vf p, vf n) { return _mm512_scalef_ps(p, n); }

/* Four rounds of shuffles, each exchanging blocks of 1, 2, 4 and 8 lanes. */
static inline void vf_transpose(vf r[VL])
{
    vf t[VL];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int k = 0; k < 2; k++) {
            r[i + 2 * k] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[i + k]), _mm512_castps_pd(t[i + 2 + k])));
            r[i + 2 * k + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[i + k]), _mm512_castps_pd(t[i + 2 + k])));
        }
    for (int half = 0; half < 16; half += 8)
        for (int k = 0; k < 4; k++) {
            t[half + k] = _mm512_shuffle_f32x4(r[half + k], r[half + 4 + k], 0x88);
            t[half + 4 + k] = _mm512_shuffle_f32x4(r[half + k], r[half + 4 + k], 0xdd);
        }
    for (int k = 0; k < 8; k++) {
        r[k] = _mm512_shuffle_f32x4(t[k], t[8 + k], 0x88);
        r[8 + k] = _mm512_shuffle_f32x4(t[k], t[8 + k], 0xdd);
    }
}

static inline vf vf_load_part(const float *p, int w)
{
    double two;
    switch (w) {
    case 16: return _mm512_loadu_ps(p);
    case 8: return _mm512_broadcast_f32x8(_mm256_loadu_ps(p));
    case 4: return _mm512_broadcast_f32x4(_mm_loadu_ps(p));
    case 2: memcpy(&two, p, sizeof two); return _mm512_castpd_ps(_mm512_set1_pd(two));
    default: return _mm512_set1_ps(*p);
    }
}
static inline vf vf_fold(vf a, vf b, int s)
{
    vf own, other; /* lane i of own: from a or b; lane i ^ s of other: the same */
    switch (s) {
    case 8: own = _mm512_mask_mov_ps(a, 0xff00, b); other = _mm512_shuffle_f32x4(a, b, 0x4e); break;
    case 4: own = _mm512_mask_mov_ps(a, 0xf0f0, b); other = _mm512_mask_shuffle_f32x4(_mm512_shuffle_f32x4(a, a, 0xb1), 0xf0f0, b, b, 0xb1); break;
    case 2: own = _mm512_mask_mov_ps(a, 0xcccc, b); other = _mm512_shuffle_ps(a, b, 0x4e); break;
    default: own = _mm512_mask_mov_ps(a, 0xaaaa, b); other = _mm512_permute_ps(_mm512_mask_mov_ps(b, 0xaaaa, a), 0xb1); break;
    }
    return _mm512_add_ps(own, other);
}

static inline vf vf_load_mask(const unsigned char *p)
{
    const __mmask16 hidden = _mm_cmpeq_epi8_mask(_mm_loadu_si128((const __m128i *)p), _mm_setzero_si128());
    return _mm512_maskz_mov_ps(hidden, _mm512_set1_ps(-INFINITY));
}

#endif
