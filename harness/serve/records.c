/* records.c - the verbs of `attnzoo serve` for evaluating samples: order statistics, and the file of records. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/build.h"
#include "harness/base/exit.h"
#include "harness/base/json.h"
#include "harness/base/known.h"
#include "harness/base/stop.h"
#include "harness/bench/json.h"
#include "harness/measure/peaks.h"
#include "harness/serve/serve.h"

enum { MOST_SAMPLES = 65536 };

/* ---- Order statistics -------------------------------------------------------------------------------------------------------------- */

/* The numbers of a list; null is NaN. Returns them, followed by room for twice as many doubles. NULL after refusing. */
static double *numbers(Server *s, const char *what, const json_t *list, size_t *count)
{
    *count = json_array_size(list);
    if (!json_is_array(list) || *count == 0 || *count > MOST_SAMPLES) {
        serve_refuse(s, "%s is not a list of 1 to %d numbers", what, MOST_SAMPLES);
        return NULL;
    }
    double *x = malloc(3 * *count * sizeof *x);
    if (!x)
        serve_refuse(s, "out of memory for %zu numbers", *count);
    for (size_t i = 0; x && i < *count; i++) {
        const json_t *element = json_array_get(list, i);
        x[i] = json_is_null(element) ? NAN : json_number_value(element);
        if (!json_is_null(element) && (!json_is_number(element) || x[i] <= 0)) {
            free(x);
            serve_refuse(s, "element %zu of %s is neither null nor a number above 0", i, what);
            return NULL;
        }
    }
    return x;
}

static json_t *parse(Server *s, const char *verb, const char *text)
{
    json_error_t where;
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    if (!value)
        serve_refuse(s, "%s: not JSON: %s at byte %d", verb, where.text, where.position);
    return value;
}

json_t *serve_summary(Server *s, char *argument)
{
    json_t *list = parse(s, "summary", argument), *answer = NULL;
    size_t count;
    double *x = list ? numbers(s, "summary's argument", list, &count) : NULL;
    if (x) {
        const StatsSummary r = stats_summary(x, count, x + count);
        answer = json_pack("{s:i, s:o, s:o, s:o, s:o}", "n", (int)r.n, "med", json_number_or_null(r.median), "min", json_number_or_null(r.min), "mad",
                           json_number_or_null(r.mad), "p90", json_number_or_null(r.p90));
    }
    free(x);
    json_decref(list);
    return answer;
}

/* The ratio as in records, and what it shows in words: for two kernels, and for a kernel and its copy. */
static json_t *ratio_json(const char *kernel, double alpha, StatsInterval r)
{
    const Known known = known_ratio(r.lo, r.hi);
    json_t *answer = bench_json_ratio(kernel, &(PairedRun){.alpha = alpha}, r);
    json_object_set_new(answer, "known", json_string(known_word(known)));
    json_object_set_new(answer, "control", json_string(known_control(known)));
    json_object_set_new(answer, "ok", known_ok(known) < 0 ? json_null() : json_boolean(known_ok(known)));
    return answer;
}

json_t *serve_ratio(Server *s, char *argument)
{
    json_t *request = parse(s, "ratio", argument), *answer = NULL;
    if (!request)
        return NULL;
    const char *kernel = json_string_value(json_object_get(request, "kernel"));
    const double alpha = json_number_value(json_object_get(request, "alpha"));
    size_t n = 0, m = 0;
    double *a = NULL, *b = NULL;
    if (!kernel)
        serve_refuse(s, "ratio: field kernel is missing; it names what a belongs to");
    else if (!(alpha > 0 && alpha < 1))
        serve_refuse(s, "ratio: alpha is %g; allowed: between 0 and 1", alpha);
    else if ((a = numbers(s, "ratio's a", json_object_get(request, "a"), &n)) &&
             (b = numbers(s, "ratio's b", json_object_get(request, "b"), &m))) {
        if (n != m)
            serve_refuse(s, "ratio: a has %zu elements and b %zu; equal places pair", n, m);
        else
            answer = ratio_json(kernel, alpha, stats_paired_ratio(a, b, n, alpha, a + n));
    }
    free(a);
    free(b);
    json_decref(request);
    return answer;
}

/* ---- Records ----------------------------------------------------------------------------------------------------------------------- */

/* Does the record leave alone the fields that belong to the file, not to the client, and what the program itself says about the machine
 * (`own`, may be NULL)? false after refusing. */
static bool leaves_alone(Server *s, const char *verb, json_t *record, const json_t *own)
{
    static const char *const fields[] = {"t", "v", "run"};
    const char *key;
    json_t *value;
    json_object_foreach(record, key, value) {
        bool taken = own && json_object_get(own, key);
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
            taken = taken || strcmp(key, fields[i]) == 0;
        if (taken) {
            serve_refuse(s, "%s: field '%.60s' is the program's own; allowed: any other name", verb, key);
            return false;
        }
    }
    return true;
}

json_t *serve_host(Server *s, char *argument)
{
    json_t *extra = argument[0] ? parse(s, "host", argument) : json_object();
    if (extra && (s->records || !json_is_object(extra))) {
        json_decref(extra);
        return serve_refuse(s, s->records ? "host: a file of records is open already" : "host: its argument is not an object");
    }
    if (!extra)
        return NULL;
    if (!leaves_alone(s, "host", extra, NULL)) {
        json_decref(extra);
        return NULL;
    }
    Peaks peaks;
    const uint64_t features = s->machine.cpu->features & s->cli->settings.allowed;
    if (!peaks_measure(&peaks, features, s->threads, &s->machine.topology, 1.0, &stop_signal)) {
        json_decref(extra);
        return serve_refuse(s, "out of memory to measure the machine's peaks");
    }
    json_t *host = machine_json(&s->machine);
    peaks_record(&peaks, host);
    if (!leaves_alone(s, "host", extra, host)) {
        json_decref(extra);
        json_decref(host);
        return NULL;
    }
    s->records = records_open(s->cli->results, s->machine.key, NULL, s->error, sizeof s->error);
    if (s->records && s->cli->results && !machine_write_once(&s->machine, s->cli->results, s->error, sizeof s->error)) {
        char unused[512];
        records_close(s->records, EXIT_USAGE, unused, sizeof unused);
        s->records = NULL;
    }
    if (!s->records) {
        json_decref(extra);
        json_decref(host);
        return NULL;
    }
    json_object_update(host, extra);
    json_decref(extra);
    records_write(s->records, "host", host);
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "mkey", s->machine.key, "brand", s->machine.cpu->brand, "path", records_path(s->records),
                     "commit", build_commit(), "cc", build_compiler());
}

json_t *serve_keep(Server *s, char *argument)
{
    static const char *const types[] = {"case", "verify", "bench", "control"};
    char *text = strchr(argument, ' ');
    bool known = false;
    if (!s->records)
        return serve_refuse(s, "keep needs an open file of records; host opens one");
    if (text)
        *text++ = '\0';
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        known |= strcmp(argument, types[i]) == 0;
    if (!known)
        return serve_refuse(s, "type of a record is '%s'; allowed: case, verify, bench, control", argument);
    json_t *record = parse(s, "keep", text ? text : "");
    if (record && !json_is_object(record)) {
        json_decref(record);
        return serve_refuse(s, "keep: the record is not an object");
    }
    if (record && !leaves_alone(s, "keep", record, NULL)) {
        json_decref(record);
        return NULL;
    }
    if (!record)
        return NULL;
    if (!records_write(s->records, argument, record))
        return serve_refuse(s, "the record could not be written; end says why");
    return json_pack("{s:s}", "kept", argument);
}

json_t *serve_end(Server *s, char *argument)
{
    uint64_t code;
    if (!s->records)
        return serve_refuse(s, "end needs an open file of records; host opens one");
    if (!serve_count(s, "exit code", argument, 0, &code))
        return NULL;
    char path[1100];
    snprintf(path, sizeof path, "%s", records_path(s->records));
    const bool kept = records_close(s->records, (int)code, s->error, sizeof s->error);
    s->records = NULL;
    return kept ? json_pack("{s:s}", "path", path) : NULL;
}
