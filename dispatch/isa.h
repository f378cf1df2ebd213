/* isa.h - the levels of instruction sets, by name: for ATTNZOO_MAX_ISA, machine keys of records, and the peaks that kernels are held to. */
#ifndef ATTN_ISA_H
#define ATTN_ISA_H

#include "kernels/kernel.h"

/* What every CPU of an architecture has. */
#define ATTN_ISA_X86 ATTN_CPU(SSE2)
#define ATTN_ISA_ARM64 ATTN_CPU(NEON)

typedef struct AttnIsaLevel {
    const char *name;  /* value of ATTNZOO_MAX_ISA: "baseline", "avx2"                                                        */
    const char *label; /* in machine keys, which never change, and of the row of kernels/meson.build, where there is one      */
    uint64_t tells;    /* features that make a CPU one of this level                                                          */
    uint64_t features; /* all that the level may use, those of the levels below included                                      */
} AttnIsaLevel;

/* Levels of the architecture compiled for, from low to high. One of another architecture is not known here: as a limit it would mean
 * nothing. */
extern const AttnIsaLevel *const attn_isa_levels;
extern const size_t attn_isa_level_count;

/* The label of the highest level, of any architecture, that these features tell: "avx512amx", "neon"; "c" if none. */
const char *attn_isa_label(uint64_t features);

/* What tells the lowest level with this label; 0 if there is none. */
uint64_t attn_isa_tells(const char *label);

#endif
