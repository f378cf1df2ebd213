/* chain.c - see chain.h. */
#include "harness/machine/chain.h"

#include <stdint.h>

/* Additions do not work: some cores merge dependent additions and would show 18 "GHz". */
void chain_multiply(size_t count)
{
    uint64_t x = 3;
    for (size_t i = 0; i < count / 16; i++) {
#if defined(__x86_64__)
        __asm__ volatile(".rept 16\n\timul %0, %0\n\t.endr" : "+r"(x));
#elif defined(__aarch64__)
        __asm__ volatile(".rept 16\n\tmul %0, %0, %0\n\t.endr" : "+r"(x));
#else
        for (int j = 0; j < 16; j++) {
            x *= x;
            __asm__ volatile("" : "+r"(x));
        }
#endif
    }
}

void chain_run(void)
{
    chain_multiply(CHAIN_LENGTH);
}
