/* hyperfine.c - see hyperfine.h. The JSON is not ours, so each field is checked before use. */
#include "harness/base/error.h"
#include "harness/base/stop.h"
#include "harness/process/hyperfine.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/base/pipes.h"

enum { PATH_SIZE = 600, FIXED_WORDS = 12 };

/* ---- Its JSON -------------------------------------------------------------------------------------------------------------------- */

static bool import_command(const json_t *result, size_t index, HyperfineCommand *c, char *error, size_t error_size)
{
    const json_t *text = json_object_get(result, "command"), *times = json_object_get(result, "times"),
                 *exits = json_object_get(result, "exit_codes"), *user = json_object_get(result, "user"),
                 *system = json_object_get(result, "system");
    if (!json_is_string(text))
        return error_set(error, error_size, "results[%zu].command is no string", index);
    if (!json_is_array(times) || json_array_size(times) == 0)
        return error_set(error, error_size, "results[%zu].times is no array of numbers", index);
    if (exits && (!json_is_array(exits) || json_array_size(exits) != json_array_size(times)))
        return error_set(error, error_size, "results[%zu].exit_codes has not as many elements as times", index);
    c->text = strdup(json_string_value(text));
    c->seconds = calloc(json_array_size(times), sizeof *c->seconds);
    c->exits = calloc(json_array_size(times), sizeof *c->exits);
    c->user = json_is_number(user) ? json_number_value(user) : NAN;
    c->system = json_is_number(system) ? json_number_value(system) : NAN;
    if (!c->text || !c->seconds || !c->exits)
        return error_set(error, error_size, "out of memory for %zu runs", json_array_size(times));
    for (; c->runs < json_array_size(times); c->runs++) {
        const json_t *time = json_array_get(times, c->runs), *code = json_array_get(exits, c->runs);
        if (!json_is_number(time) || json_number_value(time) < 0)
            return error_set(error, error_size, "results[%zu].times[%zu] is no number of seconds", index, c->runs);
        if (code && !json_is_integer(code) && !json_is_null(code))
            return error_set(error, error_size, "results[%zu].exit_codes[%zu] is neither a whole number nor null", index, c->runs);
        c->seconds[c->runs] = json_number_value(time);
        c->exits[c->runs] = json_is_null(code) ? -1 : (int)json_integer_value(code);
    }
    return true;
}

bool hyperfine_import(const json_t *root, HyperfineExport *export, char *error, size_t error_size)
{
    const json_t *results = json_object_get(root, "results");
    *export = (HyperfineExport){0};
    if (!json_is_array(results))
        return error_set(error, error_size, "results is no array");
    export->at = calloc(json_array_size(results) + 1, sizeof *export->at);
    if (!export->at)
        return error_set(error, error_size, "out of memory for %zu results", json_array_size(results));
    for (size_t i = 0; i < json_array_size(results); i++) {
        export->count++;
        if (!import_command(json_array_get(results, i), i, &export->at[i], error, error_size)) {
            hyperfine_free(export);
            return false;
        }
    }
    return true;
}

void hyperfine_free(HyperfineExport *export)
{
    for (size_t i = 0; i < export->count; i++) {
        free(export->at[i].text);
        free(export->at[i].seconds);
        free(export->at[i].exits);
    }
    free(export->at);
    *export = (HyperfineExport){0};
}

/* ---- Its command line ------------------------------------------------------------------------------------------------------------ */

char *hyperfine_command(const char *const *words)
{
    size_t size = 1;
    for (size_t i = 0; words[i]; i++)
        size += 4 * strlen(words[i]) + 3;
    char *line = malloc(size), *to = line;
    for (size_t i = 0; line && words[i]; i++) {
        if (i > 0)
            *to++ = ' ';
        *to++ = '\'';
        for (const char *c = words[i]; *c; c++)
            to = *c == '\'' ? stpcpy(to, "'\\''") : (*to = *c, to + 1);
        *to++ = '\'';
    }
    if (line)
        *to = '\0';
    return line;
}

/* The last non-empty line of a file; "" if there is none. */
static void last_line(const char *path, char *line, size_t size)
{
    char text[512];
    FILE *file = fopen(path, "r");
    line[0] = '\0';
    while (file && fgets(text, sizeof text, file)) {
        const size_t blanks = strspn(text, " \t\r\n"), length = strcspn(text + blanks, "\r\n");
        if (length > 0)
            snprintf(line, size, "%.*s", (int)length, text + blanks);
    }
    if (file)
        fclose(file);
}

/* Run a program with stdin empty, both outputs in a file, and a variable (may be NULL) added to the environment. Its wait status, or -1
 * with errno. A signal that ends us ends it and what it started: they are a group of their own, and hold a pipe that closes with the last. */
static int run_quietly(const char *const *argv, const char *variable, const char *output)
{
    int status = 0, alive[2];
    char none;
    fflush(NULL);
    if (pipe(alive) != 0)
        return -1;
    const pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        close(alive[0]);
        const int in = open("/dev/null", O_RDONLY), out = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
            (variable && putenv((char *)(uintptr_t)variable) != 0))
            _exit(126);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(alive[1]);
    if (pid > 0) {
        setpgid(pid, pid);
        pipes_get(alive[0], &none, sizeof none, &stop_signal);
        if (stop_signal)
            kill(-pid, SIGTERM);
    }
    close(alive[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return pid > 0 ? status : -1;
}

bool hyperfine_version(char *text, size_t size, char *error, size_t error_size)
{
    static const char *const argv[] = {"hyperfine", "--version", NULL};
    char path[] = "/tmp/attnzoo-hyperfine-XXXXXX";
    unsigned major = 0, minor = 0;
    const int fd = mkstemp(path);
    if (fd < 0)
        return error_set(error, error_size, "cannot make a file in /tmp: %s", strerror(errno));
    close(fd);
    const int status = run_quietly(argv, NULL, path);
    last_line(path, text, size);
    unlink(path);
    if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0 || sscanf(text, "hyperfine %u.%u", &major, &minor) != 2)
        return error_set(error, error_size, "hyperfine is not here; it is in the package hyperfine of most systems");
    if (major < 1 || (major == 1 && minor < 13)) /* -N came with 1.13 */
        return error_set(error, error_size, "%s is too old; 1.13 or newer is needed (-N)", text);
    return true;
}

bool hyperfine_once(const char *const *commands, size_t count, const char *variable, const char *folder, HyperfineExport *export,
                    char *error, size_t error_size)
{
    char json[PATH_SIZE], output[PATH_SIZE], said[300];
    snprintf(json, sizeof json, "%s/hyperfine.json", folder);
    snprintf(output, sizeof output, "%s/hyperfine.txt", folder);
    const char *const fixed[FIXED_WORDS] = {"hyperfine", "-N", "-i", "-w", "0", "-r", "1", "--style", "none", "--export-json", json, "--"};
    const char **argv = calloc(FIXED_WORDS + count + 1, sizeof *argv);
    if (!argv)
        return error_set(error, error_size, "out of memory");
    memcpy(argv, fixed, sizeof fixed);
    memcpy(argv + FIXED_WORDS, commands, count * sizeof *argv);
    unlink(json); /* a file that exists afterwards is from this call */
    const int status = run_quietly(argv, variable, output);
    free(argv);
    last_line(output, said, sizeof said);
    if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return error_set(error, error_size, "hyperfine failed%s%s", said[0] ? ": " : "", said);
    json_error_t where;
    json_t *root = json_load_file(json, 0, &where);
    bool read = root && hyperfine_import(root, export, error, error_size);
    if (!root)
        error_set(error, error_size, "%s: not JSON: %s", json, where.text);
    if (read && export->count != count) {
        error_set(error, error_size, "%s: %zu results for %zu commands", json, export->count, count);
        hyperfine_free(export);
        read = false;
    }
    json_decref(root);
    return read;
}
