/* cpu.c - `attnzoo cpu`: what this machine is, as dispatch and bench see it, and on request how fast it is at best. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <getopt.h>

#include "harness/base/build.h"
#include "harness/base/outputs.h"
#include "harness/base/stop.h"
#include "harness/cmd/commands.h"
#include "harness/machine/audit.h"
#include "harness/machine/machine.h"
#include "harness/measure/paired.h"
#include "harness/measure/peaks.h"

#define PEAK_SECONDS 3.0

static const char usage[] =
    "attnzoo cpu [--peaks] [--audit] [--json] - show what this machine is and how fast it can be\n"
    "\n"
    "  attnzoo cpu                                  features, caches, cores, system\n"
    "  attnzoo cpu --audit                          is this machine quiet enough to measure on?\n"
    "  attnzoo cpu --peaks --threads 4              peaks of four threads\n"
    "  attnzoo cpu --peaks --audit --json           all of it, for another program\n"
    "  attnzoo cpu --audit -o md:machine.md         as a table\n"
    "\n"
    "Nothing on the machine is changed.\n";
enum { KEY_PEAKS = 256, KEY_AUDIT, KEY_JSON };
static const CliOption options[] = {
    {KEY_PEAKS, "peaks", NULL, "measure FMA, exponential and memory throughput (3 seconds), with --threads N on N threads"},
    {KEY_AUDIT, "audit", NULL, "report what disturbs measurements here (load, clock, quota, steal ...) and what to do about it"},
    {KEY_JSON, "json", NULL, "print the host record as JSON"},
};

/* 49152 -> "48 KiB": caches come in powers of two. */
static const char *binary(size_t bytes, char *text, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit < 4; unit++)
        value /= 1024;
    snprintf(text, size, bytes ? "%.*f %s" : "unknown", value < 10 && value != floor(value) ? 1 : 0, value, units[unit]);
    return text;
}

static void line(const char *what)
{
    render_text(STYLE_BOLD, "%-10s", what);
}

static const char *or_unknown(const char *text)
{
    return text[0] ? text : "unknown";
}

/* Where the facts go: lines for a person (table NULL), or rows of the one table that other forms than text are made of. */
typedef struct Facts {
    RenderTable *table;
} Facts;

static void fact(const Facts *to, const char *what, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void fact(const Facts *to, const char *what, const char *format, ...)
{
    char text[1600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!to->table) {
        line(what);
        printf("%s\n", text);
        return;
    }
    render_row(to->table);
    render_cell(to->table, STYLE_PLAIN, "machine");
    render_cell(to->table, STYLE_PLAIN, "%s", what);
    render_cell(to->table, STYLE_PLAIN, "%s", text);
}

/* "2 cores", "1 core", "unknown number of cores". */
static const char *counted(size_t count, const char *what, char *text, size_t size)
{
    if (count > 0)
        snprintf(text, size, "%zu %s%s", count, what, count == 1 ? "" : "s");
    else
        snprintf(text, size, "unknown number of %ss", what);
    return text;
}

static void tell_machine(const Facts *to, const Machine *m)
{
    const AttnCpu *cpu = m->cpu;
    const Topology *t = &m->topology;
    char a[64], b[64], c[64], names[1024];
    char model[80] = "", load[32] = "unknown";
    if (cpu->family > 0)
        snprintf(model, sizeof model, " (family %u model %u stepping %u)", cpu->family, cpu->model, cpu->stepping);
    if (!isnan(m->loadavg))
        snprintf(load, sizeof load, "%.1f", m->loadavg);
    fact(to, "CPU", "%s%s, %s%s%s", cpu->brand[0] ? cpu->brand : or_unknown(cpu->vendor), model, cpu->arch,
         m->hypervisor[0] ? ", under " : "", m->hypervisor);
    fact(to, "Machine", "%s", m->key);
    fact(to, "ISA", "%s", attn_cpu_feature_names(cpu->features, names, sizeof names));
    fact(to, "Cores", "%s, %s to use, %s (%s)", counted(t->cores, "core", a, sizeof a), counted(t->cpus, "hardware thread", b, sizeof b),
         counted(t->sockets, "socket", c, sizeof c), t->source);
    fact(to, "Caches", "L1d %s, L2 %s, last level %s, lines of %s", binary(t->l1d, a, sizeof a), binary(t->l2, b, sizeof b),
         binary(t->llc, c, sizeof c), binary(t->line, names, sizeof names));
    fact(to, "Memory", "%s, pages of %s, huge pages %s", binary(isnan(m->memory) ? 0 : (size_t)m->memory, a, sizeof a),
         binary(m->page, b, sizeof b), or_unknown(m->thp));
    fact(to, "System", "%s, governor %s, turbo %s, load %s", or_unknown(m->kernel), or_unknown(m->governor),
         m->turbo < 0 ? "unknown" : m->turbo ? "on" : "off", load);
    fact(to, "Build", "attnzoo %s, commit %s, %s, %s", attn_version(), build_commit(), build_compiler(), build_flags());
}

static const char *const rate_units[] = {[PEAK_FMA] = "GFLOP/s", [PEAK_EXP] = "Gexp/s", [PEAK_READ] = "GB/s", [PEAK_DOT] = "Gop/s"};

static void rate_cell(RenderTable *table, PeakKind kind, double rate)
{
    render_cell(table, STYLE_PLAIN, "%.*f %s", kind == PEAK_EXP ? 2 : 1, rate * 1e-9, rate_units[kind]);
}

static void print_peaks(const Peaks *peaks)
{
    RenderTable *table = render_table(3);
    render_column(table, 0, "peak", false);
    render_column(table, 1, "median", true);
    render_column(table, 2, "best", true);
    for (size_t k = 0; k < peaks->count; k++) {
        render_row(table);
        render_cell(table, STYLE_PLAIN, "%s", peaks->at[k].name);
        rate_cell(table, peaks->at[k].kind, peaks->at[k].rate);
        rate_cell(table, peaks->at[k].kind, peaks->at[k].best);
    }
    render_table_print(table, stdout);
    render_table_free(table);
}

/* All that was asked for as one table, for -o: what kind of fact, its name, what was found and the hint of an audit, and of peaks the
 * median and best rate with their unit. */
static void print_all(const Cli *cli, const Machine *machine, const Audit *audit, const Peaks *peaks)
{
    static const RenderColumn columns[] = {{"of", "of", RENDER_TEXT},          {"name", "name", RENDER_TEXT},
                                           {"found", "found", RENDER_TEXT},    {"more", "more", RENDER_TEXT},
                                           {"median", "median", RENDER_NUMBER}, {"best", "best", RENDER_NUMBER},
                                           {"unit", "unit", RENDER_TEXT}};
    RenderTable *table = render_table_of(columns, sizeof columns / sizeof *columns);
    tell_machine(&(Facts){.table = table}, machine);
    for (size_t i = 0; audit && i < audit->count; i++) {
        render_row(table);
        render_cell(table, STYLE_PLAIN, "audit");
        render_cell(table, STYLE_PLAIN, "%s", audit->at[i].check);
        render_cell(table, STYLE_PLAIN, "%s: %s", audit_state_name(audit->at[i].state), audit->at[i].found);
        render_cell(table, STYLE_PLAIN, "%s", audit->at[i].hint);
    }
    for (size_t k = 0; peaks && k < peaks->count; k++) {
        const int digits = peaks->at[k].kind == PEAK_EXP ? 2 : 1;
        render_row(table);
        render_cell(table, STYLE_PLAIN, "peak");
        render_cell(table, STYLE_PLAIN, "%s", peaks->at[k].name);
        render_missing(table);
        render_missing(table);
        render_value(table, STYLE_PLAIN, peaks->at[k].rate * 1e-9, "%.*f", digits, peaks->at[k].rate * 1e-9);
        render_value(table, STYLE_PLAIN, peaks->at[k].best * 1e-9, "%.*f", digits, peaks->at[k].best * 1e-9);
        render_cell(table, STYLE_PLAIN, "%s", rate_units[peaks->at[k].kind]);
    }
    outputs_table_elsewhere(cli->outputs, table);
    render_table_free(table);
}

static void print_audit(const Audit *audit)
{
    static const RenderStyle styles[] = {[AUDIT_OK] = STYLE_GOOD, [AUDIT_NOISE] = STYLE_WARN, [AUDIT_UNKNOWN] = STYLE_DIM};
    size_t counts[3] = {0};
    RenderTable *table = render_table(4);
    static const char *const headings[] = {"audit", "", "found", "hint"};
    for (size_t i = 0; i < 4; i++)
        render_column(table, i, headings[i], false);
    for (size_t i = 0; i < audit->count; i++) {
        const AuditFinding *f = &audit->at[i];
        counts[f->state]++;
        render_row(table);
        render_cell(table, STYLE_PLAIN, "%s", f->check);
        render_cell(table, styles[f->state], "%s", audit_state_name(f->state));
        render_cell(table, STYLE_PLAIN, "%s", f->found);
        render_cell(table, STYLE_PLAIN, "%s", f->hint);
    }
    printf("\n");
    render_table_print(table, stdout);
    render_table_free(table);
    printf("%zu sources of noise, %zu checks well, %zu unknown; nothing was changed\n", counts[AUDIT_NOISE], counts[AUDIT_OK], counts[AUDIT_UNKNOWN]);
}

int cmd_cpu(const Cli *cli, int argc, char **argv)
{
    bool want_peaks = false, json = false, want_audit = false;
    const char *value;
    for (int key; (key = cli_next_option(argc, argv, usage, options, sizeof options / sizeof *options, &value)) != -1;) {
        if (key == 'h')
            return EXIT_OK;
        if (key == '?')
            return EXIT_USAGE;
        want_peaks |= key == KEY_PEAKS;
        json |= key == KEY_JSON;
        want_audit |= key == KEY_AUDIT;
    }
    if (optind < argc) {
        render_error("unexpected argument '%s'; cpu takes options only", argv[optind]);
        return EXIT_USAGE;
    }
    if (json && !outputs_plain(cli->outputs)) {
        render_error("--json and -o cannot be combined");
        return EXIT_USAGE;
    }
    Machine machine;
    Peaks peaks;
    char pinned[64] = "";
    const size_t threads = want_peaks && cli->threads ? cli_granted(cli->threads) : 1;
    machine_read(&machine);
    Audit audit = {0};
    if (want_audit) { /* before the peaks, which are load themselves */
        const AuditSample sample = audit_sample();
        audit_read(&audit, "", &sample);
    }
    const PairedClock clock = paired_clock();
    char why[400];
    if (want_peaks && paired_trust(&clock, 300e-6, PEAK_SECONDS, why, sizeof why) == PAIRED_UNFIT) {
        render_error("no peaks were measured: %s", why);
        return EXIT_NOTHING;
    }
    if (want_peaks) {
        topology_pin(threads, pinned, sizeof pinned);
        topology_pin_workers(threads);
        if (!peaks_measure_all(&peaks, machine.cpu->features & cli->settings.allowed, threads, &machine.topology, PEAK_SECONDS,
                           &stop_signal)) {
            render_error("not enough memory to measure the peaks");
            return EXIT_USAGE;
        }
        if (stop_signal)
            return EXIT_INTERRUPTED;
    }
    if (json) {
        json_t *object = machine_json(&machine);
        peaks_record(want_peaks ? &peaks : NULL, object);
        if (want_audit)
            json_object_set_new(object, "audit", audit_json(&audit));
        json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        putchar('\n');
        json_decref(object);
        return EXIT_OK;
    }
    print_all(cli, &machine, want_audit ? &audit : NULL, want_peaks ? &peaks : NULL);
    if (!outputs_on_stdout(cli->outputs))
        return EXIT_OK;
    tell_machine(&(Facts){0}, &machine);
    if (want_audit)
        print_audit(&audit);
    if (!want_peaks)
        return EXIT_OK;
    if (want_audit)
        putchar('\n');
    line("Clock");
    printf("%.2f GHz, if a multiplication takes 3 cycles\n\n", peaks.ghz);
    render_text(STYLE_BOLD, "Peaks of %zu thread%s", threads, threads == 1 ? "" : "s");
    printf(" (%s)\n", pinned);
    print_peaks(&peaks);
    return EXIT_OK;
}
