/* known.h - what an interval lets one say: the one rule behind every word and star of tables, records, Markdown and page.
 *
 * A ratio of two times is known by its interval [lo, hi]. A word is said only if the whole interval says it:
 *
 *   few rounds   there is no interval at this level
 *   slower       it lies above 1
 *   faster       it lies below 1
 *   tied         it holds 1 and lies within KNOWN_MARGIN of it on both sides: if there is a difference, it is one that nobody needs
 *   not known    it holds 1 and reaches further: as fast, slower and faster are all possible
 *
 * Of a control, a kernel against its own copy, "tied" is ok: nothing is shown as nothing. One that is "not known" says nothing, whatever
 * its median: where a kernel may differ that much from itself, no other difference of that size means anything. */
#ifndef HARNESS_BASE_KNOWN_H
#define HARNESS_BASE_KNOWN_H

#include <stddef.h>

/* Smaller differences are nobody's business: what tune may lose, what --check lets pass, what regress must find at the least. */
#define KNOWN_MARGIN 0.05

typedef enum Known { KNOWN_FEW, KNOWN_NOT, KNOWN_TIED, KNOWN_SLOWER, KNOWN_FASTER } Known;

/* An end that is no finite positive number stands for "no interval". */
Known known_ratio(double lo, double hi);

/* "few rounds", "not known", "tied", "slower", "faster"; of a control "too few rounds", "says nothing", "ok", "excludes 1". */
const char *known_word(Known known);
const char *known_control(Known known);

/* 1: the control is ok; 0: it excludes 1; -1: it says nothing. */
int known_ok(Known known);

/* "[0.986, 1.014]", with fewer digits the larger they are; "few rounds". */
const char *known_interval(double lo, double hi, char *text, size_t size);

#endif
