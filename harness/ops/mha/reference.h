/* reference.h - multi-head attention once more, in double, from docs/mha.md: plain loops that share no line with the library.
 *
 * Each number carries a bound on the error that a correct f32 computation of it may have (running error analysis: u = 2^-24 for each
 * rounding, in any order of summation), so a comparison needs no tolerance of its own. That bound adds up the worst cases, and over the
 * widths of real models it grows beyond the values themselves; so each number carries a modelled variance too, as in ops/linear, where
 * roundings are independent and uniform. An error beyond 12 sigma is a fault. */
#ifndef HARNESS_OPS_MHA_REFERENCE_H
#define HARNESS_OPS_MHA_REFERENCE_H

#include "attnzoo.h"

/* A value, how far from it f32 may be, and the variance that f32 should have. */
typedef struct Number {
    double v, e, s;
} Number;

/* Mistakes that an implementation could make; a reference with one of them must be told from the library's result. */
typedef enum Mistake {
    RIGHT,
    ROPE_PAIRS_SWAPPED,     /* the other pairing of columns                     */
    BIAS_BEFORE_PROJECTION, /* bq added to the scores' side: left out of q here */
    WRONG_HEAD_SPLIT,       /* column c * heads + h                             */
    WRONG_KV_HEAD,          /* h % kv_heads                                     */
    MASK_INVERTED,          /* torch's polarity                                 */
    POSITIONS_RESTART,      /* rotary positions from 0 despite a past           */
    RESIDUAL_NORMED         /* pre-norm: the normalised row as the residual     */
} Mistake;

typedef struct Reference {
    Number *y;       /* [B][Sq][y width]                        */
    Number *weights; /* [B][Hq][Sq][keys]; NULL: nobody wants them */
    Number *k, *v;   /* [B][Hkv][k_len][d or dv]: the new rows  */
    size_t keys;
} Reference;

typedef struct MhaCase {
    AttnMhaConfig c;
    AttnMhaWeights w;
    AttnMhaShape s;
    AttnMhaTensors t;
    size_t every; /* > 1: the reference is made for query rows 0, every, 2 every … and the last */
} MhaCase;

void *reference_room(size_t bytes); /* zeroed; NULL: no memory; freed by reference_release() */
void reference_release(void);
Reference reference(const MhaCase *x, Mistake mistake); /* y NULL: no memory for it */
bool reference_has(const MhaCase *x, size_t i); /* query row i */

#endif
