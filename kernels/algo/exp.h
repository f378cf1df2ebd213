/* exp.h - 2^x of a vector: range reduction by the vector header, a polynomial of degree 5, scaling by a power of two.
 *
 * Coefficients: minimax in relative error with the constant term held at exactly 1, so that 2^0 is exactly 1, rounded to binary32 one by
 * one (Brisebarre & Chevillard 2007, as in Sollya's fpminimax). Polynomial alone: 0.69 ulp of 1.0 on [0,1), 0.79 on [-1/2,1/2]; with
 * binary32 evaluation below EXP2_ULP, which tests/unit/test_exp.c checks over every float in range, for each vector header.
 * Cost: 5 multiply-adds, plus 2 operations on AVX-512 (VREDUCEPS, VSCALEFPS) or 7 elsewhere.
 * Tried: degree 6 lowers the polynomial's error to 0.03 ulp for one more multiply-add; the rounding of the last steps remains. */
#ifndef ATTN_ALGO_EXP_H
#define ATTN_ALGO_EXP_H

/* Bound on the relative error, in units of 2^-23. */
#define EXP2_ULP 1.5

typedef struct Exp2 {
    float c[6];      /* coefficients of 1, r, r^2, … r^5      */
    float limits[3]; /* for vf_exp2_reduce: low, high, rounder */
} Exp2;
#define EXP2_LIMITS {-127.0f, 127.0f, 0x1.8p23f}
/* On [0, 1) and on [-1/2, 1/2]. */
static const Exp2 exp2_low0 = {{1.0f, 0x1.62e4bap-1f, 0x1.ebdb6ap-3f, 0x1.c91c0ep-5f, 0x1.277c32p-7f, 0x1.e9689ep-10f}, EXP2_LIMITS};
static const Exp2 exp2_lowm = {{1.0f, 0x1.62e42ap-1f, 0x1.ebf9bap-3f, 0x1.c6b69ap-5f, 0x1.3ceaf8p-7f, 0x1.5bfd58p-10f}, EXP2_LIMITS};

/* The constants, behind a pointer that the compiler cannot see through. Asked for once per tile, it keeps them from being hoisted out of
 * the loop over tiles, where they would push the tile's sums out of registers (gcc 12, AVX2: 61 % of the FMA peak instead of 88 %). */
static inline const Exp2 *exp2_constants(void)
{
    const Exp2 *at = EXP2_LOW < 0.0f ? &exp2_lowm : &exp2_low0;
    __asm__ volatile("" : "+r"(at));
    return at;
}

static inline vf exp2_poly(vf x, const Exp2 *k)
{
    vf n;
    const vf r = vf_exp2_reduce(x, k->limits, &n);
    vf p = vf_fma(r, vf_set1(k->c[5]), vf_set1(k->c[4]));
    p = vf_fma(r, p, vf_set1(k->c[3]));
    p = vf_fma(r, p, vf_set1(k->c[2]));
    p = vf_fma(r, p, vf_set1(k->c[1]));
    p = vf_fma(r, p, vf_set1(k->c[0]));
    return vf_exp2_scale(p, n);
}

#endif
