/* test_isa.c - every vector header that this compiler builds and this CPU runs says what isa/scalar.h says its words mean. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dispatch/cpu.h"
#include "tests/support/vocabulary.h"

#define VOCABULARY(isa) extern const Vocabulary vocabulary_##isa;
#include "vocabulary_list.def"
#undef VOCABULARY

static const Vocabulary *const all[] = {
#define VOCABULARY(isa) &vocabulary_##isa,
#include "vocabulary_list.def"
#undef VOCABULARY
};

Test(isa, words)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(pages, MAP_FAILED);
    cr_assert_eq(mprotect(pages + page, page, PROT_NONE), 0);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i]->features & ~attn_cpu_this()->features) {
            fprintf(stderr, "skipped: %s, not on this CPU\n", all[i]->name);
            continue;
        }
        const char *wrong = all[i]->check((float *)(void *)(pages + page));
        cr_expect_null(wrong, "%s: %s", all[i]->name, wrong);
    }
    munmap(pages, 2 * page);
}
