/* registry.c - expands the list that meson generated from kernels/meson.build into the table of descriptors. */
#include "dispatch/registry.h"

#include "dispatch/cpu.h"
#include "dispatch/fork.h"

#define KERNEL(name) extern const AttnKernel attn_kernel_##name;
#include "kernel_list.def"
#undef KERNEL

const AttnKernel *const attn_registry[] = {
#define KERNEL(name) &attn_kernel_##name,
#include "kernel_list.def"
#undef KERNEL
};
const size_t attn_registry_count = sizeof attn_registry / sizeof *attn_registry;

const AttnKernel *attn_registry_find(const char *name)
{
    for (size_t i = 0; i < attn_registry_count; i++)
        if (strcmp(attn_registry[i]->name, name) == 0)
            return attn_registry[i];
    return NULL;
}

const AttnKernel *attn_registry_baseline(void)
{
    return attn_registry_find(ATTN_BASELINE);
}

static char needs[sizeof attn_registry / sizeof *attn_registry][96];

static void name_needs(void)
{
    for (size_t i = 0; i < attn_registry_count; i++)
        attn_cpu_feature_names(attn_registry[i]->isa, needs[i], sizeof needs[i]);
}

const char *attn_registry_needs(size_t index)
{
    static AttnOnce once;
    attn_once(&once, name_needs);
    return needs[index];
}
