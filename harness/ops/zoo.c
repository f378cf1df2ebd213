/* zoo.c - the registry, followed by the yardsticks of this build. */
#include "harness/ops/zoo.h"

#include "dispatch/registry.h"

#ifdef ATTN_BLAS
extern const AttnKernel attn_kernel_linear_f32_blas, attn_kernel_blas_f32;
static const AttnKernel *const yardsticks[] = {&attn_kernel_linear_f32_blas, &attn_kernel_blas_f32};
enum { YARDSTICKS = sizeof yardsticks / sizeof *yardsticks };
#else
static const AttnKernel *const *const yardsticks = NULL;
enum { YARDSTICKS = 0 };
#endif

size_t zoo_count(void)
{
    return attn_registry_count + YARDSTICKS;
}

const AttnKernel *zoo_at(size_t index)
{
    return index < attn_registry_count ? attn_registry[index] : yardsticks[index - attn_registry_count];
}

bool zoo_is_yardstick(const AttnKernel *kernel)
{
    for (size_t i = attn_registry_count; i < zoo_count(); i++)
        if (zoo_at(i) == kernel)
            return true;
    return false;
}

const AttnKernel *zoo_find(const char *name)
{
    for (size_t i = 0; i < zoo_count(); i++)
        if (strcmp(zoo_at(i)->name, name) == 0)
            return zoo_at(i);
    return NULL;
}
