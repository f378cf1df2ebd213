/* test_energy.c - joules from a tree of files; counters where the system has them, and a reason where not. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/counters.h"
#include "harness/measure/energy.h"

static char root[64], why[160];
static Energy energy;

static void begin(void)
{
    snprintf(root, sizeof root, "energy_XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static void end(void)
{
    char command[200];
    snprintf(command, sizeof command, "chmod -R u+rw %s && rm -r %s", root, root);
    cr_assert_eq(system(command), 0);
}

TestSuite(energy, .init = begin, .fini = end);

static void put(const char *domain, const char *file, const char *text)
{
    char command[400];
    snprintf(command, sizeof command, "mkdir -p '%s/sys/class/powercap/%s' && printf '%s' >'%s/sys/class/powercap/%s/%s'", root, domain, text, root,
             domain, file);
    cr_assert_eq(system(command), 0);
}

static void package(const char *domain, const char *name, const char *uj, const char *range)
{
    put(domain, "name", name);
    put(domain, "energy_uj", uj);
    put(domain, "max_energy_range_uj", range);
}

Test(energy, packages_are_added_and_their_parts_are_not)
{
    EnergyReading a, b;
    package("intel-rapl:0", "package-0", "1000000", "262143328850");
    package("intel-rapl:0:0", "core", "5", "262143328850");
    package("intel-rapl:1", "package-1", "7000000", "262143328850");
    package("intel-rapl:2", "psys", "9", "262143328850");
    cr_assert(energy_open(&energy, root, why, sizeof why), "%s", why);
    cr_assert_eq(energy.domains, 2);
    cr_assert(energy_read(&energy, &a));
    put("intel-rapl:0", "energy_uj", "3500000");
    put("intel-rapl:1", "energy_uj", "7250000");
    put("intel-rapl:0:0", "energy_uj", "99000000");
    cr_assert(energy_read(&energy, &b));
    cr_assert_float_eq(energy_between(&energy, &a, &b), 2.75, 1e-9);
}

Test(energy, a_counter_that_wraps_goes_on)
{
    EnergyReading a, b;
    package("intel-rapl:0", "package-0", "262143000000", "262143328850");
    cr_assert(energy_open(&energy, root, why, sizeof why), "%s", why);
    cr_assert(energy_read(&energy, &a));
    put("intel-rapl:0", "energy_uj", "671150");
    cr_assert(energy_read(&energy, &b));
    cr_assert_float_eq(energy_between(&energy, &a, &b), 1.0, 1e-9); /* 328850 to the end and 671150 after it */
}

Test(energy, what_is_missing_has_a_reason)
{
    EnergyReading reading;
    cr_assert(!energy_open(&energy, root, why, sizeof why));
    cr_assert(strstr(why, "no RAPL"), "%s", why);
    put("intel-rapl:0", "name", "psys");
    cr_assert(!energy_open(&energy, root, why, sizeof why));
    cr_assert(strstr(why, "no package"), "%s", why);
    put("intel-rapl:1", "name", "package-0");
    cr_assert(!energy_open(&energy, root, why, sizeof why));
    cr_assert(strstr(why, "energy_uj: No such file"), "%s", why);
    put("intel-rapl:1", "energy_uj", "none");
    cr_assert(!energy_open(&energy, root, why, sizeof why));
    cr_assert(strstr(why, "no number"), "%s", why);
    put("intel-rapl:1", "energy_uj", "5");
    cr_assert(energy_open(&energy, root, why, sizeof why), "%s", why);
    put("intel-rapl:1", "energy_uj", "");
    cr_assert(!energy_read(&energy, &reading));
}

Test(counters, events_of_a_loop_or_a_reason)
{
    Counters counters;
    double once[COUNTERS], twice[COUNTERS];
    why[0] = '\0';
    if (!counters_open(&counters, why, sizeof why)) {
        cr_assert_neq(why[0], '\0');
        cr_skip("%s", why);
    }
    for (int turn = 1; turn <= 2; turn++) {
        counters_start(&counters);
        for (volatile int i = 0; i < turn * 1000000; i++)
            ;
        counters_stop(&counters, turn == 1 ? once : twice);
    }
    counters_close(&counters);
    cr_assert(once[COUNTER_INSTRUCTIONS] > 2e6 && once[COUNTER_CYCLES] > 1e5);
    cr_assert_float_eq(twice[COUNTER_INSTRUCTIONS] / once[COUNTER_INSTRUCTIONS], 2, 0.02);
}
