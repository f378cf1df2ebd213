/* sleef.h - SLEEF's exp2 in place of exp.h's polynomial, for the skeleton of attend.h: a call, which works on a strip of scores in L1.
 *
 * The variant file defines SLEEF_EXP2, the function for its vectors. */
#ifndef ATTN_ALGO_SLEEF_H
#define ATTN_ALGO_SLEEF_H

#define EXP2_CONSTANTS(k) int k = 0 /* none */
#define EXP2(x, k) ((void)(k), SLEEF_EXP2(x))
#define EXP_ULP 1.0 /* as SLEEF states */
#define EXP2_IS_CALL 1

#endif
