/* tune.h - reads the tune file: measurements on this machine override estimates.
 *
 * `attnzoo tune` writes the file (harness/tune/file.h); the library only reads it, once per process. A file is accepted or refused as a
 * whole: it names the machine and build for which it is valid, and ends with the number of its entries and a checksum over all preceding
 * bytes. A file that is truncated, changed, or made elsewhere is refused with a message, and dispatch estimates as if there were none.
 * Whatever a file contains, it can only prefer one registered kernel to another, where both can run.
 *
 *     attnzoo-tune 1 machine=x86_64-authenticamd-26.2-2c-1a2b3c4d build=0123456789abcdef compiler=gcc-12.2.0
 *     sdpa f32 causal q512 k512 d128 v128 g4 t1 | flash_f32_avx512 over=flash_f32_avx2 ratio=0.5710 ci=0.5660:0.5770 n=100 ...
 *     end 1 89abcdef01234567
 *
 * Left of the bar is the bucket (AttnTuneKey), right of it the kernel and the evidence for it. Entries are sorted by bytes, one per
 * bucket. Text of 1 MiB takes about 10 ms to load; a lookup hashes eight words and compares one bucket. */
#ifndef ATTN_TUNE_H
#define ATTN_TUNE_H

#include "kernels/kernel.h"

/* Problems that share a choice. q, k and group are rounded down to powers of two; the other sizes are exact. Batch, heads and strides are
 * not part of it. */
typedef struct AttnTuneKey {
    uint32_t q, k, d, dv, group, threads;
    uint32_t options; /* one bit a TUNED word of kernels/options_list.def    */
    uint32_t dtypes;  /* q, k, v, o, a byte each                             */
} AttnTuneKey;

/* How much was measured; from little to much. */
typedef enum AttnRigor {
    ATTN_RIGOR_ESTIMATE,
    ATTN_RIGOR_QUICK,
    ATTN_RIGOR_MEASURE,
    ATTN_RIGOR_PATIENT,
    ATTN_RIGOR_EXHAUSTIVE,
    ATTN_RIGORS
} AttnRigor;
extern const char *const attn_rigor_names[ATTN_RIGORS];

typedef struct AttnTuneEntry {
    AttnTuneKey key;
    const AttnKernel *kernel; /* the choice                                                                        */
    const AttnKernel *over;   /* what the estimate would have taken; if it took `kernel` too, the best of the rest */
    double ratio, lo, hi;     /* time of kernel / time of over, with its interval                                  */
    uint32_t rounds;          /* in which both were measured                                                       */
    AttnRigor rigor;
    const char *shape;        /* what was measured, as harness/ops/sdpa/shape.h spells it; not terminated                   */
    size_t shape_length;
} AttnTuneEntry;

/* What is wrong with a file that was refused; whoever writes may replace the last two. */
typedef enum AttnTuneFault {
    ATTN_TUNE_SOUND,
    ATTN_TUNE_UNREADABLE,    /* the system says no, or there is no memory           */
    ATTN_TUNE_ALIEN,         /* no tune file, or of a version that is not known     */
    ATTN_TUNE_OTHER_MACHINE, /* whole, but made on another machine                  */
    ATTN_TUNE_OTHER_BUILD,   /* whole, but for other kernels or by another compiler */
    ATTN_TUNE_DAMAGED        /* cut short or changed                                */
} AttnTuneFault;

typedef enum AttnTuneState { ATTN_TUNE_NONE, ATTN_TUNE_LOADED, ATTN_TUNE_REFUSED } AttnTuneState;

/* A file as it was read; never changes afterwards. */
typedef struct AttnTune {
    AttnTuneState state;
    char *path;            /* NULL: no file was looked for                                    */
    char why[192];         /* why not loaded: "line 3 is not an entry", "no such file" …      */
    AttnTuneFault fault;   /* if refused                                              */
    AttnTuneEntry *entries;
    size_t count;
    uint32_t *slots;       /* hash table of indices + 1; 0: free                              */
    size_t mask;           /* slots - 1, a power of two - 1                                   */
    char *text;            /* the file; entries point into it                                 */
    struct AttnTune *next; /* files that this process has opened                              */
} AttnTune;

/* Bytes of a file, of a word of its first line, of a shape, of a line. */
enum { ATTN_TUNE_MOST_BYTES = 1 << 20, ATTN_TUNE_WORD = 200, ATTN_TUNE_SHAPE = 400, ATTN_TUNE_LINE = 1024 };

/* Who may use a file: "x86_64-authenticamd-26.2-2c-1a2b3c4d" from what the system tells without hwloc: architecture, vendor, family and
 * model, processors, and a hash of usable features, caches and whether there is a hypervisor. Made once, lives as long as the process. */
const char *attn_tune_machine(void);
const char *attn_tune_build(void);    /* 16 digits over the kernels' machine code (build_id.py) */
const char *attn_tune_compiler(void); /* "gcc-12.2.0"                                          */

/* The bucket of a problem for a number of workers. */
AttnTuneKey attn_tune_key(const AttnProblem *problem, size_t workers);

/* Text of a bucket, of an entry's line (without its newline), of the first and of the last line. Each returns the length; the buffer
 * holds at least ATTN_TUNE_LINE bytes. */
size_t attn_tune_key_text(const AttnTuneKey *key, char *text, size_t size);
size_t attn_tune_entry_text(const AttnTuneEntry *entry, char *text, size_t size);
size_t attn_tune_head_text(const char *machine, const char *build, const char *compiler, char *text, size_t size);
size_t attn_tune_end_text(const char *before, size_t length, size_t entries, char *text, size_t size);

/* Read `length` bytes for a machine and a build. Returns a tune that is loaded or refused; NULL: no memory. */
AttnTune *attn_tune_parse(const char *text, size_t length, const char *machine, const char *build, const char *compiler);

/* Read a file for this machine and build: loaded, refused, or none there. NULL: no memory. */
AttnTune *attn_tune_load(const char *path);
void attn_tune_free(AttnTune *tune);

/* The same, once for each path in a process, and shared: later changes of the file are not seen. "off", NULL: no file. Lock-free once
 * loaded. */
const AttnTune *attn_tune_open(const char *path);

/* The entry of a bucket; NULL: none. `tune` is loaded. */
const AttnTuneEntry *attn_tune_lookup(const AttnTune *tune, const AttnTuneKey *key);

#endif
