/* model.c - see model.h. */
#include "harness/base/json.h"
#include "harness/base/known.h"
#include "harness/records/records.h"
#include "harness/regress/instructions.h"
#include "harness/report/model.h"

#include <math.h>
#include <string.h>

/* The keys that two measurements of the same thing share. */
static const ResultsKey identity[] = {KEY_MACHINE, KEY_KERNEL, KEY_PEER, KEY_SHAPE, KEY_DTYPE, KEY_THREADS, KEY_CACHE, KEY_DIST,
                                      KEY_DRIVER};

static bool same_thing(const Point *a, const Point *b)
{
    for (size_t i = 0; i < sizeof identity / sizeof *identity; i++)
        if (strcmp(a->key[identity[i]], b->key[identity[i]]) != 0)
            return false;
    return true;
}

static void copy(json_t *to, const json_t *from, const char *const *fields)
{
    for (; *fields; fields++) {
        json_t *value = json_object_get(from, *fields);
        json_object_set_new(to, *fields, value ? json_deep_copy(value) : json_null());
    }
}

static json_t *point_json(const Points *points, size_t index)
{
    static const char *const of_case[] = {"case", "flop", "exp", "bytes", "level", NULL};
    static const char *const of_bench[] = {"med", "min",  "mad",  "p90",  "rounds", "iters",  "flops",
                                           "vs",  "best", "peak", "roof", "flags",  "ctr", "energy", NULL};
    static const char *const of_verify[] = {"status", "eta", "z", "max_abs", "max_ulp", "rel_l2_row", NULL};
    const Point *p = &points->at[index];
    json_t *object = json_object();
    bool latest = true;
    for (size_t key = 0; key < RESULTS_KEY_COUNT; key++)
        json_object_set_new(object, results_key_names[key], json_string(p->key[key]));
    for (size_t i = index + 1; i < points->count && latest; i++)
        latest = !same_thing(p, &points->at[i]);
    json_object_set_new(object, "latest", json_boolean(latest));
    copy(object, p->of, of_case);
    copy(object, p->bench, of_bench);
    copy(object, p->verify, of_verify);
    return object;
}

/* Machines by the name of their key, each as its latest run with a host record saw it; peaks of each number of threads from the latest run
 * that measured them. */
static json_t *machines_json(const Loaded *loaded)
{
    json_t *machines = json_object();
    for (size_t r = 0; r < loaded->results.count; r++) {
        const json_t *host = loaded->results.runs[r].host;
        const char *key = results_text(host, "mkey");
        if (!host)
            continue;
        json_t *before = json_object_get(json_object_get(machines, key), "peaks");
        json_t *peaks = before ? json_deep_copy(before) : json_object(), *machine = json_deep_copy(host);
        json_object_update(peaks, json_object_get(host, "peaks"));
        json_object_set_new(machine, "peaks", peaks);
        json_object_set_new(machine, "label", json_string(results_text(json_object_get(loaded->results.machines, key), "label")));
        json_object_set_new(machine, "notes", json_string(results_text(json_object_get(loaded->results.machines, key), "notes")));
        json_object_set_new(machines, key, machine);
    }
    return machines;
}

static json_t *run_json(const Loaded *loaded, const ResultsRun *run)
{
    static const char *const of_host[] = {"packs", NULL};
    char commit[256], date[16];
    json_t *end = json_object_get(run->end, "exit"), *load = json_object_get(json_object_get(run->host, "env"), "loadavg1");
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:O?, s:O?, s:s}", "run", run->id, "machine", results_text(run->host, "mkey"),
                  "commit", points_commit(run, commit, sizeof commit), "compiler", results_text(run->host, "build.cc"), "date",
                  points_date(run, date, sizeof date), "cases", (int)results_count(run, "case"), "measured", (int)results_measured(run),
                  "exit", end, "load", load, "file", loaded->labels[run->source]);
    copy(object, run->host, of_host);
    return object;
}

/* One object per control: a kernel against its own copy. */
static void add_controls(json_t *list, const ResultsRun *run)
{
    static const char *const fields[] = {"kernel", "ratio", "lo", "hi", "n", NULL};
    static const char *const noise[] = {"trials", "flagged", "steal", "probe_ghz", NULL};
    size_t i;
    const json_t *record;
    json_array_foreach(run->records, i, record) {
        const json_t *of = results_find(run, "case", results_text(record, "case"), NULL);
        if (strcmp(results_type(record), "control") != 0 || !of)
            continue;
        json_t *object =
            json_pack("{s:s, s:s, s:s}", "run", run->id, "machine", results_text(run->host, "mkey"), "shape", results_text(of, "shape"));
        copy(object, record, fields);
        copy(object, json_object_get(of, "noise"), noise);
        /* Judged by today's rule: older records call any interval ok that contains 1. */
        const Known known = known_ratio(results_number(record, "lo"), results_number(record, "hi"));
        json_object_set_new(object, "ok", known_ok(known) < 0 ? json_null() : json_boolean(known_ok(known)));
        json_object_set_new(object, "verdict", json_string(known_control(known)));
        json_array_append_new(list, object);
    }
}

/* Whole processes under hyperfine: the record of each kernel with what its `processes` record says of the shape. */
static void add_processes(json_t *list, const ResultsRun *run)
{
    static const char *const fields[] = {"kernel", "setup", "first", "call", "inside", "agreement", NULL};
    static const char *const of_shape[] = {"shape", "name", "threads", "start", "choice", "chosen", NULL};
    size_t i;
    const json_t *record, *shape = NULL;
    json_array_foreach(run->records, i, record) {
        if (strcmp(results_type(record), "processes") == 0)
            shape = record;
        if (strcmp(results_type(record), "process") != 0 || strcmp(results_text(record, "case"), results_text(shape, "case")) != 0)
            continue;
        json_t *object = json_pack("{s:s, s:s}", "run", run->id, "machine", results_text(run->host, "mkey"));
        copy(object, record, fields);
        copy(object, shape, of_shape);
        json_array_append_new(list, object);
    }
}

/* Records that stand for themselves: kernels and peaks against themselves (vary), rows of micro-benchmarks, kernels and instruction counts
 * of two builds (regress, insn). */
static void add_records(json_t *list, const ResultsRun *run, const char *type, const char *const *fields)
{
    size_t i;
    const json_t *record;
    json_array_foreach(run->records, i, record) {
        if (strcmp(results_type(record), type) != 0)
            continue;
        json_t *object = json_pack("{s:s, s:s}", "run", run->id, "machine", results_text(run->host, "mkey"));
        copy(object, record, fields);
        json_array_append_new(list, object);
    }
}

/* Of each row of a micro-benchmark: "latest", no later run of its machine has a table of this title; "each", seconds of one `work_unit`, of
 * an iteration in tables of costs, where `work` is only what they are compared with, so that a reference of theirs has none. */
static void judge_tables(json_t *micro)
{
    json_t *latest = json_object(), *costs = json_object(), *row;
    for (size_t i = json_array_size(micro); i-- > 0;) {
        row = json_array_get(micro, i);
        const json_t *run = json_object_get(row, "run");
        char key[512];
        snprintf(key, sizeof key, "%s %s", results_text(row, "machine"), results_text(row, "title"));
        if (!json_object_get(latest, key))
            json_object_set(latest, key, (json_t *)run);
        json_object_set_new(row, "latest", json_boolean(json_equal(json_object_get(latest, key), run)));
        if (strcmp(results_text(row, "compare"), "cost") == 0)
            json_object_set_new(costs, results_text(row, "title"), json_true());
    }
    size_t i;
    json_array_foreach(micro, i, row) {
        const bool cost = json_object_get(costs, results_text(row, "title")) != NULL, compared = *results_text(row, "compare") != '\0';
        const double each = results_number(row, "med") / (cost ? compared ? 1 : NAN : results_number(row, "work"));
        json_object_set_new(row, "each", json_number_or_null(each));
    }
    json_decref(latest);
    json_decref(costs);
}

/* `insn` becomes its two counts, or null, with a word for what they say. */
static void judge_counts(json_t *counts)
{
    size_t i;
    json_t *count;
    json_array_foreach(counts, i, count) {
        const json_t *pair = json_object_get(count, "insn");
        const double base = json_number_value(json_array_get(pair, 0)), head = json_number_value(json_array_get(pair, 1));
        const bool counted = base >= 1 && head >= 1 && fmax(base, head) < 1e18; /* a file may contain anything */
        if (!counted)
            json_object_set_new(count, "insn", json_null());
        json_object_set_new(count, "outcome", json_string(counted ? insn_outcome((uint64_t)base, (uint64_t)head) : "not counted"));
    }
}

static void raise_to(json_t *object, const char *field, double value)
{
    const double before = results_number(object, field);
    if (isfinite(value) && !(before >= value))
        json_object_set_new(object, field, json_real(value));
}

/* One object per machine and kernel: counts of verdicts, and the worst of each error measure. */
static void add_agreement(json_t *kernels, const ResultsRun *run)
{
    static const char *const measures[] = {"eta", "z", "max_abs", "max_ulp", "rel_l2_row"};
    size_t i;
    const json_t *record;
    json_array_foreach(run->records, i, record) {
        char key[512];
        const char *machine = results_text(run->host, "mkey"), *kernel = results_text(record, "kernel"),
                   *status = results_text(record, "status");
        if (strcmp(results_type(record), "verify") != 0)
            continue;
        snprintf(key, sizeof key, "%s %s", machine, kernel);
        json_t *object = json_object_get(kernels, key);
        if (!object) {
            object = json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:n, s:n, s:n, s:n, s:n}", "machine", machine, "kernel", kernel, "isa",
                               results_text(record, "isa"), "pass", 0, "fail", 0, "crash", 0, "skip", 0, "eta", "z", "max_abs", "max_ulp",
                               "rel_l2_row");
            json_object_set_new(kernels, key, object);
        }
        json_t *count = json_object_get(object, status);
        if (json_is_integer(count))
            json_integer_set(count, json_integer_value(count) + 1);
        for (size_t m = 0; m < sizeof measures / sizeof *measures; m++)
            raise_to(object, measures[m], results_number(record, measures[m]));
        json_object_set_new(object, "peer", json_boolean(json_object_get(record, "peer") != NULL));
    }
}

static json_t *values(json_t *object)
{
    json_t *list = json_array(), *value;
    const char *key;
    json_object_foreach(object, key, value)
        json_array_append(list, value);
    json_decref(object);
    return list;
}

json_t *report_model(const Loaded *loaded)
{
    static const char *const of_vary[] = {"by",  "shape", "variant",    "of",      "kernel", "threads",
                                          "med", "speed", "efficiency", "slowest", NULL};
    static const char *const of_micro[] = {"micro", "title", "row", "isa",     "work", "work_unit", "in_use", "rounds",
                                           "med",   "mad",   "p90", "compare", "vs",   "most",      "ok",     "noise",  NULL};
    static const char *const of_regress[] = {"shape", "kernel", "base", "head", "verdict", "first", "again", "ratio",
                                             "lo",    "hi",     "n",    "aa",   "planted", "why",   "waiver", "min_effect", "taken",
                                             "gates", "took",   NULL};
    static const char *const of_insn[] = {"shape", "kernel", "base", "head", "src", "insn", "fails", "why", "waiver", NULL};
    json_t *runs = json_array(), *points = json_array(), *controls = json_array(), *processes = json_array(), *varied = json_array();
    json_t *micro = json_array(), *regress = json_array(), *insn = json_array(), *kernels = json_object();
    size_t partial = 0;
    for (size_t i = 0; i < loaded->points.count; i++)
        json_array_append_new(points, point_json(&loaded->points, i));
    for (size_t r = 0; r < loaded->results.count; r++) {
        const ResultsRun *run = &loaded->results.runs[r];
        json_array_append_new(runs, run_json(loaded, run));
        add_controls(controls, run);
        add_processes(processes, run);
        add_records(varied, run, "vary", of_vary);
        add_records(micro, run, "micro", of_micro);
        add_records(regress, run, "regress", of_regress);
        add_records(insn, run, "insn", of_insn);
        add_agreement(kernels, run);
        partial += !run->end;
    }
    judge_tables(micro);
    judge_counts(insn);
    return json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:O}", "v", 1, "program", attn_version(),
                     "machines", values(machines_json(loaded)), "runs", runs, "points", points, "controls", controls, "processes",
                     processes, "varied", varied, "micro", micro, "regress", regress, "insn", insn, "agreement", values(kernels),
                     "measured", (int)report_measured(loaded), "partial", (int)partial, "notes", loaded->results.notes);
}

size_t report_measured(const Loaded *loaded)
{
    size_t count = loaded->points.count;
    for (size_t r = 0; r < loaded->results.count; r++)
        count += results_measured(&loaded->results.runs[r]) - results_count(&loaded->results.runs[r], "bench");
    return count;
}
