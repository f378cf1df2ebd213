/* regress.c - `attnzoo regress`: open, run, show, and the code to leave with. Its children are this same command (launch.h, instructions.h). */
#include <stdio.h>
#include <string.h>

#include "harness/base/outputs.h"
#include "harness/cmd/commands.h"
#include "harness/regress/regress.h"

/* Where findings go beside -o. All of them are opened before anything is measured: a path that cannot be written costs no minutes. */
enum { RECORDS, MARKDOWN, JUNIT, OUTPUTS };
typedef struct RegressOutputs {
    Whole at[OUTPUTS]; /* no file: not asked for */
} RegressOutputs;

/* Close without keeping anything. */
static void drop_outputs(RegressOutputs *out)
{
    char unused[600];
    for (size_t i = 0; i < OUTPUTS; i++)
        if (out->at[i].file)
            whole_close(&out->at[i], false, unused, sizeof unused);
}

static bool open_outputs(RegressOutputs *out, const Cli *cli, const RegressOptions *o)
{
    const char *const paths[OUTPUTS] = {[RECORDS] = o->jsonl, [MARKDOWN] = o->md, [JUNIT] = o->junit};
    char error[600];
    *out = (RegressOutputs){0};
    for (size_t i = 0; i < OUTPUTS; i++) {
        bool twice = paths[i] && outputs_names(cli->outputs, paths[i]);
        for (size_t before = 0; paths[i] && before < i; before++)
            twice = twice || (paths[before] && strcmp(paths[before], paths[i]) == 0);
        if (twice)
            render_error("two outputs go to %s; allowed: different files for -o, --jsonl, --md and --junit", paths[i]);
        else if (paths[i] && !whole_open(&out->at[i], paths[i], error, sizeof error))
            render_error("%s", error);
        else
            continue;
        drop_outputs(out);
        return false;
    }
    return true;
}

typedef struct Findings {
    const Regress *regress;
    const Cli *cli;
    int code;
} Findings;

static bool write_records(const Findings *f, FILE *to)
{
    char error[600];
    const bool ok = regress_write_records(f->regress, to, f->code, error, sizeof error);
    if (!ok)
        render_error("%s", error);
    return ok;
}

static int write_output(void *context, const Output *out)
{
    const Findings *f = context;
    if (strcmp(out->format, "jsonl") == 0)
        return write_records(f, out->file) ? EXIT_OK : EXIT_USAGE;
    regress_print(f->regress, f->cli, out);
    return EXIT_OK;
}

/* Everything that was asked for, each on its own; the code, or EXIT_USAGE where something could not be written. */
static int write_all(const Regress *r, const Cli *cli, RegressOutputs *out, int code)
{
    Findings findings = {r, cli, code};
    bool all = outputs_write(cli->outputs, write_output, &findings) == EXIT_OK;
    for (size_t i = 0; i < OUTPUTS; i++) {
        Whole *whole = &out->at[i];
        char error[600];
        bool ok = true;
        if (!whole->file)
            continue;
        if (i == RECORDS)
            ok = write_records(&findings, whole->file);
        else if (i == MARKDOWN)
            regress_write_markdown(r, whole->file);
        else
            regress_write_junit(r, whole->file);
        if (!whole_close(whole, ok, error, sizeof error) && ok) {
            render_error("%s", error);
            ok = false;
        }
        all = all && ok;
    }
    return all ? code : EXIT_USAGE;
}

int cmd_regress(const Cli *cli, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--launch") == 0)
        return launch_child();
    if (argc == 2 && strcmp(argv[1], "--count") == 0)
        return insn_child();
    RegressOptions options = {.time = true, .insn = true, .confirm = true, .alpha = 0.01, .min_trial = 300e-6, .launches = 5, .rounds = 100,
                              .threads = cli_granted(cli->threads ? cli->threads : 1), .seed = cli->seed};
    Regress regress;
    RegressOutputs out;
    int code = regress_options_read(&options, argc, argv);
    if (code != EXIT_OK)
        return code == -1 ? EXIT_OK : code;
    code = regress_open(&regress, &options, cli);
    if (code == EXIT_OK && !open_outputs(&out, cli, &options))
        code = EXIT_USAGE;
    else if (code == EXIT_OK) {
        code = regress_run(&regress, cli);
        if (code == EXIT_OK || code == EXIT_INTERRUPTED)
            code = write_all(&regress, cli, &out, regress_code(&regress));
        else
            drop_outputs(&out);
    }
    regress_close(&regress);
    return code;
}
