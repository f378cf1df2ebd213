/* known.h - what may be concluded from an interval: the one rule behind every word and star in tables, records, Markdown and the page.
 *
 * A ratio of two times is known by its interval [lo, hi]. A word is used only if it holds for the whole interval:
 *
 *   few rounds   there is no interval at this level
 *   slower       it lies above 1
 *   faster       it lies below 1
 *   tied         it holds 1 and lies within KNOWN_MARGIN of it on both sides: if there is a difference, it is one that nobody needs
 *   not known    it holds 1 and reaches further: as fast, slower and faster are all possible
 *
 * For a control, a kernel against its own copy, "tied" is ok: no difference was seen where there is none. A control that is "not known"
 * says nothing, whatever its median: where a kernel may differ that much from itself, no other difference of that size means anything. */
#ifndef HARNESS_BASE_KNOWN_H
#define HARNESS_BASE_KNOWN_H

#include <stddef.h>

/* Smaller differences do not matter: tune may lose that much, --check tolerates it, and regress must detect at least that. */
#define KNOWN_MARGIN 0.05

typedef enum Known { KNOWN_FEW, KNOWN_NOT, KNOWN_TIED, KNOWN_SLOWER, KNOWN_FASTER } Known;

/* An end that is not a finite positive number means "no interval". */
Known known_ratio(double lo, double hi);

/* "few rounds", "not known", "tied", "slower", "faster"; for a control "too few rounds", "says nothing", "ok", "excludes 1". */
const char *known_word(Known known);
const char *known_control(Known known);

/* 1: the control is ok; 0: it excludes 1; -1: it says nothing. */
int known_ok(Known known);

/* "[0.986, 1.014]", with fewer digits for larger numbers; or "few rounds". */
const char *known_interval(double lo, double hi, char *text, size_t size);

#endif
