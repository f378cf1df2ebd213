/* read.c - see read.h. Jansson parses each line (by itself it refuses NaN, numbers beyond double, invalid UTF-8 and nesting beyond 2048); a
 * table says which fields are required and what they may hold, so that later code need not check. Memory: the parsed records, and one line
 * buffer that never grows beyond RESULTS_LINE_LIMIT. */
#include "harness/base/grow.h"
#include "harness/base/input.h"
#include "harness/base/stop.h"
#include "harness/records/read.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- What a record must hold ------------------------------------------------------------------------------------------------------ */

/* Kinds of values. NAME is text that is printed in tables and used as a key; TEXT may be null. Numbers are finite, because JSON has no
 * others. */
typedef enum Kind { NAME, TEXT, POSITIVE, NUMBER, WHOLE, OBJECT, SAMPLES } Kind;

static const char *const allowed[] = {
    [NAME] = "a text of 1 to 200 characters without control characters", [TEXT] = "a text without control characters, or null",
    [POSITIVE] = "a number above 0, or null", [NUMBER] = "a number, or null", [WHOLE] = "a whole number from 0",
    [OBJECT] = "an object", [SAMPLES] = "an array of numbers above 0 and nulls, or null",
};

static const struct {
    const char *type, *path;
    Kind kind;
    bool required;
} fields[] = {
    {"host", "mkey", NAME, true},
    {"host", "cpu", OBJECT, true},
    {"host", "cpu.brand", TEXT, false},
    {"host", "cpu.vendor", TEXT, false},
    {"host", "cpu.hyp", TEXT, false},
    {"host", "build", OBJECT, true},
    {"host", "build.commit", NAME, true},
    {"host", "build.cc", TEXT, false},
    {"host", "build.cflags", TEXT, false},
    {"host", "build.version", TEXT, false},
    {"host", "peaks", OBJECT, false},
    {"case", "case", NAME, true},
    {"case", "shape", NAME, true},
    {"case", "op", NAME, false},
    {"case", "name", TEXT, false},
    {"case", "dtype", NAME, true},
    {"case", "threads", WHOLE, true},
    {"case", "cache", NAME, true},
    {"case", "dist", NAME, true},
    {"case", "seed", NUMBER, true},
    {"case", "flop", NUMBER, true},
    {"case", "exp", NUMBER, true},
    {"case", "bytes", NUMBER, true},
    {"case", "level", TEXT, false},
    {"case", "peaks", OBJECT, false},
    {"case", "noise", OBJECT, false},
    {"verify", "case", NAME, true},
    {"verify", "kernel", NAME, true},
    {"verify", "isa", TEXT, false},
    {"verify", "status", NAME, true},
    {"verify", "eta", NUMBER, false},
    {"verify", "z", NUMBER, false},
    {"verify", "max_abs", NUMBER, false},
    {"verify", "max_ulp", NUMBER, false},
    {"verify", "rel_l2_row", NUMBER, false},
    {"verify", "rows", WHOLE, false},
    {"verify", "why", TEXT, false},
    {"bench", "case", NAME, true},
    {"bench", "kernel", NAME, true},
    {"bench", "isa", TEXT, false},
    {"bench", "med", POSITIVE, true},
    {"bench", "min", POSITIVE, false},
    {"bench", "mad", NUMBER, false},
    {"bench", "p90", POSITIVE, false},
    {"bench", "ns", SAMPLES, false},
    {"bench", "flops", NUMBER, false},
    {"bench", "vs", OBJECT, false},
    {"bench", "vs.kernel", NAME, false},
    {"bench", "vs.ratio", POSITIVE, false},
    {"bench", "vs.lo", NUMBER, false},
    {"bench", "vs.hi", NUMBER, false},
    {"bench", "best", OBJECT, false},
    {"bench", "best.kernel", NAME, false},
    {"bench", "best.ratio", POSITIVE, false},
    {"bench", "best.lo", NUMBER, false},
    {"bench", "best.hi", NUMBER, false},
    {"bench", "peak", OBJECT, false},
    {"bench", "peak.frac", NUMBER, false},
    {"bench", "peak.lo", NUMBER, false},
    {"bench", "peak.hi", NUMBER, false},
    {"bench", "peak.isa", TEXT, false},
    {"bench", "roof", OBJECT, false},
    {"bench", "roof.frac", NUMBER, false},
    {"bench", "roof.lo", NUMBER, false},
    {"bench", "roof.hi", NUMBER, false},
    {"bench", "roof.bound", TEXT, false},
    {"bench", "roof.t", NUMBER, false},
    {"control", "case", NAME, true},
    {"control", "kernel", NAME, true},
    {"control", "ratio", POSITIVE, true},
    {"control", "lo", NUMBER, false},
    {"control", "hi", NUMBER, false},
    {"bench", "ctr", OBJECT, false},
    {"bench", "ctr.cycles", NUMBER, false},
    {"bench", "ctr.insn", NUMBER, false},
    {"bench", "energy", OBJECT, false},
    {"bench", "energy.J", NUMBER, false},
    {"vary", "by", NAME, true},
    {"vary", "shape", NAME, true},
    {"vary", "variant", NAME, true},
    {"vary", "of", NAME, true},
    {"vary", "kernel", NAME, true},
    {"vary", "threads", NUMBER, true},
    {"vary", "med", POSITIVE, false},
    {"vary", "speed", OBJECT, false},
    {"vary", "speed.kernel", NAME, false},
    {"vary", "speed.ratio", POSITIVE, false},
    {"vary", "speed.lo", NUMBER, false},
    {"vary", "speed.hi", NUMBER, false},
    {"vary", "efficiency", NUMBER, false},
    {"vary", "slowest", NUMBER, false},
    {"processes", "case", NAME, true},
    {"processes", "shape", NAME, true},
    {"processes", "name", TEXT, false},
    {"processes", "start", OBJECT, false},
    {"processes", "start.med", NUMBER, false},
    {"process", "case", NAME, true},
    {"process", "kernel", NAME, true},
    {"process", "setup", OBJECT, false},
    {"process", "setup.med", NUMBER, false},
    {"process", "first", OBJECT, false},
    {"process", "first.med", NUMBER, false},
    {"process", "call", OBJECT, false},
    {"process", "call.med", NUMBER, false},
    {"process", "inside", OBJECT, false},
    {"process", "inside.med", NUMBER, false},
    {"process", "agreement", OBJECT, false},
    {"process", "agreement.med", NUMBER, false},
    {"micro", "micro", NAME, true},
    {"micro", "title", NAME, true},
    {"micro", "row", NAME, true},
    {"micro", "isa", TEXT, false},
    {"micro", "work", POSITIVE, false},
    {"micro", "work_unit", NAME, false},
    {"micro", "med", POSITIVE, false},
    {"micro", "compare", TEXT, false},
    {"micro", "vs", OBJECT, false},
    {"micro", "vs.kernel", NAME, false},
    {"micro", "vs.ratio", NUMBER, false},
    {"micro", "vs.lo", NUMBER, false},
    {"micro", "vs.hi", NUMBER, false},
    {"micro", "most", POSITIVE, false},
    {"micro", "noise", OBJECT, false},
    {"micro", "noise.probe_ghz", POSITIVE, false},
    {"regress", "shape", NAME, true},
    {"regress", "kernel", NAME, true},
    {"regress", "base", NAME, true},
    {"regress", "head", NAME, true},
    {"regress", "verdict", NAME, true},
    {"regress", "ratio", POSITIVE, false},
    {"regress", "lo", NUMBER, false},
    {"regress", "hi", NUMBER, false},
    {"regress", "min_effect", NUMBER, false},
    {"regress", "why", TEXT, false},
    {"regress", "waiver", TEXT, false},
    {"insn", "shape", NAME, true},
    {"insn", "kernel", NAME, true},
    {"insn", "base", NAME, true},
    {"insn", "head", NAME, true},
    {"insn", "src", TEXT, false},
    {"insn", "insn", SAMPLES, false},
    {"insn", "why", TEXT, false},
    {"insn", "waiver", TEXT, false},
    {"host", "packs", OBJECT, false},
    {"host", "packs.base", OBJECT, false},
    {"host", "packs.base.cc", TEXT, false},
    {"host", "packs.base.cflags", TEXT, false},
    {"host", "packs.head", OBJECT, false},
    {"host", "packs.head.cc", TEXT, false},
    {"host", "packs.head.cflags", TEXT, false},
    {"end", "exit", WHOLE, true},
    {"end", "signal", NAME, false},
};

static const json_t *at_path(const json_t *object, const char *path)
{
    while (object) {
        char part[32];
        const size_t length = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)length, path);
        object = json_object_get(object, part);
        if (!path[length])
            return object;
        path += length + 1;
    }
    return NULL;
}

/* May a terminal or a table cell show the text as it is? */
static bool printable(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0))
            return false;
    return true;
}

static bool holds(const json_t *value, Kind kind)
{
    const char *text = json_string_value(value);
    size_t i;
    const json_t *sample;
    switch (kind) {
    case NAME: return text && *text && strlen(text) <= 200 && printable(text);
    case TEXT: return json_is_null(value) || (text && printable(text));
    case POSITIVE: return json_is_null(value) || (json_is_number(value) && json_number_value(value) > 0);
    case NUMBER: return json_is_null(value) || json_is_number(value);
    case WHOLE: return json_is_integer(value) && json_integer_value(value) >= 0;
    case OBJECT: return json_is_object(value);
    default:
        if (!json_is_array(value))
            return json_is_null(value);
        json_array_foreach(value, i, sample)
            if (!json_is_null(sample) && !(json_is_number(sample) && json_number_value(sample) > 0))
                return false;
        return true;
    }
}

/* Why the program cannot use this record; "" if it can. */
static void find_fault(const json_t *record, char *fault, size_t size)
{
    const json_t *type = json_object_get(record, "t"), *version = json_object_get(record, "v"), *run = json_object_get(record, "run");
    *fault = '\0';
    if (!json_is_object(record))
        snprintf(fault, size, "is no JSON object");
    else if (!holds(type, NAME))
        snprintf(fault, size, "has no record type 't'; allowed: %s", allowed[NAME]);
    else if (!json_is_integer(version))
        snprintf(fault, size, "has no version 'v'; allowed: %d", RESULTS_VERSION);
    else if (json_integer_value(version) != RESULTS_VERSION)
        snprintf(fault, size, "is a record of version %lld; this program reads version %d%s", (long long)json_integer_value(version),
                 RESULTS_VERSION, json_integer_value(version) > RESULTS_VERSION ? ", a newer one is needed" : "");
    else if (!holds(run, NAME))
        snprintf(fault, size, "names no run; allowed: %s", allowed[NAME]);
    for (size_t i = 0; !*fault && i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(fields[i].type, json_string_value(type)) != 0)
            continue;
        const json_t *value = at_path(record, fields[i].path);
        if (!value && fields[i].required)
            snprintf(fault, size, "%s record lacks '%s'; allowed: %s", fields[i].type, fields[i].path, allowed[fields[i].kind]);
        else if (value && !holds(value, fields[i].kind) && !(json_is_null(value) && !fields[i].required)) {
            char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
            snprintf(fault, size, "%s record: %s is %.60s%s; allowed: %s", fields[i].type, fields[i].path, shown ? shown : "something else",
                     shown && strlen(shown) > 60 ? "..." : "", allowed[fields[i].kind]);
            free(shown);
        }
    }
}

/* ---- Gathering -------------------------------------------------------------------------------------------------------------------- */

static void add_note(Results *results, const char *format, const char *path, size_t line)
{
    char text[RESULTS_ERROR];
    size_t i;
    const json_t *note;
    snprintf(text, sizeof text, format, path, line);
    json_array_foreach(results->notes, i, note)
        if (strcmp(json_string_value(note), text) == 0)
            return;
    json_array_append_new(results->notes, json_string(text));
}

static ResultsRun *find_run(Results *results, const char *id, size_t source)
{
    for (size_t i = results->count; i-- > 0;) /* most likely the last one */
        if (strcmp(results->runs[i].id, id) == 0)
            return &results->runs[i];
    ResultsRun *runs = grow_by_one(results->runs, results->count, sizeof *runs);
    if (!runs)
        return NULL;
    results->runs = runs;
    ResultsRun *run = &results->runs[results->count];
    *run = (ResultsRun){.id = id, .records = json_array(), .places = json_object(), .source = source};
    if (!run->records || !run->places)
        return NULL;
    results->count++;
    return run;
}

/* The place that a record claims in its run: one host, one end, one record per type, case and kernel. Types unknown to this version may
 * repeat, so their place is their whole text. */
static char *place_of(const json_t *record)
{
    static const char *const known[] = {"host", "case", "verify", "bench", "control", "end"};
    char *place = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(results_type(record), known[i]) == 0) {
            const bool with_kernel = i == 2 || i == 3; /* a case has one control, whatever its kernel */
            if (asprintf(&place, "%s %s %s", known[i], results_text(record, "case"), with_kernel ? results_text(record, "kernel") : "") < 0)
                return NULL;
            return place;
        }
    return json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);
}

static long long number_of(const json_t *object, const char *field)
{
    return json_integer_value(json_object_get(object, field));
}

/* Steals the reference to `record`, which comes from the last of results->paths. */
static bool add_record(Results *results, json_t *record, const char *path, size_t line, size_t source, char *error, size_t error_size)
{
    ResultsRun *run = find_run(results, results_text(record, "run"), source);
    char *place = run ? place_of(record) : NULL;
    bool ok = place != NULL;
    const json_t *before = ok ? json_object_get(run->places, place) : NULL;
    if (!ok) {
        snprintf(error, error_size, "%s:%zu: out of memory", path, line);
    } else if (before) {
        const json_t *kept = json_array_get(run->records, (size_t)number_of(before, "at"));
        ok = json_equal(kept, record);
        results->repeated += ok;
        int named = (int)strlen(place); /* without the parts that this type of record lacks */
        while (named > 0 && place[named - 1] == ' ')
            named--;
        if (!ok)
            snprintf(error, error_size,
                     "%s:%zu: another '%.*s' of run %s than in %s:%lld; records are never edited, so one of the two is damaged", path, line,
                     named, place, run->id, json_string_value(json_array_get(results->paths, (size_t)number_of(before, "file"))),
                     number_of(before, "line"));
    } else {
        ok = json_array_append(run->records, record) == 0 &&
             json_object_set_new(run->places, place, json_pack("{s:i, s:i, s:i}", "at", (int)json_array_size(run->records) - 1,
                                                               "file", (int)json_array_size(results->paths) - 1, "line", (int)line)) == 0;
        if (strcmp(results_type(record), "host") == 0)
            run->host = record;
        if (strcmp(results_type(record), "end") == 0)
            run->end = record;
        results->records++;
        if (!ok)
            snprintf(error, error_size, "%s:%zu: out of memory", path, line);
    }
    free(place);
    json_decref(record);
    return ok;
}

/* One line into *buffer without its newline. 1: a line, *ended says whether it had a newline; 0: end of file; -1: too long; -2: no memory.
 */
static int next_line(FILE *file, char **buffer, size_t *room, size_t *length, bool *ended)
{
    int c;
    *length = 0;
    *ended = false;
    while ((c = getc_unlocked(file)) != EOF) {
        if (c == '\n') {
            *ended = true;
            return 1;
        }
        if (*length == RESULTS_LINE_LIMIT)
            return -1;
        if (*length == *room) {
            const size_t more = *room ? 2 * *room : 8192;
            char *grown = realloc(*buffer, more);
            if (!grown)
                return -2;
            *buffer = grown;
            *room = more;
        }
        (*buffer)[(*length)++] = (char)c;
    }
    return *length > 0;
}

static bool is_blank(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length && strchr(" \t\r", text[i]) && text[i])
        i++;
    return i == length;
}

static bool read_stream(Results *results, FILE *file, const char *path, size_t source, char *error, size_t error_size)
{
    char *buffer = NULL;
    size_t room = 0, length = 0, line = 0;
    bool ended = true, ok = true;
    int got = 0;
    while (ok && (got = next_line(file, &buffer, &room, &length, &ended)) > 0) {
        line++;
        const size_t mark = line == 1 ? input_mark(buffer, length) : 0;
        if (length == 0 || is_blank(buffer + mark, length - mark)) /* without any byte there is no buffer */
            continue;
        json_error_t why;
        char fault[RESULTS_ERROR / 2];
        json_t *record = json_loadb(buffer + mark, length - mark, JSON_REJECT_DUPLICATES, &why);
        if (!record && !ended) {
            add_note(results, "%s:%zu: the last line is cut off and left out; its run is partial", path, line);
            break;
        }
        if (!record)
            snprintf(fault, sizeof fault, "is no JSON: %.200s (column %d)", why.text, why.column);
        else
            find_fault(record, fault, sizeof fault);
        ok = !*fault;
        if (!ok)
            snprintf(error, error_size, "%s:%zu: %s", path, line, fault);
        if (ok)
            ok = add_record(results, record, path, line, source, error, error_size);
        else
            json_decref(record);
    }
    if (got < 0) {
        ok = false;
        snprintf(error, error_size,
                 got == -1 ? "%s:%zu: line is longer than %d MiB; this is no file of records" : "%s:%zu: out of memory (%d MiB)", path,
                 line + 1, RESULTS_LINE_LIMIT >> 20);
    }
    if (ok && ferror(file)) {
        ok = false;
        snprintf(error, error_size, "%s: cannot read: %s", path, strerror(errno));
    }
    free(buffer);
    return ok;
}

/* What a person wrote about the machine. If it is missing or damaged, a label is lost, never a number. */
static void read_machine(Results *results, const char *path)
{
    char name[4096], error[RESULTS_ERROR];
    const char *slash = strrchr(path, '/');
    if (snprintf(name, sizeof name, "%.*smachine.json", slash ? (int)(slash + 1 - path) : 0, path) >= (int)sizeof name)
        return;
    if (access(name, F_OK) != 0)
        return;
    json_t *machine = input_json(name, 1 << 20, error, sizeof error);
    const char *key = json_string_value(json_object_get(machine, "mkey"));
    if (key && holds(json_object_get(machine, "mkey"), NAME))
        json_object_set(results->machines, key, machine);
    else
        add_note(results, "%s:%zu: is no description of a machine; its label is left out", name, (size_t)1);
    json_decref(machine);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool ends_in_jsonl(const char *name)
{
    const size_t length = strlen(name);
    return length > 6 && strcmp(name + length - 6, ".jsonl") == 0;
}

static bool read_path(Results *results, const char *path, size_t source, int depth, char *error, size_t error_size)
{
    struct stat status;
    if (strcmp(path, "-") == 0) {
        json_array_append_new(results->paths, json_string("standard input"));
        stop_ends_input();
        if (!read_stream(results, stdin, "standard input", source, error, error_size))
            return false;
        if (stop_signal) /* what was read so far is incomplete */
            snprintf(error, error_size, "standard input: interrupted");
        return !stop_signal;
    }
    if (stat(path, &status) != 0) {
        snprintf(error, error_size, "%s: cannot read: %s", path, strerror(errno));
        return false;
    }
    if (S_ISDIR(status.st_mode)) {
        struct dirent **entries;
        const int count = depth > 0 ? scandir(path, &entries, is_visible, alphasort) : 0;
        bool ok = count >= 0;
        if (!ok)
            snprintf(error, error_size, "%s: cannot read: %s", path, strerror(errno));
        for (int i = 0; i < count; i++) {
            char inner[4096];
            const bool fits = snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name) < (int)sizeof inner;
            if (ok && fits && (ends_in_jsonl(inner) || (stat(inner, &status) == 0 && S_ISDIR(status.st_mode))))
                ok = read_path(results, inner, source, depth - 1, error, error_size);
            free(entries[i]);
        }
        if (count >= 0 && depth > 0)
            free(entries);
        return ok;
    }
    FILE *file = input_open(path, error, error_size);
    if (!file)
        return false;
    if (json_array_append_new(results->paths, json_string(path)) != 0) {
        snprintf(error, error_size, "%s: its name is no UTF-8 text", path);
        fclose(file);
        return false;
    }
    const bool ok = read_stream(results, file, path, source, error, error_size);
    fclose(file);
    if (ok)
        read_machine(results, path);
    return ok;
}

bool results_read(Results *results, const char *path, size_t source, char *error, size_t error_size)
{
    if (!results->notes) {
        results->notes = json_array();
        results->machines = json_object();
        results->paths = json_array();
    }
    return read_path(results, path, source, RESULTS_DEPTH, error, error_size);
}

static int by_time(const void *a, const void *b)
{
    return strcmp(((const ResultsRun *)a)->id, ((const ResultsRun *)b)->id);
}

void results_sort(Results *results)
{
    if (results->count > 1)
        qsort(results->runs, results->count, sizeof *results->runs, by_time);
}

void results_free(Results *results)
{
    for (size_t i = 0; i < results->count; i++) {
        json_decref(results->runs[i].records);
        json_decref(results->runs[i].places);
    }
    free(results->runs);
    json_decref(results->machines);
    json_decref(results->notes);
    json_decref(results->paths);
    *results = (Results){0};
}

/* ---- Looking ---------------------------------------------------------------------------------------------------------------------- */

const char *results_type(const json_t *record)
{
    return results_text(record, "t");
}

size_t results_count(const ResultsRun *run, const char *type)
{
    size_t i, count = 0;
    const json_t *record;
    json_array_foreach(run->records, i, record)
        count += strcmp(results_type(record), type) == 0;
    return count;
}

size_t results_measured(const ResultsRun *run)
{
    static const char *const types[] = {"bench", "micro", "vary", "process", "regress", "insn"};
    size_t count = 0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        count += results_count(run, types[i]);
    return count;
}

const char *results_text(const json_t *object, const char *path)
{
    const char *text = json_string_value(at_path(object, path));
    return text ? text : "";
}

double results_number(const json_t *object, const char *path)
{
    const json_t *value = at_path(object, path);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const json_t *results_find(const ResultsRun *run, const char *type, const char *id, const char *kernel)
{
    char place[512];
    snprintf(place, sizeof place, "%s %s %s", type, id, kernel ? kernel : "");
    const json_t *found = json_object_get(run->places, place);
    return found ? json_array_get(run->records, (size_t)number_of(found, "at")) : NULL;
}
