/* test_known.c - what intervals say: the words, their borders, and how an interval is written. */
#include <criterion/criterion.h>
#include <math.h>

#include "harness/base/known.h"

Test(known, only_what_the_whole_interval_says)
{
    static const struct {
        double lo, hi;
        Known known;
        const char *control;
        int ok;
    } cases[] = {
        {0.99, 1.01, KNOWN_TIED, "ok", 1},
        {1.0, 1.0, KNOWN_TIED, "ok", 1},
        {1 / 1.05, 1.05, KNOWN_TIED, "ok", 1},
        {0.813, 36.020, KNOWN_NOT, "says nothing", -1}, /* 1.029 in the middle */
        {0.986, 2.141, KNOWN_NOT, "says nothing", -1},
        {0.94, 1.01, KNOWN_NOT, "says nothing", -1},
        {0.99, 1.06, KNOWN_NOT, "says nothing", -1},
        {1.0001, 1.003, KNOWN_SLOWER, "excludes 1", 0},
        {2, 30, KNOWN_SLOWER, "excludes 1", 0},
        {0.5, 0.9999, KNOWN_FASTER, "excludes 1", 0},
        {0, INFINITY, KNOWN_FEW, "too few rounds", -1},
        {-INFINITY, INFINITY, KNOWN_FEW, "too few rounds", -1},
        {0.9, NAN, KNOWN_FEW, "too few rounds", -1},
        {NAN, 1.1, KNOWN_FEW, "too few rounds", -1},
        {0.9, INFINITY, KNOWN_FEW, "too few rounds", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Known known = known_ratio(cases[i].lo, cases[i].hi);
        cr_assert_eq(known, cases[i].known, "[%g, %g]: %s", cases[i].lo, cases[i].hi, known_word(known));
        cr_assert_str_eq(known_control(known), cases[i].control);
        cr_assert_eq(known_ok(known), cases[i].ok);
    }
}

Test(known, an_interval_as_it_is)
{
    char text[40];
    cr_assert_str_eq(known_interval(0.986, 1.0141, text, sizeof text), "[0.986, 1.014]");
    cr_assert_str_eq(known_interval(0.813, 36.02, text, sizeof text), "[0.813, 36.02]");
    cr_assert_str_eq(known_interval(44.26, 163.07, text, sizeof text), "[44.26, 163.1]");
    cr_assert_str_eq(known_interval(0, INFINITY, text, sizeof text), "few rounds");
    cr_assert_str_eq(known_interval(NAN, NAN, text, sizeof text), "few rounds");
}
