/* fuzz_allow.c - waivers of regress: a file is taken whole or refused by name and line; what is taken has a share, a day and a reason, and
 * finding never goes beyond them. */
#include "harness/regress/allow.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[2048] = "";
    Waivers list;
    const char *path = fuzz_file(data, size);
    if (!waivers_read(&list, path, error, sizeof error)) {
        fuzz_demand(strstr(error, path) != NULL, "a refused file is named");
        fuzz_demand(list.count == 0 && !list.at, "nothing of it is kept");
        return 0;
    }
    for (size_t i = 0; i < list.count; i++) {
        const Waiver *w = &list.at[i], *expired;
        fuzz_demand(w->most > 0 && w->most <= 10, "a waiver has a share");
        fuzz_demand(w->until >= 20000101 && w->until <= 99991231, "a waiver ends");
        fuzz_demand(w->reason[0] && w->shape[0] && w->kernel[0] && w->line > 0, "a waiver says what and why");
        const Waiver *found = waivers_find(&list, w->shape, w->kernel, 1 + w->most, w->until, &expired);
        fuzz_demand(!found || found->until >= w->until, "what covers has not ended");
        fuzz_demand(!waivers_find(&list, w->shape, w->kernel, 12, w->until, &expired) && !expired, "nothing covers everything");
    }
    waivers_free(&list);
    return 0;
}
