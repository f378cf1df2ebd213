/* test_records.c - JSONL records: the fields of every line, whole lines only, full disks and closed doors. */
#include <criterion/criterion.h>
#include <glob.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/json.h"
#include "harness/base/whole.h"
#include "harness/machine/machine.h"
#include "harness/records/records.h"

static char folder[64];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "records_XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[192];
    snprintf(command, sizeof command, "chmod -R u+w %s && rm -r %s", folder, folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(records, .init = make_folder, .fini = remove_folder);

/* Lines of a file, parsed; every one must be an object that ends in a newline. */
static json_t *read_lines(const char *path)
{
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    json_t *lines = json_array();
    char *line = NULL;
    size_t size = 0;
    for (ssize_t length; (length = getline(&line, &size, file)) > 0;) {
        cr_assert_eq(line[length - 1], '\n', "unfinished line: %s", line);
        json_t *object = json_loads(line, 0, NULL);
        cr_assert(json_is_object(object), "%s", line);
        json_array_append_new(lines, object);
    }
    free(line);
    fclose(file);
    return lines;
}

static const char *text_of(const json_t *line, const char *field)
{
    const char *text = json_string_value(json_object_get(line, field));
    return text ? text : "";
}

Test(records, lines_carry_type_version_and_run_and_the_file_ends_with_end)
{
    char error[200] = "";
    Records *r = records_open(folder, "some-machine", NULL, error, sizeof error);
    cr_assert_not_null(r, "%s", error);
    char path[256];
    snprintf(path, sizeof path, "%s", records_path(r));
    cr_assert(records_write(r, "case", json_pack("{s:s, s:i}", "case", "c1", "threads", 2)));
    cr_assert(records_write(r, "bench", json_pack("{s:o, s:o, s:o}", "med", json_number_or_null(2.5e-3), "lo", json_number_or_null(NAN), "hi",
                                                  json_number_or_null(INFINITY))));
    cr_assert(records_write(r, "bench", json_object()));
    cr_assert(records_close(r, 1, error, sizeof error), "%s", error);
    json_t *lines = read_lines(path);
    cr_assert_eq(json_array_size(lines), 4);
    const char *run = text_of(json_array_get(lines, 0), "run");
    cr_assert_eq(strlen(run), 26);
    cr_assert(strstr(path, "/some-machine/") && strstr(path, run) && strstr(path, ".jsonl"), "%s", path);
    size_t i;
    json_t *line;
    json_array_foreach(lines, i, line) {
        cr_assert_eq(json_integer_value(json_object_get(line, "v")), 1);
        cr_assert_str_eq(text_of(line, "run"), run);
    }
    const json_t *bench = json_array_get(lines, 1), *end = json_array_get(lines, 3);
    cr_assert_str_eq(text_of(bench, "t"), "bench");
    cr_assert_eq(json_real_value(json_object_get(bench, "med")), 2.5e-3);
    cr_assert(json_is_null(json_object_get(bench, "lo")) && json_is_null(json_object_get(bench, "hi")));
    cr_assert_str_eq(text_of(end, "t"), "end");
    cr_assert_eq(json_integer_value(json_object_get(end, "exit")), 1);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(end, "counts"), "bench")), 2);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(end, "counts"), "case")), 1);
    json_decref(lines);
}

Test(records, runs_have_names_of_their_own)
{
    char error[200];
    Records *a = records_open(folder, "m", NULL, error, sizeof error), *b = records_open(folder, "m", NULL, error, sizeof error);
    cr_assert(a && b);
    char path_a[256], path_b[256];
    snprintf(path_a, sizeof path_a, "%s", records_path(a));
    snprintf(path_b, sizeof path_b, "%s", records_path(b));
    cr_assert_str_neq(path_a, path_b);
    cr_assert(records_close(a, 0, error, sizeof error));
    cr_assert(records_close(b, 0, error, sizeof error));
    json_t *lines_a = read_lines(path_a), *lines_b = read_lines(path_b);
    cr_assert_str_neq(text_of(json_array_get(lines_a, 0), "run"), text_of(json_array_get(lines_b, 0), "run"));
    json_decref(lines_a);
    json_decref(lines_b);
}

Test(records, without_a_folder_they_go_to_the_copy_alone)
{
    char error[200], *text = NULL;
    size_t size = 0;
    FILE *copy = open_memstream(&text, &size);
    Records *r = records_open(NULL, "m", copy, error, sizeof error);
    cr_assert_not_null(r);
    cr_assert_str_empty(records_path(r));
    cr_assert(records_write(r, "host", json_object()));
    cr_assert(records_close(r, 0, error, sizeof error));
    fclose(copy);
    cr_assert(strstr(text, "\"t\":\"host\"") && strstr(text, "\"t\":\"end\""), "%s", text);
    free(text);
}

/* The kernel takes a part of the line and refuses the rest, as a full disk does. */
Test(records, a_full_disk_leaves_whole_lines_and_no_end)
{
    char error[200] = "", path[256], filler[301];
    Records *r = records_open(folder, "m", NULL, error, sizeof error);
    cr_assert_not_null(r);
    snprintf(path, sizeof path, "%s", records_path(r));
    memset(filler, 'x', 300);
    filler[300] = '\0';
    const struct rlimit limit = {1000, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert(records_write(r, "case", json_pack("{s:s}", "filler", filler)));
    cr_assert(records_write(r, "case", json_pack("{s:s}", "filler", filler)));
    cr_assert_not(records_write(r, "case", json_pack("{s:s}", "filler", filler)), "1000 bytes cannot hold three lines of 370");
    cr_assert_not(records_write(r, "case", json_object()), "a later line that would fit must not follow the gap");
    cr_assert_not(records_close(r, 0, error, sizeof error));
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &none);
    cr_assert(strstr(error, path) && strstr(error, "File too large") && strstr(error, "2 records kept"), "%s", error);
    json_t *lines = read_lines(path);
    cr_assert_eq(json_array_size(lines), 2);
    cr_assert_str_eq(text_of(json_array_get(lines, 1), "t"), "case");
    json_decref(lines);
}

Test(records, a_full_device_as_the_copy_is_an_error)
{
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        cr_skip_test("no /dev/full here");
    char error[200] = "";
    Records *r = records_open(NULL, "m", full, error, sizeof error);
    cr_assert_not_null(r);
    records_write(r, "host", json_object());
    cr_assert_not(records_close(r, 0, error, sizeof error));
    cr_assert(strstr(error, "No space left on device"), "%s", error);
    fclose(full);
}

Test(records, a_folder_that_cannot_be_made_is_named_with_the_way_out)
{
    char error[300] = "", inside[128];
    snprintf(inside, sizeof inside, "%s/file", folder);
    FILE *file = fopen(inside, "w");
    cr_assert_not_null(file);
    fclose(file);
    cr_assert_null(records_open(inside, "m", NULL, error, sizeof error));
    cr_assert(strstr(error, inside) && strstr(error, "Not a directory") && strstr(error, "--no-results"), "%s", error);
}

Test(records, machine_facts_are_stable_and_written_once)
{
    Machine a, b;
    machine_read(&a);
    machine_read(&b);
    cr_assert_str_eq(a.key, b.key);
    cr_assert(strspn(a.key, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(a.key), "%s", a.key);
    char error[300] = "", path[300];
    snprintf(path, sizeof path, "%s/%s", folder, a.key);
    cr_assert_eq(mkdir(path, 0777), 0);
    cr_assert(machine_write_once(&a, folder, error, sizeof error), "%s", error);
    snprintf(path, sizeof path, "%s/%s/machine.json", folder, a.key);
    json_t *first = json_load_file(path, 0, NULL);
    cr_assert_str_eq(text_of(first, "mkey"), a.key);
    cr_assert(json_is_array(json_object_get(first, "isa")));
    struct stat before, after;
    cr_assert_eq(stat(path, &before), 0);
    cr_assert(machine_write_once(&b, folder, error, sizeof error));
    cr_assert_eq(stat(path, &after), 0);
    cr_assert_eq(before.st_ino, after.st_ino, "a label that a person wrote there must survive");
    json_decref(first);
    snprintf(path, sizeof path, "%s/nowhere", folder);
    cr_assert_not(machine_write_once(&a, path, error, sizeof error));
    cr_assert(strstr(error, path), "%s", error);
}

/* Two runs at once write the same machine.json: each writes its own file, and one whole file is there in the end. */
Test(records, two_writers_of_one_path)
{
    char path[128], error[256];
    snprintf(path, sizeof path, "%s/machine.json", folder);
    Whole first, second, third;
    cr_assert(whole_open(&first, path, error, sizeof error), "%s", error);
    cr_assert(whole_open(&second, path, error, sizeof error), "%s", error);
    cr_assert(whole_open(&third, path, error, sizeof error), "%s", error);
    fputs("the first\n", first.file);
    fputs("2nd\n", second.file);
    fputs("the third, which is given up\n", third.file);
    cr_assert(whole_close(&second, true, error, sizeof error), "%s", error);
    cr_assert(whole_close(&third, false, error, sizeof error), "%s", error);
    cr_assert(whole_close(&first, true, error, sizeof error), "%s", error);
    char text[64] = "";
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    cr_assert_eq(fread(text, 1, sizeof text - 1, file), 10u);
    fclose(file);
    cr_assert_str_eq(text, "the first\n");
    glob_t all;
    snprintf(path, sizeof path, "%s/*", folder);
    cr_assert_eq(glob(path, 0, NULL, &all), 0);
    cr_assert_eq(all.gl_pathc, 1u, "%s is left", all.gl_pathv[1]);
    globfree(&all);
}

static void write_text(const char *path, const char *text)
{
    char error[256];
    Whole whole;
    cr_assert(whole_open(&whole, path, error, sizeof error), "%s", error);
    fputs(text, whole.file);
    cr_assert(whole_close(&whole, true, error, sizeof error), "%s", error);
}

static void expect_text(const char *path, const char *text)
{
    char is[64] = "";
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    is[fread(is, 1, sizeof is - 1, file)] = '\0';
    fclose(file);
    cr_assert_str_eq(is, text);
}

static size_t files_like(const char *end)
{
    char pattern[128];
    glob_t all;
    snprintf(pattern, sizeof pattern, "%s/*%s", folder, end);
    const size_t count = glob(pattern, 0, NULL, &all) == 0 ? all.gl_pathc : 0;
    globfree(&all);
    return count;
}

Test(records, a_link_stays_a_link_and_its_file_keeps_its_rights)
{
    char link[96], middle[96], real[96];
    struct stat status;
    snprintf(link, sizeof link, "%s/link", folder);
    snprintf(middle, sizeof middle, "%s/middle", folder);
    snprintf(real, sizeof real, "%s/real", folder);
    write_text(real, "old");
    cr_assert_eq(chmod(real, 0640), 0);
    cr_assert_eq(symlink("middle", link), 0);
    cr_assert_eq(symlink("real", middle), 0);
    write_text(link, "new");
    cr_assert(lstat(link, &status) == 0 && S_ISLNK(status.st_mode), "the link was replaced");
    cr_assert(lstat(middle, &status) == 0 && S_ISLNK(status.st_mode));
    expect_text(real, "new");
    cr_assert_eq(stat(real, &status), 0);
    cr_assert_eq(status.st_mode & 07777, 0640u, "0%o", status.st_mode & 07777);
    cr_assert_eq(unlink(real), 0);
    write_text(link, "of a link to nothing");
    expect_text(real, "of a link to nothing");
    cr_assert(unlink(middle) == 0 && symlink("link", middle) == 0);
    char error[256];
    Whole whole;
    cr_assert_not(whole_open(&whole, link, error, sizeof error), "links in a circle");
    cr_assert(strstr(error, "link: cannot write: Too many levels of symbolic links"), "%s", error);
}

/* A writer that was killed leaves its part; the next one clears it away, and leaves that of a writer at work alone. */
Test(records, parts_of_dead_writers_are_removed)
{
    char path[96], error[256];
    snprintf(path, sizeof path, "%s/out", folder);
    const pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0) {
        Whole lost;
        if (whole_open(&lost, path, error, sizeof error))
            raise(SIGKILL);
        _exit(1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status));
    cr_assert_eq(files_like(".partial"), 1u);
    Whole working;
    cr_assert(whole_open(&working, path, error, sizeof error), "%s", error);
    cr_assert_eq(files_like(".partial"), 1u, "the dead one's part is still there");
    write_text(path, "second");
    cr_assert_eq(files_like(".partial"), 1u, "the part of a writer at work was taken away");
    fputs("first", working.file);
    cr_assert(whole_close(&working, true, error, sizeof error), "%s", error);
    expect_text(path, "first");
    cr_assert_eq(files_like(""), 1u);
}

Test(records, an_open_file_without_a_name_is_written_in_place)
{
    char path[64], text[16] = "";
    FILE *file = tmpfile();
    cr_assert_not_null(file);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(file));
    if (access(path, W_OK) != 0)
        cr_skip_test("no /proc here");
    write_text(path, "nameless");
    rewind(file);
    cr_assert_eq(fread(text, 1, sizeof text - 1, file), 8u);
    cr_assert_str_eq(text, "nameless");
    fclose(file);
}
