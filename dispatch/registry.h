/* registry.h - the table of kernel descriptors, expanded from the list that meson generates. All else iterates it. */
#ifndef ATTN_REGISTRY_H
#define ATTN_REGISTRY_H

#include "kernels/kernel.h"

extern const AttnKernel *const attn_registry[]; /* in the order of kernels/meson.build */
extern const size_t attn_registry_count;

const AttnKernel *attn_registry_find(const char *name); /* NULL if unknown */

/* The mathematics as it is written down: it takes every option and any shape, and speed-ups are counted from it. */
#define ATTN_BASELINE "naive_f32"
const AttnKernel *attn_registry_baseline(void);

/* Names of the CPU features that kernel `index` needs, separated by spaces; made once, lives as long as the process. */
const char *attn_registry_needs(size_t index);

#endif
