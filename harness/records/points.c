/* points.c - see points.h. */
#include "harness/records/points.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/ops/all/all.h"

#define NAME_OF(key, name, derived, meaning) name,
#define DERIVED_OF(key, name, derived, meaning) derived,
#define MEANING_OF(key, name, derived, meaning) meaning,
const char *const results_key_names[] = {RESULTS_KEYS(NAME_OF)};
const bool results_key_derived[] = {RESULTS_KEYS(DERIVED_OF)};
const char *const results_key_meanings[] = {RESULTS_KEYS(MEANING_OF)};

/* Keep a copy of a text in points->strings; "" when out of memory, which only hides a label. */
static const char *own(Points *points, const char *text)
{
    json_t *string = json_string(text);
    return string && json_array_append_new(points->strings, string) == 0 ? json_string_value(string) : "";
}

/* The first 10 letters of a ULID are milliseconds since 1970 in Crockford's base 32. */
const char *points_date(const ResultsRun *run, char *text, size_t size)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    unsigned long long ms = 0;
    struct tm utc;
    *text = '\0';
    for (int i = 0; i < 10; i++) {
        const char *digit = run->id[i] ? strchr(digits, run->id[i]) : NULL;
        if (!digit)
            return text;
        ms = ms << 5 | (unsigned long long)(digit - digits);
    }
    const time_t seconds = (time_t)(ms / 1000);
    if (gmtime_r(&seconds, &utc))
        strftime(text, size, "%Y-%m-%d", &utc);
    return text;
}

const char *points_commit(const ResultsRun *run, char *text, size_t size)
{
    const bool dirty = json_is_true(json_object_get(json_object_get(run->host, "build"), "dirty"));
    snprintf(text, size, "%.240s%s", results_text(run->host, "build.commit"), dirty ? "+" : "");
    return text;
}

static const char *whole_number(Points *points, const json_t *record, const char *field)
{
    char text[32];
    snprintf(text, sizeof text, "%.0f", results_number(record, field));
    return own(points, text);
}

/* "NAME VERSION" of a peer, or whichever of the two the record has. */
static const char *peer_of(Points *points, const json_t *bench)
{
    char text[160];
    const char *name = results_text(bench, "peer.name"), *version = results_text(bench, "peer.version");
    if (!*name)
        return results_text(bench, "peer");
    snprintf(text, sizeof text, "%s%s%s", name, *version ? " " : "", version);
    return own(points, text);
}

static void describe_run(Points *points, const ResultsRun *run, const char *const *labels, const char **key)
{
    char text[256];
    for (size_t i = 0; i < RESULTS_KEY_COUNT; i++)
        key[i] = "";
    key[KEY_MACHINE] = results_text(run->host, "mkey");
    key[KEY_CPU] = results_text(run->host, "cpu.brand");
    key[KEY_COMMIT] = own(points, points_commit(run, text, sizeof text));
    key[KEY_COMPILER] = results_text(run->host, "build.cc");
    key[KEY_FLAGS] = results_text(run->host, "build.cflags");
    key[KEY_VERSION] = results_text(run->host, "build.version");
    key[KEY_RUN] = run->id;
    key[KEY_DATE] = own(points, points_date(run, text, sizeof text));
    key[KEY_FILE] = labels[run->source];
    key[KEY_DRIVER] = json_object_get(run->host, "peers") ? "peers" : "bench";
}

static void describe(Points *points, Point *p)
{
    const char *shape = results_text(p->of, "shape"), *name = results_text(p->of, "name"), *op = results_text(p->of, "op");
    p->key[KEY_KERNEL] = results_text(p->bench, "kernel");
    p->key[KEY_ISA] = results_text(p->bench, "isa");
    p->key[KEY_PEER] = peer_of(points, p->bench);
    p->key[KEY_SHAPE] = shape;
    p->key[KEY_NAME] = *name ? name : shape;
    /* The earliest records had no `op`; it follows from their shapes. */
    p->key[KEY_OP] = *op ? op : op_of(shape)->name;
    p->key[KEY_DTYPE] = results_text(p->of, "dtype");
    p->key[KEY_THREADS] = whole_number(points, p->of, "threads");
    p->key[KEY_CACHE] = results_text(p->of, "cache");
    p->key[KEY_DIST] = results_text(p->of, "dist");
    p->key[KEY_SEED] = whole_number(points, p->of, "seed");
}

bool points_make(Points *points, const Results *results, const char *const *labels)
{
    *points = (Points){.strings = json_array()};
    size_t room = 0;
    for (size_t r = 0; r < results->count; r++)
        room += json_array_size(results->runs[r].records);
    points->at = calloc(room + 1, sizeof *points->at);
    if (!points->at || !points->strings)
        return false;
    for (size_t r = 0; r < results->count; r++) {
        const ResultsRun *run = &results->runs[r];
        const char *key[RESULTS_KEY_COUNT];
        size_t i;
        const json_t *record;
        describe_run(points, run, labels, key);
        json_array_foreach(run->records, i, record) {
            Point p = {.run = run, .bench = record, .median = results_number(record, "med")};
            if (strcmp(results_type(record), "bench") != 0 || isnan(p.median) || !run->host)
                continue;
            p.of = results_find(run, "case", results_text(record, "case"), NULL);
            p.verify = results_find(run, "verify", results_text(record, "case"), results_text(record, "kernel"));
            memcpy(p.key, key, sizeof key);
            if (p.of) {
                describe(points, &p);
                points->at[points->count++] = p;
            }
        }
    }
    return true;
}

void points_free(Points *points)
{
    free(points->at);
    json_decref(points->strings);
    *points = (Points){0};
}

/* ---- Filters ---------------------------------------------------------------------------------------------------------------------- */

size_t results_key(const char *name, size_t length)
{
    size_t key = 0;
    while (key < RESULTS_KEY_COUNT && (strlen(results_key_names[key]) != length || strncmp(results_key_names[key], name, length) != 0))
        key++;
    return key;
}

static bool matches_one(const char *value, const char *patterns, size_t length)
{
    for (const char *at = patterns; at <= patterns + length; at++) {
        char pattern[256];
        const size_t part = strcspn(at, ", ");
        snprintf(pattern, sizeof pattern, "%.*s", (int)part, at);
        if (fnmatch(pattern, value, 0) == 0)
            return true;
        at += part;
    }
    return false;
}

bool points_filter(Points *points, const char *filter, char *error, size_t error_size)
{
    for (const char *at = filter + strspn(filter, " "); *at; at += strspn(at, " ")) {
        const size_t length = strcspn(at, " "), sign = *at == '-', name = strcspn(at + sign, ": ");
        const size_t key = results_key(at + sign, name), from = sign + name + 1;
        if (key == RESULTS_KEY_COUNT || at[sign + name] != ':' || from >= length || length - from >= 256) {
            int used = snprintf(error, error_size, "filter: '%.*s%s' is no KEY:PATTERN[,PATTERN] nor -KEY:PATTERN; keys:",
                                (int)(length < 60 ? length : 60), at, length < 60 ? "" : "...");
            for (size_t i = 0; i < RESULTS_KEY_COUNT && used > 0 && (size_t)used < error_size; i++)
                used += snprintf(error + used, error_size - (size_t)used, " %s", results_key_names[i]);
            return false;
        }
        size_t kept = 0;
        for (size_t i = 0; i < points->count; i++)
            if (matches_one(points->at[i].key[key], at + from, length - from) != (sign == 1))
                points->at[kept++] = points->at[i];
        points->count = kept;
        at += length;
    }
    return true;
}

/* ---- Evidence --------------------------------------------------------------------------------------------------------------------- */

bool points_paired(const Point *a, const Point *b)
{
    return a->run == b->run && a->of == b->of;
}

/* Samples by round, NaN in rounds without the kernel; NULL if the record has none. The caller frees. */
static double *samples(const Point *p, size_t *count)
{
    const json_t *list = json_object_get(p->bench, "ns"), *sample;
    size_t i;
    *count = json_array_size(list);
    double *x = *count ? malloc(*count * sizeof *x) : NULL;
    if (x)
        json_array_foreach(list, i, sample)
            x[i] = json_is_number(sample) ? json_number_value(sample) : NAN;
    return x;
}

StatsInterval points_ratio(const Point *a, const Point *b, double alpha)
{
    const StatsInterval unknown = {0, b->median / a->median, -INFINITY, INFINITY};
    StatsInterval ratio = unknown;
    size_t na, nb;
    double *xa = samples(a, &na), *xb = samples(b, &nb);
    double *work = xa && xb ? malloc(2 * (na > nb ? na : nb) * sizeof *work) : NULL;
    if (work && points_paired(a, b) && na == nb)
        ratio = stats_paired_ratio(xa, xb, na, alpha, work);
    else if (work && !points_paired(a, b))
        ratio = stats_unpaired_ratio(xa, na, xb, nb, alpha, work);
    free(xa);
    free(xb);
    free(work);
    return isnan(ratio.median) ? unknown : ratio;
}

bool point_verified(const Point *point)
{
    return strcmp(results_text(point->verify, "status"), "pass") == 0;
}

StatsInterval point_share(const Point *point, const char *which)
{
    const json_t *share = json_object_get(point->bench, which);
    const double lo = results_number(share, "lo"), hi = results_number(share, "hi");
    return (StatsInterval){0, results_number(share, "frac"), isnan(lo) ? -INFINITY : lo, isnan(hi) ? INFINITY : hi};
}
