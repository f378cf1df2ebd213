/* test_results.c - the reader of records: what it takes, what it refuses and in which words; points, their filters and their evidence. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/records/points.h"
#include "harness/report/compare.h"

#define RUN_A "01M7XCCS57CSCH6Z49ECFYP6GB"
#define RUN_B "01M7XG3T4P9993XMYB8YRK504T"
#define HOST(run, machine) "{\"t\":\"host\",\"v\":1,\"run\":\"" run "\",\"mkey\":\"" machine \
    "\",\"cpu\":{\"brand\":\"Some CPU\"},\"build\":{\"commit\":\"12345678\",\"cc\":\"gcc 12\"},\"isa\":[\"avx2\"]}\n"
#define CASE(run, id, shape)                                                                                                               \
    "{\"t\":\"case\",\"v\":1,\"run\":\"" run "\",\"case\":\"" id "\",\"shape\":\"" shape                                                   \
    "\",\"name\":null,\"dtype\":\"f32\",\"threads\":1,\"cache\":\"hot\",\"dist\":\"normal\",\"seed\":7,\"flop\":1e9,\"exp\":1e6,"          \
    "\"bytes\":1e6}\n"
#define BENCH(run, id, kernel, med, ns) "{\"t\":\"bench\",\"v\":1,\"run\":\"" run "\",\"case\":\"" id "\",\"kernel\":\"" kernel \
    "\",\"med\":" med ",\"ns\":[" ns "]}\n"
#define END(run) "{\"t\":\"end\",\"v\":1,\"run\":\"" run "\",\"counts\":{},\"exit\":0}\n"
#define WHOLE_RUN(run, machine)                                                                                                            \
    HOST(run, machine) CASE(run, "c1", "b1_h1_q1_k1_d8") BENCH(run, "c1", "naive_f32", "1e-3", "1e6,null,1e6") END(run)

static char folder[64], path[128];
static Results results;
static char error[RESULTS_ERROR];

static void begin(void)
{
    snprintf(folder, sizeof folder, "results_XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.jsonl", folder);
    results = (Results){0};
    *error = '\0';
}

static void finish(void)
{
    char command[192];
    results_free(&results);
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(results, .init = begin, .fini = finish);

static void write_bytes(const char *name, const char *text, size_t length)
{
    FILE *file = fopen(name, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, length, file), length);
    fclose(file);
}

static bool read_text(const char *text)
{
    write_bytes(path, text, strlen(text));
    return results_read(&results, path, 0, error, sizeof error);
}

static const char *only_note(void)
{
    return json_array_size(results.notes) == 1 ? json_string_value(json_array_get(results.notes, 0)) : "";
}

Test(results, a_whole_run_is_read_and_found)
{
    cr_assert(read_text(WHOLE_RUN(RUN_A, "m")), "%s", error);
    cr_assert_eq(results.count, 1);
    cr_assert_eq(results.records, 4);
    cr_assert_eq(json_array_size(results.notes), 0);
    const ResultsRun *run = &results.runs[0];
    cr_assert(run->host && run->end);
    cr_assert_str_eq(results_text(results_find(run, "case", "c1", NULL), "shape"), "b1_h1_q1_k1_d8");
    cr_assert_eq(results_number(results_find(run, "bench", "c1", "naive_f32"), "med"), 1e-3);
    cr_assert_null(results_find(run, "bench", "c1", "other"));
    cr_assert(isnan(results_number(run->host, "no.such")));
    cr_assert_str_eq(results_text(run->host, "build.commit"), "12345678");
}

Test(results, a_line_cut_off_anywhere_keeps_the_lines_before_it)
{
    static const char text[] = HOST(RUN_A, "m") CASE(RUN_A, "c1", "s");
    const size_t first = strlen(HOST(RUN_A, "m")), length = sizeof text - 1;
    for (size_t cut = first + 1; cut < length - 1; cut++) {
        write_bytes(path, text, cut);
        cr_assert(results_read(&results, path, 0, error, sizeof error), "%zu: %s", cut, error);
        cr_assert_eq(results.records, 1, "cut at %zu", cut);
        cr_assert(strstr(only_note(), "a.jsonl:2: the last line is cut off"), "%s", only_note());
        cr_assert_null(results.runs[0].end);
        results_free(&results);
    }
    /* Only the newline is missing: the record is there. */
    write_bytes(path, text, length - 1);
    cr_assert(results_read(&results, path, 0, error, sizeof error), "%s", error);
    cr_assert_eq(results.records, 2);
}

Test(results, bad_lines_are_refused_with_their_place_and_reason)
{
    static const struct { const char *line, *said;
    } bad[] = {
        {"{\"t\":\"host\",", "is no JSON"},
        {"[1,2]", "is no JSON object"},
        {"7", "is no JSON"},
        {"{\"v\":1,\"run\":\"" RUN_A "\"}", "no record type 't'"},
        {"{\"t\":\"host\",\"run\":\"" RUN_A "\"}", "no version 'v'; allowed: 1"},
        {"{\"t\":\"host\",\"v\":2,\"run\":\"" RUN_A "\"}", "version 2; this program reads version 1, a newer one is needed"},
        {"{\"t\":\"host\",\"v\":0,\"run\":\"" RUN_A "\"}", "version 0; this program reads version 1"},
        {"{\"t\":\"host\",\"v\":\"1\",\"run\":\"" RUN_A "\"}", "no version 'v'"},
        {"{\"t\":\"case\",\"v\":1}", "names no run"},
        {"{\"t\":\"end\",\"v\":1,\"run\":\"\",\"exit\":0}", "names no run"},
        {"{\"t\":\"end\",\"v\":1,\"run\":\"" RUN_A "\",\"exit\":-1}", "end record: exit is -1; allowed: a whole number from 0"},
        {"{\"t\":\"end\",\"v\":1,\"run\":\"" RUN_A "\"}", "end record lacks 'exit'"},
        {"{\"t\":\"bench\",\"v\":1,\"run\":\"" RUN_A "\",\"case\":\"c1\",\"kernel\":\"k\",\"med\":NaN}", "is no JSON"},
        {"{\"t\":\"bench\",\"v\":1,\"run\":\"" RUN_A "\",\"case\":\"c1\",\"kernel\":\"k\",\"med\":1e999}", "is no JSON"},
        {"{\"t\":\"bench\",\"v\":1,\"run\":\"" RUN_A "\",\"case\":\"c1\",\"kernel\":\"k\",\"med\":-1}",
         "med is -1; allowed: a number above 0, or null"},
        {"{\"t\":\"bench\",\"v\":1,\"run\":\"" RUN_A "\",\"case\":\"c1\",\"kernel\":\"k\",\"med\":\"1\"}", "med is \"1\"; allowed"},
        {"{\"t\":\"bench\",\"v\":1,\"run\":\"" RUN_A "\",\"case\":\"c1\",\"kernel\":\"k\"}", "bench record lacks 'med'"},
        {"{\"t\":\"bench\",\"v\":1,\"run\":\"" RUN_A "\",\"case\":\"c1\",\"kernel\":[],\"med\":1}", "kernel is []; allowed: a text"},
        {"{\"t\":\"bench\",\"v\":1,\"run\":\"" RUN_A "\",\"case\":\"c1\",\"kernel\":\"\\u001b[2J\",\"med\":1}", "kernel is \"\\u001B[2J\""},
        {"{\"t\":\"bench\",\"v\":1,\"run\":\"" RUN_A "\",\"case\":\"c1\",\"kernel\":\"\\u009b2J\",\"med\":1}", "kernel is \"\\u009B2J\""},
        {"{\"t\":\"bench\",\"v\":1,\"run\":\"" RUN_A "\",\"case\":\"c1\",\"kernel\":\"a\\u0000b\",\"med\":1}", "is no JSON"},
        {"{\"t\":\"bench\",\"v\":1,\"run\":\"" RUN_A "\",\"case\":\"c1\",\"kernel\":\"k\",\"med\":1,\"ns\":[1,0]}",
         "ns is [1,0]; allowed: an array"},
        {"{\"t\":\"bench\",\"v\":1,\"run\":\"" RUN_A "\",\"case\":\"c1\",\"kernel\":\"k\",\"med\":1,\"vs\":3}",
         "vs is 3; allowed: an object"},
        {"{\"t\":\"bench\",\"v\":1,\"run\":\"" RUN_A "\",\"case\":\"c1\",\"kernel\":\"k\",\"med\":1,\"vs\":{\"ratio\":{}}}",
         "vs.ratio is {}"},
        {"{\"t\":\"vary\",\"v\":1,\"run\":\"" RUN_A
         "\",\"by\":\"data\",\"shape\":\"s\",\"variant\":\"v\",\"of\":\"kernel\",\"kernel\":\"k\","
         "\"threads\":\"2\"}",
         "vary record: threads is \"2\"; allowed: a number"},
        {"{\"t\":\"bench\",\"t\":\"end\",\"v\":1,\"run\":\"" RUN_A "\",\"exit\":0}", "duplicate object key"},
        {"{\"t\":\"\xff\",\"v\":1}", "unable to decode byte 0xff"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[2000];
        snprintf(text, sizeof text, "%s%s\n%s", HOST(RUN_B, "m"), bad[i].line, END(RUN_B));
        cr_assert_not(read_text(text), "taken: %s", bad[i].line);
        cr_assert(strstr(error, "a.jsonl:2: ") && strstr(error, bad[i].said), "%s\nsaid: %s\nwanted: %s", bad[i].line, error, bad[i].said);
        for (const char *c = error; *c; c++)
            cr_assert_geq((unsigned char)*c, 0x20, "a control character gets through: %s", error);
        results_free(&results);
    }
}

Test(results, hostile_sizes_end_with_a_sentence)
{
    const size_t deep = 100000, huge = RESULTS_LINE_LIMIT + 10;
    char *text = malloc(huge);
    cr_assert_not_null(text);
    memset(text, '[', deep);
    text[deep] = '\n';
    write_bytes(path, text, deep + 1);
    cr_assert_not(results_read(&results, path, 0, error, sizeof error));
    cr_assert(strstr(error, "a.jsonl:1: is no JSON: maximum parsing depth"), "%s", error);
    results_free(&results);
    memset(text, ' ', huge);
    write_bytes(path, text, huge);
    cr_assert_not(results_read(&results, path, 0, error, sizeof error));
    cr_assert(strstr(error, "a.jsonl:1: line is longer than 16 MiB"), "%s", error);
    free(text);
}

Test(results, unknown_types_and_fields_are_kept_and_blank_lines_are_nothing)
{
    cr_assert(read_text("\n" HOST(RUN_A, "m") "  \n{\"t\":\"moon\",\"v\":1,\"run\":\"" RUN_A "\",\"phase\":0.5}\n"
                        "{\"t\":\"end\",\"v\":1,\"run\":\"" RUN_A "\",\"exit\":0,\"new\":[1]}\n"), "%s", error);
    cr_assert_eq(results.records, 3);
}

Test(results, the_same_record_counts_once_and_a_changed_one_is_an_error)
{
    char other[128];
    snprintf(other, sizeof other, "%s/b.jsonl", folder);
    write_bytes(other, WHOLE_RUN(RUN_A, "m"), strlen(WHOLE_RUN(RUN_A, "m")));
    cr_assert(read_text(HOST(RUN_A, "m") CASE(RUN_A, "c1", "b1_h1_q1_k1_d8")), "%s", error);
    cr_assert(results_read(&results, other, 1, error, sizeof error), "%s", error);
    cr_assert_eq(results.records, 4);
    cr_assert_eq(results.repeated, 2);
    cr_assert_eq(results.count, 1);
    cr_assert_not_null(results.runs[0].end, "a partial copy and the whole file make a whole run");
    const char *edited = BENCH(RUN_A, "c1", "naive_f32", "2e-3", "2e6");
    write_bytes(other, edited, strlen(edited));
    cr_assert_not(results_read(&results, other, 2, error, sizeof error));
    cr_assert(strstr(error, "b.jsonl:1: another 'bench c1 naive_f32' of run " RUN_A " than in ") && strstr(error, "b.jsonl:3"), "%s",
              error);
}

Test(results, folders_are_read_in_order_and_labels_of_machines_with_them)
{
    char name[256];
    snprintf(name, sizeof name, "%s/m", folder);
    cr_assert_eq(mkdir(name, 0777), 0);
    snprintf(name, sizeof name, "%s/m/b.jsonl", folder);
    write_bytes(name, WHOLE_RUN(RUN_B, "m"), strlen(WHOLE_RUN(RUN_B, "m")));
    snprintf(name, sizeof name, "%s/m/a.jsonl", folder);
    write_bytes(name, WHOLE_RUN(RUN_A, "m"), strlen(WHOLE_RUN(RUN_A, "m")));
    snprintf(name, sizeof name, "%s/m/machine.json", folder);
    write_bytes(name, "{\"mkey\":\"m\",\"label\":\"the one under the desk\"}", 45);
    snprintf(name, sizeof name, "%s/m/notes.txt", folder);
    write_bytes(name, "no records", 10);
    cr_assert(results_read(&results, folder, 0, error, sizeof error), "%s", error);
    results_sort(&results);
    cr_assert_eq(results.count, 2);
    cr_assert_str_eq(results.runs[0].id, RUN_A);
    cr_assert_str_eq(results_text(json_object_get(results.machines, "m"), "label"), "the one under the desk");
    snprintf(name, sizeof name, "%s/m/c.jsonl", folder);
    cr_assert_eq(mkfifo(name, 0600), 0);
    cr_assert_not(results_read(&results, name, 0, error, sizeof error), "and it does not wait for a writer");
    cr_assert(strstr(error, "/m/c.jsonl: is a FIFO, not a regular file"), "%s", error);
    cr_assert_not(results_read(&results, folder, 0, error, sizeof error));
    cr_assert(strstr(error, "/m/c.jsonl: is a FIFO, not a regular file"), "%s", error);
    cr_assert(unlink(name) == 0 && mkdir(name, 0777) == 0);
    cr_assert(results_read(&results, folder, 0, error, sizeof error), "a folder of that name is a folder: %s", error);
    cr_assert_not(results_read(&results, "no/such/place", 0, error, sizeof error));
    cr_assert(strstr(error, "no/such/place: cannot read: No such file"), "%s", error);
}

Test(results, a_byte_order_mark_is_no_part_of_the_first_record)
{
    cr_assert(read_text("\xEF\xBB\xBF" WHOLE_RUN(RUN_A, "m")), "%s", error);
    cr_assert_eq(results.records, 4);
    cr_assert(read_text("\xEF\xBB\xBF\n" WHOLE_RUN(RUN_B, "m")), "%s", error);
    cr_assert_not(read_text("\n\xEF\xBB\xBF" WHOLE_RUN(RUN_B, "m")), "in the middle it is none");
}

Test(results, points_carry_their_keys_and_filters_choose_by_them)
{
    static const char *const labels[] = {"here"};
    Points points;
    cr_assert(read_text(WHOLE_RUN(RUN_A, "m1") HOST(RUN_B, "m2") CASE(RUN_B, "c1", "linear:4x4x4")
                            BENCH(RUN_B, "c1", "linear_f32", "1e-3", "1e6") CASE(RUN_B, "c2", "b1_h1_q1_k1_d8")
                                BENCH(RUN_B, "c2", "flash_f32", "null", "") BENCH(RUN_B, "c9", "orphan", "1", "1")),
              "%s", error);
    results_sort(&results);
    cr_assert(points_make(&points, &results, labels));
    cr_assert_eq(points.count, 2, "no time and no case are no points");
    cr_assert_str_eq(points.at[0].key[KEY_MACHINE], "m1");
    cr_assert_str_eq(points.at[0].key[KEY_DATE], "2026-11-20");
    cr_assert_str_eq(points.at[0].key[KEY_OP], "sdpa");
    cr_assert_str_eq(points.at[1].key[KEY_OP], "linear");
    cr_assert_str_eq(points.at[0].key[KEY_THREADS], "1");
    cr_assert_str_eq(points.at[0].key[KEY_FILE], "here");
    cr_assert_str_eq(points.at[0].key[KEY_NAME], "b1_h1_q1_k1_d8");
    cr_assert_not(point_verified(&points.at[0]), "nothing verified it");
    const Points all = points;
    cr_assert(points_filter(&points, " kernel:flash*,naive* -machine:m2 ", error, sizeof error));
    cr_assert_eq(points.count, 1);
    points = all;
    cr_assert(points_filter(&points, "machine:m?", error, sizeof error));
    cr_assert_eq(points.count, 2);
    static const char *const bad[] = {"kernel", "kernel:", "colour:red", ":x", "-:x", "kernel:a machine"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_not(points_filter(&points, bad[i], error, sizeof error), "%s", bad[i]);
        cr_assert(strstr(error, "keys: machine cpu commit"), "%s", error);
    }
    char endless[3000] = "kernel";
    memset(endless + 6, 'x', sizeof endless - 7);
    endless[sizeof endless - 1] = '\0';
    cr_assert_not(points_filter(&points, endless, error, sizeof error));
    cr_assert(strstr(error, "xxx...' is no KEY:PATTERN") && strstr(error, "keys: machine cpu commit"), "%s", error);
    points = all;
    points_free(&points);
}

/* Kernel b takes twice the time of a in each round; the machine is three times slower in the second half. */
Test(results, pairs_cancel_drift_and_what_is_no_pair_is_wider)
{
    static const char *const labels[] = {"here"};
    char text[8000], a[1000] = "", b[1000] = "";
    for (int i = 0; i < 40; i++) {
        const int drift = i < 20 ? 1 : 3;
        sprintf(a + strlen(a), "%s%d", i ? "," : "", (1000 + i % 3) * drift);
        sprintf(b + strlen(b), "%s%d", i ? "," : "", (2000 + 2 * (i % 3)) * drift);
    }
    snprintf(text, sizeof text, "%s%s"
             "{\"t\":\"bench\",\"v\":1,\"run\":\"%s\",\"case\":\"c1\",\"kernel\":\"a\",\"med\":1e-6,\"ns\":[%s]}\n"
             "{\"t\":\"bench\",\"v\":1,\"run\":\"%s\",\"case\":\"c1\",\"kernel\":\"b\",\"med\":2e-6,\"ns\":[%s]}\n%s%s"
             "{\"t\":\"bench\",\"v\":1,\"run\":\"%s\",\"case\":\"c1\",\"kernel\":\"b\",\"med\":2e-6,\"ns\":[%s]}\n",
             HOST(RUN_A, "m"), CASE(RUN_A, "c1", "s"), RUN_A, a, RUN_A, b, HOST(RUN_B, "m"), CASE(RUN_B, "c1", "s"), RUN_B, b);
    cr_assert(read_text(text), "%s", error);
    results_sort(&results);
    Points points;
    cr_assert(points_make(&points, &results, labels));
    cr_assert_eq(points.count, 3);
    cr_assert(points_paired(&points.at[0], &points.at[1]));
    cr_assert_not(points_paired(&points.at[0], &points.at[2]), "the same case in another run");
    const StatsInterval paired = points_ratio(&points.at[0], &points.at[1], 0.01),
                        unpaired = points_ratio(&points.at[0], &points.at[2], 0.01);
    cr_assert_float_eq(paired.lo, 2, 1e-12);
    cr_assert_float_eq(paired.hi, 2, 1e-12);
    cr_assert(unpaired.lo < 0.8 && unpaired.hi > 5, "[%g, %g]", unpaired.lo, unpaired.hi);

    CompareOptions options = {.metric = METRIC_SPEEDUP, .baseline = "b", .alpha = 0.01};
    Compare compare;
    cr_assert(compare_keys_parse(&options.row, "--row", "shape", error, sizeof error));
    cr_assert(compare_keys_parse(&options.column, "--col", "kernel", error, sizeof error));
    cr_assert(compare_make(&compare, &points, &options, error, sizeof error), "%s", error);
    cr_assert_eq(compare.count, 1);
    const CompareCell *cell = &compare.tables[0].cells[0];
    cr_assert_eq(cell->evidence, EVIDENCE_PAIRED, "run A has both, though run B is later");
    cr_assert_float_eq(cell->value.median, 2, 1e-12);
    cr_assert_eq(compare.tables[0].cells[1].evidence, EVIDENCE_BASE);
    cr_assert(strstr(json_string_value(json_array_get(compare.notes, 0)), "differ in: run"), "%s",
              json_string_value(json_array_get(compare.notes, 0)));
    compare_free(&compare);
    options.baseline = "c";
    cr_assert_not(compare_make(&compare, &points, &options, error, sizeof error));
    cr_assert_str_eq(error, "--baseline: no column is called 'c'");
    compare_free(&compare);
    points_free(&points);
}

Test(results, keys_are_known_and_given_once)
{
    CompareKeys keys;
    cr_assert(compare_keys_parse(&keys, "--row", "shape,threads", error, sizeof error));
    cr_assert_eq(keys.count, 2);
    cr_assert_eq(keys.at[1], KEY_THREADS);
    static const char *const bad[] = {"", "shape,", "shape,,kernel", "colour", "shape,shape"};
    for (size_t i = 1; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(compare_keys_parse(&keys, "--row", bad[i], error, sizeof error), "'%s' is taken", bad[i]);
    cr_assert(strstr(error, "--row: 'shape' is given twice; keys: machine"), "%s", error);
}
