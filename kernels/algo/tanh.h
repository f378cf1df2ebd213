/* tanh.h - tanh of a vector, bounded error everywhere.
 *
 * Small |x|: x + x^3 p(x^2), p of degree 4, minimax in relative error on |x| <= 5/8 (0.14 ulp). Elsewhere 1 - 2 / (2^(2 x log2 e) + 1),
 * which 2^x saturates to -1 and 1 by itself. Error below TANH_ULP units of 2^-23 relative (2.82 at worst), checked by tests/unit/test_exp.c over
 * every float.
 * Cost: about two dozen operations and a division. Needs exp.h. */
#ifndef ATTN_ALGO_TANH_H
#define ATTN_ALGO_TANH_H

#define TANH_ULP 3.0

static inline vf tanh_poly(vf x, const Exp2 *k)
{
    static const float c[5] = {-0x1.555552p-2f, 0x1.110e04p-3f, -0x1.b92222p-5f, 0x1.57eddap-6f, -0x1.8f2868p-8f};
    const vf one = vf_set1(1.0f), x2 = vf_mul(x, x);
    vf small = vf_fma(x2, vf_set1(c[4]), vf_set1(c[3]));
    small = vf_fma(x2, small, vf_set1(c[2]));
    small = vf_fma(x2, small, vf_set1(c[1]));
    small = vf_fma(x2, small, vf_set1(c[0]));
    small = vf_fma(vf_mul(x, x2), small, x);
    const vf e = exp2_poly(vf_mul(x, vf_set1(0x1.715476p+1f)), k); /* 2 log2(e) */
    const vf large = vf_sub(one, vf_div(vf_set1(2.0f), vf_add(e, one)));
    return vf_where_lt(x2, vf_set1(0.390625f), small, large);
}

#endif
