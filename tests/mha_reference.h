/* mha_reference.h - multi-head attention once more, in double, from docs/mha.md: plain loops that share no line with the library.
 *
 * Each number carries a bound on the error that a correct f32 computation of it may have (running error analysis: u = 2^-24 for each
 * rounding, in any order of summation), so a comparison needs no tolerance of its own. */
#ifndef TESTS_MHA_REFERENCE_H
#define TESTS_MHA_REFERENCE_H

#include "attnzoo.h"

/* A value and how far from it f32 may be. */
typedef struct Number {
    double v, e;
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
    Number *weights; /* [B][Hq][Sq][keys]                       */
    Number *k, *v;   /* [B][Hkv][k_len][d or dv]: the new rows  */
    size_t keys;
} Reference;

typedef struct MhaCase {
    AttnMhaConfig c;
    AttnMhaWeights w;
    AttnMhaShape s;
    AttnMhaTensors t;
} MhaCase;

void *reference_room(size_t bytes); /* zeroed; freed by reference_release() */
void reference_release(void);
Reference reference(const MhaCase *x, Mistake mistake);

#endif
