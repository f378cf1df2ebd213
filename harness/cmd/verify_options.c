/* verify_options.c - the options of attnzoo verify, and which of them exclude each other. */
#include "harness/cmd/verify_options.h"

#include <getopt.h>

#include "harness/base/render.h"
#include "harness/cli/cli.h"
#include "harness/machine/topology.h"
#include "harness/ops/sdpa/oracle.h"

static const char usage[] =
    "attnzoo verify [-k PATTERNS] [-s SHAPES | --suite NAME] - prove kernels right\n"
    "\n"
    "  attnzoo verify                                  the full suite on all kernels that run here\n"
    "  attnzoo verify --suite smoke -k 'flash_*'       the smallest suite on some kernels\n"
    "  attnzoo verify -s llama3-8b/prefill@512         one shape, several kinds of data\n"
    "  attnzoo verify --suite fuzz=60                  random problems for a minute\n"
    "  attnzoo verify --mutants                        are kernels broken on purpose caught?\n";

enum { BITWISE = 256, MUTANTS, REF, REPRO, FAIL_FAST, SUITE };
static const CliOption options[] = {
    {'k', "kernel", "PATTERNS", "verify only these kernels: names or globs, separated by commas"},
    {'s', "shapes", "SHAPES", "verify these shapes or presets instead of a suite"},
    {SUITE, "suite", "NAME", "run this suite: {} (default: full)"},
    {'D', "dist", "NAME", "with -s, fill the operands with: {} (default: normal, peaky and stairs, one after another)"},
    {BITWISE, "bitwise", NULL, "also require the same bits for any threads, order of units, alignment and workspace"},
    {MUTANTS, "mutants", NULL, "check the checker: every deliberately broken kernel must fail and the intact one must pass"},
    {REF, "ref", "REAL", "choose the oracle's second implementation: {} (default: double)"},
    {REPRO, "repro", "ID", "repeat one case: v1:kernel:case, as printed with a failure"},
    {FAIL_FAST, "fail-fast", NULL, "stop at the first failure"},
    {'j', "jobs", "N", "run N child processes at a time (default: one per processor)"},
};

static bool read_suite(const char *name, VerifyRequest *request)
{
    static const char *const names[] = {"full", "smoke", "adversarial", "fuzz=SECONDS"};
    for (int mode = MODE_FULL; mode <= MODE_ADVERSARIAL; mode++)
        if (strcmp(name, names[mode]) == 0) {
            request->mode = (VerifyMode)mode;
            return true;
        }
    request->mode = MODE_FUZZ;
    if (strncmp(name, "fuzz=", 5) == 0)
        return cli_number("fuzz", name + 5, 1, 1000000, &request->fuzz_seconds);
    cli_unknown("suite", name, names, 4);
    return false;
}

static bool read_ref(const char *name, VerifyRequest *request)
{
    static const char *const names[] = {"double", "longdouble"};
    request->session.longdouble = strcmp(name, names[1]) == 0;
    if (request->session.longdouble || strcmp(name, names[0]) == 0)
        return true;
    cli_unknown("ref", name, names, 2);
    return false;
}

int verify_request_read(int argc, char **argv, VerifyRequest *request)
{
    const size_t processors = topology_cpus();
    const char *value, *suite = NULL;
    *request = (VerifyRequest){.jobs = processors > 0 ? processors : 1, .session.flop_limit = ORACLE_FLOP_LIMIT};
    for (int key; (key = cli_next_option(argc, argv, usage, options, sizeof options / sizeof *options, &value)) != -1;) {
        bool ok = true;
        switch (key) {
        case 'k': request->patterns = value; break;
        case 's': request->shapes = value; break;
        case SUITE: suite = value; ok = read_suite(value, request); break;
        case 'D': ok = request->has_dist = cli_dist(value, &request->dist); break;
        case BITWISE: request->session.bitwise = true; break;
        case MUTANTS: request->mode = MODE_MUTANTS; break;
        case REF: ok = read_ref(value, request); break;
        case REPRO: request->repro = value; break;
        case FAIL_FAST: request->fail_fast = true; break;
        case 'j': ok = cli_number("-j", value, 1, 64, &request->jobs); break;
        case 'h': return EXIT_OK;
        default: return EXIT_USAGE;
        }
        if (!ok)
            return EXIT_USAGE;
    }
    if (optind < argc) {
        render_error("unexpected argument '%s'; shapes are given with -s", argv[optind]);
        return EXIT_USAGE;
    }
    if ((suite != NULL) + (request->shapes != NULL) + (request->mode == MODE_MUTANTS) + (request->repro != NULL) > 1) {
        render_error("--suite, -s, --mutants and --repro cannot be combined");
        return EXIT_USAGE;
    }
    if (request->has_dist && !request->shapes) {
        render_error("--dist needs -s: a suite has its own data");
        return EXIT_USAGE;
    }
    if (request->patterns && (request->mode == MODE_MUTANTS || request->repro)) {
        render_error("-k cannot be combined with --mutants or --repro, which choose their own kernels");
        return EXIT_USAGE;
    }
    if (request->shapes)
        request->mode = MODE_SHAPES;
    if (request->repro)
        request->mode = MODE_REPRO;
    if (request->mode == MODE_MUTANTS)
        request->session.bitwise = true;
    return -1;
}
