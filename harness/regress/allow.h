/* allow.h - waivers: regressions that were examined and accepted for a while.
 *
 *     # case            kernel          up to   until             reason
 *     b1_h8_q1_*        flash_f32_avx2  +8%     until=2026-12-31  exact exponential, see #42
 *     *                 naive_f32       +20%    until=2026-12-31  readability
 *
 * Case and kernel are globs; the case of an instruction count is its shape too. A waiver covers what is slower, or has more instructions,
 * by no more than its percentage, through the given date (UTC). After that date it covers nothing, and what it covered fails again. */
#ifndef HARNESS_REGRESS_ALLOW_H
#define HARNESS_REGRESS_ALLOW_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Waiver {
    char shape[360], kernel[128], reason[200];
    double most;   /* 0.08 for +8% */
    int until;     /* yyyymmdd     */
    size_t line;
} Waiver;

typedef struct Waivers {
    Waiver *at;
    size_t count;
} Waivers;

/* false: error[] names file, line, field, value and what is allowed. */
bool waivers_read(Waivers *list, const char *path, char *error, size_t error_size);
void waivers_free(Waivers *list);

/* The waiver that covers a ratio (1.06: 6 % more) on the day `today` (yyyymmdd), or NULL. *expired: an expired one that would have, or
 * NULL. */
const Waiver *waivers_find(const Waivers *list, const char *shape, const char *kernel, double ratio, int today, const Waiver **expired);

/* Do its globs match this case of this kernel? */
bool waiver_names(const Waiver *waiver, const char *shape, const char *kernel);

int waivers_today(void);

#endif
