/* serve.c - attnzoo serve: a worker that does on request what other commands do by themselves, so that another program can pair our kernels
 * with other libraries, each in its own process (harness/serve/peers/).
 *
 * Protocol: one line per request, one line per answer. A request is a verb and, after one space, its argument, if any. An answer is one
 * JSON object, {"error": "a sentence"} if the request failed; the next request is then served as if the bad one had not been made. Nothing
 * else goes to stdout. The end of stdin means "quit". Between requests the worker sleeps in read() and uses no processor time.
 *
 * So that clients need not implement them again, the worker also offers shapes, operands, the judge, order statistics, peaks and files of
 * records. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/render.h"
#include "harness/base/stop.h"
#include "harness/cmd/commands.h"
#include "harness/serve/serve.h"

static const char usage[] =
    "attnzoo serve - obey lines from stdin, answer each with one line of JSON\n"
    "\n"
    "  printf 'open gpt2/prefill@512\\ntime 5 1\\n' | attnzoo serve\n"
    "\n"
    "  kernels               list the attention kernels, yardsticks included\n"
    "  shapes SHAPES         expand ranges, lists and presets into shapes\n"
    "  open SHAPE [KERNEL]   make operands and a plan; answer sizes, options, work, kernel\n"
    "  time N [W]            run W calls untimed, then time N; answer ns for all N\n"
    "  peak KIND N           run N rounds of the machine's peak, fma or read; answer ns, units per round\n"
    "  write DIR             write q.npy, k.npy, v.npy and our o.npy, [batch, head, row, column], into an\n"
    "                        existing folder\n"
    "  judge [FILE.npy]      judge our output, or that of FILE, against double precision\n"
    "  summary LIST          answer the five-number summary of a JSON list; null means not measured\n"
    "  ratio OBJECT          {\"kernel\":\"a's\",\"a\":[...],\"b\":[...],\"alpha\":0.01}: answer b over a, paired,\n"
    "                        with its interval\n"
    "  host [OBJECT]         begin a file of records with this machine; add the fields of OBJECT\n"
    "  keep TYPE OBJECT      append a record\n"
    "  end CODE              close the file of records\n"
    "  quit                  end (as does the end of stdin)\n"
    "\n"
    "Threads, allowed kernels, seed and the folder of records are global options. attnzoo(1) describes\n"
    "the fields of the answers.\n";

enum { LINE_BYTES = 1 << 20 };

static const struct {
    const char *verb;
    json_t *(*serve)(Server *s, char *argument); /* "" where there is none; NULL after refusing */
} verbs[] = {{"kernels", serve_kernels}, {"shapes", serve_shapes},   {"open", serve_open},   {"time", serve_time},
             {"peak", serve_peak},       {"write", serve_write},     {"judge", serve_judge}, {"summary", serve_summary},
             {"ratio", serve_ratio},     {"host", serve_host},       {"keep", serve_keep},   {"end", serve_end}};
enum { VERBS = sizeof verbs / sizeof *verbs };

static bool answer(json_t *object)
{
    const bool written = object && json_dumpf(object, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) == 0 &&
                         putchar('\n') != EOF && fflush(stdout) == 0;
    json_decref(object);
    return written;
}

static json_t *obey(Server *s, char *line)
{
    char *argument = strchr(line, ' ');
    if (argument)
        *argument++ = '\0';
    else
        argument = line + strlen(line);
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(line, verbs[i].verb) == 0)
            return verbs[i].serve(s, argument);
    return serve_refuse(s, "unknown verb '%.40s'; known: kernels, shapes, open, time, peak, write, judge, summary, ratio, host, keep, end, "
                           "quit", line);
}

/* What is wrong with the line itself; NULL: nothing. */
static const char *bad_line(const char *line, size_t length)
{
    return length > LINE_BYTES ? "the line is too long; allowed: 1 MiB" : strlen(line) != length ? "the line holds a zero byte" : NULL;
}

/* Sentences quote the input, which may be invalid UTF-8. */
static json_t *error_json(Server *s)
{
    json_t *text = json_string(s->error);
    for (char *c = s->error; !text && *c; c++)
        *c = (signed char)*c < 0 ? '?' : *c;
    return json_pack("{s:o}", "error", text ? text : json_string(s->error));
}

static void serve(Server *s)
{
    char *line = NULL;
    size_t room = 0;
    bool talking = true;
    stop_ends_input();
    for (ssize_t got; talking && !stop_signal && (got = getline(&line, &room, stdin)) > 0;) {
        size_t length = (size_t)got;
        length -= line[length - 1] == '\n';
        line[length] = '\0';
        if (strcmp(line, "quit") == 0)
            break;
        if (length == 0)
            continue;
        snprintf(s->error, sizeof s->error, "out of memory");
        const char *bad = bad_line(line, length);
        json_t *said = bad ? serve_refuse(s, "%s", bad) : obey(s, line);
        talking = answer(said ? said : error_json(s));
    }
    free(line);
}

int cmd_serve(const Cli *cli, int argc, char **argv)
{
    const char *value;
    const int key = cli_next_option(argc, argv, usage, NULL, 0, &value);
    if (key != -1)
        return key == 'h' ? EXIT_OK : EXIT_USAGE;
    if (optind < argc) {
        render_error("unexpected argument '%s'; serve reads lines from stdin", argv[optind]);
        return EXIT_USAGE;
    }
    Server s = {.cli = cli, .threads = cli_granted(cli->threads ? cli->threads : 1)};
    machine_read(&s.machine);
    serve(&s);
    serve_close(&s);
    if (s.records) { /* no end was received: the client hung up, or a signal came */
        char unused[1200];
        records_close(s.records, stop_signal ? EXIT_INTERRUPTED : 128 + SIGHUP, unused, sizeof unused);
    }
    return stop_signal ? EXIT_INTERRUPTED : EXIT_OK;
}
