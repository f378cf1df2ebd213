/* report.c - attnzoo report: gathers the records here and has harness/report/page/render.py draw the page. The page's makers, Matplotlib and
 * Jinja2, are Python's; Markdown and JSON need neither. */
#include "harness/base/outputs.h"
#include "harness/base/self.h"
#include "harness/base/stop.h"
#include "harness/cmd/commands.h"
#include "harness/report/model.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "attnzoo report [FILE|FOLDER]... - make one page of records of bench\n"
    "\n"
    "  attnzoo report                          report.html, from results/: one file, opens offline\n"
    "  attnzoo report -o html:page.html --title 'Our machines' results/ theirs.jsonl\n"
    "  attnzoo report -o md                    the short form, as Markdown; needs no Python\n"
    "  attnzoo report -o json                  the data behind the page\n"
    "\n"
    "The page shows machines, rooflines, shares of the roof, speed-ups with intervals, scaling with\n"
    "length and threads, history over commits, micro-benchmarks, comparisons of two builds, agreement,\n"
    "peers, and a table of all measurements to sort and filter.\n";

enum { KEY_TITLE = 256 };
static const CliOption options[] = {
    {KEY_TITLE, "title", "TEXT", "set the heading of the page"},
    RESULTS_OPTION_FILTER,
    RESULTS_OPTION_KEEP_GOING,
};

/* The renderer stands in share/attnzoo/report beside the bin/ of an installed program, else in the source tree that it was built from. */
static bool find_renderer(char *path, size_t size)
{
    char self[PATH_MAX], unused[1];
    if (self_path(self, sizeof self, unused, sizeof unused)) {
        snprintf(path, size, "%s/../share/attnzoo/report/render.py", dirname(self));
        if (access(path, R_OK) == 0)
            return true;
    }
    snprintf(path, size, "%s/render.py", REPORT_FOLDER);
    return access(path, R_OK) == 0;
}

/* The program's status once it has ended. Ctrl-C and the like end it first: it ignores them itself, so that it has no words of its own about
 * that. */
static int wait_for(pid_t child)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int status = 0;
    for (;;) {
        const pid_t ended = waitpid(child, &status, WNOHANG); /* not a blocking one: a signal just before it would be slept through */
        if (ended == child)
            return status;
        if (ended < 0 && errno != EINTR)
            return -1;
        if (stop_signal)
            kill(child, SIGKILL);
        nanosleep(&pause, NULL);
    }
}

/* Run a program with `input` (NULL: nothing) on its standard input and `to` (NULL: nowhere) as its standard output. Its exit code; 127: it
 * is not there; -1: it could not run or was killed. */
static int run(const char *const *words, const json_t *input, FILE *to)
{
    int ends[2];
    if (to)
        fflush(to);
    if (pipe(ends) != 0)
        return -1;
    const pid_t child = fork();
    if (child == 0) {
        stop_ignore();
        dup2(ends[0], STDIN_FILENO);
        dup2(to ? fileno(to) : open("/dev/null", O_WRONLY), STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(words[0], (char *const *)words);
        _exit(127);
    }
    close(ends[0]);
    FILE *stream = child > 0 && input ? fdopen(ends[1], "w") : NULL;
    if (stream) {
        void (*before)(int) = signal(SIGPIPE, SIG_IGN); /* a program that ends early says why by its code */
        json_dumpf(input, stream, JSON_COMPACT | JSON_REAL_PRECISION(9));
        fclose(stream);
        signal(SIGPIPE, before);
    } else {
        close(ends[1]);
    }
    if (child < 0)
        return -1;
    const int status = wait_for(child);
    return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A Python that has what the page needs: the one that comes first on PATH, else the system's own, which is the one that packages of the
 * distribution go to. NULL: neither. */
static const char *find_python(void)
{
    static const char *const pythons[] = {"python3", "/usr/bin/python3"};
    for (size_t i = 0; i < 2; i++) {
        const char *const words[] = {
            pythons[i], "-c", "import importlib.util as u, sys\nsys.exit(not (u.find_spec('matplotlib') and u.find_spec('jinja2')))", NULL};
        if (run(words, NULL, NULL) == 0)
            return pythons[i];
    }
    return NULL;
}

/* `name`: what `to` is, for messages. */
static int draw(const char *title, const Loaded *loaded, FILE *to, const char *name)
{
    char renderer[PATH_MAX + 64];
    json_t *model = report_model(loaded);
    if (!model) {
        render_error("out of memory for %zu records", loaded->results.records);
        return EXIT_USAGE;
    }
    int code = EXIT_USAGE;
    const char *python = find_python();
    if (stop_signal) {
        code = EXIT_INTERRUPTED;
    } else if (!python) {
        render_error(
            "the page needs Matplotlib and Jinja2 for Python, which are not installed; ./zoo report installs them, or by hand: apt-get "
            "install "
            "python3-matplotlib python3-jinja2 (dnf: the same names; pacman: python-matplotlib python-jinja); -o md needs neither");
        code = EXIT_NOTHING;
    } else if (!find_renderer(renderer, sizeof renderer)) {
        render_error("%s does not exist: the source tree of this build is gone, or attnzoo is only partly installed; -o md needs no renderer",
                     renderer);
    } else {
        const char *const words[] = {python, "-B", renderer, "--title", title, "--to", name, NULL};
        const int ended = run(words, model, to);
        if (ended != 0 && ended != EXIT_USAGE && !stop_signal) /* with EXIT_USAGE it has said itself what could not be written */
            render_error("%s %s ended with %d; its output is above", python, renderer, ended);
        code = ended == 0 ? EXIT_OK : stop_signal ? EXIT_INTERRUPTED : EXIT_USAGE;
    }
    json_decref(model);
    return code;
}

typedef struct Report {
    const char *title;
    const Loaded *loaded;
} Report;

static int write_output(void *context, const Output *out)
{
    const Report *report = context;
    if (strcmp(out->format, "md") == 0)
        return report_markdown(report->loaded, out->file);
    if (strcmp(out->format, "html") == 0)
        return draw(report->title, report->loaded, out->file, out->path ? out->path : "standard output");
    json_t *model = report_model(report->loaded);
    if (!model) {
        render_error("out of memory for %zu records", report->loaded->results.records);
        return EXIT_USAGE;
    }
    json_dumpf(model, out->file, JSON_INDENT(1) | JSON_REAL_PRECISION(9)); /* what cannot be written shows when the file is closed */
    fputc('\n', out->file);
    json_decref(model);
    return EXIT_OK;
}

int cmd_report(const Cli *cli, int argc, char **argv)
{
    const char *value, *filter = NULL, *title = "Attention kernels, measured";
    bool keep_going = false;
    for (int key; (key = cli_next_option(argc, argv, usage, options, sizeof options / sizeof *options, &value)) != -1;) {
        switch (key) {
        case KEY_TITLE: title = value; break;
        case 'f': filter = value; break;
        case 'g': keep_going = true; break;
        case 'h': results_print_keys(); return EXIT_OK;
        default: return EXIT_USAGE;
        }
    }
    if (!outputs_default(cli->outputs, "html", "report.html")) /* nothing was asked for: the page, in a file */
        return EXIT_USAGE;
    Loaded loaded;
    Report report = {title, &loaded};
    int code = results_load(cli->results, argc, argv, optind, filter, keep_going, &loaded);
    if (code == EXIT_OK && loaded.points.count == 0 && (filter || report_measured(&loaded) == 0)) {
        render_error("there is no measurement to show");
        code = EXIT_NOTHING;
    }
    if (code == EXIT_OK)
        code = outputs_write(cli->outputs, write_output, &report);
    if (stop_signal && code == EXIT_OK)
        code = EXIT_INTERRUPTED;
    code = outputs_close(cli->outputs, code);
    for (size_t i = 0; code == EXIT_OK && !cli->quiet && i < cli->outputs->count; i++)
        if (cli->outputs->at[i].path)
            fprintf(stderr, "%s: %zu measurements of %zu runs\n", cli->outputs->at[i].path, report_measured(&loaded), loaded.results.count);
    results_unload(&loaded);
    return code;
}
