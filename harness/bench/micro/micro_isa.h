/* micro_isa.h - what the micro-benchmarks call at one instruction set: candidates for the tiles of kernels/algo/, and the kernel itself
 * with other blocks. Made by tiles.c and blocks.c here, each compiled once per row of isa_list.def with the flags of that row. */
#ifndef HARNESS_BENCH_MICRO_MICRO_ISA_H
#define HARNESS_BENCH_MICRO_MICRO_ISA_H

#include "kernels/kernel.h"

/* rows x vectors; {0, 0} ends a list. */
typedef struct MicroTile {
    int rows, vectors;
} MicroTile;

/* Operands of tiles, in L1. */
typedef struct MicroOperands {
    size_t d;           /* a multiple of 16                                             */
    size_t keys;        /* rows of k (scores) or of v and p (values)                    */
    size_t lanes;       /* of q and p: 4 vectors                                        */
    float *q, *k, *v;   /* [d][lanes], [keys][d], [keys][d]                             */
    float *p, *o;       /* [keys][lanes], [lanes][d]; scores go to p too                */
} MicroOperands;

typedef struct MicroIsa {
    const char *name;          /* as PeakIsa.name; its `needs` say who may call           */
    size_t vl;
    const MicroTile *scores, *values;
    const int *chains;         /* vectors at a time in the exponential; 0 ends            */
    void (*score)(MicroTile, bool exponential, const MicroOperands *); /* whole tiles only, with 2^x if asked              */
    void (*value)(MicroTile, const MicroOperands *);                   /* whole tiles only                                 */
    void (*exp)(int chains, float *out, const float *in, size_t n);     /* n: a multiple of 8 vectors                      */
    void (*pack)(const void *const *rows, size_t lanes, size_t d, float *to); /* pack_rows                                 */
    void (*bare)(const float *q, const float *k, const float *v, float *o, size_t rows, size_t keys, size_t d); /* see tiles.c */
} MicroIsa;

/* The tile kernel of a vector header with its block as a variable. */
typedef struct MicroKernel {
    const char *name;        /* as PeakIsa.name                                                     */
    int mr, nq, pq, nv;      /* the tiles that kernels of this header have                          */
    size_t unit_panels;      /* the most that a descriptor may say                                  */
    void (*set_block)(size_t keys); /* for plans made and run from now on, in all threads           */
    const AttnKernel *kernel; /* unit_panels may be lowered in a copy                               */
} MicroKernel;

extern const MicroIsa *const micro_isas[]; /* in the order of peak_isas, as many */
extern const MicroKernel *const micro_kernels[];

#endif
