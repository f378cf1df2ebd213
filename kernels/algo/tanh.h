/* tanh.h - tanh of a vector, bounded error everywhere.
 *
 * tanh x = E / (E + 2) with E = e^(2x) - 1 = 2^n (2^r - 1) + (2^n - 1), where n + r = 2 x log2(e), n is an integer and |r| <= 1/2. 2^r - 1 is
 * r p(r), p of degree 5, minimax in relative error (0.11 ulp), so that small x lose nothing: there n is 0 and E is r p(r). Beyond |x| = 10.4
 * the argument is clamped, where E / (E + 2) is -1 and 1 already. Error below TANH_ULP units of 2^-23 relative (2.2 at worst), checked by
 * tests/unit/test_exp.c over every float.
 * Cost: about 15 operations and a division, none of which depends on the range of x. */
#ifndef ATTN_ALGO_TANH_H
#define ATTN_ALGO_TANH_H

#define TANH_ULP 2.5

typedef struct Tanh {
    float c[6];      /* coefficients of 1, r, r^2, ... r^5 of (2^r - 1) / r */
    float limits[3]; /* for vf_exp2_nearest: low, high, rounder             */
} Tanh;
static const Tanh tanh_table = {{0x1.62e43p-1f, 0x1.ebfbdep-3f, 0x1.c6afa4p-5f, 0x1.3b2c3cp-7f, 0x1.5ef136p-10f, 0x1.42985ep-13f},
                                {-30.0f, 30.0f, 0x1.8p23f}};

/* Behind a pointer that the compiler cannot see through, as exp2_constants() in exp.h. */
static inline const Tanh *tanh_constants(void)
{
    const Tanh *at = &tanh_table;
    __asm__ volatile("" : "+r"(at));
    return at;
}

static inline vf tanh_poly(vf x, const Tanh *k)
{
    const vf one = vf_set1(1.0f);
    vf n;
    const vf r = vf_exp2_nearest(vf_mul(x, vf_set1(0x1.715476p+1f)), k->limits, &n); /* 2 log2(e) */
    vf p = vf_fma(r, vf_set1(k->c[5]), vf_set1(k->c[4]));
    p = vf_fma(r, p, vf_set1(k->c[3]));
    p = vf_fma(r, p, vf_set1(k->c[2]));
    p = vf_fma(r, p, vf_set1(k->c[1]));
    p = vf_mul(r, vf_fma(r, p, vf_set1(k->c[0])));
    const vf power = vf_exp2_scale(one, n), e = vf_fma(power, p, vf_sub(power, one));
    return vf_div(e, vf_add(e, vf_set1(2.0f)));
}

#endif
