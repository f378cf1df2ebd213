/* neon.h - the vector vocabulary (isa/scalar.h) in Advanced SIMD, the ARMv8-A baseline: 4 floats, 32 registers. */
#ifndef ATTN_ISA_NEON_H
#define ATTN_ISA_NEON_H

#include <arm_neon.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

typedef float32x4_t vf;
#define VF_NEEDS ATTN_CPU(NEON) /* features of the CPU, for descriptors */
enum { VL = 4, MR = 8, PQ = 6, NV = 4 };

static inline vf vf_set1(float x) { return vdupq_n_f32(x); }
static inline vf vf_load(const float *p) { return vld1q_f32(p); }
static inline void vf_store(float *p, vf x) { vst1q_f32(p, x); }
static inline vf vf_load_tail(const float *p, size_t n)
{
    float part[4] = {0};
    memcpy(part, p, n * sizeof *p);
    return vld1q_f32(part);
}
static inline void vf_store_tail(float *p, size_t n, vf x)
{
    float part[4];
    vst1q_f32(part, x);
    memcpy(p, part, n * sizeof *p);
}
static inline vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
static inline vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
static inline vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
static inline vf vf_div(vf a, vf b) { return vdivq_f32(a, b); }
static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vf_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline vf vf_where_eq(vf a, vf b, vf x, vf y) { return vbslq_f32(vceqq_f32(a, b), x, y); }
static inline vf vf_where_lt(vf a, vf b, vf x, vf y) { return vbslq_f32(vcltq_f32(a, b), x, y); }
static inline int vf_all_below(vf x, vf y) { return vminvq_u32(vcltq_f32(x, y)) != 0; }
static inline int vf_any_differs(vf x, vf y) { return vminvq_u32(vceqq_f32(x, y)) == 0; }

/* The nearest integer by adding 1.5 * 2^23, as in avx2.h; FMAX and FMIN return NaN if either operand is. */
#define EXP2_LOW (-0.5f)
static inline vf vf_exp2_reduce(vf x, const float limits[3], vf *n)
{
    const vf big = vdupq_n_f32(limits[2]);
    x = vminq_f32(vdupq_n_f32(limits[1]), vmaxq_f32(vdupq_n_f32(limits[0]), x));
    *n = vaddq_f32(x, big);
    return vsubq_f32(x, vsubq_f32(*n, big));
}
static inline vf vf_exp2_nearest(vf x, const float limits[3], vf *n) { return vf_exp2_reduce(x, limits, n); }
static inline vf vf_exp2_scale(vf p, vf n)
{
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), vshlq_n_s32(vreinterpretq_s32_f32(n), 23)));
}

static inline void vf_transpose(vf r[VL])
{
    const float32x4x2_t a = vtrnq_f32(r[0], r[1]), b = vtrnq_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    r[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    r[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    r[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}

static inline vf vf_load_part(const float *p, int w)
{
    if (w == 4)
        return vld1q_f32(p);
    return w == 2 ? vcombine_f32(vld1_f32(p), vld1_f32(p)) : vdupq_n_f32(*p);
}
static inline vf vf_fold(vf a, vf b, int s)
{
    if (s == 2)
        return vaddq_f32(vcombine_f32(vget_low_f32(a), vget_high_f32(b)), vcombine_f32(vget_high_f32(a), vget_low_f32(b)));
    return vaddq_f32(vtrn1q_f32(a, b), vtrn2q_f32(a, b));
}

static inline vf vf_load_mask(const unsigned char *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    const uint32x4_t bytes = vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four))));
    return vreinterpretq_f32_u32(vandq_u32(vceqq_u32(bytes, vdupq_n_u32(0)), vreinterpretq_u32_f32(vdupq_n_f32(-INFINITY))));
}

#endif
